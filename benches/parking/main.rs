//! What storing parking events costs, beside a bare loop that consumes the same records and stores them with
//! `insert_many`.
//!
//! `cargo bench --bench parking [-- RECORDS]`, with the addresses of a real Kafka and MongoDB in `PASSFLOW_TEST_KAFKA` and
//! `PASSFLOW_TEST_MONGODB`. Both ways take turns over the same topic. Target: at least 0.6 of the bare loop's speed.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a measurement stops at what it did not expect"
)]

mod bare;
#[path = "../refresh/cpu.rs"]
mod cpu;
mod own;

use std::time::{Duration, Instant};

use passflow::{
    domain::record::Output,
    settings::{BUILT_IN, Connections, Kind, Names, Pipeline},
    wiring,
};

/// Records, unless the command line says otherwise.
const RECORDS: u64 = 200_000;
/// How often each way goes over them.
const TURNS: usize = 5;

/// What one way took.
#[derive(Clone, Copy)]
pub struct Measured {
    records: u64,
    wall: Duration,
    cpu: Duration,
}

impl Measured {
    /// Measures `work` on so many records, which blocks.
    pub fn of(records: u64, work: impl FnOnce()) -> Self {
        let (cpu, begin) = (cpu::time(), Instant::now());
        work();
        Self { records, wall: begin.elapsed(), cpu: cpu::time().saturating_sub(cpu) }
    }

    fn per_second(&self) -> f64 {
        self.records as f64 / self.wall.as_secs_f64()
    }

    fn print(&self, name: &str) {
        let cpu_us = self.cpu.as_secs_f64() * 1e6 / self.records as f64;
        println!("{name:10} {:>9.0} records/s {cpu_us:>7.1} us CPU a record", self.per_second());
    }
}

/// The servers, and a topic of this bench's own.
pub struct Place {
    pub kafka: String,
    pub mongodb: String,
    pub id: String,
    pub connections: Connections,
    pub runtime: tokio::runtime::Runtime,
}

impl Place {
    fn new() -> Self {
        let server =
            |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: see scripts/servers"));
        let (kafka, mongodb) = (server("PASSFLOW_TEST_KAFKA"), server("PASSFLOW_TEST_MONGODB"));
        let connections = Connections::load(None, |name| match name {
            "PASSFLOW_KAFKA_BROKERS" => Some(kafka.clone()),
            "PASSFLOW_MONGODB_URI" => Some(mongodb.clone()),
            _ => None,
        });
        let connections = connections.expect("settings");
        let id = format!("bench{:08x}", fastrand::u32(..));
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        Self { kafka, mongodb, id, connections, runtime }
    }

    /// The pipeline on this bench's topic, in a group and database of `turn`.
    pub fn pipeline(&self, turn: usize) -> Pipeline {
        let (place, text) = BUILT_IN.into_iter().find(|(name, _)| name.contains("parking")).expect("the pipeline");
        let mut pipeline = Pipeline::parse(place, text).expect("settings");
        pipeline.group = format!("{}.{turn}", self.id);
        if let Kind::ParkingEvents(settings) = &mut pipeline.kind {
            settings.topic = format!("{}.responses", self.id);
            settings.database = format!("{}_{turn}", self.id);
        }
        pipeline
    }

    fn put_records(&self, records: u64) {
        let pipeline = self.pipeline(0);
        let names = Names::of(std::slice::from_ref(&pipeline));
        self.runtime.block_on(async {
            let store = wiring::open_store(&self.connections, &names).await.expect("the servers");
            store.catalog.create().await.expect("the topics");
            let numbers: Vec<u64> = (0..records).collect();
            for page in numbers.chunks(10_000) {
                store
                    .topics
                    .append(page.iter().map(|number| record(&names.parking, *number)).collect())
                    .await
                    .expect("room");
            }
        });
    }

    async fn drop_database(&self, name: &str) {
        let client = mongodb::Client::with_uri_str(&self.mongodb).await.expect("MongoDB");
        client.database(name).drop().await.expect("dropped");
    }
}

/// A usual response, of about 430 bytes.
fn record(topic: &str, number: u64) -> Output {
    let id = format!("pm-{number:012}");
    let value = format!(
        "{{\"event_id\":\"{id}\",\"card\":\"{:04}\",\"http_status\":200,\"user_id\":{},\"response\":{{\"zoneId\":{},\"zoneName\":\"Lot {}\",\
         \"price\":{{\"total\":{}.25,\"currency\":\"USD\",\"fee\":0.35}},\"startTimeUtc\":\"2026-11-20T10:00:00\",\
         \"stopTimeUtc\":\"2026-11-20T12:30:00\",\"preDefinedTmeBlocks\":[{{\"minutes\":30}},{{\"minutes\":60}},{{\"minutes\":120}}],\
         \"vehicle\":{{\"plate\":\"ABC{number}\",\"state\":\"TX\"}},\"active\":true,\"note\":null}}}}",
        number % 10_000,
        number % 100_000 + 1,
        number % 5000,
        number % 50,
        number % 20,
    );
    Output { topic: topic.into(), key: Some(id.into()), value: Some(value.into()), headers: Vec::new() }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    // `cargo bench` adds arguments of its own.
    let records = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(RECORDS);
    let place = Place::new();
    place.put_records(records);
    let mut ratios = Vec::new();
    for turn in 0..TURNS {
        let bare = bare::measure(&place, turn, records);
        bare.print("bare loop");
        let own = own::measure(&place, turn, records);
        own.print("passflow");
        ratios.push(own.per_second() / bare.per_second());
    }
    println!("ratios     {}", ratios.iter().map(|ratio| format!("{ratio:.2}")).collect::<Vec<_>>().join(" "));
    println!("median     {:.2} of the bare loop's speed (target: at least 0.6)", median(ratios));
}
