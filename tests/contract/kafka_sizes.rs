//! Topics in Kafka that take less than brokers do by default.

use std::{collections::BTreeMap, sync::Arc};

use passflow::{
    adapters::kafka_topics::{KafkaTopics, Settings, TopicPlan},
    domain::record::TopicName,
    ports::{CommitError, Failure, Topics},
};

use crate::{
    kafka::Kafka,
    kafka_member::sole_member,
    storage::TopicsStorage as _,
    topics::{output, read_when_there},
};

const LIMIT: usize = 20_000;

/// Topics of which `out` has one partition and the limit; and what it is called on the brokers.
async fn limited(kafka: &Kafka, settings: Settings) -> (crate::kafka_names::Renamed, KafkaTopics, TopicName) {
    let topics = kafka.process(settings);
    let name = TopicName::from(kafka.prefixed("out").as_str());
    let plan = TopicPlan {
        topic: name.clone(),
        partitions: 1,
        compacted: false,
        retention: None,
        config: BTreeMap::from([("max.message.bytes".to_owned(), LIMIT.to_string())]),
    };
    topics.inner.create(&[plan]).await.unwrap();
    topics.made.lock().unwrap().topics.insert(name.clone());
    let inner = topics.inner.clone();
    (topics, inner, name)
}

#[tokio::test]
async fn a_topics_own_limit_is_known_and_batches_stay_below_it() {
    let kafka = Kafka::new().await;
    let (topics, inner, name) = limited(&kafka, Settings::new(kafka.brokers())).await;
    assert_eq!(inner.record_sizes(std::slice::from_ref(&name)).await.unwrap(), [(name, LIMIT)]);
    let (member, owned) = sole_member(&topics).await;
    // Together they are several times the limit.
    let records = || (0..100).map(|_| output("out", Some("k"), &"x".repeat(1000))).collect::<Vec<_>>();
    member.commit(&owned, 1, records()).await.unwrap();
    topics.append(records()).await.unwrap();
    let refused = member.commit(&owned, 2, vec![output("out", Some("k"), &"x".repeat(LIMIT))]).await;
    let Err(CommitError::Failed(error)) = refused else { panic!("{refused:?}") };
    assert!(error.kind == Failure::Refused && error.message.contains("20000"), "{error}");
    member.commit(&owned, 2, vec![output("out", Some("k"), &"x".repeat(LIMIT - 200))]).await.unwrap();
    let all: Arc<dyn Topics> = kafka.topics().await;
    assert_eq!(read_when_there(&all, "out", 201).await.len(), 201);
}

#[tokio::test]
async fn who_only_appends_asks_for_the_limit_by_itself() {
    let kafka = Kafka::new().await;
    let (topics, ..) = limited(&kafka, Settings::new(kafka.brokers())).await;
    topics.append((0..100).map(|_| output("out", Some("k"), &"x".repeat(1000))).collect()).await.unwrap();
    let error = topics.append(vec![output("out", Some("k"), &"x".repeat(LIMIT))]).await.unwrap_err();
    assert!(error.kind == Failure::Refused && error.message.contains("20000"), "{error}");
}

#[tokio::test]
async fn more_than_the_drivers_default_is_sent_where_a_topic_takes_it() {
    let kafka = Kafka::new().await;
    // The other topics of these tests take 4 MiB.
    let topics = kafka.process(Settings::new(kafka.brokers()));
    topics.append(vec![output("large", Some("k"), &"x".repeat(3 << 20))]).await.unwrap();
    let all: Arc<dyn Topics> = kafka.topics().await;
    assert_eq!(read_when_there(&all, "large", 1).await[0].size_bytes() >> 20, 3);
    let unknown = topics.inner.record_sizes(&["no.such.topic".into()]).await.unwrap();
    assert_eq!(unknown, [("no.such.topic".into(), 1_000_000)]);
}
