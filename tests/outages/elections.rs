//! A replica set of three whose primary steps down and is killed while work goes on. `scripts/soak` runs it: it needs a
//! set of its own, `PASSFLOW_MONGO_MEMBERS=3 scripts/servers up`.

use std::time::Duration;

use passflow::{domain::record::TopicName, wiring::oracle::users_up_to};

use super::{
    process::{Bytemark, Process, wait_within},
    refresh, step_down,
    world::{World, server, servers},
};

const USERS: u64 = 30;
const BOUND: Duration = Duration::from_secs(120);
/// By how much the topic of events grows between two blows.
const GROWTH: i64 = 60;

/// Gives riders passes and asks for them until so much more was told.
fn work(world: &World, runs: &mut [Process], random: &mut fastrand::Rng) {
    let before = end_of_events(world).unwrap();
    wait_within(BOUND, "events", || {
        give_work(world, random);
        for run in runs.iter_mut() {
            assert!(!run.has_ended(), "it ended by itself: {}", run.log());
        }
        end_of_events(world).is_some_and(|end| end >= before + GROWTH)
    });
}

/// Events and ends of transactions together; none when a busy broker does not say it in time.
fn end_of_events(world: &World) -> Option<i64> {
    let topic = TopicName::from(world.names.ticket_changed.as_str());
    let ranges = world.bytemark.runtime.block_on(world.store.topics.partitions(&topic)).ok()?;
    Some(ranges.iter().map(|range| range.end).sum())
}

fn give_work(world: &World, random: &mut fastrand::Rng) {
    let users: Vec<String> = (0..5).map(|_| random.u64(1..=USERS).to_string()).collect();
    for user in &users {
        world.bytemark.simulator.add_pass(user.parse().unwrap());
    }
    refresh(world, &users);
}

#[test]
#[ignore = "needs a replica set of three; scripts/soak runs it"]
fn the_primary_of_three_steps_down_and_is_killed_under_load() {
    let members = server("PASSFLOW_TEST_MONGODB").split(',').count();
    assert_eq!(members, 3, "PASSFLOW_MONGO_MEMBERS=3 scripts/servers up");
    let world = World::new(Bytemark::still(USERS), "");
    world.put_tokens(USERS);
    let mut runs = [world.place.start_logging(&["run"], "log-0"), world.place.start_logging(&["run"], "log-1")];
    wait_within(BOUND, "the first refreshes", || world.differences(USERS).is_empty());
    let mut random = fastrand::Rng::with_seed(1);
    let first = world.place.records(&world.names.ticket_changed).len();
    let mut kills = 0;
    for round in 0..3 {
        work(&world, &mut runs, &mut random);
        println!("round {round}: the primary steps down");
        step_down(&world);
        work(&world, &mut runs, &mut random);
        println!("round {round}: the primary is killed");
        let primary = servers_say(&["primary"]);
        servers(&["kill", &primary]);
        kills += 1;
        work(&world, &mut runs, &mut random);
        servers(&["start", &primary]);
    }
    let all: Vec<String> = users_up_to(USERS).map(|user| user.to_string()).collect();
    refresh(&world, &all);
    wait_within(BOUND, "what was asked for meanwhile", || world.differences(USERS).is_empty());
    let told = world.place.records(&world.names.ticket_changed).len() - first;
    println!("3 steps down, {kills} kills of the primary, {told} events told meanwhile");
    for run in &mut runs {
        run.terminate();
        assert!(run.end_within(Duration::from_secs(60)).success(), "{}", run.log());
        let log = run.log();
        assert!(!log.contains("panicked") && !log.contains("dead letter"), "{log}");
    }
    world.remove();
}

/// What `scripts/servers` prints.
fn servers_say(arguments: &[&str]) -> String {
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/servers");
    let output = std::process::Command::new(script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
