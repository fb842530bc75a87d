//! The least that storing them takes: consume, parse, `insert_many`.

use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use mongodb::bson::Document;
use rdkafka::{
    ClientConfig, Message as _, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    topic_partition_list::Offset,
};

use super::{Measured, Place};

/// Documents inserted together, and such calls at once.
const BATCH: usize = 1000;
const CALLS: usize = 2;

/// Goes over the topic once.
pub fn measure(place: &Place, turn: usize, records: u64) -> Measured {
    let pipeline = place.pipeline(turn);
    let topic = pipeline.kind.topic().to_owned();
    let database = format!("{}_bare_{turn}", place.id);
    let measured = Measured::of(records, || {
        let (sender, batches) = tokio::sync::mpsc::channel::<Vec<Document>>(CALLS);
        let brokers = place.kafka.clone();
        let reading = std::thread::spawn(move || {
            read(&brokers, &topic, records, |batch| sender.blocking_send(batch).expect("taken"))
        });
        place.runtime.block_on(async {
            let client = mongodb::Client::with_uri_str(&place.mongodb).await.expect("MongoDB");
            let events = client.database(&database).collection::<Document>("pm_parking_events");
            let batches = stream::unfold(batches, async |mut batches| Some((batches.recv().await?, batches)));
            let inserts = batches.map(Ok).try_for_each_concurrent(CALLS, |batch| {
                let events = events.clone();
                async move { events.insert_many(batch).ordered(false).await.map(drop) }
            });
            inserts.await.expect("inserted");
        });
        reading.join().expect("read");
    });
    place.runtime.block_on(place.drop_database(&database));
    measured
}

fn read(brokers: &str, topic: &str, records: u64, mut put: impl FnMut(Vec<Document>)) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "bench")
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .create()
        .expect("a consumer");
    let timeout = Duration::from_secs(30);
    let metadata = consumer.fetch_metadata(Some(topic), timeout).expect("metadata");
    let mut partitions = TopicPartitionList::new();
    for partition in metadata.topics()[0].partitions() {
        partitions.add_partition_offset(topic, partition.id(), Offset::Beginning).expect("an offset");
    }
    consumer.assign(&partitions).expect("assigned");
    let mut batch = Vec::with_capacity(BATCH);
    for _ in 0..records {
        let message = consumer.poll(timeout).expect("a record in time").expect("a record");
        let mut document: Document = serde_json::from_slice(message.payload().expect("a value")).expect("JSON");
        let id = document.remove("event_id").expect("an id");
        document.insert("_id", id);
        batch.push(document);
        if batch.len() == BATCH {
            put(std::mem::replace(&mut batch, Vec::with_capacity(BATCH)));
        }
    }
    if !batch.is_empty() {
        put(batch);
    }
}
