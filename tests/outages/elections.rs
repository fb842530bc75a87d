//! A replica set of three whose primary steps down and is killed while work goes on. `scripts/soak` runs it: it needs a
//! set of its own, `PASSFLOW_MONGO_MEMBERS=3 scripts/servers up`.

use std::time::Duration;

use passflow::wiring::oracle::users_up_to;

use super::{
    process::{Bytemark, Process, wait_within},
    refresh, step_down,
    world::{World, server, servers},
};

const USERS: u64 = 30;
const BOUND: Duration = Duration::from_secs(120);
/// Records of tokens, events and the like between two blows.
const EVENTS_BETWEEN: usize = 40;

/// Gives riders passes and asks for them until so many more events were told.
fn work(world: &World, runs: &mut [Process], random: &mut fastrand::Rng) -> usize {
    let told = || world.place.records(&world.names.ticket_changed).len();
    let before = told();
    let mut rounds = 0;
    wait_within(BOUND, "events", || {
        give_work(world, random);
        rounds += 1;
        for run in runs.iter_mut() {
            assert!(!run.has_ended(), "it ended by itself: {}", run.log());
        }
        rounds % 5 == 0 && told() >= before + EVENTS_BETWEEN
    });
    told() - before
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
    let (mut told, mut kills) = (0, 0);
    for round in 0..3 {
        told += work(&world, &mut runs, &mut random);
        println!("round {round}: the primary steps down");
        step_down(&world);
        told += work(&world, &mut runs, &mut random);
        println!("round {round}: the primary is killed");
        let primary = servers_say(&["primary"]);
        servers(&["kill", &primary]);
        kills += 1;
        told += work(&world, &mut runs, &mut random);
        servers(&["start", &primary]);
    }
    let all: Vec<String> = users_up_to(USERS).map(|user| user.to_string()).collect();
    refresh(&world, &all);
    wait_within(BOUND, "what was asked for meanwhile", || world.differences(USERS).is_empty());
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
