//! What each kill test tells: instances are killed under load and faults, the rest is done in peace, and then all is
//! compared.

use std::{collections::BTreeMap, time::Duration};

use passflow::{
    simulator::{Config, Faults},
    wiring::oracle::Truth,
};

use super::{life::Lives, process::Bytemark};

pub const USERS: u64 = 40;

/// Settings for many faults, none of which lasts: what fails is tried again until it succeeds.
pub const PASSES: &str = r#"
connect_timeout = "500ms"
read_timeout = "300ms"
request_timeout = "600ms"
body_max = "64KiB"
"#;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

/// How many kills: `PASSFLOW_KILLS`, or so many.
pub fn kills(default: u64) -> u64 {
    number("PASSFLOW_KILLS", default)
}

/// Which story: `PASSFLOW_SEED`.
pub fn seed() -> u64 {
    number("PASSFLOW_SEED", 1)
}

/// A Bytemark with many faults, whose passes change by themselves.
pub fn bytemark() -> Bytemark {
    let faults = Faults { retry_after_s: 1, padding_bytes: 128 << 10, ..Faults::all(0.08) };
    let latency = Duration::from_millis(1)..=Duration::from_millis(20);
    let config = Config { seed: seed(), users: USERS, change_rate: 0.05, faults, latency, ..Config::default() };
    let bytemark = Bytemark::new(config);
    let simulator = bytemark.simulator.clone();
    bytemark.runtime.spawn(async move { simulator.run(Duration::from_millis(100), std::future::pending()).await });
    bytemark
}

/// Lives and dies so many times; then everything is compared with the simulator's truth.
pub fn tell(lives: Lives<'_>, kills: u64) {
    tell_while(lives, kills, |_| {});
}

/// The same, and something happens after each life.
pub fn tell_while(mut lives: Lives<'_>, kills: u64, mut meanwhile: impl FnMut(&Lives<'_>)) {
    lives.import_tokens();
    while lives.kills < kills {
        lives.live_and_be_killed();
        meanwhile(&lives);
    }
    settle(&mut lives);
    assert!(lives.in_the_middle * 2 > kills, "too few kills hit work under way");
}

/// So many times an instance joins and another leaves, one each second; then everything is compared.
pub fn tell_of_coming_and_going(mut lives: Lives<'_>, times: u64) {
    lives.import_tokens();
    for _ in 0..times {
        lives.one_joins_and_one_leaves(Duration::from_secs(1));
    }
    lives.all_have_left();
    settle(&mut lives);
}

/// Those that run are killed, the rest is done in peace, and all is compared.
pub fn settle(lives: &mut Lives<'_>) {
    println!("seed {}: {}", seed(), lives.story());
    lives.end_all();
    let simulator = lives.simulator;
    simulator.freeze();
    lives.request_all();
    lives.place.run(&["run", "--until-end", "--until-end-timeout", "60s"]).exits(0);
    let truth = Truth { store: lives.topics.store, simulator, names: lives.topics.names, users: USERS };
    let verdict = lives.topics.runtime.block_on(truth.verdict(BTreeMap::new())).unwrap();
    println!("{}", serde_json::to_string_pretty(&verdict).unwrap());
    assert_eq!(verdict.differences, [""; 0]);
    assert!(verdict.events > 50 && verdict.faults > 0, "nothing happened");
}
