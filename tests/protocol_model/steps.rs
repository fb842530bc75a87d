//! The actions of the model and what each does to a state.

use crate::handle::{Decision, on_fetched, on_read};
use crate::rules::{Bounds, Rules};
use crate::state::{Document, Effect, Event, Owner, Phase, State, Transaction, Write};

/// One step of the world. The number is the owner's, where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The truth at the API changes (back).
    ApiChanges,
    /// A rebalance, or a restart: this owner starts with nothing but the partition.
    Assign(usize),
    /// Takes an epoch, then reads the committed offset.
    TakeEpoch(usize),
    /// Commits the position that was read, by a transaction.
    Prove(usize),
    /// Reads the document; no fetch is needed.
    Handle(usize),
    /// Reads the document and fetches.
    HandleFetching(usize),
    /// Reads the document; the fetch fails.
    HandleFailing(usize),
    /// Reads the document as it was before its last write; no fetch is needed.
    HandleStale(usize),
    /// Reads the document as it was before its last write, and fetches.
    HandleStaleFetching(usize),
    /// Reads the document as it was before its last write; the fetch fails.
    HandleStaleFailing(usize),
    /// The write meets the document, and its answer arrives.
    WriteAnswered(usize),
    /// No answer comes; the write is still under way.
    AnswerLost(usize),
    /// A write that nobody waits for lands. It is the n-th one of those.
    LateWriteLands(usize),
    /// Opens a transaction with all finished outputs and sends the offset to the coordinator.
    SendOffset(usize),
    /// The transaction is committed, and its owner knows.
    Commit(usize),
    /// The transaction is aborted.
    CommitFails(usize),
    /// The transaction is committed, but its owner sees a time-out.
    CommitAnswerLost(usize),
    /// The coordinator ends a transaction whose owner is gone: it had been told to commit.
    OrphanCommitted(usize),
    /// The coordinator ends a transaction whose owner is gone: its time was up.
    OrphanAborted(usize),
    /// A member that lost the partition, but not its membership, uses the new generation.
    LearnGeneration(usize),
}

/// Which state of the document a read gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    Latest,
    Stale,
}

impl State {
    /// Makes states one that differ only in what can't matter any more: writes that can't land,
    /// old documents that nobody will read, and the distance of epochs.
    pub fn normalize(&mut self, rules: &Rules, bounds: &Bounds) {
        let document = self.document.as_ref();
        self.late.retain(|write| write.matches(document, rules));
        if self.stale_reads >= bounds.stale_reads {
            self.stale = None;
        }
        let mut known = vec![0];
        self.for_each_epoch(|epoch| known.push(*epoch));
        known.sort_unstable();
        known.dedup();
        self.for_each_epoch(|epoch| {
            let rank = known.iter().position(|other| other == epoch);
            *epoch = rank.unwrap_or_default() as u8;
        });
        self.late.sort_unstable();
        self.late.dedup();
    }

    fn for_each_epoch(&mut self, mut visit: impl FnMut(&mut u8)) {
        let stale = self.stale.as_mut().map(|stale| &mut stale.document);
        for document in self.document.iter_mut().chain(stale) {
            visit(&mut document.fence);
        }
        for owner in &mut self.owners {
            visit(&mut owner.epoch);
            if let Phase::Writing { write, .. } = &mut owner.phase {
                visit(&mut write.epoch);
            }
        }
        for write in &mut self.late {
            visit(&mut write.epoch);
        }
    }

    /// Everything volatile is lost; a write under way goes on without anyone waiting for it.
    fn forget(&mut self, owner: usize) {
        let mut transaction = self.owners[owner].transaction.take();
        if let Some(open) = &mut transaction {
            open.orphan = true;
        }
        let has_present_generation = self.owners[owner].has_present_generation;
        let forgotten = std::mem::replace(&mut self.owners[owner], Owner::out(transaction));
        if let Phase::Writing { write, .. } = forgotten.phase {
            self.late.push(write);
        }
        self.owners[owner].has_present_generation = has_present_generation;
    }

    fn leave(&mut self, owner: usize) {
        self.forget(owner);
        self.owners[owner].has_present_generation = false;
    }

    fn own_anew(&mut self, owner: usize) {
        self.forget(owner);
        self.owners[owner].phase = Phase::Assigned;
    }

    pub fn assign(&mut self, owner: usize) {
        self.own_anew(owner);
        self.partition.assignments += 1;
        self.partition.assigned_to = owner as u8;
        for (index, member) in self.owners.iter_mut().enumerate() {
            member.has_present_generation = index == owner;
        }
    }

    pub fn take_epoch(&mut self, owner: usize, rules: &Rules) {
        let mut highest = 0;
        self.for_each_epoch(|epoch| highest = highest.max(*epoch));
        let taken = &mut self.owners[owner];
        taken.epoch = highest + 1;
        taken.committed = self.partition.committed;
        taken.phase = if rules.prove { Phase::Unproven } else { Phase::Ready };
    }

    pub fn prove(&mut self, owner: usize) {
        if !self.owners[owner].has_present_generation {
            return self.leave(owner);
        }
        self.partition.committed = self.owners[owner].committed;
        self.owners[owner].phase = Phase::Ready;
    }

    /// A record is handled by what is read of the document and, if it matters, by what is
    /// fetched: nothing from a fetch that fails.
    pub fn handle(&mut self, index: usize, read: Read, fetch_succeeds: bool, rules: &Rules) {
        let (document, outdated) = self.read(read);
        let owner = &self.owners[index];
        let view = fetch_succeeds.then_some(self.view);
        let decision = match on_read(document, owner, rules) {
            Decision::Fetch => on_fetched(document, owner, view, rules),
            decision => decision,
        };
        self.follow(index, decision, outdated);
    }

    /// The document, and whether its version has moved since.
    pub fn read(&self, read: Read) -> (Option<&Document>, bool) {
        match (read, &self.stale) {
            (Read::Stale, Some(stale)) => (Some(&stale.document), stale.outdated),
            _ => (self.document.as_ref(), false),
        }
    }

    fn follow(&mut self, owner: usize, decision: Decision, outdated: bool) {
        match decision {
            Decision::OwnAnew => self.own_anew(owner),
            Decision::Finish(outputs) => self.owners[owner].finish(outputs),
            Decision::Write(mut write, outputs) => {
                write.outdated = outdated;
                self.owners[owner].phase = Phase::Writing { write, outputs };
            }
            Decision::Fetch => unreachable!("a decision after a fetch asks for no other fetch"),
        }
    }

    fn take_write(&mut self, owner: usize) -> (Write, Vec<Event>) {
        match std::mem::replace(&mut self.owners[owner].phase, Phase::Ready) {
            Phase::Writing { write, outputs } => (write, outputs),
            other => unreachable!("no write under way in {other:?}"),
        }
    }

    pub fn write_answered(&mut self, owner: usize, rules: &Rules) {
        let (write, outputs) = self.take_write(owner);
        let landed = self.land(&write, rules);
        if landed && write.effect != Effect::Create {
            self.owners[owner].finish(outputs);
        }
    }

    pub fn answer_lost(&mut self, owner: usize) {
        let (write, _) = self.take_write(owner);
        self.late.push(write);
        self.owners[owner].unanswered = true;
        self.lost_answers += 1;
    }

    pub fn late_write_lands(&mut self, index: usize, rules: &Rules) {
        let write = self.late.remove(index);
        self.land(&write, rules);
    }

    pub fn send_offset(&mut self, owner: usize) {
        if !self.owners[owner].has_present_generation {
            return self.leave(owner);
        }
        let sender = &mut self.owners[owner];
        sender.transaction =
            Some(Transaction { events: sender.finished.concat(), offset: sender.next(), orphan: false });
    }

    /// Ends the owner's transaction; only its coordinator's side.
    pub fn end_transaction(&mut self, owner: usize, commits: bool) -> u8 {
        let Some(ended) = self.owners[owner].transaction.take() else {
            unreachable!("no transaction is open");
        };
        if commits {
            self.partition.told.extend(ended.events);
            self.partition.committed = ended.offset;
        }
        ended.offset
    }

    pub fn commit(&mut self, owner: usize) {
        let offset = self.end_transaction(owner, true);
        let owner = &mut self.owners[owner];
        let records = usize::from(offset - owner.committed);
        owner.finished.drain(..records);
        owner.committed = offset;
    }

    pub fn commit_fails(&mut self, owner: usize, committed: bool, rules: &Rules) {
        self.end_transaction(owner, committed);
        self.failed_commits += 1;
        if rules.new_ownership_after_failed_commit {
            return self.own_anew(owner);
        }
        let epoch = self.owners[owner].epoch;
        self.forget(owner);
        let same = &mut self.owners[owner];
        same.epoch = epoch;
        same.committed = self.partition.committed;
        same.phase = Phase::Ready;
    }
}

impl Owner {
    fn finish(&mut self, outputs: Vec<Event>) {
        self.finished.push(outputs);
        self.unanswered = false;
    }
}
