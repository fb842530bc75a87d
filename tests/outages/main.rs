//! `passflow run` while each of its servers goes away for a while and comes back: no exit, no dead letter, nothing lost.
//!
//! A target of its own: cargo runs one after the other, and nobody else needs the servers meanwhile.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]
#![allow(dead_code, reason = "other targets use the rest of the kit")]

mod elections;
#[path = "../process/mod.rs"]
mod process;
#[path = "../servers/table.rs"]
mod table;
#[path = "../servers/world.rs"]
mod world;

use std::time::Duration;

use mongodb::bson::doc;
use passflow::wiring::oracle::users_up_to;

use self::{
    process::{Bytemark, Process, wait_within},
    world::{World, server, servers},
};

const USERS: u64 = 20;
const BOUND: Duration = Duration::from_secs(90);

#[test]
fn each_server_may_go_away_and_come_back() {
    let world = World::new(Bytemark::still(USERS), "");
    world.put_tokens(USERS);
    let mut run = world.place.start(&["run"]);
    wait_within(BOUND, "the first refreshes", || world.differences(USERS).is_empty());
    for (number, (name, shown)) in
        [("mongo", "MongoDB"), ("mysql", "MySQL"), ("kafka", "Kafka")].into_iter().enumerate()
    {
        println!("{name} goes away");
        go_away_and_come_back(&world, &run, name, shown, number);
        wait_within(BOUND, "what was asked for meanwhile", || world.differences(USERS).is_empty());
        assert!(!run.has_ended(), "it ended by itself when {name} was away: {}", run.log());
    }
    println!("MongoDB's primary steps down");
    step_down(&world);
    refresh(&world, &change_users(&world, 3));
    wait_within(BOUND, "what was asked for meanwhile", || world.differences(USERS).is_empty());
    run.terminate();
    assert!(run.end_within(Duration::from_secs(60)).success(), "{}", run.log());
    let log = run.log();
    assert!(!log.contains("panicked") && !log.contains("dead letter"), "{log}");
    world.remove();
}

fn go_away_and_come_back(world: &World, run: &Process, name: &str, shown: &str, number: usize) {
    let logged = run.log().len();
    servers(&["stop", name]);
    let changed = change_users(world, number);
    if name != "kafka" {
        refresh(world, &changed);
    }
    wait_within(BOUND, "a word in the log", || run.log().len() > logged);
    let checked = world.place.run(&["check"]).exits(1).stdout();
    let wrong: Vec<&str> = checked.lines().filter(|line| line.starts_with("WRONG")).collect();
    assert!(wrong.len() == 1 && wrong[0].contains(shown), "{checked}");
    servers(&["start", name]);
    if name == "kafka" {
        refresh(world, &changed);
    }
}

/// Some users get another pass, others each time.
fn change_users(world: &World, number: usize) -> Vec<String> {
    let users: Vec<String> = users_up_to(USERS).skip(3 * number).take(3).map(|user| user.to_string()).collect();
    for user in &users {
        world.bytemark.simulator.add_pass(user.parse().unwrap());
    }
    users
}

fn refresh(world: &World, users: &[String]) {
    let command: Vec<&str> = std::iter::once("refresh").chain(users.iter().map(String::as_str)).collect();
    world.place.run(&command).exits(0);
}

/// For seconds there is no primary, and each connection is closed.
fn step_down(world: &World) {
    world.bytemark.runtime.block_on(async {
        let client = mongodb::Client::with_uri_str(server("PASSFLOW_TEST_MONGODB")).await.unwrap();
        let step_down = doc! { "replSetStepDown": 5, "force": true };
        client.database("admin").run_command(step_down).await.unwrap();
    });
}
