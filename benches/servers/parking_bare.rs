//! The least that storing responses takes: consume, parse, `insert_many`, and an offset that is committed at times.

use std::time::{Duration, Instant};

use mongodb::{
    Collection,
    bson::Document,
    error::{Error, ErrorKind},
};
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
};
use tokio::sync::mpsc;

use crate::{
    binary::cpu_of,
    ground::{Ground, kafka_config, server},
    parking::{Measured, own_cpu_since},
};

/// Documents inserted together, and such calls at once.
const BATCH: usize = 1000;
const CALLS: usize = 2;
const DUPLICATE_KEY: i32 = 11000;

/// Goes over the topic once, from the first record that comes.
pub fn measure(ground: &Ground, records: u64) -> Measured {
    let consumer = consumer(ground);
    let (full, batches) = mpsc::channel::<Vec<Document>>(1);
    let mut begin = None;
    std::thread::scope(|scope| {
        scope.spawn(move || ground.runtime.block_on(insert_all(ground, batches)));
        let mut batch = Vec::with_capacity(BATCH);
        for _ in 0..records {
            let message = consumer.poll(Duration::from_secs(30)).expect("a record in time").expect("a record");
            begin.get_or_insert_with(|| (cpu_of("self"), Instant::now()));
            let mut document: Document = serde_json::from_slice(message.payload().expect("a value")).expect("JSON");
            let id = document.remove("event_id").expect("an id");
            document.insert("_id", id);
            batch.push(document);
            if batch.len() == BATCH {
                full.blocking_send(std::mem::replace(&mut batch, Vec::with_capacity(BATCH))).expect("taken");
                consumer.commit_consumer_state(CommitMode::Async).expect("a commit");
            }
        }
        full.blocking_send(batch).expect("taken");
        drop(full);
    });
    let (cpu, begin) = begin.expect("records");
    Measured { records, cpu: own_cpu_since(cpu), wall: begin.elapsed() }
}

fn consumer(ground: &Ground) -> BaseConsumer {
    let consumer: BaseConsumer = kafka_config()
        .set("group.id", format!("{}.bare", ground.id))
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .create()
        .expect("a consumer");
    let topic = ground.names.parking.as_str();
    let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(30)).expect("metadata");
    let mut partitions = TopicPartitionList::new();
    for partition in metadata.topics()[0].partitions() {
        partitions.add_partition_offset(topic, partition.id(), Offset::Beginning).expect("an offset");
    }
    consumer.assign(&partitions).expect("assigned");
    consumer
}

async fn insert_all(ground: &Ground, batches: mpsc::Receiver<Vec<Document>>) {
    let mongo = mongodb::Client::with_uri_str(server("PASSFLOW_TEST_MONGODB")).await.expect("MongoDB");
    let stored: Collection<Document> = mongo.database(&ground.names.parking_database).collection("pm_parking_events");
    let batches = tokio::sync::Mutex::new(batches);
    let insert = async || {
        loop {
            let batch = batches.lock().await.recv().await;
            let Some(batch) = batch else { return };
            if batch.is_empty() {
                continue;
            }
            if let Err(error) = stored.insert_many(batch).ordered(false).await {
                assert!(is_of_repeats(&error), "{error}");
            }
        }
    };
    futures::future::join_all((0..CALLS).map(|_| insert())).await;
}

/// What is there already is all that may be refused: the bare loop leaves it there.
fn is_of_repeats(error: &Error) -> bool {
    let ErrorKind::InsertMany(error) = &*error.kind else { return false };
    let refused = error.write_errors.iter().flatten();
    error.write_concern_error.is_none() && refused.into_iter().all(|error| error.code == DUPLICATE_KEY)
}
