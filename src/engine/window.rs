//! The records of one partition between being read and being committed.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, atomic::AtomicBool},
};

use bytes::Bytes;

use super::handler::Order;
use crate::domain::record::{Output, Record};

/// Names a record of a window; never used twice in one window.
pub type Slot = u64;

/// What a finished record leaves to be committed.
#[derive(Debug)]
pub struct Finished {
    /// Records to put.
    pub outputs: Vec<Output>,
    /// New text for the position.
    pub metadata: Option<String>,
    /// What happened; `None` when only a part is done and the record goes on after the commit.
    pub outcome: Option<&'static str>,
}

#[derive(Debug)]
enum State {
    /// Until those of its lane before it are finished, or it is its turn.
    Waiting,
    Running,
    /// Until its time in `parked`.
    Parked,
    Finished(Finished),
}

#[derive(Debug)]
struct Entry {
    record: Arc<Record>,
    state: State,
    unanswered: Arc<AtomicBool>,
    attempts: u32,
}

/// A record to run.
#[derive(Debug)]
pub struct Runnable {
    /// Its name in the window.
    pub slot: Slot,
    /// The record.
    pub record: Arc<Record>,
    /// Whether a write of it went without an answer.
    pub unanswered: Arc<AtomicBool>,
    /// Failed turns so far.
    pub attempts: u32,
}

/// The finished records at the front of a window.
#[derive(Debug, Default)]
pub struct Prefix {
    /// How many records are wholly finished.
    pub count: usize,
    /// Outputs, in order.
    pub outputs: Vec<Output>,
    /// The offset to commit.
    pub offset: i64,
    /// New text for the position, if any of them gave one.
    pub metadata: Option<String>,
    /// Whether the record behind the finished ones goes on after this commit.
    pub more: bool,
}

/// Records of one partition in flight, in offset order.
#[derive(Debug)]
pub struct Window {
    order: Order,
    entries: VecDeque<Entry>,
    first: Slot,
    lanes: BTreeMap<Bytes, VecDeque<Slot>>,
    ready: VecDeque<Slot>,
    parked: BTreeSet<(i64, Slot)>,
    bytes: usize,
    running: usize,
}

impl Window {
    /// An empty one.
    pub fn new(order: Order) -> Self {
        Self {
            order,
            entries: VecDeque::new(),
            first: 0,
            lanes: BTreeMap::new(),
            ready: VecDeque::new(),
            parked: BTreeSet::new(),
            bytes: 0,
            running: 0,
        }
    }

    /// Records in it.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is in flight.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes that its records and outputs take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Records that are being handled.
    pub fn running(&self) -> usize {
        self.running
    }

    /// The oldest record in flight.
    pub fn oldest(&self) -> Option<&Record> {
        self.entries.front().map(|entry| entry.record.as_ref())
    }

    /// Adds the next record.
    pub fn push(&mut self, record: Record) {
        let slot = self.first + self.entries.len() as Slot;
        self.bytes += record.size_bytes();
        let may_start = match (self.order, &record.key) {
            (Order::OneByOne, _) => self.entries.is_empty(),
            (Order::ByKey, None) => true,
            (Order::ByKey, Some(key)) => {
                let lane = self.lanes.entry(key.clone()).or_default();
                lane.push_back(slot);
                lane.len() == 1
            }
        };
        let unanswered = Arc::new(AtomicBool::new(false));
        self.entries.push_back(Entry { record: Arc::new(record), state: State::Waiting, unanswered, attempts: 0 });
        if may_start {
            self.ready.push_back(slot);
        }
    }

    /// Takes the next record that may run.
    pub fn start_next(&mut self) -> Option<Runnable> {
        let slot = self.ready.pop_front()?;
        let entry = self.entry_mut(slot)?;
        entry.state = State::Running;
        let runnable = Runnable {
            slot,
            record: Arc::clone(&entry.record),
            unanswered: Arc::clone(&entry.unanswered),
            attempts: entry.attempts,
        };
        self.running += 1;
        Some(runnable)
    }

    /// Whether a record may run.
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// A running record has to run again, after all others that may: should the fault be its own, they go on without it.
    pub fn put_back(&mut self, slot: Slot) {
        self.stop_running(slot, State::Waiting);
        self.ready.push_back(slot);
    }

    /// A running record has to run again at `due_ms`; `failed` counts a failed turn.
    pub fn park(&mut self, slot: Slot, due_ms: i64, failed: bool) {
        self.stop_running(slot, State::Parked);
        self.parked.insert((due_ms, slot));
        if let Some(entry) = self.entry_mut(slot) {
            entry.attempts += u32::from(failed);
        }
    }

    /// Makes parked records whose time has come runnable; gives the next due time of the others.
    pub fn wake(&mut self, now_ms: i64) -> Option<i64> {
        while let Some(&(due_ms, slot)) = self.parked.first() {
            if due_ms > now_ms {
                return Some(due_ms);
            }
            self.parked.pop_first();
            if let Some(entry) = self.entry_mut(slot) {
                entry.state = State::Waiting;
                self.ready.push_back(slot);
            }
        }
        None
    }

    /// A running record is finished, or a part of it.
    pub fn finish(&mut self, slot: Slot, finished: Finished) {
        self.bytes += finished.outputs.iter().map(Output::size_bytes).sum::<usize>();
        let goes_on = finished.outcome.is_none();
        self.stop_running(slot, State::Finished(finished));
        if goes_on || self.order == Order::OneByOne {
            return;
        }
        let Some(key) = self.entry_mut(slot).and_then(|entry| entry.record.key.clone()) else { return };
        let Some(lane) = self.lanes.get_mut(&key) else { return };
        lane.pop_front();
        match lane.front() {
            Some(next) => self.ready.push_back(*next),
            None => drop(self.lanes.remove(&key)),
        }
    }

    /// The finished records at the front, up to `bytes_max` of outputs (at least one record). They stay until
    /// [`Self::committed`].
    pub fn prefix(&self, bytes_max: usize) -> Option<Prefix> {
        let mut prefix = Prefix::default();
        let mut bytes = 0;
        let mut any = false;
        for entry in &self.entries {
            let State::Finished(finished) = &entry.state else { break };
            if any && bytes >= bytes_max {
                break;
            }
            any = true;
            bytes += finished.outputs.iter().map(Output::size_bytes).sum::<usize>();
            prefix.outputs.extend(finished.outputs.iter().cloned());
            prefix.metadata = finished.metadata.clone().or(prefix.metadata);
            prefix.more = finished.outcome.is_none();
            prefix.offset = entry.record.source.offset + i64::from(!prefix.more);
            if prefix.more {
                break;
            }
            prefix.count += 1;
        }
        any.then_some(prefix)
    }

    /// The first `count` records are committed; with `more` the one behind them goes on. Gives the outcomes.
    pub fn committed(&mut self, count: usize, more: bool) -> Vec<&'static str> {
        let mut outcomes = Vec::with_capacity(count);
        for entry in self.entries.drain(..count.min(self.entries.len())) {
            self.first += 1;
            self.bytes = self.bytes.saturating_sub(entry.record.size_bytes());
            let State::Finished(finished) = entry.state else { continue };
            self.bytes = self.bytes.saturating_sub(finished.outputs.iter().map(Output::size_bytes).sum());
            outcomes.extend(finished.outcome);
        }
        if more && let Some(entry) = self.entries.front_mut() {
            if let State::Finished(finished) = std::mem::replace(&mut entry.state, State::Waiting) {
                self.bytes = self.bytes.saturating_sub(finished.outputs.iter().map(Output::size_bytes).sum());
            }
            self.ready.push_front(self.first);
        } else if self.order == Order::OneByOne && count > 0 && !self.entries.is_empty() {
            self.ready.push_back(self.first);
        }
        outcomes
    }

    fn stop_running(&mut self, slot: Slot, state: State) {
        if let Some(entry) = self.entry_mut(slot) {
            entry.state = state;
            self.running = self.running.saturating_sub(1);
        }
    }

    fn entry_mut(&mut self, slot: Slot) -> Option<&mut Entry> {
        let index = usize::try_from(slot.checked_sub(self.first)?).ok()?;
        self.entries.get_mut(index)
    }
}
