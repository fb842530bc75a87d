//! Parking events under seeded faults: instances that are killed, stand still and wake up, writes that get lost or land
//! late, records of one event under several keys. Whatever happens, each event is the sum of its records.

use std::{cmp::Ordering, collections::BTreeMap, time::Duration};

use bytes::Bytes;
use passflow::{
    adapters::memory::{CallOdds, Chaos, Gate, MemoryParking, Odds, Span},
    domain::{
        parking::{ParkingEvent, Rules, StoredEvent, decode, is_later},
        record::Output,
    },
    engine::Limits,
    ports::{Dependency, Topics as _},
};

use super::{
    kit::{Kit, Process, output, run, secs, sleep},
    parking::{GROUP, RESPONSES, start},
};

const SEEDS: u64 = 60;
const STEPS: usize = 60;

/// Rough, and writes get lost, late or stay without an answer again and again.
fn stormy() -> Odds {
    let rough = Odds::rough();
    let documents =
        CallOdds { lost: 0.08, late: 0.1, never: 0.04, latency: Span::ms(0, 200), ..rough.documents.clone() };
    Odds { documents, ..rough }
}

struct Storm {
    random: fastrand::Rng,
    kit: Kit,
    parking: MemoryParking,
    processes: Vec<Process>,
    put: u64,
    kills: usize,
}

impl Storm {
    fn new(seed: u64) -> Self {
        let kit = Kit::new();
        let parking = MemoryParking::new(&kit.surroundings.world);
        Self { random: fastrand::Rng::with_seed(seed), kit, parking, processes: Vec::new(), put: 0, kills: 0 }
    }

    fn start(&mut self, odds: Odds) {
        let seed = self.random.u64(..);
        let chaos = Chaos::new(&format!("p{seed:x}"), seed, odds);
        let limits = Limits { window: 16, probe_max: secs(2), drain: secs(5), ..Limits::default() };
        self.processes.push(start(&self.kit.surroundings, &self.parking, chaos, seed, limits));
    }

    /// A record of one of few events, most under its id, with some of few fields.
    fn put_some(&mut self) {
        for _ in 0..self.random.usize(0..6) {
            self.put += 1;
            let id = format!("e{}", self.random.u8(0..4));
            let mut fields = vec![format!("\"_id\":\"{id}\"")];
            for name in ["card", "response", "http_status", "note"] {
                if self.random.bool() {
                    fields.push(format!("\"{name}\":{}", self.put));
                }
            }
            let key = match self.random.u8(0..10) {
                0 => None,
                1 => Some(format!("other{}", self.random.u8(0..5))),
                _ => Some(id),
            };
            let value = Some(Bytes::from(format!("{{{}}}", fields.join(","))));
            let key = key.map(Bytes::from);
            self.kit.put_output(Output { topic: RESPONSES.into(), key, value, ..output("", "") });
        }
    }

    async fn step(&mut self) {
        self.put_some();
        let chosen = self.random.usize(0..3);
        match (self.random.u8(0..12), self.processes.get(chosen)) {
            (0 | 1, Some(_)) => {
                self.processes.remove(chosen).kill();
                self.kills += 1;
            }
            (2 | 3, Some(process)) => process.chaos.freeze(),
            (4..=6, Some(process)) => process.chaos.thaw(),
            (7, _) => self.kit.surroundings.world.take_down(Dependency::Documents, secs(self.random.u64(1..20))),
            (8.., _) if self.processes.len() < 3 => self.start(stormy()),
            _ => {}
        }
        sleep(Duration::from_millis(self.random.u64(0..8000))).await;
    }

    /// One healthy instance handles the rest, while those that stood still wake up and write what they were about to.
    async fn come_to_rest(&mut self) {
        for process in self.processes.iter().filter(|process| process.chaos.gate() == Gate::Frozen) {
            process.chaos.thaw();
        }
        for process in &self.processes {
            process.chaos.set_odds(Odds::default());
        }
        self.start(Odds::default());
        let topics = self.kit.surroundings.cluster.client(&Chaos::none());
        for _ in 0..10_000 {
            sleep(secs(1)).await;
            if topics.backlog(GROUP, &RESPONSES.into()).await.unwrap() == 0 {
                // What is on its way still lands.
                return sleep(secs(120)).await;
            }
        }
        panic!("the rest is never handled");
    }

    /// What the records add up to: of each field the last value, the first time and the last.
    fn expected(&self) -> BTreeMap<String, Sum> {
        let decoded = |record| decode(record, &Rules::new(&[]), 0).unwrap().unwrap();
        let mut records: Vec<ParkingEvent> = self.kit.records(RESPONSES).iter().map(decoded).collect();
        records.sort_by(
            |one, other| {
                if is_later(&one.source, &other.source) { Ordering::Greater } else { Ordering::Less }
            },
        );
        let mut events = BTreeMap::<String, Sum>::new();
        for record in records {
            let time_ms = record.source.timestamp_ms;
            let (fields, first_ms, last_ms) =
                events.entry(record.id).or_insert_with(|| (BTreeMap::new(), time_ms, time_ms));
            fields.extend(record.fields.into_iter().map(|field| (field.name, field.json)));
            (*first_ms, *last_ms) = (time_ms.min(*first_ms), time_ms.max(*last_ms));
        }
        events
    }
}

/// What does not depend on the order of the writes: the fields, and the times of the first record and the last.
type Sum = (BTreeMap<String, Bytes>, i64, i64);

fn sums(events: BTreeMap<String, StoredEvent>) -> BTreeMap<String, Sum> {
    let of = |event: StoredEvent| {
        let fields = event.fields.into_iter().map(|field| (field.name, field.json)).collect();
        (fields, event.created_at_ms, event.updated_at_ms)
    };
    events.into_iter().map(|(id, event)| (id, of(event))).collect()
}

#[test]
fn each_event_is_the_sum_of_its_records_whatever_happens() {
    let (mut kills, mut put) = (0, 0);
    for seed in 0..SEEDS {
        run(async {
            let mut storm = Storm::new(seed);
            for _ in 0..STEPS {
                storm.step().await;
            }
            storm.come_to_rest().await;
            assert_eq!(sums(storm.parking.all()), storm.expected(), "seed {seed}");
            assert_eq!(storm.kit.codes(), Vec::<String>::new(), "seed {seed}");
            (kills, put) = (kills + storm.kills, put + storm.put);
        });
    }
    println!("{SEEDS} seeds: {put} records, {kills} kills");
    assert!(kills > 100 && put > 1000, "{kills} kills, {put} records");
}
