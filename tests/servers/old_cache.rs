//! A cache that the old service has written is taken over by a tick: what did not change is not told.

use std::collections::BTreeMap;

use mongodb::bson::{Bson, Document, doc, oid::ObjectId};
use passflow::{
    domain::{payload_hash::PayloadHash, user_id::UserId},
    simulator::{Pass, Truth},
};
use serde_json::Value;

use crate::{
    process::Bytemark,
    world::{World, server},
};

const USERS: u64 = 7;
const RUN: [&str; 4] = ["run", "--until-end", "--until-end-timeout", "60s"];
/// Long ago: 2020.
const THEN_S: i64 = 1_600_000_000;

/// As mongoose stored it: whole numbers in 32 bits, others as doubles.
fn bson(value: &Value) -> Bson {
    match value {
        Value::Null => Bson::Null,
        Value::Bool(is) => Bson::Boolean(*is),
        Value::String(text) => Bson::String(text.clone()),
        Value::Array(items) => Bson::Array(items.iter().map(bson).collect()),
        Value::Object(fields) => {
            Bson::Document(fields.iter().map(|(name, value)| (name.clone(), bson(value))).collect())
        }
        Value::Number(number) => {
            let whole = number.as_i64().and_then(|number| i32::try_from(number).ok());
            whole.map_or_else(|| Bson::Double(number.as_f64().unwrap()), Bson::Int32)
        }
    }
}

fn entry(pass: &Pass) -> Document {
    // The store knows no lone surrogates.
    let payload: Value = serde_json::from_str(&pass.text.replace("\\ud800", "\u{fffd}")).unwrap();
    doc! {
        "pass_uuid": &pass.uuid, "timestamp": THEN_S, "status": &pass.status, "free_ticket_status": 1.0,
        "payload": bson(&payload), "payload_hash": PayloadHash::of(pass.text.as_bytes()).to_string(),
        "_id": ObjectId::new(),
    }
}

fn entries(passes: &[Pass]) -> Vec<Document> {
    passes.iter().map(entry).collect()
}

/// The user's document as the old service has it when nothing has changed since.
fn document(world: &World, user: u64) -> Document {
    let Truth { passes, passes4 } = world.bytemark.simulator.truth(user);
    doc! {
        "_id": ObjectId::new(), "user_id": i32::try_from(user).unwrap(), "timestamp": i32::try_from(THEN_S).unwrap(),
        "passes": entries(&passes), "passes4": entries(&passes4), "passesLog": [], "passes4Log": [], "__v": 3,
        "device": {"os": "x"},
    }
}

fn with(document: &Document, field: &str, value: impl Into<Bson>) -> Document {
    let mut document = document.clone();
    document.insert(field, value);
    document
}

/// The status sweeper has set another status; the payload, and so its hash, is the one that Bytemark gave.
fn swept(mut document: Document) -> Document {
    let first = document.get_array_mut("passes").unwrap()[0].as_document_mut().unwrap();
    first.insert("status", "EXPIRED");
    document
}

/// A pass whose text is not what its stored form would give again.
fn odd_pass() -> Pass {
    let text = r#"{"2":"two","10":"ten","uuid":"odd","status":"USABLE","text":"\ud800","large":1e+21,"small":1e-7}"#;
    Pass { uuid: "odd".to_owned(), status: "USABLE".to_owned(), text: text.to_owned() }
}

/// What the old service left, and what it would have left out; gives the document that is older of two.
fn old_documents(world: &World) -> (Vec<Document>, ObjectId) {
    let simulator = &world.bytemark.simulator;
    simulator.script(2, Truth { passes: vec![odd_pass()], passes4: Vec::new() });
    let mut sparse = with(&document(world, 2), "timestamp", 1.6e9);
    ["passes4", "passesLog", "passes4Log", "__v"].iter().for_each(|field| drop(sparse.remove(field)));
    let older = with(&document(world, 4), "_id", ObjectId::from_bytes([0; 12]));
    let newer = with(&with(&document(world, 4), "passes", Bson::Array(Vec::new())), "user_id", 4.0);
    let id = older.get_object_id("_id").unwrap();
    let documents = vec![
        with(&with(&document(world, 1), "timestamp", THEN_S), "user_id", 1_i64),
        sparse,
        document(world, 3),
        newer,
        older,
        document(world, 5),
        swept(document(world, 6)),
    ];
    (documents, id)
}

/// Since then one pass of user 3 changed; user 5 lost one and bought another; user 7 was never cached.
fn what_happened_since(world: &World) -> usize {
    let simulator = &world.bytemark.simulator;
    let pass = |user| simulator.truth(user).passes.first().expect("a pass").uuid.clone();
    assert!(simulator.change_pass(3, &pass(3)));
    assert!(simulator.remove_pass(5, &pass(5)));
    simulator.add_pass(5);
    let Truth { passes, passes4 } = simulator.truth(7);
    passes.len() + passes4.len()
}

/// How often each change was told, by user.
fn told(world: &World) -> BTreeMap<(u64, String), usize> {
    let mut told = BTreeMap::new();
    for event in world.place.values(&world.names.ticket_changed) {
        let (user, change) = (event["user_id"].as_u64().unwrap(), event["change"].as_str().unwrap().to_owned());
        *told.entry((user, change)).or_default() += 1;
    }
    told
}

/// Differences between the lists and the simulator's; a pass that was taken over has no event that tells it.
fn wrong_lists(world: &World) -> Vec<String> {
    let mut differences = world.differences(USERS);
    let no_event =
        |difference: &String| difference.contains("the events add up to") || difference.contains("told was None");
    differences.retain(|difference| !no_event(difference));
    differences
}

#[test]
fn the_old_services_cache_is_taken_over_by_a_tick() {
    let world = World::new(Bytemark::still(USERS), "");
    for user in [1, 3, 4, 5, 6, 7] {
        world.bytemark.simulator.add_pass(user);
    }
    let (documents, older) = old_documents(&world);
    let new = what_happened_since(&world);
    let collection = world.bytemark.runtime.block_on(async {
        let client = mongodb::Client::with_uri_str(server("PASSFLOW_TEST_MONGODB")).await.unwrap();
        let (database, collection) = (&world.names.cache_database, &world.names.cache_collection);
        let collection = client.database(database).collection::<Document>(collection);
        collection.insert_many(&documents).await.unwrap();
        collection
    });
    for user in 1..=USERS {
        world.write_row(UserId::new(user.cast_signed()).unwrap(), Some(&world.bytemark.token(user)));
    }

    world.place.run(&["tick"]).exits(0);
    let log = world.place.run(&RUN).exits(0).stderr();
    let (changed, removed, added) = ("updated".to_owned(), "removed".to_owned(), "added".to_owned());
    let expected = BTreeMap::from([((3, changed), 1), ((5, removed), 1), ((5, added.clone()), 1), ((7, added), new)]);
    assert_eq!(told(&world), expected);
    assert_eq!(wrong_lists(&world), [""; 0]);
    let duplicates: Vec<&str> = log.lines().filter(|line| line.contains("several documents")).collect();
    assert!(duplicates.len() == 1 && duplicates[0].contains("user=4 "), "{log}");

    // The older one is kept up, the other one is left as it was; what is not passflow's own stays.
    let of_four: Vec<Document> = world.bytemark.runtime.block_on(async {
        use futures::TryStreamExt as _;
        collection.find(doc! { "user_id": 4 }).await.unwrap().try_collect().await.unwrap()
    });
    for document in of_four {
        let is_older = document.get_object_id("_id").unwrap() == older;
        assert_eq!(document.contains_key("stream"), is_older, "{document}");
        assert_eq!(document.get_i32("timestamp").unwrap() > 1_700_000_000, is_older, "{document}");
        assert_eq!(document.get_document("device").unwrap(), &doc! {"os": "x"});
    }

    // Another tick tells nothing more; from here on a taken over user's changes are told like any other's.
    world.bytemark.simulator.add_pass(1);
    world.place.run(&["refresh", "1", "2", "3", "4", "5", "6", "7"]).exits(0);
    world.place.run(&RUN).exits(0);
    let mut expected = expected;
    expected.insert((1, "added".to_owned()), 1);
    assert_eq!(told(&world), expected);
    assert_eq!(wrong_lists(&world), [""; 0]);
    world.remove();
}
