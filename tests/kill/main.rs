//! `passflow run`, killed again and again in the middle of its work: in the end nothing is lost, doubled or out of order.
//!
//! `PASSFLOW_KILLS=500` makes it a soak, `PASSFLOW_SEED=7` another story.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]
#![allow(dead_code, reason = "other targets use the rest of the kit")]

mod life;
#[path = "../process/mod.rs"]
mod process;

use std::{collections::BTreeMap, time::Duration};

use passflow::{
    settings::{Connections, Names},
    simulator::{Config, Faults},
    wiring::{self, oracle::Truth},
};

use self::{
    life::{Lives, Topics},
    process::{Bytemark, Place},
};

const USERS: u64 = 40;
/// Many faults, and none that lasts: what fails is tried again until it succeeds.
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

#[test]
fn nothing_is_lost_or_doubled_however_often_it_is_killed() {
    let (kills, seed) = (number("PASSFLOW_KILLS", 30), number("PASSFLOW_SEED", 1));
    let bytemark = Bytemark::new(config(seed));
    let simulator = bytemark.simulator.clone();
    bytemark.runtime.spawn({
        let simulator = simulator.clone();
        async move { simulator.run(Duration::from_millis(100), std::future::pending()).await }
    });
    let place = Place::new(Some(&bytemark.url), PASSES);
    let state = place.path().join("state").display().to_string();
    let connections = Connections::load(None, |name| (name == "PASSFLOW_DATA_DIR").then(|| state.clone())).unwrap();
    let names = Names::of(&[]);
    let store = bytemark.runtime.block_on(wiring::open_store(&connections, &names)).unwrap();
    let groups = ["token_changes", "ticks", "passes"].map(|name| format!("passflow.{name}"));
    let topics = Topics { store: &store, names: &names, groups: &groups, runtime: &bytemark.runtime };

    let mut lives = Lives::new(&place, topics, &simulator, seed);
    lives.import_tokens();
    for _ in 0..kills {
        lives.live_and_be_killed();
    }
    println!("seed {seed}: {}", lives.story());

    lives.end_all();
    simulator.freeze();
    lives.request_all();
    place.run_until_end();
    let truth = Truth { store: &store, simulator: &simulator, names: &names, users: USERS };
    let verdict = bytemark.runtime.block_on(truth.verdict(BTreeMap::new())).unwrap();
    println!("{}", serde_json::to_string_pretty(&verdict).unwrap());
    assert_eq!(verdict.differences, [""; 0]);
    assert!(verdict.events > kills && verdict.faults > 0, "nothing happened");
    assert!(lives.in_the_middle * 2 > kills, "too few kills hit work under way");
}
