//! `parking_events` over a topic of responses, beside a bare loop that consumes the same records and inserts them.

use std::time::{Duration, Instant};

use mongodb::bson::{Document, doc};
use passflow::domain::record::Output;

use crate::{
    binary::{Binary, cpu_of},
    ground::{Ground, server},
    parking_bare,
};

/// One event in so many is told once more, this many events later.
const REPEATED: u64 = 10;
const REPEATED_AFTER: u64 = 1000;
const TURNS: usize = 3;

/// What storing so many records took.
pub struct Measured {
    pub records: u64,
    pub cpu: Duration,
    pub wall: Duration,
}

impl Measured {
    fn print(&self, name: &str) {
        let cpu_us = self.cpu.as_secs_f64() * 1e6 / self.records as f64;
        println!("{name:12} {:>9.0} records/s {cpu_us:>7.1} us CPU a record", self.per_second());
    }

    fn per_second(&self) -> f64 {
        self.records as f64 / self.wall.as_secs_f64()
    }
}

/// Both ways in turns over the same topic.
pub fn measure(events: u64) {
    let ground = Ground::new("http://127.0.0.1:9", "");
    let records = put_records(&ground, events);
    println!("{records} records of {events} events");
    let mut ratios: Vec<f64> = (0..TURNS).map(|turn| take_turn(&ground, turn, events, records)).collect();
    println!("rate ratios  {ratios:.2?}");
    ratios.sort_by(f64::total_cmp);
    println!("rate ratio   {:>9.2} (median; target: at least 0.6)", ratios[TURNS / 2]);
    ground.remove();
}

/// The bare loop, then passflow; their rates' ratio.
fn take_turn(ground: &Ground, turn: usize, events: u64, records: u64) -> f64 {
    let bare = parking_bare::measure(ground, records);
    bare.print("bare loop");
    check(ground, events, None);
    // A group and a collection of its own, as the topic is the same.
    let settings = format!(
        "group = \"{id}.parking.{turn}\"\ntopic = \"{id}.responses\"\ndatabase = \"{id}_parking\"\n\
         dead_letter_topic = \"{id}.dead\"\n{}\n",
        std::env::var("BENCH_PARKING").unwrap_or_default(),
        id = ground.id,
    );
    std::fs::write(ground.dir.path().join("pipelines/parking_events.toml"), settings).expect("a pipeline");
    let run = ground.binary(&["run", "parking_events"]);
    let own = until_stored(ground, &run, turn, records);
    own.print("passflow");
    println!("memory       {:>9.1} MB at most", run.peak_mb());
    drop(run);
    check(ground, events, Some(events / REPEATED));
    own.per_second() / bare.per_second()
}

/// From the first commit that is seen to the last, as Kafka takes seconds to let somebody join a group.
fn until_stored(ground: &Ground, run: &Binary, turn: usize, records: u64) -> Measured {
    let left = left(ground, turn, |left| left < records);
    let (cpu, begin) = (run.cpu(), Instant::now());
    self::left(ground, turn, |left| left == 0);
    Measured { records: left, cpu: run.cpu().saturating_sub(cpu), wall: begin.elapsed() }
}

/// Waits until so many records are left as `is_enough` says.
fn left(ground: &Ground, turn: usize, is_enough: impl Fn(u64) -> bool) -> u64 {
    let (group, topic) = (format!("{}.parking.{turn}", ground.id), ground.names.parking.as_str().into());
    loop {
        let left = ground.runtime.block_on(ground.store.topics.backlog(&group, &topic)).expect("a backlog");
        if is_enough(left) {
            return left;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// That each event is there once, and, where it is said, how many hold what was told last; then forgets them.
fn check(ground: &Ground, events: u64, replaced: Option<u64>) {
    ground.runtime.block_on(async {
        let mongo = mongodb::Client::with_uri_str(server("PASSFLOW_TEST_MONGODB")).await.expect("MongoDB");
        let stored = mongo.database(&ground.names.parking_database).collection::<Document>("pm_parking_events");
        assert_eq!(stored.count_documents(doc! {}).await.expect("a count"), events, "each event once");
        if let Some(replaced) = replaced {
            let last = stored.count_documents(doc! {"http_status": 201}).await.expect("a count");
            assert_eq!(last, replaced, "what was told last");
        }
        stored.drop().await.expect("dropped");
    });
}

/// How many were put.
fn put_records(ground: &Ground, events: u64) -> u64 {
    let topic = ground.names.parking.as_str();
    let all = (0..events + REPEATED_AFTER).flat_map(|number| {
        let first = (number < events).then(|| record(topic, number, 200));
        let again = number.checked_sub(REPEATED_AFTER).filter(|number| number % REPEATED == 0);
        first.into_iter().chain(again.map(|number| record(topic, number, 201)))
    });
    let mut put = 0;
    let mut page = Vec::new();
    let send = |page: Vec<Output>| ground.runtime.block_on(ground.store.topics.append(page)).expect("records put");
    for record in all {
        page.push(record);
        put += 1;
        if page.len() == 10_000 {
            send(std::mem::take(&mut page));
        }
    }
    send(page);
    put
}

/// A usual response, of about 430 bytes.
fn record(topic: &str, number: u64, status: u64) -> Output {
    let id = format!("pm-{number:012}");
    let value = format!(
        "{{\"event_id\":\"{id}\",\"card\":\"{:04}\",\"http_status\":{status},\"user_id\":{},\"response\":{{\"zoneId\":{},\
         \"zoneName\":\"Lot {}\",\"price\":{{\"total\":{}.25,\"currency\":\"USD\",\"fee\":0.35}},\
         \"startTimeUtc\":\"2026-11-20T10:00:00\",\"stopTimeUtc\":\"2026-11-20T12:30:00\",\
         \"preDefinedTmeBlocks\":[{{\"minutes\":30}},{{\"minutes\":60}},{{\"minutes\":120}}],\
         \"vehicle\":{{\"plate\":\"ABC{number}\",\"state\":\"TX\"}},\"active\":true,\"note\":null}}}}",
        number % 10_000,
        number % 100_000 + 1,
        number % 5000,
        number % 50,
        number % 20,
    );
    Output { topic: topic.into(), key: Some(id.into()), value: Some(value.into()), headers: Vec::new() }
}

/// CPU of this process since `begin`.
pub fn own_cpu_since(begin: Duration) -> Duration {
    cpu_of("self").saturating_sub(begin)
}
