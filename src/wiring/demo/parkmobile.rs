//! A simulated `ParkMobile`: its responses on their topic, and what the parking events have to be in the end.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Error, Names, Store, Verdict};
use crate::{
    domain::record::{Output, TopicName, TopicPartition},
    ports::PortError,
};

/// Cards as an app sends them, and as they are stored. The full ones are numbers for tests.
const CARDS: [(&str, &str); 5] = [
    ("4111111111111111", "411111******1111"),
    ("5555 5555 5555 4444", "555555******4444"),
    ("3782-822463-10005", "378282*****0005"),
    ("1117", "1117"),
    ("tok_visa", "tok_visa"),
];

/// Responses put at once.
const BURST_MAX: usize = 4;

/// What it has said so far.
pub(super) struct ParkMobile {
    random: fastrand::Rng,
    /// The fields of each event.
    events: BTreeMap<String, BTreeMap<&'static str, Value>>,
    /// Events of the last burst, until it is known to be in the topic: a stop may come in between.
    unsure: Vec<String>,
}

impl ParkMobile {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: fastrand::Rng::with_seed(seed), events: BTreeMap::new(), unsure: Vec::new() }
    }

    /// Puts a few responses.
    pub(super) async fn respond(&mut self, store: &Store, names: &Names) -> Result<(), PortError> {
        let count = self.random.usize(1..=BURST_MAX);
        let outputs = (0..count).map(|_| self.response(&names.parking)).collect();
        store.topics.append(outputs).await?;
        self.unsure.clear();
        Ok(())
    }

    /// One response: of a new event, or a later one of an event that there is.
    fn response(&mut self, topic: &str) -> Output {
        let known = self.events.len();
        let number = if known > 0 && self.random.u8(..) < 64 { self.random.usize(0..known) } else { known };
        let id = format!("pm-{number}");
        let (card, stored_card) = CARDS[self.random.usize(0..CARDS.len())];
        let (status, stored_status) = self.status();
        let zone = self.random.u32(1000..9999);
        let (price, stored_price) = price(zone);
        let response = |price: Value| {
            json!({
                "zoneId": zone, "price": {"total": price, "currency": "USD"},
                "startTimeUtc": "2026-11-20T10:00:00", "preDefinedTmeBlocks": [{"minutes": 30}],
            })
        };
        let user_id = self.random.u32(1..1000);
        // Later responses of an event carry less.
        let mut told =
            vec![("http_status", status, stored_status), ("response", response(price), response(stored_price))];
        if number == known || self.random.bool() {
            let whole = card.parse::<u64>().ok().filter(|_| self.random.bool());
            told.push(("card", whole.map_or_else(|| json!(card), |card| json!(card)), json!(stored_card)));
        }
        if self.random.bool() {
            told.push(("user_id", json!(user_id), json!(user_id)));
        }
        self.unsure.push(id.clone());
        let event = self.events.entry(id.clone()).or_default();
        let mut value = serde_json::Map::from_iter([("event_id".to_owned(), json!(id))]);
        for (name, sent, stored) in told {
            value.insert(name.to_owned(), sent);
            event.insert(name, stored);
        }
        let value = Value::Object(value).to_string();
        Output { topic: topic.into(), key: Some(id.into()), value: Some(value.into()), headers: Vec::new() }
    }

    /// As it is sent, and as it is stored.
    fn status(&mut self) -> (Value, Value) {
        match self.random.u8(0..6) {
            0 => (json!("200"), json!(200)),
            1 => (json!("ECONNABORTED"), json!("ECONNABORTED")),
            2 => (json!(401), json!(401)),
            3 => (json!(500), json!(500)),
            _ => (json!(200), json!(200)),
        }
    }

    /// Holds the stored events against what was said: each field of each, and the times of the first and last record.
    pub(super) async fn check(&self, store: &Store, names: &Names, verdict: &mut Verdict) -> Result<(), Error> {
        let times = times(store, &TopicName::from(names.parking.as_str())).await?;
        for (id, fields) in self.events.iter().filter(|(id, _)| !self.unsure.contains(id)) {
            let Some(stored) = store.parking.event(id).await? else {
                verdict.differences.push(format!("parking event {id}: not stored"));
                continue;
            };
            verdict.parking_events += 1;
            let mut expected: BTreeMap<&str, Value> =
                fields.iter().map(|(name, value)| (*name, value.clone())).collect();
            let (first, last) = times.get(id).copied().unwrap_or_default();
            for (name, value) in
                [("_id", json!(id)), ("createdAt", time(first)), ("updatedAt", time(last)), ("__v", json!(0))]
            {
                expected.insert(name, value);
            }
            if serde_json::from_str(&stored).ok().as_ref() != Some(&json!(expected)) {
                let expected = json!(expected);
                verdict.differences.push(format!("parking event {id}: is {stored}, ParkMobile said {expected}"));
            }
        }
        Ok(())
    }
}

/// In whole cents, as it is sent, and as it is stored: 22.0 is 22 in JavaScript.
fn price(cents: u32) -> (Value, Value) {
    let sent = json!(f64::from(cents) / 100.0);
    let stored = if cents.is_multiple_of(100) { json!(cents / 100) } else { sent.clone() };
    (sent, stored)
}

fn time(ms: i64) -> Value {
    jiff::Timestamp::from_millisecond(ms).map_or(Value::Null, |time| json!(format!("{time:.3}")))
}

/// When the first and the last record of each key was put.
async fn times(store: &Store, topic: &TopicName) -> Result<BTreeMap<String, (i64, i64)>, PortError> {
    const PAGE: usize = 1000;
    let mut times = BTreeMap::new();
    for (partition, range) in (0..).zip(store.topics.partitions(topic).await?) {
        let partition = TopicPartition { topic: topic.clone(), partition };
        let mut next = range.start;
        loop {
            let records = store.topics.read(&partition, next, PAGE).await?;
            let Some(last) = records.last() else { break };
            next = last.source.offset + 1;
            for record in &records {
                let key = String::from_utf8_lossy(record.key.as_deref().unwrap_or_default()).into_owned();
                let at = record.source.timestamp_ms;
                let (first, last) = times.entry(key).or_insert((at, at));
                (*first, *last) = (at.min(*first), at.max(*last));
            }
        }
    }
    Ok(times)
}
