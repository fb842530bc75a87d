//! What a state of this model is made of. Epochs are only put in order, so they are numbered anew after each step.

/// A change that was, or is to be, told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Event {
    pub seq: u8,
    /// The content that the change led to.
    pub to: u8,
}

/// Where a record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source {
    pub partition: u8,
    pub offset: u8,
}

/// Outputs stored in the document until they are known to be committed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Entry {
    pub source: Source,
    pub events: Vec<Event>,
}

/// The user's document.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Document {
    pub seq: u8,
    pub fence: u8,
    pub content: u8,
    pub pending: Vec<Entry>,
}

/// What a write does besides setting the fence.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Effect {
    /// The fence, and perhaps the version.
    Touch,
    /// Another content was found.
    Change(Event),
    /// Entries of later records of the same partition become this record's.
    TakeOver,
}

/// A compare-and-set on its way to the document.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Write {
    pub epoch: u8,
    pub source: Source,
    /// The version has moved since it was read.
    pub outdated: bool,
    pub bumps: bool,
    /// Entries that are dropped: of each partition those below this offset.
    pub drop_below: [u8; 2],
    pub effect: Effect,
}

/// What an owner is doing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    Out,
    /// Between two steps of the loop.
    Ready,
    /// Waits for the answer to a write; then the record ends with these outputs.
    Writing {
        write: Write,
        outputs: Vec<Event>,
    },
}

/// One process, as the owner of one partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    pub phase: Phase,
    pub epoch: u8,
    /// The committed offset that it knows of.
    pub committed: u8,
    /// The outputs of each finished record from `committed` on.
    pub finished: Vec<Vec<Event>>,
    /// A write of the present record was left without an answer.
    pub unanswered: bool,
}

/// A partition at the broker, and its mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Partition {
    /// Which of its two owners it belongs to; the other one may not know.
    pub owner: usize,
    pub committed: u8,
    /// How far it is known to be committed, beside the epoch counter.
    pub mark: u8,
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// Which view of the API is the present one.
    pub view: u8,
    pub document: Document,
    pub partitions: [Partition; 2],
    /// Two of each partition.
    pub owners: [[Owner; 2]; 2],
    /// What a reader sees.
    pub told: Vec<Event>,
    /// Writes that nobody waits for any more. Sorted.
    pub late: Vec<Write>,
    pub assignments: u8,
    pub lost_answers: u8,
}

/// What the API holds in a view: it changes, and changes back.
pub fn content_of(view: u8) -> u8 {
    1 + view % 2
}

impl Owner {
    pub fn out() -> Self {
        Self { phase: Phase::Out, epoch: 0, committed: 0, finished: Vec::new(), unanswered: false }
    }

    /// The offset of the record to handle next.
    pub fn next(&self) -> u8 {
        self.committed + self.finished.len() as u8
    }
}

impl Document {
    /// Events of the entries that `wanted` picks, in `seq` order.
    pub fn events_of(&self, wanted: impl Fn(Source) -> bool) -> Vec<Event> {
        let picked = self.pending.iter().filter(|entry| wanted(entry.source));
        let mut events: Vec<Event> = picked.flat_map(|entry| entry.events.clone()).collect();
        events.sort_unstable();
        events
    }
}

impl State {
    /// Each partition was just taken by its first owner; the document is as another service left it.
    pub fn at_start() -> Self {
        let document = Document { seq: 0, fence: 0, content: content_of(0), pending: Vec::new() };
        let first = |epoch| Owner { phase: Phase::Ready, epoch, ..Owner::out() };
        Self {
            view: 0,
            document,
            partitions: [Partition { owner: 0, committed: 0, mark: 0 }; 2],
            owners: [[first(1), Owner::out()], [first(2), Owner::out()]],
            told: Vec::new(),
            late: Vec::new(),
            assignments: 0,
            lost_answers: 0,
        }
    }

    /// Lands a write. False if its filter matched nothing.
    pub fn land(&mut self, write: &Write) -> bool {
        if write.outdated || self.document.fence > write.epoch {
            return false;
        }
        if write.bumps {
            self.outdate_writes();
        }
        let document = &mut self.document;
        document.fence = document.fence.max(write.epoch);
        let is_kept = |source: Source| source.offset >= write.drop_below[usize::from(source.partition)];
        document.pending.retain(|entry| is_kept(entry.source));
        match write.effect {
            Effect::Touch => {}
            Effect::Change(event) => {
                document.pending.push(Entry { source: write.source, events: vec![event] });
                document.seq = event.seq;
                document.content = event.to;
            }
            Effect::TakeOver => {
                let is_behind = |source: Source| source.partition == write.source.partition && source > write.source;
                let events = document.events_of(is_behind);
                document.pending.retain(|entry| !is_behind(entry.source));
                document.pending.push(Entry { source: write.source, events });
            }
        }
        true
    }

    fn outdate_writes(&mut self) {
        self.for_each_write(|write| write.outdated = true);
    }

    fn for_each_write(&mut self, mut visit: impl FnMut(&mut Write)) {
        self.late.iter_mut().for_each(&mut visit);
        for owner in self.owners.iter_mut().flatten() {
            if let Phase::Writing { write, .. } = &mut owner.phase {
                visit(write);
            }
        }
    }

    fn for_each_epoch(&mut self, mut visit: impl FnMut(&mut u8)) {
        visit(&mut self.document.fence);
        self.owners.iter_mut().flatten().for_each(|owner| visit(&mut owner.epoch));
        self.for_each_write(|write| visit(&mut write.epoch));
    }

    pub fn next_epoch(&mut self) -> u8 {
        let mut highest = 0;
        self.for_each_epoch(|epoch| highest = highest.max(*epoch));
        highest + 1
    }

    /// Makes states one that differ only in what can't matter any more.
    pub fn normalize(&mut self) {
        let fence = self.document.fence;
        self.late.retain(|write| !write.outdated && write.epoch >= fence);
        let mut known = vec![0];
        self.for_each_epoch(|epoch| known.push(*epoch));
        known.sort_unstable();
        known.dedup();
        self.for_each_epoch(|epoch| {
            *epoch = known.iter().position(|other| other == epoch).unwrap_or_default() as u8;
        });
        self.late.sort_unstable();
        self.late.dedup();
        self.document.pending.sort_unstable();
    }
}
