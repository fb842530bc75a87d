//! Rules of a group's member.

use std::time::Duration;

use passflow::{
    domain::record::Position,
    ports::{Batch, CommitError, Consumer, Event, Ownership},
};

use crate::{
    member::{Member, next, place, put},
    storage::{TopicsStorage, soon},
    topics::{output, partition, read_all, read_when_there, values},
};

pub async fn owns_all_partitions_and_is_silent_until_started(storage: &impl TopicsStorage) {
    let topics = storage.topics().await;
    put(&topics, "k", 0..3).await;
    let mut member = Member::join(&topics, "g", "t").await;
    member.partitions.sort();
    assert_eq!(member.partitions, [partition("t", 0), partition("t", 1), partition("t", 2)]);
    let silent = (place("k").partition + 1) % 3;
    member.consumer.start(&partition("t", silent), 0).await.unwrap();
    let Event::End { partition: at, offset: 0, .. } = next(&mut member.consumer).await else { panic!("not its end") };
    assert_eq!(at.partition, silent);
    member.consumer.start(&place("k"), 1).await.unwrap();
    assert_eq!(member.next_values(&place("k"), 2).await, ["1", "2"]);
}

pub async fn commits_outputs_positions_and_metadata_together(storage: &impl TopicsStorage) {
    let topics = storage.topics().await;
    put(&topics, "k", 0..5).await;
    let mut member = Member::start(&topics, "g", "t").await;
    let position = Position { offset: 3, metadata: "{\"after\":\"é\"}".to_owned() };
    let outputs = vec![output("out", Some("a"), "1"), output("out", Some("a"), "2")];
    let batch = Batch { outputs, positions: vec![(place("k"), position.clone())], ..member.batch() };
    soon("the commit", member.committer.commit(batch)).await.unwrap();
    assert_eq!(values(&read_when_there(&topics, "out", 2).await), ["1", "2"]);
    assert_eq!(member.consumer.committed(&[place("k")]).await.unwrap(), [position]);
    let other = partition("t", (place("k").partition + 1) % 3);
    let none = Position { offset: 0, metadata: String::new() };
    assert_eq!(member.consumer.committed(&[other]).await.unwrap(), [none]);
}

pub async fn an_uncommitted_batch_is_seen_by_nobody(storage: &impl TopicsStorage) {
    let topics = storage.topics().await;
    put(&topics, "k", 0..1).await;
    let member = Member::start(&topics, "g", "t").await;
    let batch = Batch { outputs: vec![output("t", Some("k"), "never")], ..member.batch() };
    let stale = Batch { ownership: Ownership(member.ownership.0 + 7), ..batch.clone() };
    assert!(matches!(member.committer.commit(stale).await, Err(CommitError::NotOwner(_))));
    drop(member.committer.commit(batch));
    put(&topics, "k", 1..2).await;
    assert_eq!(values(&read_all(&topics, "t").await), ["0", "1"]);
}

pub async fn refuses_an_old_ownership(storage: &impl TopicsStorage) {
    let topics = storage.topics().await;
    put(&topics, "k", 0..2).await;
    let first = Member::start(&topics, "g", "t").await;
    first.commit_position(&place("k"), 1).await.unwrap();
    let Member { consumer, committer, ownership, .. } = first;
    consumer.leave().await;
    let mut second = Member::start(&topics, "g", "t").await;
    let position = Position { offset: 2, metadata: String::new() };
    let batch = Batch { ownership, outputs: Vec::new(), positions: vec![(place("k"), position)] };
    assert!(matches!(committer.commit(batch).await, Err(CommitError::NotOwner(_))));
    assert_eq!(second.consumer.committed(&[place("k")]).await.unwrap()[0].offset, 1);
    second.commit_position(&place("k"), 2).await.unwrap();
}

pub async fn refuses_commits_after_leaving(storage: &impl TopicsStorage) {
    let topics = storage.topics().await;
    put(&topics, "k", 0..1).await;
    let Member { consumer, committer, ownership, .. } = Member::start(&topics, "g", "t").await;
    consumer.leave().await;
    let batch = Batch { ownership, outputs: vec![output("out", None, "v")], positions: Vec::new() };
    assert!(committer.commit(batch).await.is_err());
    assert_eq!(read_all(&topics, "out").await, []);
}

pub async fn positions_stay_for_the_next_member(storage: &impl TopicsStorage) {
    let topics = storage.topics().await;
    put(&topics, "k", 0..5).await;
    let member = Member::start(&topics, "g", "t").await;
    member.commit_position(&place("k"), 3).await.unwrap();
    member.consumer.leave().await;
    drop(topics);
    let topics = storage.topics().await;
    let mut member = Member::start(&topics, "g", "t").await;
    let read = member.read_to_ends().await;
    assert_eq!(values(&read[&place("k").partition]), ["3", "4"]);
}

pub async fn groups_are_apart(storage: &impl TopicsStorage) {
    let topics = storage.topics().await;
    put(&topics, "k", 0..2).await;
    let one = Member::start(&topics, "one", "t").await;
    one.commit_position(&place("k"), 2).await.unwrap();
    let mut two = Member::start(&topics, "two", "t").await;
    let read = two.read_to_ends().await;
    assert_eq!(values(&read[&place("k").partition]), ["0", "1"]);
    one.commit_position(&place("k"), 2).await.unwrap();
}

pub async fn a_start_begins_a_new_session(storage: &impl TopicsStorage) {
    let topics = storage.topics().await;
    put(&topics, "k", 0..4).await;
    let mut member = Member::join(&topics, "g", "t").await;
    let first = member.consumer.start(&place("k"), 0).await.unwrap();
    let (_, session, records) = member.next_records().await;
    assert_eq!((session, records[0].source.offset), (first, 0));
    let second = member.consumer.start(&place("k"), 2).await.unwrap();
    assert_ne!(first, second);
    let mut read = Vec::new();
    loop {
        match next(&mut member.consumer).await {
            Event::Records { session, records, .. } if session == second => read.extend(records),
            Event::End { session, offset, .. } if session == second => {
                assert_eq!(offset, 4);
                break;
            }
            _ => {}
        }
    }
    assert_eq!(values(&read), ["2", "3"]);
}

pub async fn a_paused_partition_is_silent(storage: &impl TopicsStorage) {
    let topics = storage.topics().await;
    let mut member = Member::start(&topics, "g", "t").await;
    member.read_to_ends().await;
    let (paused, other) = ("k", ["a", "b", "c", "d"].into_iter().find(|key| place(key) != place("k")).unwrap());
    member.consumer.set_paused(&place(paused), true);
    put(&topics, paused, 0..3).await;
    put(&topics, other, 0..3).await;
    assert_eq!(member.next_values(&place(other), 3).await, ["0", "1", "2"]);
    member.consumer.set_paused(&place(paused), false);
    assert_eq!(member.next_values(&place(paused), 3).await, ["0", "1", "2"]);
}

pub async fn tells_the_end_again_after_more_records(storage: &impl TopicsStorage) {
    let topics = storage.topics().await;
    put(&topics, "k", 0..2).await;
    let mut member = Member::join(&topics, "g", "t").await;
    let session = member.consumer.start(&place("k"), 0).await.unwrap();
    for (from, to) in [(0, 2), (2, 5), (5, 6)] {
        if from > 0 {
            put(&topics, "k", from..to).await;
        }
        let mut read = Vec::new();
        let end = loop {
            match next(&mut member.consumer).await {
                Event::Records { records, .. } => read.extend(records),
                // What is put together need not become visible together: the end may be told between.
                Event::End { offset, .. } if offset < i64::from(to) => {}
                Event::End { session: of, offset, .. } => break (of, offset),
                other => panic!("unexpected {other:?}"),
            }
        };
        assert_eq!(end, (session, i64::from(to)));
        assert_eq!(values(&read), (from..to).map(|n| n.to_string()).collect::<Vec<_>>());
    }
}

pub async fn notices_what_another_process_puts(storage: &impl TopicsStorage) {
    let (topics, elsewhere) = (storage.topics().await, storage.topics().await);
    let mut member = Member::start(&topics, "g", "t").await;
    member.read_to_ends().await;
    let ((), (_, _, records)) = tokio::join!(put(&elsewhere, "k", 0..1), member.next_records());
    assert_eq!(values(&records), ["0"]);
    put(&elsewhere, "k", 1..2).await;
    let (_, _, records) = member.next_records().await;
    assert_eq!(values(&records), ["1"]);
}

pub async fn notices_what_it_puts_itself(storage: &impl TopicsStorage) {
    let topics = storage.topics().await;
    let mut member = Member::start(&topics, "g", "t").await;
    member.read_to_ends().await;
    let batch = Batch { outputs: vec![output("t", Some("k"), "own")], ..member.batch() };
    let (committed, (_, _, records)) = tokio::join!(member.committer.commit(batch), member.next_records());
    committed.unwrap();
    assert_eq!(values(&records), ["own"]);
}

pub async fn a_dropped_wait_loses_nothing(storage: &impl TopicsStorage) {
    let topics = storage.topics().await;
    put(&topics, "k", 0..500).await;
    let mut member = Member::start(&topics, "g", "t").await;
    let mut read = Vec::new();
    while read.len() < 500 {
        let polls = 1 + read.len() % 3;
        // Polled a few times and dropped, wherever it stands then.
        if let Some(Event::Records { records, .. }) = some_polls(&mut member.consumer, polls).await {
            read.extend(records);
        }
        if let Event::Records { records, .. } = next(&mut member.consumer).await {
            read.extend(records);
        }
    }
    assert_eq!(values(&read), (0..500).map(|n| n.to_string()).collect::<Vec<_>>());
}

async fn some_polls(consumer: &mut Box<dyn Consumer>, polls: usize) -> Option<Event> {
    let mut future = std::pin::pin!(consumer.next());
    for _ in 0..polls {
        let polled = std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context))).await;
        if let std::task::Poll::Ready(event) = polled {
            return Some(event.unwrap());
        }
        tokio::task::yield_now().await;
    }
    None
}

pub async fn a_long_partition_does_not_hold_up_the_others(storage: &impl TopicsStorage) {
    let topics = storage.topics().await;
    let other = ["a", "b", "c", "d"].into_iter().find(|key| place(key) != place("k")).unwrap();
    put(&topics, "k", 0..20_000).await;
    put(&topics, other, 0..1).await;
    let mut member = Member::start(&topics, "g", "t").await;
    let mut before = 0;
    loop {
        let (from, _, records) = member.next_records().await;
        if from == place(other) {
            break;
        }
        before += records.len();
    }
    assert!(before < 20_000, "the other partition came after {before} records");
}

pub async fn counts_the_backlog(storage: &impl TopicsStorage) {
    let topics = storage.topics().await;
    assert_eq!(topics.backlog("g", &"t".into()).await.unwrap(), 0);
    put(&topics, "k", 0..5).await;
    put(&topics, "a", 0..5).await;
    put(&topics, "b", 0..5).await;
    assert_eq!(topics.backlog("g", &"t".into()).await.unwrap(), 15);
    let member = Member::start(&topics, "g", "t").await;
    member.commit_position(&place("k"), 3).await.unwrap();
    // A store may show a commit a moment after it has answered.
    let smaller = async {
        while topics.backlog("g", &"t".into()).await.unwrap() != 12 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon("the smaller backlog", smaller).await;
}
