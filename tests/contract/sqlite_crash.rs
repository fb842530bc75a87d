//! A process that is killed while it writes leaves a whole file: each commit is there with all it has, or not at all.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
    sync::Arc,
};

use passflow::{
    adapters::{
        sqlite_documents::SqliteDocuments,
        sqlite_store::{Settings, Store},
        sqlite_topics::{Defaults, FetchSettings, SqliteTopics},
    },
    domain::{cache::Epoch, record::Position},
    ports::{Batch, Event, Topics as _, Written},
};

use crate::{
    documents::{change, head},
    sqlite::Sqlite,
    storage::{DocumentsStorage as _, ManualClock, TopicsStorage as _, user},
    topics::{output, partition, read_all, values},
};

const DIR: &str = "PASSFLOW_CRASH_TEST_DIR";

/// Not a test of its own: what the killed process does. Each round changes a document and commits an output with a
/// position, and says so when both are durable.
#[tokio::test]
#[ignore = "is run by the test below, in a process of its own"]
async fn writes_until_it_is_killed() {
    let Some(dir) = std::env::var_os(DIR).map(PathBuf::from) else { return };
    let store = Store::open(&dir, Settings::default()).await.unwrap();
    let clock = Arc::new(ManualClock::default());
    let topics = SqliteTopics::new(store.clone(), clock, Defaults::default(), FetchSettings::default());
    let documents: Arc<dyn passflow::ports::Documents> = Arc::new(SqliteDocuments::new(store, 1 << 20));
    documents.create(&[(user(1), Epoch(1))]).await.unwrap();
    let mut member = topics.join("g", &["bytemark.ticks".into()]).await.unwrap();
    let Ok(Event::Assigned { ownership, .. }) = member.consumer.next().await else { panic!("not assigned") };
    let place = partition("bytemark.ticks", 0);
    let start = member.consumer.committed(std::slice::from_ref(&place)).await.unwrap()[0].offset;
    for offset in start + 1.. {
        let read = head(&documents, user(1)).await;
        let update = change(&read, 1, |change| change.stream.seq = offset.cast_unsigned());
        assert_eq!(documents.update(&[update]).await.unwrap(), [Written::Yes]);
        let position = Position { offset, metadata: offset.to_string() };
        let outputs = vec![output("out", Some("k"), &offset.to_string())];
        let batch = Batch { ownership, outputs, positions: vec![(place.clone(), position)] };
        member.committer.commit(batch).await.unwrap();
        println!("\ncommitted {offset}");
    }
}

/// Runs the writer until it has told of `commits`, and kills it; the last commit that it told of.
fn run_and_kill(storage: &Sqlite, commits: usize) -> i64 {
    let mut writer = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sqlite_crash::writes_until_it_is_killed", "--ignored", "--nocapture"])
        .env(DIR, storage.dir())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    let told = lines.filter_map(|line| line.unwrap().strip_prefix("committed ")?.parse().ok()).take(commits).last();
    writer.kill().unwrap();
    writer.wait().unwrap();
    told.unwrap()
}

#[tokio::test]
async fn a_killed_process_leaves_a_whole_file() {
    let storage = Sqlite::new().await;
    for commits in [1, 20, 7] {
        let told = run_and_kill(&storage, commits);
        let topics = storage.topics().await;
        let outputs = values(&read_all(&topics, "out").await);
        let last = i64::try_from(outputs.len()).unwrap();
        assert!(last >= told, "{told} was told and {last} is there");
        assert_eq!(outputs, (1..=last).map(|n| n.to_string()).collect::<Vec<_>>(), "each once, in order");
        let mut member = topics.join("g", &["bytemark.ticks".into()]).await.unwrap();
        let position = member.consumer.committed(&[partition("bytemark.ticks", 0)]).await.unwrap().remove(0);
        assert_eq!(position, Position { offset: last, metadata: last.to_string() }, "with its output or not at all");
        let seq = head(&storage.documents(1 << 20).await, user(1)).await.stream.unwrap().seq.cast_signed();
        assert!(seq == last || seq == last + 1, "the document is {seq}, the topic {last}");
    }
}
