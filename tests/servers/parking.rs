//! ParkMobile's responses on a real Kafka become parking events in a real MongoDB, and mongoose reads them.

use std::{collections::BTreeMap, path::Path, process::Command, time::Duration};

use mongodb::bson::{Document, doc};
use serde_json::{Value, json};

use crate::{
    process::{Bytemark, wait_within},
    world::{World, server},
};

const RUN: [&str; 2] = ["run", "parking_events"];
const UNTIL_END: [&str; 5] = ["run", "parking_events", "--until-end", "--until-end-timeout", "60s"];
const BOUND: Duration = Duration::from_secs(60);

/// A world with this pipeline, in a topic and database of its own.
struct Lot {
    world: World,
    topic: String,
    database: String,
}

impl Lot {
    fn new() -> Self {
        let world = World::new(Bytemark::still(1), "");
        let id = &world.names.cache_database;
        let (topic, database) = (format!("{id}.responses"), format!("{id}_parking"));
        let settings = format!(
            "topic = \"{topic}\"\ngroup = \"{id}.parking\"\ndatabase = \"{database}\"\ndead_letter_topic = \"{id}.dead\"\n"
        );
        world.place.write("pipelines/parking_events.toml", &settings);
        world.place.run(&["topics", "create"]).exits(0);
        Self { world, topic, database }
    }

    /// Puts values under the ids of their events.
    fn produce(&self, responses: &[(String, Value)]) {
        let line = |(id, value): &(String, Value)| format!("{}\n", json!({"key": id, "value": value.to_string()}));
        let lines: String = responses.iter().map(line).collect();
        self.world.place.run_with_input(&["produce", &self.topic], lines.as_bytes()).exits(0);
    }

    async fn collection(&self) -> mongodb::Collection<Document> {
        let client = mongodb::Client::with_uri_str(server("PASSFLOW_TEST_MONGODB")).await.unwrap();
        client.database(&self.database).collection("pm_parking_events")
    }

    fn stored(&self) -> u64 {
        self.world.bytemark.runtime.block_on(async { self.collection().await.count_documents(doc! {}).await.unwrap() })
    }

    /// All events, by id.
    fn events(&self) -> BTreeMap<String, Document> {
        self.world.bytemark.runtime.block_on(async {
            let mut cursor = self.collection().await.find(doc! {}).await.unwrap();
            let mut events = BTreeMap::new();
            while cursor.advance().await.unwrap() {
                let event = cursor.deserialize_current().unwrap();
                let before = events.insert(event.get_str("_id").unwrap().to_owned(), event);
                assert!(before.is_none());
            }
            events
        })
    }

    fn remove(self) {
        let Self { world, topic, .. } = &self;
        world.bytemark.runtime.block_on(async {
            self.collection().await.client().database(&self.database).drop().await.unwrap();
            let mut config = rdkafka::ClientConfig::new();
            config.set("bootstrap.servers", server("PASSFLOW_TEST_KAFKA"));
            let admin: rdkafka::admin::AdminClient<rdkafka::client::DefaultClientContext> = config.create().unwrap();
            admin.delete_topics(&[topic.as_str()], &rdkafka::admin::AdminOptions::new()).await.unwrap();
        });
        self.world.remove();
    }
}

/// Responses of `events` events, three each: the first carries a card, the later ones replace the status.
fn responses(events: usize) -> Vec<(String, Value)> {
    let of = |number: usize| {
        let (id, event) = (format!("pm-{}", number % events), number % events);
        let value = match number / events {
            0 => json!({"card": "4111-1111-1111-1111", "http_status": "500", "response": null, "user_id": event + 1}),
            1 => json!({"http_status": "ECONNABORTED", "response": {"turn": 1}, "only": event}),
            _ => json!({"http_status": 200, "response": {"turn": 2, "price": 1.25}}),
        };
        (id, value)
    };
    (0..3 * events).map(of).collect()
}

fn check(events: &BTreeMap<String, Document>, count: usize) {
    assert_eq!(events.len(), count);
    for (number, event) in (0..count).map(|number| (number, &events[&format!("pm-{number}")])) {
        let number = i32::try_from(number).unwrap();
        let (created, updated) = (event.get_datetime("createdAt").unwrap(), event.get_datetime("updatedAt").unwrap());
        assert!(created <= updated, "{event}");
        let mut event = event.clone();
        for own in ["createdAt", "updatedAt", "stream"] {
            event.remove(own);
        }
        let expected = doc! {
            "_id": format!("pm-{number}"), "card": "411111******1111", "http_status": 200,
            "response": {"turn": 2, "price": 1.25}, "user_id": number + 1, "only": number, "__v": 0,
        };
        // The order of fields is that of their first coming.
        assert_eq!(event.len(), expected.len(), "{event}");
        assert!(expected.iter().all(|(name, value)| event.get(name) == Some(value)), "{event}");
    }
}

#[test]
fn responses_put_twice_and_in_pieces_are_one_event_each_whatever_is_killed_meanwhile() {
    const EVENTS: usize = 4000;
    let lot = Lot::new();
    let all = responses(EVENTS);
    let mut run = lot.world.place.start(&RUN);
    for (piece, responses) in all.chunks(EVENTS / 2).enumerate() {
        let before = lot.stored();
        lot.produce(responses);
        if piece < 2 {
            wait_within(BOUND, "some of the piece", || lot.stored() > before);
        }
        run.kill();
        run = lot.world.place.start(&RUN);
    }
    run.kill();
    lot.world.place.run(&UNTIL_END).exits(0);
    check(&lot.events(), EVENTS);
    let before = lot.events();

    // All of it once more: nothing is another way but when the events were told last.
    lot.produce(&all);
    lot.world.place.run(&UNTIL_END).exits(0);
    check(&lot.events(), EVENTS);
    let created = |events: &BTreeMap<String, Document>| -> Vec<i64> {
        events.values().map(|event| event.get_datetime("createdAt").unwrap().timestamp_millis()).collect()
    };
    assert_eq!(created(&lot.events()), created(&before));
    assert!(lot.world.place.records(&lot.world.names.dead_letters).is_empty());
    let checked = lot.world.place.run(&["check"]).exits(0).stdout();
    assert!(checked.contains(&format!("parking events in {}.pm_parking_events", lot.database)), "{checked}");
    lot.remove();
}

#[test]
fn a_poisoned_response_costs_itself_alone_and_indexes_are_made() {
    let lot = Lot::new();
    let place = &lot.world.place;
    let lines = "{\"key\":\"a\",\"value\":\"{}\"}\n{\"key\":\"a\",\"value\":\"nonsense\"}\n{\"key\":\"a\",\"value\":null}\n\
                 {\"key\":\"a\",\"value\":\"{\\\"user_id\\\":0}\"}\n{\"key\":null,\"value\":\"{\\\"card\\\":1}\"}\n";
    place.run_with_input(&["produce", &lot.topic], lines.as_bytes()).exits(0);
    let run = place.start(&RUN);
    let indexes = || {
        lot.world.bytemark.runtime.block_on(async {
            lot.collection().await.list_index_names().await.map(|mut names| {
                names.sort();
                names
            })
        })
    };
    wait_within(BOUND, "the indexes", || indexes().is_ok_and(|names| names.len() == 3));
    assert_eq!(indexes().unwrap(), ["_id_", "card_1_createdAt_1", "createdAt_1"]);
    wait_within(BOUND, "both events", || lot.stored() == 2);
    run.terminate();
    drop(run);
    place.run(&UNTIL_END).exits(0);
    let ids: Vec<String> = lot.events().into_keys().collect();
    assert!(ids[0] == "a" && ids[1].starts_with(&format!("{}/", lot.topic)), "{ids:?}");
    assert_eq!(place.records(&lot.world.names.dead_letters).len(), 2);
    lot.remove();
}

fn read_by_mongoose(version: &str) {
    let lot = Lot::new();
    let responses = [
        (
            "a",
            json!({"card": 4_111_111_111_111_111_u64, "http_status": "200", "response": {"a.b": 1, "n": [1, 2.5, 3e9]}}),
        ),
        ("b", json!({"http_status": "ECONNABORTED", "response": null})),
        ("c", json!({"card": 1117, "response": "text"})),
    ];
    lot.produce(&responses.map(|(id, value)| (id.to_owned(), value)));
    lot.world.place.run(&UNTIL_END).exits(0);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mongoose/parking.js");
    let read = Command::new("node")
        .arg(script)
        .arg(Path::new(&server("PASSFLOW_TEST_MONGOOSE")).join(version))
        .arg(server("PASSFLOW_TEST_MONGODB"))
        .args([&lot.database, "pm_parking_events", "a"])
        .output()
        .unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let mut told: Value = serde_json::from_slice(&read.stdout).unwrap();
    for event in told.as_object_mut().unwrap().values_mut() {
        let created: jiff::Timestamp = event["createdAt"].as_str().unwrap().parse().unwrap();
        assert!(created.as_millisecond() > 1_700_000_000_000);
        event.as_object_mut().unwrap().remove("createdAt");
    }
    let expected = json!({
        "a": {
            "card": "411111******1111", "http_status": 200, "response": {"a.b": 1, "n": [1, 2.5, 3_000_000_000_i64]},
            "version": 0, "dates": true,
        },
        "b": {"http_status": "ECONNABORTED", "response": null, "version": 0, "dates": true},
        "c": {"card": "1117", "response": "text", "version": 0, "dates": true},
    });
    assert_eq!(told, expected);

    // What mongoose has saved since is replaced by what is told later, and stays where nothing is.
    assert_eq!(lot.events()["a"].get_document("response").unwrap(), &doc! {"reviewed": true});
    lot.produce(&[("a".to_owned(), json!({"http_status": 404}))]);
    lot.world.place.run(&UNTIL_END).exits(0);
    let event = lot.events().remove("a").unwrap();
    assert_eq!(event.get_document("response").unwrap(), &doc! {"reviewed": true});
    assert_eq!(event.get_i32("http_status").unwrap(), 404);
    lot.remove();
}

#[test]
fn mongoose_6_reads_and_changes_them() {
    read_by_mongoose("v6");
}

#[test]
fn mongoose_8_reads_and_changes_them() {
    read_by_mongoose("v8");
}
