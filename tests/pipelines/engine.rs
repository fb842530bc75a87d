//! The loop under handlers of its own: order, windows, commits, faults, its end.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use futures::future::BoxFuture;
use passflow::{
    adapters::memory::{Chaos, ConsumerOdds, Odds, Span},
    domain::record::{Output, Record},
    engine::{
        Limits,
        handler::{Halt, Handler, Step, Turn},
    },
};

use super::kit::{Kit, Process, header, output, run, secs, sleep};

type Act = Box<dyn Fn(String) -> BoxFuture<'static, Result<Step, Halt>> + Send + Sync>;

/// Notes when each record begins and ends, and does as it is told with its value.
struct Scripted {
    notes: Arc<Mutex<Vec<String>>>,
    act: Act,
}

#[async_trait]
impl Handler for Scripted {
    async fn handle(&self, record: &Record, _turn: &Turn) -> Result<Step, Halt> {
        let value = String::from_utf8(record.value.as_deref().unwrap().to_vec()).unwrap();
        self.notes.lock().unwrap().push(format!("+{value}"));
        let result = (self.act)(value.clone()).await;
        self.notes.lock().unwrap().push(format!("-{value}"));
        result
    }
}

pub const IN: &str = "in";
const OUT: &str = "out";

#[expect(clippy::unnecessary_wraps, reason = "what a handler gives")]
pub fn done(value: &str) -> Result<Step, Halt> {
    Ok(Step::with(vec![Output { topic: OUT.into(), ..output("k", value) }], "changed"))
}

pub struct Rig {
    pub kit: Kit,
    notes: Arc<Mutex<Vec<String>>>,
}

impl Rig {
    pub fn new(
        limits: Limits,
        odds: Odds,
        act: impl Fn(String) -> BoxFuture<'static, Result<Step, Halt>> + Send + Sync + 'static,
    ) -> Self {
        let mut kit = Kit::new();
        let notes = Arc::<Mutex<Vec<String>>>::default();
        let mut process = Process::idle(&kit.surroundings, Chaos::new("p", 1, odds), 1);
        let handler = Scripted { notes: Arc::clone(&notes), act: Box::new(act) };
        process.spawn("scripted", &[IN], Arc::new(handler), limits);
        kit.process = Some(process);
        Self { kit, notes }
    }

    pub fn usual(act: impl Fn(String) -> BoxFuture<'static, Result<Step, Halt>> + Send + Sync + 'static) -> Self {
        Self::new(Limits::default(), Odds::default(), act)
    }

    pub fn put(&self, key: &str, value: &str) {
        self.kit.put_output(Output { topic: IN.into(), ..output(key, value) });
    }

    pub fn notes(&self) -> Vec<String> {
        self.notes.lock().unwrap().clone()
    }

    fn position_of(&self, note: &str) -> usize {
        self.notes().iter().position(|noted| noted == note).unwrap_or_else(|| panic!("no {note} in {:?}", self.notes()))
    }

    pub fn out(&self) -> Vec<String> {
        let records = self.kit.records(OUT).into_iter();
        records.map(|record| String::from_utf8(record.value.unwrap().to_vec()).unwrap()).collect()
    }

    fn committed(&self) -> i64 {
        self.kit.surroundings.cluster.positions("passflow.scripted").values().map(|position| position.offset).sum()
    }
}

/// `slow` takes ten seconds, the rest one millisecond.
pub fn timed(value: String) -> BoxFuture<'static, Result<Step, Halt>> {
    Box::pin(async move {
        sleep(if value.starts_with("slow") { secs(10) } else { Duration::from_millis(1) }).await;
        done(&value)
    })
}

#[test]
fn records_of_one_key_are_handled_in_order_and_those_of_others_meanwhile() {
    run(async {
        let rig = Rig::usual(timed);
        for (key, value) in [("a", "slow 1"), ("a", "2"), ("a", "slow 3"), ("b", "4"), ("c", "5")] {
            rig.put(key, value);
        }
        rig.kit.settle().await;
        assert!(rig.position_of("-slow 1") < rig.position_of("+2"));
        assert!(rig.position_of("-2") < rig.position_of("+slow 3"));
        for other in ["-4", "-5"] {
            assert!(rig.position_of(other) < rig.position_of("-slow 1"));
        }
        let mut out = rig.out();
        out.sort();
        assert_eq!(out, ["2", "4", "5", "slow 1", "slow 3"]);
    });
}

#[test]
fn outputs_leave_in_the_order_of_the_records_with_their_offsets() {
    run(async {
        let rig = Rig::usual(timed);
        // One partition: `b` is done long before `a`, and waits for it.
        let keys = keys_of_partition(0);
        rig.put(&keys[0], "first");
        rig.kit.settle().await;
        rig.put(&keys[0], "slow a");
        rig.put(&keys[1], "b");
        sleep(secs(5)).await;
        assert_eq!((rig.out(), rig.committed()), (vec!["first".to_owned()], 1));
        rig.kit.settle().await;
        assert_eq!(rig.out(), ["first", "slow a", "b"]);
        assert!(rig.committed() >= 3);
    });
}

/// Keys whose records lie in one partition of a topic with three.
pub fn keys_of_partition(partition: u32) -> Vec<String> {
    let keys = (0..200).map(|number| format!("key-{number}"));
    keys.filter(|key| passflow::domain::partitioner::partition_of(key.as_bytes(), 3) == partition).collect()
}

/// One record an event, so that a pause takes effect at once.
fn singly() -> Odds {
    let consumer = ConsumerOdds { batch_max: 1, prefetch: 1, latency: Span::ms(1, 1), ..ConsumerOdds::default() };
    Odds { consumer, ..Odds::default() }
}

async fn most_at_once(limits: Limits, value: &str) -> usize {
    let rig = Rig::new(limits, singly(), timed);
    for (number, key) in keys_of_partition(0).iter().take(40).enumerate() {
        rig.put(key, &format!("slow {number} {value}"));
    }
    sleep(secs(5)).await;
    let begun = rig.notes().len();
    rig.kit.settle().await;
    assert_eq!(rig.out().len(), 40);
    begun
}

#[test]
fn a_partition_with_a_full_window_is_not_read_further() {
    run(async {
        let begun = most_at_once(Limits { window: 8, ..Limits::default() }, "").await;
        assert!((8..=10).contains(&begun), "{begun}");
    });
}

#[test]
fn windows_count_bytes_too() {
    run(async {
        let begun = most_at_once(Limits { window_bytes: 4_000, ..Limits::default() }, &"x".repeat(900)).await;
        assert!((4..=6).contains(&begun), "{begun}");
    });
}

#[test]
fn no_more_than_so_many_records_are_handled_at_once() {
    run(async {
        let begun = most_at_once(Limits { concurrency: 3, ..Limits::default() }, "").await;
        assert_eq!(begun, 3);
    });
}

#[test]
fn a_handler_that_panics_costs_one_dead_letter() {
    run(async {
        let rig = Rig::usual(|value| {
            Box::pin(async move {
                assert_ne!(value, "bad");
                done(&value)
            })
        });
        for value in ["1", "bad", "2"] {
            rig.put("k", value);
        }
        rig.kit.settle().await;
        assert_eq!(rig.out(), ["1", "2"]);
        assert_eq!(rig.kit.codes(), ["internal_error"]);
        let (_, letter) = rig.kit.letters().remove(0);
        assert_eq!(letter.value.as_deref(), Some(b"bad".as_slice()));
        assert_eq!(header(&letter, "passflow.error.pipeline"), "scripted");
    });
}

#[test]
fn a_stop_waits_for_what_is_in_flight_and_commits_it() {
    run(async {
        let mut rig = Rig::usual(timed);
        rig.put("k", "slow");
        sleep(secs(3)).await;
        let start_ms = rig.kit.surroundings.world.now_ms();
        rig.kit.process.take().unwrap().stop().await;
        assert!(rig.kit.surroundings.world.now_ms() - start_ms < 8_000);
        assert_eq!(rig.out(), ["slow"]);
    });
}

#[test]
fn a_stop_does_not_wait_longer_than_its_bound() {
    run(async {
        let mut rig = Rig::usual(|_| Box::pin(std::future::pending()));
        rig.put("k", "never");
        sleep(secs(3)).await;
        let start_ms = rig.kit.surroundings.world.now_ms();
        rig.kit.process.take().unwrap().stop().await;
        let took_ms = rig.kit.surroundings.world.now_ms() - start_ms;
        assert!((10_000..11_000).contains(&took_ms), "{took_ms}");
        assert_eq!(rig.committed(), 0);
    });
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_record_that_does_not_move_is_reported_once() {
    let captured = Captured::default();
    let writer = captured.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    run(async {
        let rig = Rig::usual(|_| Box::pin(std::future::pending()));
        rig.put("k", "never");
        sleep(secs(300)).await;
    });
    let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    let reports: Vec<&str> = text.lines().filter(|line| line.contains("nothing moves")).collect();
    assert_eq!(reports.len(), 1, "{text}");
    assert!(reports[0].contains("ERROR") && reports[0].contains("in/"), "{reports:?}");
}
