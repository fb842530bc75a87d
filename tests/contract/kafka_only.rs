//! What Kafka does beyond the ports' rules: members that share partitions, zombies, fenced producers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use passflow::{
    adapters::kafka_topics::Settings,
    domain::record::{Output, Position},
    ports::{Batch, CommitError, Event, Failure, Topics},
};
use rdkafka::{
    config::ClientConfig,
    producer::{BaseProducer, Producer as _},
};

use crate::{
    kafka::Kafka,
    kafka_member::{Member, commit_when_settled, fill, note, sole_member, two_members},
    storage::{TopicsStorage as _, soon},
    topics::{output, partition, read_when_there, values},
};

#[tokio::test]
async fn members_share_partitions_and_commit_only_their_own() {
    let kafka = Kafka::new().await;
    let (mut first, mut second) = two_members(&kafka).await;
    let (of_first, of_second) = (first.owned.clone(), second.owned.clone());
    assert!(of_first.iter().all(|partition| !of_second.contains(partition)));
    commit_when_settled(&mut first, &of_first, 2, "first").await;
    commit_when_settled(&mut second, &of_second, 3, "second").await;
    let foreign = first.commit(&of_second, 9, note("foreign")).await;
    assert!(matches!(foreign, Err(CommitError::NotOwner(_))), "{foreign:?}");
    let positions = second.consumer.committed(&of_second).await.unwrap();
    assert!(positions.iter().all(|position| position.offset == 3), "{positions:?}");
    assert!(second.consumer.start(&of_first[0], 0).await.is_err());
    assert_eq!(values(&read_when_there(&kafka.topics().await, "out", 2).await), ["first", "second"]);
}

#[tokio::test]
async fn who_loses_partitions_can_commit_until_it_releases_them() {
    let kafka = Kafka::new().await;
    let (one, two) = (kafka.process(kafka.settings()), kafka.process(kafka.settings()));
    fill(&one, "t").await;
    let mut first = Member::join(&one, &["t"]).await;
    soon("all", first.until_it_owns(3)).await;
    let before = first.ownership;
    let mut second = Member::join(&two, &["t"]).await;
    let (going, release) = soon("the revocation", first.until_revoked()).await;
    let old = Batch { ownership: before, ..first.batch(&going, 1, note("old")) };
    assert!(matches!(first.committer.commit(old).await, Err(CommitError::NotOwner(_))));
    first.commit(&going, 5, note("last")).await.unwrap();
    assert_eq!(second.owned, []);
    drop(release);
    soon("the part", second.until_it_owns(going.len())).await;
    let refused = first.commit(&going, 6, note("too late")).await;
    assert!(matches!(refused, Err(CommitError::NotOwner(_))), "{refused:?}");
    let positions = soon("the positions", second.consumer.committed(&second.owned)).await.unwrap();
    assert!(positions.iter().all(|position| position.offset == 5), "{positions:?}");
    assert_eq!(values(&read_when_there(&kafka.topics().await, "out", 1).await), ["last"]);
}

#[tokio::test]
async fn a_zombie_commits_nothing() {
    let kafka = Kafka::new().await;
    let mut settings = kafka.settings();
    settings.properties.insert("max.poll.interval.ms".to_owned(), "6000".to_owned());
    settings.release_timeout = Duration::from_secs(60);
    let (one, two) = (kafka.process(settings), kafka.process(kafka.settings()));
    fill(&one, "t").await;
    let mut first = Member::join(&one, &["t"]).await;
    soon("all", first.until_it_owns(3)).await;
    let mut second = Member::join(&two, &["t"]).await;
    let (going, release) = soon("the revocation", first.until_revoked()).await;
    // It stands still while it is asked to let go, until the group gives it up.
    soon("the zombie's partitions", second.until_it_owns(3)).await;
    let zombie = first.commit(&going, 7, note("zombie")).await;
    assert!(matches!(zombie, Err(CommitError::NotOwner(_))), "{zombie:?}");
    let owned = second.owned.clone();
    second.commit(&owned, 2, note("owner")).await.unwrap();
    drop(release);
    let again = async {
        loop {
            tokio::select! {
                _ = first.next() => {}
                _ = second.next() => {}
            }
            if !first.owned.is_empty() && first.owned.len() + second.owned.len() == 3 {
                return;
            }
        }
    };
    soon("a part for the one that woke up", again).await;
    let owned = first.owned.clone();
    commit_when_settled(&mut first, &owned, 3, "back").await;
    assert_eq!(values(&read_when_there(&kafka.topics().await, "out", 2).await), ["owner", "back"]);
}

#[tokio::test]
async fn a_fenced_producer_is_made_anew() {
    let kafka = Kafka::new().await;
    let settings = kafka.settings();
    let id = format!("{}.{}", kafka.prefixed("g"), settings.instance);
    let topics = kafka.process(settings);
    let (mut member, owned) = sole_member(&topics).await;
    member.commit(&owned, 1, note("before")).await.unwrap();
    let brokers = kafka.brokers().to_owned();
    let newer = tokio::task::spawn_blocking(move || {
        let newer: BaseProducer =
            ClientConfig::new().set("bootstrap.servers", brokers).set("transactional.id", id).create().unwrap();
        newer.init_transactions(Duration::from_secs(20)).unwrap();
        newer
    });
    let newer = newer.await.unwrap();
    let fenced = member.commit(&owned, 2, note("fenced")).await;
    assert!(matches!(fenced, Err(CommitError::Failed(_))), "{fenced:?}");
    assert_eq!(member.consumer.committed(&owned[..1]).await.unwrap()[0].offset, 1);
    member.commit(&owned, 3, note("after")).await.unwrap();
    assert_eq!(values(&read_when_there(&kafka.topics().await, "out", 2).await), ["before", "after"]);
    drop(newer);
}

#[tokio::test]
async fn refuses_what_would_spoil_a_whole_batch() {
    let kafka = Kafka::new().await;
    let topics = kafka.process(kafka.settings());
    let (mut member, owned) = sole_member(&topics).await;
    let refusals = [
        member.commit(&owned, 1, vec![output("out", Some("k"), &"x".repeat(5 << 20))]).await,
        member.commit(&owned, -1, note("no offset")).await,
        {
            let position = Position { offset: 1, metadata: "x".repeat(4097) };
            let batch = Batch { positions: vec![(owned[0].clone(), position)], ..member.batch(&[], 0, note("long")) };
            member.committer.commit(batch).await
        },
    ];
    for refused in refusals {
        let Err(CommitError::Failed(error)) = &refused else { panic!("{refused:?}") };
        assert_eq!(error.kind, Failure::Refused, "{error}");
    }
    let position = Position { offset: 1, metadata: "x".repeat(4096) };
    let batch = Batch { positions: vec![(owned[0].clone(), position.clone())], ..member.batch(&[], 0, note("fits")) };
    member.committer.commit(batch).await.unwrap();
    assert_eq!(member.consumer.committed(&owned[..1]).await.unwrap(), [position]);
    assert_eq!(values(&read_when_there(&kafka.topics().await, "out", 1).await), ["fits"]);
}

#[tokio::test]
async fn an_offset_that_is_not_there_is_told() {
    let kafka = Kafka::new().await;
    let topics = kafka.process(kafka.settings());
    let (mut member, _) = sole_member(&topics).await;
    member.consumer.start(&partition("t", 1), 999).await.unwrap();
    let error = soon("the error", member.consumer.next()).await.unwrap_err();
    assert_eq!(error.kind, Failure::Refused);
    assert!(error.message.contains("999") && error.message.contains("t/1"), "{error}");
}

#[tokio::test]
async fn members_get_every_byte() {
    let kafka = Kafka::new().await;
    let topics = kafka.process(kafka.settings());
    let headers = vec![
        ("twice".to_owned(), Some(Bytes::from_static(b"1"))),
        ("twice".to_owned(), None),
        (String::new(), Some(Bytes::new())),
    ];
    let key = Some(Bytes::from_static(&[0, 255]));
    let tombstone = Output { topic: "t".into(), key: key.clone(), value: None, headers };
    let empty = Output { topic: "t".into(), key, value: Some(Bytes::new()), headers: Vec::new() };
    kafka.set_time(1_234_567).await;
    topics.append(vec![tombstone.clone(), empty.clone()]).await.unwrap();
    let mut member = Member::join(&topics, &["t"]).await;
    soon("all", member.until_it_owns(3)).await;
    for partition in member.owned.clone() {
        member.consumer.start(&partition, 0).await.unwrap();
    }
    let mut read = Vec::new();
    while read.len() < 2 {
        if let Event::Records { records, .. } = soon("records", member.consumer.next()).await.unwrap() {
            read.extend(records);
        }
    }
    for (record, output) in read.iter().zip([tombstone, empty]) {
        assert_eq!((&record.key, &record.value, &record.headers), (&output.key, &output.value, &output.headers));
        assert_eq!(record.source.timestamp_ms, 1_234_567);
    }
}

#[tokio::test]
async fn one_member_reads_two_topics_and_commits_both_at_once() {
    let kafka = Kafka::new().await;
    let topics = kafka.process(kafka.settings());
    fill(&topics, "a").await;
    fill(&topics, "b").await;
    let mut member = Member::join(&topics, &["a", "b"]).await;
    soon("all", member.until_it_owns(6)).await;
    let mut open = member.owned.clone();
    for partition in &open {
        member.consumer.start(partition, 0).await.unwrap();
    }
    let mut count = 0;
    while !open.is_empty() {
        match soon("records", member.consumer.next()).await.unwrap() {
            Event::Records { records, partition, .. } => {
                assert!(records.iter().all(|record| record.source.is_in(&partition)));
                count += records.len();
            }
            Event::End { partition, .. } => open.retain(|other| *other != partition),
            other => panic!("unexpected {other:?}"),
        }
    }
    assert_eq!(count, 120);
    let owned = member.owned.clone();
    member.commit(&owned, 4, note("both")).await.unwrap();
    let positions = member.consumer.committed(&owned).await.unwrap();
    assert!(positions.iter().all(|position| position.offset == 4), "{positions:?}");
}

#[tokio::test]
async fn without_transactions_records_come_first() {
    let kafka = Kafka::new().await;
    let topics = kafka.process(Settings { transactions: false, ..kafka.settings() });
    let (mut member, owned) = sole_member(&topics).await;
    member.commit(&owned, 2, note("once")).await.unwrap();
    assert_eq!(member.consumer.committed(&owned[..1]).await.unwrap()[0].offset, 2);
    assert_eq!(values(&read_when_there(&kafka.topics().await, "out", 1).await), ["once"]);
    let ends = topics.partitions(&"out".into()).await.unwrap();
    assert_eq!(ends.iter().map(|range| range.end).sum::<i64>(), 1, "there is no transaction's marker");
}

#[tokio::test]
async fn the_ends_of_transactions_are_no_backlog() {
    let kafka = Kafka::new().await;
    let topics = kafka.process(kafka.settings());
    let mut member = Member::join(&topics, &["t"]).await;
    soon("all", member.until_it_owns(3)).await;
    let owned = member.owned.clone();
    member.commit(&[], 0, vec![output("t", Some("k"), "v")]).await.unwrap();
    let topics_of_test: Arc<dyn Topics> = Arc::new(topics.clone());
    assert_eq!(read_when_there(&topics_of_test, "t", 1).await.len(), 1);
    // The record, and perhaps its transaction's end.
    assert!((1..=2).contains(&topics.backlog("g", &"t".into()).await.unwrap()));
    member.commit(&owned, 1, Vec::new()).await.unwrap();
    assert_eq!(topics.backlog("g", &"t".into()).await.unwrap(), 0);
}

/// Prints how long commits take: `cargo test --test contract commit_latency -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "measures"]
async fn commit_latency() {
    let kafka = Kafka::new().await;
    let topics = kafka.process(kafka.settings());
    let (member, owned) = sole_member(&topics).await;
    for (what, outputs) in [("positions alone", 0), ("1 record", 1), ("100 records", 100)] {
        let mut times = Vec::new();
        for n in 0..200 {
            let records = (0..outputs).map(|n| output("out", Some(&n.to_string()), "event")).collect();
            let begun = Instant::now();
            member.commit(&owned, n, records).await.unwrap();
            times.push(begun.elapsed());
        }
        times.sort_unstable();
        println!("{what}: p50 {:?}, p90 {:?}, p99 {:?}", times[100], times[180], times[198]);
    }
}
