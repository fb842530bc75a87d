//! The real way of a change: MariaDB's binlog, Debezium, Kafka; in each form that Debezium gives its messages.

use std::time::Duration;

use passflow::{domain::user_id::UserId, simulator::Truth};

use crate::{
    process::{Bytemark, wait_within},
    world::World,
};

const USERS: u64 = 2;
const BOUND: Duration = Duration::from_secs(90);
const FLAT: [&str; 2] = ["transforms=flat", "transforms.flat.type=io.debezium.transforms.ExtractNewRecordState"];

fn user(number: u64) -> UserId {
    UserId::new(number.cast_signed()).unwrap()
}

/// Whether the form says whose row was deleted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deletes {
    Told,
    /// A tombstone alone, whose key is the row's.
    Untold,
}

/// Rows that are inserted, updated and deleted become events and documents.
fn rows_become_events(settings: &[&str], deletes: Deletes) {
    let world = World::new(Bytemark::still(USERS), "on_token_removed = \"purge\"\n");
    world.follow_the_table(settings);
    let mut run = world.place.start(&["run"]);
    for number in 1..=USERS {
        world.write_row(user(number), Some(&world.bytemark.token(number)));
    }
    wait_within(BOUND, "documents and events", || world.differences(USERS).is_empty());

    // An update of the same row: the rider is asked for with the new token.
    world.bytemark.simulator.add_pass(1);
    world.bytemark.simulator.set_token(1, Some("another".to_owned()));
    world.write_row(user(1), Some("another"));
    wait_within(BOUND, "the new pass", || world.differences(USERS).is_empty());
    let told = world.place.records(&world.names.ticket_changed).len();

    let passes = world.place.show(2)["document"].clone();
    let passes: usize = ["passes", "passes4"].iter().map(|list| passes[list].as_array().unwrap().len()).sum();
    assert!(passes > 0);
    world.bytemark.simulator.script(2, Truth::default());
    world.delete_rows(user(2));
    if deletes == Deletes::Untold {
        // Without a schema the converter writes the tombstone as the JSON text `null`.
        let records = || world.place.records(&world.names.token_changes);
        let is_there = || records().iter().any(|record| record["value"].is_null() || record["value"] == "null");
        wait_within(BOUND, "the tombstone", is_there);
        assert_eq!(world.place.records(&world.names.ticket_changed).len(), told, "nobody knows whose row it was");
        world.place.run(&["refresh", "2"]).exits(0);
    }
    wait_within(BOUND, "the rider without a token", || world.differences(USERS).is_empty());
    let events = world.place.values(&world.names.ticket_changed);
    let removed = events.iter().filter(|event| event["change"] == "removed" && event["user_id"] == 2).count();
    assert_eq!((removed, events.len()), (passes, told + passes));
    run.terminate();
    assert!(run.end_within(Duration::from_secs(60)).success(), "{}", run.log());
    world.unfollow_the_table();
    world.remove();
}

#[test]
fn rows_of_the_table_become_events_by_debezium() {
    rows_become_events(&[], Deletes::Told);
}

#[test]
fn messages_with_their_schemas_are_read() {
    let settings = [
        "key.converter=org.apache.kafka.connect.json.JsonConverter",
        "key.converter.schemas.enable=true",
        "value.converter=org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable=true",
    ];
    rows_become_events(&settings, Deletes::Told);
}

#[test]
fn flattened_messages_are_read_and_do_not_say_whose_row_was_deleted() {
    rows_become_events(&FLAT, Deletes::Untold);
}

#[test]
fn flattened_messages_with_further_fields_and_the_deleted_row_are_read() {
    let settings =
        ["transforms.flat.delete.tombstone.handling.mode=rewrite", "transforms.flat.add.fields=op,table,source.ts_ms"];
    rows_become_events(&[&FLAT[..], &settings].concat(), Deletes::Told);
}
