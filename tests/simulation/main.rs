//! The real engine and pipelines under seeded simulation: several processes over one world in which everything goes
//! wrong now and then. Time is virtual, and the same seed gives the same run.
//!
//! `PASSFLOW_SEEDS=N` runs N seeds (300 by default), `PASSFLOW_SEED=S` that one alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests may panic")]

mod foreign;
mod oracle;
#[path = "../kit/process.rs"]
mod process;
mod scenario;
mod watch;

use std::{
    env,
    panic::AssertUnwindSafe,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// Seeds that once failed.
const REMEMBERED: [u64; 0] = [];

#[test]
fn every_change_is_told_exactly_once_whatever_happens() {
    let number = |name| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds: Vec<u64> = match number("PASSFLOW_SEED") {
        Some(seed) => vec![seed],
        None => REMEMBERED.into_iter().chain(0..number("PASSFLOW_SEEDS").unwrap_or(300)).collect(),
    };
    let (count, next) = (seeds.len(), AtomicUsize::new(0));
    let threads = thread::available_parallelism().map_or(1, usize::from).min(count);
    let sum = thread::scope(|scope| {
        let run_some = || scope.spawn(|| run_until_none_is_left(&seeds, &next));
        let running: Vec<_> = (0..threads).map(|_| run_some()).collect();
        let mut sum = scenario::Counts::default();
        for counts in running {
            sum.add(&counts.join().unwrap_or_else(|problem| std::panic::resume_unwind(problem)));
        }
        sum
    });
    println!("{count} seeds: {sum:?}");
}

/// Runs seeds that nobody else has taken.
fn run_until_none_is_left(seeds: &[u64], next: &AtomicUsize) -> scenario::Counts {
    let mut sum = scenario::Counts::default();
    while let Some(&seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
        let problem = match std::panic::catch_unwind(AssertUnwindSafe(|| scenario::run(seed))) {
            Ok(Ok(counts)) => {
                sum.add(&counts);
                continue;
            }
            Ok(Err(problem)) => problem,
            Err(_) => "panicked".to_owned(),
        };
        next.store(seeds.len(), Ordering::Relaxed);
        panic!("seed {seed}: {problem}\nagain: PASSFLOW_SEED={seed} cargo test --test simulation -- --nocapture");
    }
    sum
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let counts = |seed| scenario::run(seed).unwrap();
    assert_eq!(counts(7), counts(7));
}
