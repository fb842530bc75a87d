//! Instances killed again and again in the middle of their work: in the end nothing is lost, doubled or out of order.

use std::{collections::BTreeMap, time::Duration};

use passflow::{
    simulator::{Config, Faults},
    wiring::oracle::Truth,
};

use crate::{
    life::{Lives, Topics},
    process::Bytemark,
    world::World,
};

const USERS: u64 = 40;
const PASSES: &str = r#"
connect_timeout = "500ms"
read_timeout = "300ms"
request_timeout = "600ms"
body_max = "64KiB"
"#;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

fn config(seed: u64) -> Config {
    let faults = Faults { retry_after_s: 1, padding_bytes: 128 << 10, ..Faults::all(0.08) };
    let latency = Duration::from_millis(1)..=Duration::from_millis(20);
    Config { seed, users: USERS, change_rate: 0.05, faults, latency, ..Config::default() }
}

fn kill_again_and_again(instances: usize, kills: u64) {
    let seed = number("PASSFLOW_SEED", 1);
    let world = World::new(Bytemark::new(config(seed)), PASSES);
    let simulator = world.bytemark.simulator.clone();
    world.bytemark.runtime.spawn({
        let simulator = simulator.clone();
        async move { simulator.run(Duration::from_millis(100), std::future::pending()).await }
    });
    let runtime = &world.bytemark.runtime;
    let topics = Topics { store: &world.store, names: &world.names, groups: &world.groups, runtime };
    let mut lives = Lives::new(&world.place, topics, &simulator, seed).of_instances(instances, Duration::from_secs(20));
    lives.import_tokens();
    for _ in 0..kills {
        lives.live_and_be_killed();
    }
    println!("seed {seed}: {}", lives.story());
    lives.end_all();

    simulator.freeze();
    lives.request_all();
    world.place.run(&["run", "--until-end", "--until-end-timeout", "60s"]).exits(0);
    let truth = Truth { store: &world.store, simulator: &simulator, names: &world.names, users: USERS };
    let verdict = runtime.block_on(truth.verdict(BTreeMap::new())).unwrap();
    println!("{}", serde_json::to_string_pretty(&verdict).unwrap());
    assert_eq!(verdict.differences, [""; 0]);
    assert!(verdict.events > kills && verdict.faults > 0, "nothing happened");
    assert!(lives.in_the_middle * 2 > kills, "too few kills hit work under way");
    world.remove();
}

#[test]
fn one_instance_killed_again_and_again_loses_and_doubles_nothing() {
    kill_again_and_again(1, number("PASSFLOW_KILLS", 10));
}

#[test]
fn of_three_instances_any_may_be_killed() {
    kill_again_and_again(3, number("PASSFLOW_KILLS", 10));
}
