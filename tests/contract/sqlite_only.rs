//! What the embedded store does beyond the ports.

use std::sync::Arc;

use passflow::{
    adapters::{
        sqlite_parking::SqliteParking,
        sqlite_store::{FILE_NAME, OpenError, RunLock, Settings, Store},
        sqlite_topics::{Defaults, FetchSettings, SqliteTopics},
    },
    domain::{cache::Epoch, record::Position},
    ports::{Batch, CommitError, Event, Failure, ParkingEvents as _, Stored, Topics as _},
};

use crate::{
    parking::{event, source},
    sqlite::Sqlite,
    storage::{DocumentsStorage as _, ParkingStorage as _, TopicsStorage as _, soon, user},
    topics::{output, partition, read_all, values},
};

#[tokio::test]
async fn one_run_at_a_time_and_others_beside_it() {
    let storage = Sqlite::new().await;
    let held = RunLock::take(storage.dir()).unwrap();
    let refused = RunLock::take(storage.dir()).unwrap_err().to_string();
    assert!(refused.contains(&storage.dir().display().to_string()), "{refused}");
    storage.topics().await.append(vec![output("t", None, "v")]).await.unwrap();
    drop(held);
    RunLock::take(storage.dir()).unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let outer = tempfile::tempdir().unwrap();
    let dir = outer.path().join("a/data");
    let store = Store::open(&dir, Settings::default()).await.unwrap();
    let _lock = RunLock::take(&dir).unwrap();
    assert_eq!(std::fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    let files: Vec<_> = std::fs::read_dir(&dir).unwrap().map(Result::unwrap).collect();
    assert!(files.len() >= 3, "the log has a file of its own: {files:?}");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
    assert_eq!(store.path(), dir.join(FILE_NAME));
}

#[tokio::test]
async fn refuses_a_file_of_a_newer_passflow_and_one_that_is_none() {
    let storage = Sqlite::new().await;
    let path = storage.dir().join(FILE_NAME);
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    sqlx::query("PRAGMA user_version = 99").execute(&pool).await.unwrap();
    pool.close().await;
    let refused = Store::open(storage.dir(), Settings::default()).await;
    assert!(matches!(refused, Err(OpenError::Newer { found: 99, .. })), "{refused:?}");
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(FILE_NAME), "x".repeat(8192)).unwrap();
    let refused = Store::open(dir.path(), Settings { busy_timeout: std::time::Duration::ZERO, ..Settings::default() });
    assert!(matches!(refused.await, Err(OpenError::Sql { .. })));
}

#[tokio::test]
async fn many_open_a_new_store_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Store::open(dir.path(), Settings::default());
    let (a, b, c, d) = tokio::join!(open(), open(), open(), open());
    for store in [a, b, c, d] {
        store.unwrap();
    }
}

#[tokio::test]
async fn a_locked_file_is_down_and_nothing_is_done() {
    let storage = Sqlite::new().await;
    let settings = Settings { busy_timeout: std::time::Duration::from_millis(10), ..Settings::default() };
    let store = Store::open(storage.dir(), settings).await.unwrap();
    let clock = Arc::new(crate::storage::ManualClock::default());
    let topics = SqliteTopics::new(store, clock, Defaults::default(), FetchSettings::default());
    topics.append(vec![output("t", Some("k"), "0")]).await.unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(storage.dir().join(FILE_NAME));
    let mut other = sqlx::ConnectOptions::connect(&options).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let refused = topics.append(vec![output("t", Some("k"), "never")]).await.unwrap_err();
    assert_eq!(refused.kind, Failure::Down, "{refused}");
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    topics.append(vec![output("t", Some("k"), "1")]).await.unwrap();
    assert_eq!(values(&read_all(&storage.topics().await, "t").await), ["0", "1"]);
}

#[tokio::test]
async fn a_dropped_write_leaves_no_transaction_open() {
    let storage = Sqlite::new().await;
    let topics = storage.topics().await;
    topics.append(vec![output("t", Some("k"), "first")]).await.unwrap();
    for number in 0..50 {
        let mut append = topics.append(vec![output("t", Some("k"), &number.to_string())]);
        for _ in 0..number % 7 {
            let polled = std::future::poll_fn(|context| std::task::Poll::Ready(append.as_mut().poll(context)));
            if polled.await.is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    // Another connection gets the write lock, and this one still writes.
    soon("another writer", storage.topics().await.append(vec![output("t", Some("k"), "other")])).await.unwrap();
    soon("this writer", topics.append(vec![output("t", Some("k"), "last")])).await.unwrap();
    let records = read_all(&topics, "t").await;
    assert_eq!(values(&records).last().unwrap(), "last");
    assert_eq!(records.last().unwrap().source.offset + 1, i64::try_from(records.len()).unwrap(), "no gaps");
}

#[tokio::test]
async fn jobs_that_share_a_transaction_fail_apart() {
    let storage = Sqlite::new().await;
    let documents = storage.documents(1 << 20).await;
    let topics = storage.topics().await;
    documents.create(&[(user(1), Epoch(1)), (user(2), Epoch(1)), (user(3), Epoch(1))]).await.unwrap();
    let third = crate::documents::head(&documents, user(3)).await;
    let read = crate::documents::head(&documents, user(1)).await;
    let other = crate::documents::head(&documents, user(2)).await;
    let before = documents.document(user(2)).await.unwrap();
    let bad = || {
        let keep = vec![passflow::domain::cache::Slot::Keep(5)];
        // The first one's log is written before the second one fails.
        vec![
            crate::documents::change(&other, 1, |change| change.logs.passes = Some(crate::documents_lists::log(1))),
            crate::documents::change(&third, 1, |change| change.lists.passes = Some(keep)),
        ]
    };
    let good = vec![crate::documents::touch(&read, 1, Some(9))];
    let (bad1, bad2) = (bad(), bad());
    let (first, second, last, put) = tokio::join!(
        documents.update(&bad1),
        documents.update(&good),
        documents.update(&bad2),
        topics.append(vec![output("t", None, "v")])
    );
    assert_eq!(first.unwrap_err().kind, Failure::Refused);
    assert_eq!(second.unwrap(), [passflow::ports::Written::Yes]);
    assert_eq!(last.unwrap_err().kind, Failure::Refused);
    put.unwrap();
    assert_eq!(crate::documents::head(&documents, user(1)).await.timestamp, 9);
    assert_eq!(documents.document(user(2)).await.unwrap(), before, "a failed job leaves nothing");
}

#[tokio::test]
async fn who_joins_anew_takes_over_and_the_earlier_member_is_told() {
    let storage = Sqlite::new().await;
    let topics = storage.topics().await;
    let mut first = topics.join("g", &["t".into()]).await.unwrap();
    let Ok(Event::Assigned { ownership, .. }) = first.consumer.next().await else { panic!("not assigned") };
    let _second = storage.topics().await.join("g", &["t".into()]).await.unwrap();
    let positions = vec![(partition("t", 0), Position { offset: 0, metadata: String::new() })];
    let batch = Batch { ownership, outputs: Vec::new(), positions };
    assert!(matches!(first.committer.commit(batch).await, Err(CommitError::NotOwner(_))));
    let told = soon("the revocation", first.consumer.next()).await.unwrap();
    assert!(matches!(told, Event::Revoked { partitions, .. } if partitions.len() == 3));
}

/// A broker looks at the member alone, and takes what it names: there it is the caller's duty.
#[tokio::test]
async fn refuses_a_partition_that_is_not_owned() {
    let storage = Sqlite::new().await;
    let topics = storage.topics().await;
    let mut member = topics.join("g", &["t".into()]).await.unwrap();
    let Ok(Event::Assigned { ownership, .. }) = member.consumer.next().await else { panic!("not assigned") };
    let (own, other) = ([partition("t", 0)], partition("other", 0));
    let position = Position { offset: 1, metadata: String::new() };
    let positions = vec![(own[0].clone(), position.clone()), (other, position.clone())];
    let batch = Batch { ownership, outputs: vec![output("out", None, "v")], positions };
    assert!(matches!(member.committer.commit(batch.clone()).await, Err(CommitError::NotOwner(_))));
    assert_eq!(read_all(&topics, "out").await, []);
    assert_eq!(member.consumer.committed(&own).await.unwrap()[0].offset, 0, "none of it was done");
    member.committer.commit(Batch { positions: vec![(own[0].clone(), position)], ..batch }).await.unwrap();
}

#[tokio::test]
async fn old_records_are_trimmed_and_readers_go_on_behind_them() {
    let storage = Sqlite::new().await;
    let topics = storage.sqlite_topics().await;
    for now_ms in [1_000, 2_000, 3_000] {
        storage.set_time(now_ms).await;
        topics.append(vec![output("bytemark.ticks", Some("k"), &now_ms.to_string()); 2]).await.unwrap();
        topics.append(vec![output("passflow.dead-letters.state", Some("k"), "v")]).await.unwrap();
    }
    assert_eq!(topics.trim(&"bytemark.ticks".into(), 2_500).await.unwrap(), 4);
    assert_eq!(topics.trim(&"bytemark.ticks".into(), 2_500).await.unwrap(), 0);
    assert_eq!(topics.trim(&"passflow.dead-letters.state".into(), 9_000).await.unwrap(), 0, "compacted");
    assert_eq!(topics.trim(&"none".into(), 9_000).await.unwrap(), 0);
    assert_eq!(topics.partitions(&"bytemark.ticks".into()).await.unwrap()[0], 4..6);
    assert_eq!(topics.backlog("g", &"bytemark.ticks".into()).await.unwrap(), 2);
    let place = partition("bytemark.ticks", 0);
    assert_eq!(values(&topics.read(&place, 0, 10).await.unwrap()), ["3000", "3000"]);
    assert_eq!(topics.trim(&"bytemark.ticks".into(), 9_000).await.unwrap(), 2);
    topics.append(vec![output("bytemark.ticks", Some("k"), "new")]).await.unwrap();
    assert_eq!(topics.partitions(&"bytemark.ticks".into()).await.unwrap()[0], 6..7, "no offset is used twice");
}

#[tokio::test]
async fn a_reader_comes_to_the_end_of_a_partition_that_was_trimmed_empty() {
    let storage = Sqlite::new().await;
    let topics = storage.sqlite_topics().await;
    topics.append(vec![output("bytemark.ticks", Some("k"), "v"); 3]).await.unwrap();
    assert_eq!(topics.trim(&"bytemark.ticks".into(), i64::MAX).await.unwrap(), 3);
    let mut member = topics.join("g", &["bytemark.ticks".into()]).await.unwrap();
    let _assigned = member.consumer.next().await.unwrap();
    member.consumer.start(&partition("bytemark.ticks", 0), 1).await.unwrap();
    let end = soon("the end", member.consumer.next()).await.unwrap();
    assert!(matches!(end, Event::End { offset: 3, .. }), "{end:?}");
}

#[tokio::test]
async fn describes_topics_and_groups() {
    let storage = Sqlite::new().await;
    let topics = storage.sqlite_topics().await;
    assert_eq!(topics.create(&["bytemark.ticks".into()]).await.unwrap(), ["bytemark.ticks".into()]);
    assert_eq!(topics.create(&["bytemark.ticks".into()]).await.unwrap(), []);
    for now_ms in [1_000, 2_000] {
        storage.set_time(now_ms).await;
        topics.append(vec![output("bytemark.ticks", Some("k"), "v")]).await.unwrap();
    }
    let mut member = topics.join("g", &["bytemark.ticks".into()]).await.unwrap();
    let Ok(Event::Assigned { ownership, .. }) = member.consumer.next().await else { panic!("not assigned") };
    let place = partition("bytemark.ticks", 0);
    let positions = vec![(place.clone(), Position { offset: 1, metadata: "m".to_owned() })];
    member.committer.commit(Batch { ownership, outputs: Vec::new(), positions }).await.unwrap();
    let described = topics.describe().await.unwrap();
    assert_eq!(described.len(), 1);
    let ticks = described[0].partitions[0];
    assert_eq!((ticks.count(), ticks.next_offset), (2, 2));
    assert_eq!((ticks.first_timestamp_ms, ticks.last_timestamp_ms), (Some(1_000), Some(2_000)));
    let positions = topics.group_positions().await.unwrap();
    assert_eq!(positions.len(), 1);
    assert_eq!((&*positions[0].group, &positions[0].partition), ("g", &place));
    assert_eq!((positions[0].offset, positions[0].lag), (1, 1));
}

#[tokio::test]
async fn old_parking_events_are_removed_and_others_stay() {
    let storage = Sqlite::new().await;
    let parking = storage.parking(1 << 20).await;
    let of = |n: i64| event(source(0, n, n), &format!("{{\"_id\":\"e{n}\"}}"));
    parking.store(&(1..=1200).map(of).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(parking.remove_before(1101).await.unwrap(), 1100);
    assert_eq!(parking.remove_before(1101).await.unwrap(), 0);
    assert!(parking.event("e1100").await.unwrap().is_none() && parking.event("e1101").await.unwrap().is_some());
}

#[tokio::test]
async fn a_file_without_parking_events_gets_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE_NAME);
    std::fs::write(&path, "").unwrap();
    let pool = sqlx::SqlitePool::connect_with(sqlx::sqlite::SqliteConnectOptions::new().filename(&path)).await.unwrap();
    let first = include_str!("../../src/adapters/sqlite_store/schema_1.sql");
    sqlx::raw_sql(first).execute(&pool).await.unwrap();
    sqlx::query("PRAGMA user_version = 1").execute(&pool).await.unwrap();
    pool.close().await;
    let parking = SqliteParking::new(Store::open(dir.path(), Settings::default()).await.unwrap(), 1 << 20);
    assert_eq!(parking.store(&[event(source(0, 1, 1), r#"{"_id":"e"}"#)]).await.unwrap(), [Stored::Yes]);
}
