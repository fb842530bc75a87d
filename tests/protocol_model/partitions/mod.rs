//! A checked model of a user whose requests lie in two partitions: the number of partitions has changed.
//!
//! The large model has one partition. Here a user's records lie in two, each with an owner and one that was owner
//! before, and each owner may believe at any record whatever it likes about where the user's key belongs: it has not
//! noticed that partitions were added, it has, it is about to; producers go by the old number or the new one. So what
//! holds here rests on no agreement about the number of partitions.
//!
//! Taking a partition (epoch, stable position, proof) and committing are one step each: what can happen in between is in
//! the large model. A fetch that fails ends as a request that is put back: with a touch.

mod state;
mod steps;

use std::{collections::BTreeSet, time::Instant};

use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::protocol::{LOST, OUT_OF_ORDER};
use state::{Phase, Source, State, content_of};
use steps::{Action, Belief};

/// The rules that matter here; all others are as in the large model.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Before a record changes anything, entries of records in other partitions are known to be committed, by that
    /// partition's mark; else the record waits, and is put back in the end.
    others_first: bool,
    /// A request that is put back in another partition gives out its entry, if it has one.
    look_before_putting_back: bool,
    /// And it leaves the fence, if it has none.
    touch_before_putting_back: bool,
}

const ALL: Rules = Rules { others_first: true, look_before_putting_back: true, touch_before_putting_back: true };

/// How much may happen in one run.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Records of the user in each partition.
    records: [u8; 2],
    window: u8,
    api_changes: u8,
    /// Partitions taken after the first time, by a rebalance or a restart.
    assignments: u8,
    lost_answers: u8,
}

const BASE: Bounds = Bounds { records: [2, 1], window: 2, api_changes: 2, assignments: 1, lost_answers: 1 };

#[derive(Clone, Debug)]
struct TwoPartitions {
    rules: Rules,
    bounds: Bounds,
}

impl Model for TwoPartitions {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::at_start()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let bounds = &self.bounds;
        if state.view < bounds.api_changes {
            actions.push(Action::ApiChanges);
        }
        for partition in 0..2 {
            for index in 0..2 {
                self.owner_actions(state, (partition, index), actions);
            }
        }
        actions.extend((0..state.late.len()).map(Action::LateWriteLands));
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        next.step(action, &self.rules);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(OUT_OF_ORDER, |_, state: &State| {
                state.told.iter().map(|event| event.seq).eq(1..=state.told.len() as u8)
            }),
            Property::always(LOST, nothing_lost),
            Property::always("what is told adds up to the document", adds_up),
            Property::sometimes("changes of both partitions are told", |model: &Self, state: &State| {
                is_over(model, state) && state.told.len() >= 2
            }),
            Property::sometimes("a record waits for the other partition", waits),
            Property::sometimes("a write can land late", |_, state: &State| !state.late.is_empty()),
        ]
    }
}

impl TwoPartitions {
    fn owner_actions(&self, state: &State, who: (usize, usize), actions: &mut Vec<Action>) {
        let (partition, index) = who;
        let (owner, records) = (&state.owners[partition][index], self.bounds.records[partition]);
        let is_over = state.partitions[partition].committed == records;
        if !is_over && state.assignments < self.bounds.assignments {
            actions.push(Action::Take(who));
        }
        match owner.phase {
            Phase::Out => return,
            Phase::Ready if owner.next() < records && owner.finished.len() < usize::from(self.bounds.window) => {
                actions.extend([Action::Handle(who, Belief::Here), Action::Handle(who, Belief::Elsewhere)]);
            }
            Phase::Ready => {}
            Phase::Writing { .. } => {
                actions.push(Action::WriteAnswered(who));
                if state.lost_answers < self.bounds.lost_answers {
                    actions.push(Action::AnswerLost(who));
                }
            }
        }
        if !owner.finished.is_empty() {
            actions.push(Action::Commit(who));
        }
        if owner.committed > state.partitions[partition].mark {
            actions.push(Action::KeepMark(who));
        }
    }
}

fn is_over(model: &TwoPartitions, state: &State) -> bool {
    (0..2).all(|partition| state.partitions[partition].committed == model.bounds.records[partition])
}

/// What the document has counted and nobody has seen is owed by an entry of a record that is still to be committed.
fn nothing_lost(_: &TwoPartitions, state: &State) -> bool {
    let is_owed = |of: Source| of.offset >= state.partitions[usize::from(of.partition)].committed;
    let owed = state.document.events_of(is_owed);
    (state.told.len() as u8 + 1..=state.document.seq).all(|seq| owed.iter().any(|event| event.seq == seq))
}

/// Someone is about to handle a record while the other partition owes events.
fn waits(model: &TwoPartitions, state: &State) -> bool {
    let owes = |partition: usize| {
        let committed = state.partitions[partition].committed;
        !state.document.events_of(|of| usize::from(of.partition) == partition && of.offset >= committed).is_empty()
    };
    (0..2).any(|partition| {
        let owner = &state.owners[partition][state.partitions[partition].owner];
        owner.phase == Phase::Ready && owner.next() < model.bounds.records[partition] && owes(1 - partition)
    })
}

fn adds_up(model: &TwoPartitions, state: &State) -> bool {
    let told = state.told.last().map_or(content_of(0), |event| event.to);
    !is_over(model, state) || told == state.document.content
}

fn assert_holds(bounds: Bounds) {
    let started_at = Instant::now();
    let checker = TwoPartitions { rules: ALL, bounds }.checker().threads(2).spawn_bfs().join();
    println!("{} states, {:?}: {bounds:?}", checker.unique_state_count(), started_at.elapsed());
    assert!(checker.is_done(), "not exhausted");
    checker.assert_properties();
}

fn assert_breaks(guarantee: &'static str, rules: Rules) {
    let model = TwoPartitions { rules, bounds: BASE };
    let wanted = HasDiscoveries::AnyOf(BTreeSet::from([guarantee]));
    let checker = model.checker().threads(1).finish_when(wanted).spawn_bfs().join();
    let Some(path) = checker.discovery(guarantee) else {
        panic!("no counterexample to {guarantee:?} in {} states", checker.unique_state_count());
    };
    let actions = path.into_actions();
    println!("{guarantee:?} breaks in {} steps: {actions:?}", actions.len());
}

#[test]
fn holds_whatever_owners_believe_about_the_number_of_partitions() {
    assert_holds(Bounds { lost_answers: 0, ..BASE });
}

#[test]
fn holds_with_a_lost_answer() {
    assert_holds(Bounds { records: [1, 1], ..BASE });
}

#[test]
#[ignore = "minutes: part of the soak"]
fn holds_with_a_lost_answer_and_three_records() {
    assert_holds(BASE);
}

#[test]
#[ignore = "minutes: part of the soak"]
fn holds_with_more_records_and_assignments() {
    assert_holds(Bounds { records: [2, 2], assignments: 2, ..BASE });
}

/// The user's change at partition 0 is stored, not committed. Partition 1 finds the next change and tells it first.
#[test]
fn without_the_entries_of_other_partitions_first() {
    assert_breaks(OUT_OF_ORDER, Rules { others_first: false, ..ALL });
}

/// A change is stored, and its owner is gone before the commit. The next one goes by another number of partitions,
/// puts the request back, and commits: nobody gives the event out.
#[test]
fn without_a_look_before_putting_back() {
    assert_breaks(LOST, Rules { look_before_putting_back: false, ..ALL });
}

/// The new owner finds nothing stored, puts the request back, and commits. Then the write of the former owner lands.
#[test]
fn without_a_touch_before_putting_back() {
    assert_breaks(LOST, Rules { touch_before_putting_back: false, ..ALL });
}
