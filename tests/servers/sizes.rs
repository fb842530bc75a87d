//! Topics that take smaller records than brokers do by default: what is too large for its topic costs itself alone.

use std::time::Duration;

use passflow::{
    domain::{payload_hash::PayloadHash, user_id::UserId},
    simulator::{Endpoint, Pass},
    wiring::oracle::users_up_to,
};
use rdkafka::admin::{AdminOptions, AlterConfig, ResourceSpecifier};
use serde_json::Value;

use crate::{
    process::{Bytemark, wait_within},
    world::{World, admin_of_topics},
};

const USERS: u64 = 24;
/// The one after them has a pass too large for an event.
const LARGE: u64 = USERS + 1;
const RUN: [&str; 4] = ["run", "--until-end", "--until-end-timeout", "60s"];
const BOUND: Duration = Duration::from_secs(60);

impl World {
    /// From now on `topic` takes no larger batches.
    fn limit(&self, topic: &str, bytes: usize) {
        let bytes = bytes.to_string();
        let config = AlterConfig::new(ResourceSpecifier::Topic(topic)).set("max.message.bytes", &bytes);
        let (admin, configs, options) = (admin_of_topics(), [config], AdminOptions::new());
        self.bytemark.runtime.block_on(admin.alter_configs(&configs, &options)).unwrap().remove(0).unwrap();
    }

    fn give_large_pass(&self, bytes: usize) {
        let text = format!(r#"{{"uuid":"large","status":"USABLE","text":"{}"}}"#, "x".repeat(bytes));
        let pass = Pass { uuid: "large".to_owned(), status: "USABLE".to_owned(), text };
        self.bytemark.simulator.put_pass(LARGE, Endpoint::Active, pass);
    }
}

fn large() -> UserId {
    UserId::new(LARGE.cast_signed()).unwrap()
}

fn header<'a>(letter: &'a Value, name: &str) -> &'a str {
    let mut headers = letter["headers"].as_array().unwrap().iter();
    let header = headers.find(|header| header[0] == name).unwrap_or_else(|| panic!("no {name} in {letter}"));
    header[1].as_str().unwrap()
}

#[test]
fn an_event_too_large_for_its_topic_costs_its_own_change_alone() {
    let world = World::new(Bytemark::still(LARGE), "");
    // Less than a driver's batch, too: many events that fit do not fit together.
    world.limit(&world.names.ticket_changed, 20_000);
    world.limit(&world.names.dead_letters, 2_000);
    let refused = world.place.run(&["run"]).exits(1).stderr();
    assert!(refused.contains(&world.names.dead_letters) && refused.contains("2000 bytes"), "{refused}");
    world.limit(&world.names.dead_letters, 10_000);
    world.give_large_pass(50_000);
    world.put_tokens(LARGE);
    let poison = "no json ".repeat(10_000);
    world.append(&world.names.requests, "3", &poison);

    world.place.run(&RUN).exits(0);
    assert_eq!(world.differences(USERS), ["2 dead letters, none was due"]);
    assert!(!world.place.is_refreshed(LARGE), "it stays as it was");
    let letters = world.place.records(&world.names.dead_letters);
    let letter = |code: &str| letters.iter().find(|letter| header(letter, "passflow.error.code") == code).unwrap();
    let event = letter("record_too_large");
    assert_eq!(header(event, "passflow.error.stage"), "emit");
    assert!(header(event, "passflow.error.message").contains("20000"), "{event}");
    // A dead letter has a limit, too.
    let shortened = letter("not_json");
    assert_eq!(header(shortened, "passflow.error.topic"), world.names.requests);
    assert_eq!(header(shortened, "passflow.error.value_bytes"), poison.len().to_string());
    assert_eq!(header(shortened, "passflow.error.value_md5"), PayloadHash::of(poison.as_bytes()).to_string());

    // There is room for it now.
    world.limit(&world.names.ticket_changed, 100_000);
    world.request(large());
    world.place.run(&RUN).exits(0);
    assert_eq!(world.differences(LARGE), ["2 dead letters, none was due"]);
    world.remove();
}

#[test]
fn a_limit_that_is_lowered_while_it_runs_is_noticed() {
    let world = World::new(Bytemark::still(LARGE), "");
    world.put_tokens(LARGE);
    let mut run = world.place.start(&["run"]);
    wait_within(BOUND, "the first refreshes", || world.differences(LARGE).is_empty());
    world.limit(&world.names.ticket_changed, 20_000);
    let topic = world.names.ticket_changed.clone();
    wait_within(BOUND, "the limit to be noticed", || {
        run.log().lines().any(|line| line.contains(&topic) && line.contains("20000"))
    });
    world.give_large_pass(50_000);
    for user in 1..=USERS {
        world.bytemark.simulator.add_pass(user);
    }
    users_up_to(LARGE).for_each(|user| world.request(user));
    wait_within(BOUND, "all other changes", || world.differences(USERS) == ["1 dead letters, none was due"]);
    assert_eq!(world.letters().get("record_too_large"), Some(&1));
    run.terminate();
    assert!(run.end_within(BOUND).success(), "{}", run.log());
    world.remove();
}
