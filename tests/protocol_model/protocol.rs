//! The model: which actions a state has, and what must hold.

use stateright::{Model, Property};

use crate::handle::{Decision, on_read};
use crate::rules::{Bounds, Rules};
use crate::state::{Document, Effect, Owner, Phase, State, content_of};
use crate::steps::{Action, Read};

/// What breaks when an event is repeated, left out, or told before an earlier one.
pub const OUT_OF_ORDER: &str = "each change is told once, in order";
/// What breaks when a stored change is neither told nor owed any more.
pub const LOST: &str = "no change is lost";
/// What breaks when the cache goes back in time.
pub const OLDER_VIEW: &str = "no older view over a newer one";

/// The protocol with some rules, within some bounds.
#[derive(Clone, Debug)]
pub struct Protocol {
    pub rules: Rules,
    pub bounds: Bounds,
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut taken_over = Document::empty(0);
        taken_over.content = content_of(0);
        vec![State::at_start(self.bounds.owners, None), State::at_start(self.bounds.owners, Some(taken_over))]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.view < self.bounds.api_changes {
            actions.push(Action::ApiChanges);
        }
        let is_over = state.partition.committed == self.bounds.records;
        for index in 0..state.owners.len() {
            if !is_over && state.partition.assignments < self.bounds.assignments {
                actions.push(Action::Assign(index));
            }
            self.loop_actions(state, index, actions);
            self.transaction_actions(state, index, actions);
        }
        for index in 0..state.late.len() {
            actions.push(Action::LateWriteLands(index));
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let rules = &self.rules;
        let mut next = state.clone();
        match action {
            Action::ApiChanges => next.view += 1,
            Action::Assign(owner) => next.assign(owner),
            Action::TakeEpoch(owner) => next.take_epoch(owner, rules),
            Action::Prove(owner) => next.prove(owner),
            Action::Handle(owner) | Action::HandleFetching(owner) => {
                next.handle(owner, Read::Latest, true, rules);
            }
            Action::HandleFailing(owner) => next.handle(owner, Read::Latest, false, rules),
            Action::HandleStale(owner) | Action::HandleStaleFetching(owner) => {
                next.stale_reads += 1;
                next.handle(owner, Read::Stale, true, rules);
            }
            Action::HandleStaleFailing(owner) => {
                next.stale_reads += 1;
                next.handle(owner, Read::Stale, false, rules);
            }
            Action::WriteAnswered(owner) => next.write_answered(owner, rules),
            Action::AnswerLost(owner) => next.answer_lost(owner),
            Action::LateWriteLands(index) => next.late_write_lands(index, rules),
            Action::SendOffset(owner) => next.send_offset(owner),
            Action::Commit(owner) => next.commit(owner),
            Action::CommitFails(owner) => next.commit_fails(owner, false, rules),
            Action::CommitAnswerLost(owner) => next.commit_fails(owner, true, rules),
            Action::OrphanCommitted(owner) => {
                next.end_transaction(owner, true);
            }
            Action::OrphanAborted(owner) => {
                next.end_transaction(owner, false);
            }
            Action::LearnGeneration(owner) => {
                next.owners[owner].has_present_generation = true;
            }
        }
        next.normalize(rules, &self.bounds);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(OUT_OF_ORDER, told_in_order),
            Property::always(LOST, nothing_lost),
            Property::always("what is told adds up to the document", adds_up),
            Property::always(OLDER_VIEW, newest_view_wins),
            Property::always("the partition keeps its owner", owner_stays),
            Property::sometimes("two changes are told", all_told),
            Property::sometimes("entries are adopted", adopts),
            Property::sometimes("entries are taken over", takes_over),
            Property::sometimes("a write can land late", lands_late),
        ]
    }
}

impl Protocol {
    fn loop_actions(&self, state: &State, index: usize, actions: &mut Vec<Action>) {
        let owner = &state.owners[index];
        match owner.phase {
            Phase::Out => {}
            Phase::Assigned => {
                if self.can_read_position(state) {
                    actions.push(Action::TakeEpoch(index));
                }
            }
            Phase::Unproven => actions.push(Action::Prove(index)),
            Phase::Ready => self.record_actions(state, index, actions),
            Phase::Writing { .. } => {
                actions.push(Action::WriteAnswered(index));
                if state.lost_answers < self.bounds.lost_answers {
                    actions.push(Action::AnswerLost(index));
                }
            }
        }
        let has_lost = owner.phase != Phase::Out && !owner.has_present_generation;
        if has_lost && !self.rules.own_what_you_name {
            actions.push(Action::LearnGeneration(index));
        }
    }

    fn can_read_position(&self, state: &State) -> bool {
        let open = state.owners.iter().any(|owner| owner.transaction.is_some());
        !self.rules.stable_position || !open
    }

    fn record_actions(&self, state: &State, index: usize, actions: &mut Vec<Action>) {
        let owner = &state.owners[index];
        let window_full = owner.finished.len() >= usize::from(self.bounds.window);
        if window_full || owner.next() >= self.bounds.records {
            return;
        }
        let (document, _) = state.read(Read::Latest);
        if let Decision::Fetch = on_read(document, owner, &self.rules) {
            actions.push(Action::HandleFetching(index));
            actions.push(Action::HandleFailing(index));
        } else {
            actions.push(Action::Handle(index));
        }
        let Some(stale) = &state.stale else {
            return;
        };
        if let Decision::Fetch = on_read(Some(&stale.document), owner, &self.rules) {
            actions.push(Action::HandleStaleFetching(index));
            actions.push(Action::HandleStaleFailing(index));
        } else {
            actions.push(Action::HandleStale(index));
        }
    }

    fn transaction_actions(&self, state: &State, index: usize, actions: &mut Vec<Action>) {
        let owner = &state.owners[index];
        match &owner.transaction {
            None if owner.finished.is_empty() => {}
            None => actions.push(Action::SendOffset(index)),
            Some(open) if open.orphan => {
                actions.push(Action::OrphanCommitted(index));
                actions.push(Action::OrphanAborted(index));
            }
            Some(_) => {
                actions.push(Action::Commit(index));
                if state.failed_commits < self.bounds.failed_commits {
                    actions.push(Action::CommitFails(index));
                    actions.push(Action::CommitAnswerLost(index));
                }
            }
        }
    }
}

fn told_in_order(_: &Protocol, state: &State) -> bool {
    let seqs = state.partition.told.iter().map(|event| event.seq);
    seqs.eq(1..=state.partition.told.len() as u8)
}

/// What the document has counted and no reader has seen is owed by an entry of a record that is
/// still to be committed.
fn nothing_lost(_: &Protocol, state: &State) -> bool {
    let Some(document) = &state.document else {
        return true;
    };
    let told = state.partition.told.len() as u8;
    let owed = document.pending_events(|entry| entry.source >= state.partition.committed);
    (told + 1..=document.seq).all(|seq| owed.iter().any(|event| event.seq == seq))
}

/// When everything is committed, the events lead from the start to the document's content.
fn adds_up(protocol: &Protocol, state: &State) -> bool {
    if state.partition.committed < protocol.bounds.records {
        return true;
    }
    let last_told = state.partition.told.last().map(|event| event.to);
    let told = last_told.unwrap_or(state.content_at_start);
    told == state.document.as_ref().map_or(0, |document| document.content)
}

fn newest_view_wins(_: &Protocol, state: &State) -> bool {
    !state.older_view_won
}

/// Whoever the partition belongs to is neither sent away nor refused once it has proved itself.
fn owner_stays(_: &Protocol, state: &State) -> bool {
    let assigned = &state.owners[usize::from(state.partition.assigned_to)];
    let fence = state.document.as_ref().map_or(0, |document| document.fence);
    match assigned.phase {
        Phase::Out => false,
        Phase::Assigned | Phase::Unproven => true,
        Phase::Ready | Phase::Writing { .. } => fence <= assigned.epoch,
    }
}

fn all_told(protocol: &Protocol, state: &State) -> bool {
    state.partition.committed == protocol.bounds.records && state.partition.told.len() >= 2
}

fn writes(owner: &Owner, wanted: impl Fn(&Effect, bool) -> bool) -> bool {
    match &owner.phase {
        Phase::Writing { write, outputs } => wanted(&write.effect, !outputs.is_empty()),
        _ => false,
    }
}

fn adopts(_: &Protocol, state: &State) -> bool {
    let adopting = |effect: &Effect, has_outputs| *effect == Effect::Touch && has_outputs;
    state.owners.iter().any(|owner| writes(owner, adopting))
}

fn takes_over(_: &Protocol, state: &State) -> bool {
    let taking = |effect: &Effect, _| matches!(effect, Effect::TakeOver { .. });
    state.owners.iter().any(|owner| writes(owner, taking))
}

fn lands_late(_: &Protocol, state: &State) -> bool {
    !state.late.is_empty()
}
