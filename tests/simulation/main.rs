//! The real engine and pipelines under seeded simulation: several processes over one world in which everything goes
//! wrong now and then. Time is virtual, and the same seed gives the same run.
//!
//! `PASSFLOW_SEEDS=N` runs N seeds (25 by default), `PASSFLOW_SEED=S` that one alone.

mod foreign;
mod oracle;
#[path = "../kit/process.rs"]
mod process;
mod scenario;
mod watch;

use std::{env, panic::AssertUnwindSafe};

/// Seeds that once failed.
const REMEMBERED: [u64; 0] = [];

#[test]
fn every_change_is_told_exactly_once_whatever_happens() {
    let number = |name| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds: Vec<u64> = match number("PASSFLOW_SEED") {
        Some(seed) => vec![seed],
        None => REMEMBERED.into_iter().chain(0..number("PASSFLOW_SEEDS").unwrap_or(25)).collect(),
    };
    let count = seeds.len();
    let mut sum = scenario::Counts::default();
    for seed in seeds {
        let run = std::panic::catch_unwind(AssertUnwindSafe(|| scenario::run(seed)));
        let problem = match run {
            Ok(Ok(counts)) => {
                sum.add(&counts);
                continue;
            }
            Ok(Err(problem)) => problem,
            Err(_) => "panicked".to_owned(),
        };
        panic!("seed {seed}: {problem}\nagain: PASSFLOW_SEED={seed} cargo test --test simulation -- --nocapture");
    }
    println!("{count} seeds: {sum:?}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let counts = |seed| scenario::run(seed).unwrap();
    assert_eq!(counts(7), counts(7));
}
