//! Rules of the topics as a whole.

use std::sync::Arc;

use bytes::Bytes;
use passflow::{
    domain::{
        partitioner::partition_of,
        record::{Output, Record, TopicPartition},
    },
    ports::Topics,
};

use crate::storage::{TopicsStorage, soon};

pub fn output(topic: &str, key: Option<&str>, value: &str) -> Output {
    Output {
        topic: topic.into(),
        key: key.map(|key| Bytes::from(key.to_owned())),
        value: Some(Bytes::from(value.to_owned())),
        headers: Vec::new(),
    }
}

pub fn partition(topic: &str, partition: u32) -> TopicPartition {
    TopicPartition { topic: topic.into(), partition }
}

pub fn text(bytes: Option<&Bytes>) -> String {
    String::from_utf8(bytes.unwrap().to_vec()).unwrap()
}

pub fn values(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| text(record.value.as_ref())).collect()
}

pub async fn read_all(topics: &Arc<dyn Topics>, topic: &str) -> Vec<Record> {
    let ranges = topics.partitions(&topic.into()).await.unwrap();
    let mut all = Vec::new();
    for (number, range) in (0..).zip(ranges) {
        let mut from = range.start;
        while from < range.end {
            let records = topics.read(&partition(topic, number), from, 100).await.unwrap();
            // The last offsets before the end may be some that no reader sees: a transaction's marker is one.
            let Some(last) = records.last() else { break };
            from = last.source.offset + 1;
            all.extend(records);
        }
    }
    all
}

/// All records of `topic` once there are `count`: what a transaction put may become visible a moment after its commit was
/// answered.
pub async fn read_when_there(topics: &Arc<dyn Topics>, topic: &str, count: usize) -> Vec<Record> {
    let reading = async {
        loop {
            let records = read_all(topics, topic).await;
            if records.len() >= count {
                return records;
            }
            tokio::task::yield_now().await;
        }
    };
    soon("records", reading).await
}

pub async fn keeps_the_order_of_each_key(storage: &impl TopicsStorage) {
    let topics = storage.topics().await;
    for batch in 0..3 {
        let outputs = (0..200).map(|n| output("t", Some(&format!("k{}", n % 7)), &format!("{}", batch * 200 + n)));
        topics.append(outputs.collect()).await.unwrap();
    }
    let records = read_all(&topics, "t").await;
    assert_eq!(records.len(), 600);
    for key in 0..7 {
        let of_key = records.iter().filter(|record| text(record.key.as_ref()) == format!("k{key}"));
        let numbers: Vec<u32> = of_key.map(|record| text(record.value.as_ref()).parse().unwrap()).collect();
        let expected: Vec<u32> = (0..600).filter(|n| n % 200 % 7 == key).collect();
        assert_eq!(numbers, expected);
    }
    for number in 0..3 {
        let offsets: Vec<i64> = records
            .iter()
            .filter(|record| record.source.partition == number)
            .map(|record| record.source.offset)
            .collect();
        assert_eq!(offsets, (0..i64::try_from(offsets.len()).unwrap()).collect::<Vec<_>>(), "offsets have no gaps");
    }
}

pub async fn puts_keys_where_kafka_does(storage: &impl TopicsStorage) {
    let topics = storage.topics().await;
    let keys: Vec<String> = (1..100).map(|n| n.to_string()).collect();
    topics.append(keys.iter().map(|key| output("bytemark.pass-requests", Some(key), "v")).collect()).await.unwrap();
    let records = read_all(&topics, "bytemark.pass-requests").await;
    assert_eq!(records.len(), keys.len());
    for record in records {
        assert_eq!(record.source.partition, partition_of(record.key.as_ref().unwrap(), 12));
    }
}

pub async fn gives_back_every_byte(storage: &impl TopicsStorage) {
    let topics = storage.topics().await;
    let every_byte: Bytes = (0..=255).collect::<Vec<u8>>().into();
    let headers = vec![
        ("twice".to_owned(), Some(Bytes::from_static(b"1"))),
        ("twice".to_owned(), None),
        (String::new(), Some(Bytes::new())),
    ];
    let outputs = [
        Output { topic: "t".into(), key: Some(every_byte.clone()), value: Some(every_byte.clone()), headers },
        Output { topic: "t".into(), key: Some(every_byte.clone()), value: None, headers: Vec::new() },
        Output { topic: "t".into(), key: Some(every_byte.clone()), value: Some(Bytes::new()), headers: Vec::new() },
        Output {
            topic: "t".into(),
            key: Some(every_byte),
            value: Some(Bytes::from(vec![7; 3 << 20])),
            headers: Vec::new(),
        },
    ];
    topics.append(outputs.to_vec()).await.unwrap();
    let records = read_all(&topics, "t").await;
    assert_eq!(records.len(), outputs.len());
    for (record, output) in records.iter().zip(&outputs) {
        assert_eq!((&record.key, &record.value, &record.headers), (&output.key, &output.value, &output.headers));
    }
}

pub async fn makes_topics_with_the_published_partitions(storage: &impl TopicsStorage) {
    let topics = storage.topics().await;
    let expected = [
        ("bytemark.ticks", 1),
        ("bytemark.pass-requests", 12),
        ("bytemark.pass-requests.retry", 3),
        ("parkmobile.responses", 12),
        ("bytemark.ticket-changed", 12),
        ("cdc.portal.bytemark_tokens", 3),
        ("passflow.dead-letters", 3),
        ("passflow.dead-letters.state", 3),
    ];
    for (topic, partitions) in expected {
        topics.append(vec![output(topic, Some("k"), "v")]).await.unwrap();
        assert_eq!(topics.partitions(&topic.into()).await.unwrap().len(), partitions, "{topic}");
    }
}

pub async fn a_missing_topic_is_empty(storage: &impl TopicsStorage) {
    let topics = storage.topics().await;
    assert_eq!(topics.partitions(&"none".into()).await.unwrap(), []);
    assert_eq!(topics.partitions(&"none".into()).await.unwrap(), [], "asking makes nothing");
}

pub async fn reads_from_any_offset_up_to_a_limit(storage: &impl TopicsStorage) {
    let topics = storage.topics().await;
    for batch in 0..4 {
        let outputs = (0..10).map(|n| output("t", Some("k"), &format!("{}", batch * 10 + n)));
        topics.append(outputs.collect()).await.unwrap();
    }
    let place = partition("t", partition_of(b"k", 3));
    assert_eq!(topics.partitions(&"t".into()).await.unwrap()[place.partition as usize], 0..40);
    assert_eq!(values(&topics.read(&place, 17, 5).await.unwrap()), ["17", "18", "19", "20", "21"]);
    assert_eq!(values(&topics.read(&place, 38, 100).await.unwrap()), ["38", "39"]);
    assert_eq!(topics.read(&place, 40, 100).await.unwrap(), []);
    let place = partition("t", (place.partition + 1) % 3);
    assert_eq!(topics.read(&place, 0, 100).await.unwrap(), []);
}

pub async fn records_have_the_time_of_their_append(storage: &impl TopicsStorage) {
    let topics = storage.topics().await;
    for now_ms in [1_000, 2_000, 2_000, 5_000] {
        storage.set_time(now_ms).await;
        topics.append(vec![output("t", Some("k"), "v")]).await.unwrap();
    }
    let times: Vec<i64> = read_all(&topics, "t").await.iter().map(|record| record.source.timestamp_ms).collect();
    assert_eq!(times, [1_000, 2_000, 2_000, 5_000]);
}

pub async fn finds_offsets_by_time(storage: &impl TopicsStorage) {
    let topics = storage.topics().await;
    for now_ms in [1_000, 2_000, 3_000] {
        storage.set_time(now_ms).await;
        topics.append(vec![output("t", Some("k"), "a"), output("t", Some("k"), "b")]).await.unwrap();
    }
    let place = partition("t", partition_of(b"k", 3));
    for (time, offset) in [(0, 0), (1_000, 0), (1_001, 2), (2_000, 2), (3_000, 4), (3_001, 6)] {
        assert_eq!(topics.offset_at(&place, time).await.unwrap(), offset, "{time}");
    }
    let empty = partition("t", (place.partition + 1) % 3);
    assert_eq!(topics.offset_at(&empty, 0).await.unwrap(), 0);
}

pub async fn spreads_records_without_a_key(storage: &impl TopicsStorage) {
    let topics = storage.topics().await;
    topics.append((0..30).map(|n| output("t", None, &n.to_string())).collect()).await.unwrap();
    let records = read_all(&topics, "t").await;
    assert_eq!(records.len(), 30);
    assert!(records.iter().all(|record| record.key.is_none()));
}
