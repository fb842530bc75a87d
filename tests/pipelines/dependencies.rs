//! The loop while a dependency is away, or one record seems to think so.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use passflow::{
    adapters::memory::{Chaos, CommitOdds, Odds},
    domain::{
        poison::{Code, Poison},
        record::Record,
    },
    engine::{
        Limits,
        handler::{Halt, Handler, Step, Turn},
        until_end::{self, End, Watched},
    },
    ports::{Dependency, Failure, PortError},
};

use super::{
    engine::{IN, Rig, done, keys_of_partition},
    kit::{Kit, Process, header, output, run, secs, sleep},
};

fn away() -> Halt {
    let (doing, message) = ("asking".to_owned(), "away".to_owned());
    Halt::Down(PortError { kind: Failure::Down, dependency: Dependency::Bytemark, doing, message })
}

#[test]
fn records_whose_own_fault_it_is_do_not_hold_up_the_others() {
    run(async {
        let rig = Rig::usual(|value| {
            Box::pin(async move { if value.starts_with("bad") { Err(away()) } else { done(&value) } })
        });
        let (zero, one) = (keys_of_partition(0), keys_of_partition(1));
        for key in &zero[..5] {
            rig.put(key, &format!("bad {key}"));
        }
        sleep(secs(60)).await;
        for key in zero[5..10].iter().chain(&one[..10]) {
            rig.put(key, key);
        }
        sleep(secs(1200)).await;
        let begun = rig.notes().into_iter().filter(|note| note.starts_with("-key")).count();
        assert_eq!(begun, 15, "healthy records wait behind those that fail: {:?}", rig.notes());
        let mut out = rig.out();
        out.sort();
        let mut expected = one[..10].to_vec();
        expected.sort();
        assert_eq!(out, expected, "a partition without a failing record is committed");
    });
}

fn busy() -> Poison {
    Poison::new(Code::WriteFailed, "busy")
}

#[test]
fn while_a_dependency_is_away_one_probe_at_a_time_tries_and_nothing_is_lost() {
    run(async {
        let tries = Arc::new(Mutex::new(BTreeMap::<String, usize>::new()));
        let (seen, up_at) = (Arc::clone(&tries), tokio::time::Instant::now() + secs(600));
        let rig = Rig::usual(move |value| {
            *seen.lock().unwrap().entry(value.clone()).or_default() += 1;
            Box::pin(async move {
                if tokio::time::Instant::now() >= up_at {
                    return done(&value);
                }
                Err(away())
            })
        });
        for number in 0..30 {
            rig.put(&format!("k{number}"), &number.to_string());
        }
        sleep(secs(300)).await;
        let waiting_for = rig.kit.process.as_ref().unwrap().progress[0].snapshot().waiting_for;
        assert_eq!(waiting_for.map(|(dependency, _)| dependency), Some(Dependency::Bytemark));
        rig.kit.settle().await;
        assert_eq!(rig.out().len(), 30);
        assert!(rig.kit.letters().is_empty());
        let total: usize = tries.lock().unwrap().values().sum();
        assert!(total < 30 * 2 + 600 / 7 + 20, "{total} tries in ten minutes");
    });
}

#[test]
fn a_turn_that_fails_is_repeated_a_bounded_number_of_times() {
    run(async {
        let rig = Rig::usual(|value| {
            Box::pin(async move { if value == "bad" { Err(Halt::Again(busy())) } else { done(&value) } })
        });
        rig.put("k", "bad");
        rig.put("k", "good");
        rig.kit.settle().await;
        assert_eq!(rig.notes().iter().filter(|note| *note == "+bad").count(), 5);
        assert_eq!(rig.out(), ["good"]);
        assert_eq!(header(&rig.kit.letters()[0].1, "passflow.error.attempts"), "5");
    });
}

/// Leaves a write without an answer and fails; once told to, seals it off and fails all the same.
struct Unsealed {
    may_seal: Mutex<bool>,
}

#[async_trait]
impl Handler for Unsealed {
    async fn handle(&self, _record: &Record, turn: &Turn) -> Result<Step, Halt> {
        let sealed = *self.may_seal.lock().unwrap();
        turn.unanswered.store(!sealed, Ordering::Release);
        Err(Halt::Poison { stage: "write", poison: busy() })
    }
}

#[test]
fn a_record_with_an_unsealed_write_is_no_dead_letter_before_it_is_sealed() {
    run(async {
        let mut kit = Kit::new();
        let mut process = Process::idle(&kit.surroundings, Chaos::none(), 1);
        let handler = Arc::new(Unsealed { may_seal: Mutex::new(false) });
        process.spawn("scripted", &[IN], Arc::clone(&handler) as Arc<dyn Handler>, Limits::default());
        kit.process = Some(process);
        kit.put_output(passflow::domain::record::Output { topic: IN.into(), ..output("k", "v") });
        sleep(secs(120)).await;
        assert!(kit.letters().is_empty());
        let waiting_for = kit.process.as_ref().unwrap().progress[0].snapshot().waiting_for;
        assert_eq!(waiting_for.map(|(dependency, _)| dependency), Some(Dependency::Documents));
        *handler.may_seal.lock().unwrap() = true;
        kit.settle().await;
        assert_eq!(kit.codes(), ["write_failed"]);
    });
}

#[test]
fn topics_that_take_no_commit_are_given_up() {
    run(async {
        let rig = Rig::usual(|value| Box::pin(async move { done(&value) }));
        rig.put("k", "v");
        let process = rig.kit.process.as_ref().unwrap();
        let commits = CommitOdds { down: 1.0, ..CommitOdds::default() };
        process.chaos.set_odds(Odds { commits, ..Odds::default() });
        let watched = Watched {
            pipeline: "scripted".to_owned(),
            group: "passflow.scripted".to_owned(),
            consumes: vec![IN.into()],
            progress: process.progress[0].clone(),
        };
        let end = until_end::reached(&process.topics, &process.clock, &[watched], secs(60)).await;
        assert_eq!(end, End::Waiting { pipeline: "scripted".to_owned(), dependency: "topics" });
    });
}

#[test]
fn pauses_between_turns_grow_up_to_ten_times_the_first() {
    run(async {
        let tries = Arc::<Mutex<Vec<tokio::time::Instant>>>::default();
        let noted = Arc::clone(&tries);
        let limits = Limits { handle_attempts: 20, retry_backoff: secs(10), ..Limits::default() };
        let rig = Rig::new(limits, Odds::default(), move |_| {
            noted.lock().unwrap().push(tokio::time::Instant::now());
            Box::pin(async { Err(Halt::Again(busy())) })
        });
        rig.put("k", "bad");
        rig.kit.settle().await;
        let tries = tries.lock().unwrap();
        let pauses: Vec<Duration> = tries.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let longest = pauses.iter().max().unwrap();
        // A second on top: the loop looks at its clock now and then only.
        assert!((secs(80)..secs(101)).contains(longest), "{pauses:?}");
    });
}
