//! What can happen, and what an owner decides for a record.

use super::{
    Rules,
    state::{Document, Effect, Event, Owner, Phase, Source, State, Write, content_of},
};

/// An owner: its partition, and which of the two it is.
pub type Who = (usize, usize);

/// Where an owner believes the user's key to belong. Nothing is assumed about who believes what, and when: the number
/// of partitions that an owner, or a producer, goes by may be any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belief {
    /// To the partition in which the record lies.
    Here,
    /// To another one: the request is put back there. What becomes of it is not followed.
    Elsewhere,
}

/// One step of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    ApiChanges,
    /// A rebalance or a restart: an epoch is taken, and the stable position is proved.
    Take(Who),
    /// The next record is read, with what its user's document says.
    Handle(Who, Belief),
    WriteAnswered(Who),
    AnswerLost(Who),
    LateWriteLands(usize),
    Commit(Who),
    /// What the owner knows to be committed is kept beside the epoch counter.
    KeepMark(Who),
}

/// What follows from a read.
enum Decision {
    OwnAnew,
    Finish(Vec<Event>),
    Write(Effect, Vec<Event>),
    /// A touch that moves the version.
    Seal(Vec<Event>),
}

impl State {
    pub fn step(&mut self, action: Action, rules: &Rules) {
        match action {
            Action::ApiChanges => self.view += 1,
            Action::Take(who) => {
                self.assignments += 1;
                self.forget(who);
                self.take(who);
            }
            Action::Handle(who, belief) => self.handle(who, belief, rules),
            Action::WriteAnswered(who) => {
                let Some((write, outputs)) = self.take_write(who) else { return };
                if self.land(&write) {
                    self.owner(who).finish(outputs);
                }
            }
            Action::AnswerLost(who) => {
                let Some((write, _)) = self.take_write(who) else { return };
                self.late.push(write);
                self.owner(who).unanswered = true;
                self.lost_answers += 1;
            }
            Action::LateWriteLands(index) => {
                let write = self.late.remove(index);
                self.land(&write);
            }
            Action::Commit(who) => self.commit(who),
            Action::KeepMark((partition, index)) => {
                let known = self.owners[partition][index].committed;
                let mark = &mut self.partitions[partition].mark;
                *mark = known.max(*mark);
            }
        }
        self.normalize();
    }

    fn owner(&mut self, (partition, index): Who) -> &mut Owner {
        &mut self.owners[partition][index]
    }

    /// The present owner takes its partition with a new epoch. Anybody else finds out that it has lost it.
    fn take_anew(&mut self, who: Who) {
        self.forget(who);
        if self.partitions[who.0].owner == who.1 {
            self.take(who);
        }
    }

    fn take(&mut self, (partition, index): Who) {
        let epoch = self.next_epoch();
        let place = &mut self.partitions[partition];
        place.owner = index;
        place.mark = place.committed;
        let committed = place.committed;
        self.owners[partition][index] = Owner { phase: Phase::Ready, epoch, committed, ..Owner::out() };
    }

    /// Everything volatile is lost; a write under way goes on without anyone waiting for it.
    fn forget(&mut self, who: Who) {
        let forgotten = std::mem::replace(self.owner(who), Owner::out());
        if let Phase::Writing { write, .. } = forgotten.phase {
            self.late.push(write);
        }
    }

    fn take_write(&mut self, who: Who) -> Option<(Write, Vec<Event>)> {
        match std::mem::replace(&mut self.owner(who).phase, Phase::Ready) {
            Phase::Writing { write, outputs } => Some((write, outputs)),
            _ => None,
        }
    }

    /// Outputs and position in one transaction, which the broker refuses to all but the present owner.
    fn commit(&mut self, who: Who) {
        if self.partitions[who.0].owner != who.1 {
            return self.forget(who);
        }
        let owner = &mut self.owners[who.0][who.1];
        owner.committed = owner.next();
        self.told.extend(owner.finished.drain(..).flatten());
        self.partitions[who.0].committed = owner.committed;
    }

    fn handle(&mut self, who: Who, belief: Belief, rules: &Rules) {
        let owner = &self.owners[who.0][who.1];
        let source = Source { partition: who.0 as u8, offset: owner.next() };
        let marks = [self.partitions[0].mark, self.partitions[1].mark];
        let decision = match belief {
            Belief::Here => on_home(&self.document, owner, source, marks, content_of(self.view), rules),
            Belief::Elsewhere => on_stray(&self.document, owner, source, rules),
        };
        let mut drop_below = marks;
        drop_below[who.0] = owner.committed;
        let write = |epoch, bumps, effect| Write { epoch, source, outdated: false, bumps, drop_below, effect };
        match decision {
            Decision::OwnAnew => self.take_anew(who),
            Decision::Finish(outputs) => self.owner(who).finish(outputs),
            Decision::Write(effect, outputs) => {
                let write = write(owner.epoch, effect != Effect::Touch, effect);
                self.owner(who).phase = Phase::Writing { write, outputs };
            }
            Decision::Seal(outputs) => {
                let write = write(owner.epoch, true, Effect::Touch);
                self.owner(who).phase = Phase::Writing { write, outputs };
            }
        }
    }
}

impl Owner {
    fn finish(&mut self, outputs: Vec<Event>) {
        self.finished.push(outputs);
        self.unanswered = false;
    }
}

/// The record ends without a change: a touch, unless the document has this epoch already.
fn touch_then(document: &Document, owner: &Owner, outputs: Vec<Event>) -> Decision {
    if owner.unanswered {
        return Decision::Seal(outputs);
    }
    if document.fence == owner.epoch { Decision::Finish(outputs) } else { Decision::Write(Effect::Touch, outputs) }
}

/// A request of a user that belongs to this partition.
fn on_home(document: &Document, owner: &Owner, source: Source, marks: [u8; 2], content: u8, rules: &Rules) -> Decision {
    if document.fence > owner.epoch {
        return Decision::OwnAnew;
    }
    let own = document.events_of(|of| of == source);
    if !own.is_empty() {
        return touch_then(document, owner, own);
    }
    let behind = document.events_of(|of| of.partition == source.partition && of > source);
    if !behind.is_empty() {
        return Decision::Write(Effect::TakeOver, behind);
    }
    let is_owed = |of: Source| of.partition != source.partition && of.offset >= marks[usize::from(of.partition)];
    if rules.others_first && !document.events_of(is_owed).is_empty() {
        // In the end it is put back; waiting before that is no step.
        return touch_then(document, owner, Vec::new());
    }
    if content == document.content {
        return Decision::Seal(Vec::new());
    }
    let event = Event { seq: document.seq + 1, to: content };
    Decision::Write(Effect::Change(event), vec![event])
}

/// A request that is put back where it belongs.
fn on_stray(document: &Document, owner: &Owner, source: Source, rules: &Rules) -> Decision {
    if !rules.look_before_putting_back {
        return Decision::Finish(Vec::new());
    }
    let own = document.events_of(|of| of == source);
    if document.fence > owner.epoch {
        // Nobody who had this partition before can write the document any more.
        return if own.is_empty() { Decision::Finish(Vec::new()) } else { Decision::OwnAnew };
    }
    if own.is_empty() && !rules.touch_before_putting_back {
        return Decision::Finish(Vec::new());
    }
    touch_then(document, owner, own)
}
