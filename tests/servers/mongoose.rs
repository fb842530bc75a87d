//! The old service goes on reading and writing the same documents, through mongoose, while passflow refreshes them.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use mongodb::bson::{Bson, Document, doc};
use passflow::{
    domain::{
        record::{Output, TopicName},
        request::PassRequest,
    },
    wiring::oracle::users_up_to,
};
use serde_json::Value;

use crate::{
    process::{Bytemark, wait_within},
    world::{World, server},
};

const USERS: u64 = 4;
const SAVES: u64 = 300;
const BOUND: Duration = Duration::from_secs(60);

/// The old service, in a process of Node.
struct Keeper {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Keeper {
    fn start(world: &World, version: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mongoose/keeper.js");
        let mut child = Command::new("node")
            .arg(script)
            .arg(Path::new(&server("PASSFLOW_TEST_MONGOOSE")).join(version))
            .arg(server("PASSFLOW_TEST_MONGODB"))
            .args([&world.names.cache_database, &world.names.cache_collection])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// Waits for the next ten saves; how many they are by now.
    fn next(&mut self) -> u64 {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim().parse().unwrap_or_else(|error| panic!("{error}: {line:?}; its errors are above"))
    }

    /// Has it end, and tell what it saved last.
    fn end(mut self) -> Value {
        drop(self.child.stdin.take());
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).unwrap();
        assert!(self.child.wait().unwrap().success());
        serde_json::from_str(rest.lines().last().unwrap()).unwrap()
    }
}

impl World {
    fn request_all(&self) {
        let requests = users_up_to(USERS).map(|user| Output {
            topic: TopicName::from(self.names.requests.as_str()),
            key: Some(user.to_string().into()),
            value: Some(PassRequest::new(user).encode().into()),
            headers: Vec::new(),
        });
        self.bytemark.runtime.block_on(self.store.topics.append(requests.collect())).unwrap();
    }

    fn document(&self, user: &str) -> Document {
        let (database, collection) = (&self.names.cache_database, &self.names.cache_collection);
        let found = self.bytemark.runtime.block_on(async {
            let client = mongodb::Client::with_uri_str(server("PASSFLOW_TEST_MONGODB")).await.unwrap();
            let documents = client.database(database).collection::<Document>(collection);
            documents.find_one(doc! { "user_id": user.parse::<i64>().unwrap() }).await.unwrap()
        });
        found.unwrap()
    }
}

fn free_ticket_status(document: &Document, uuid: &str) -> Option<Bson> {
    let lists = ["passes", "passes4"].into_iter().flat_map(|list| document.get_array(list).unwrap());
    let mut passes = lists.filter_map(Bson::as_document);
    passes.find(|pass| pass.get_str("pass_uuid").is_ok_and(|of| of == uuid))?.get("free_ticket_status").cloned()
}

fn both_write(version: &str) {
    let world = World::new(Bytemark::still(USERS), "cas_attempts = 100\n");
    world.put_tokens(USERS);
    let run = world.place.start(&["run"]);
    wait_within(BOUND, "the first refreshes", || world.differences(USERS).is_empty());
    let mut keeper = Keeper::start(&world, version);
    for round in 0.. {
        world.bytemark.simulator.add_pass(round % USERS + 1);
        world.request_all();
        if keeper.next() >= SAVES {
            break;
        }
    }
    let saved = keeper.end();
    println!("{}: {} saves, {} version errors", saved["version"], saved["saves"], saved["version_errors"]);
    world.request_all();
    wait_within(BOUND, "what was asked for", || world.differences(USERS).is_empty());

    let number = |value: &Value| Some(Bson::Int32(i32::try_from(value.as_i64().unwrap()).unwrap()));
    for (user, last) in saved["keeper"].as_object().unwrap() {
        assert_eq!(world.document(user).get("keeper").cloned(), number(last), "user {user}");
    }
    for (place, last) in saved["free"].as_object().unwrap() {
        let (user, uuid) = place.split_once('/').unwrap();
        assert_eq!(free_ticket_status(&world.document(user), uuid), number(last), "{place}");
    }
    // Nothing is left behind that mongoose stumbles over.
    let mut keeper = Keeper::start(&world, version);
    keeper.next();
    assert_eq!(keeper.end()["version_errors"], 0);
    let log = run.log();
    assert!(!log.contains("dead letter") && !log.contains("panicked"), "{log}");
    drop(run);
    world.remove();
}

#[test]
fn documents_that_mongoose_6_writes_lose_nothing_on_either_side() {
    both_write("v6");
}

#[test]
fn documents_that_mongoose_8_writes_lose_nothing_on_either_side() {
    both_write("v8");
}
