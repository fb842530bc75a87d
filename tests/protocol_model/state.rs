//! What a state of the model is made of. Numbers are small and lists short: millions of states
//! are kept and hashed. What is only ever compared is kept as the outcome of the comparison, so
//! that states that can't be told apart are one:
//! - a version is only compared with the one that was read: a write knows if it is `outdated`;
//! - a generation is only compared with the group's: an owner knows if it has the present one;
//! - epochs are only put in order: they are numbered anew after each step.

/// A change that was, or is to be, told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Event {
    /// The user's number of the change, from 1.
    pub seq: u8,
    /// The content that the change led to.
    pub to: u8,
}

/// Outputs stored in the document until they are known to be committed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Entry {
    /// Offset of the record that gives the events out.
    pub source: u8,
    pub events: Vec<Event>,
}

/// The user's cache document.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Document {
    pub seq: u8,
    pub fence: u8,
    /// The passes: 0 = none. What the events so far add up to (`emitted`) is the same while
    /// nobody else writes the document, so the model keeps one of the two.
    pub content: u8,
    pub pending: Vec<Entry>,
    /// Not a field of the real document: the newest view of the API that it was written from.
    pub view: u8,
}

/// An earlier state of the document, as a read from a replaced primary may still give it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stale {
    pub document: Document,
    /// The version has moved since.
    pub outdated: bool,
}

/// What a write does besides setting the fence.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Effect {
    /// Upsert of an empty document; nothing if there is one.
    Create,
    /// A document with content, inserted in one go (only without the rule `create`).
    Insert { event: Event, source: u8, view: u8 },
    /// The fence alone.
    Touch,
    /// Nothing new was found in this view.
    Timestamp { view: u8 },
    /// Another content was found in this view.
    Change { event: Event, source: u8, view: u8 },
    /// Every entry of a later record becomes this record's.
    TakeOver { source: u8 },
}

/// A write on its way to the document.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Write {
    pub epoch: u8,
    /// Whether it filters on the version that was read.
    pub is_cas: bool,
    /// The version has moved since it was read.
    pub outdated: bool,
    /// Whether it moves the version.
    pub bumps: bool,
    /// Entries of records before this offset are dropped.
    pub drop_below: u8,
    pub effect: Effect,
}

/// What an owner is doing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Owns nothing: not started, crashed, or told that it is fenced.
    Out,
    /// Was given the partition, or must own it anew: has no epoch yet.
    Assigned,
    /// Has an epoch and has read the position, but has not proved that it owns the partition.
    Unproven,
    /// Between two steps of the loop.
    Ready,
    /// Waits for the answer to a write; then the record ends with these outputs.
    Writing { write: Write, outputs: Vec<Event> },
}

/// A transaction whose offset the coordinator has accepted and which has not ended yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Transaction {
    pub events: Vec<Event>,
    /// The offset to commit.
    pub offset: u8,
    /// Its owner crashed or gave up; the coordinator still ends it one way or the other.
    pub orphan: bool,
}

/// One process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    pub phase: Phase,
    /// Whether the group metadata that it sends names the present generation.
    pub has_present_generation: bool,
    pub epoch: u8,
    /// The committed offset that it knows of.
    pub committed: u8,
    /// The outputs of each finished record from `committed` on.
    pub finished: Vec<Vec<Event>>,
    /// A write for the current record was left without an answer.
    pub unanswered: bool,
    /// Lives at the coordinator: survives a crash of the owner.
    pub transaction: Option<Transaction>,
}

/// The partition at the broker.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Partition {
    pub assigned_to: u8,
    /// Assignments after the first one.
    pub assignments: u8,
    pub committed: u8,
    /// The events that a `read_committed` reader sees.
    pub told: Vec<Event>,
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// Which view of the API is the present one; `content_of` tells what it holds.
    pub view: u8,
    /// The content that a reader starts from: that of a taken-over document, or nothing.
    pub content_at_start: u8,
    pub document: Option<Document>,
    /// The document before its last write, if a stale read may still see it.
    pub stale: Option<Stale>,
    pub partition: Partition,
    pub owners: Vec<Owner>,
    /// Writes that nobody waits for any more and that can still land. Sorted.
    pub late: Vec<Write>,
    pub lost_answers: u8,
    pub failed_commits: u8,
    pub stale_reads: u8,
    /// Not part of any system: an older view was written over a newer one.
    pub older_view_won: bool,
}

/// What the API holds in a view: it changes, and changes back.
pub fn content_of(view: u8) -> u8 {
    1 + view % 2
}

impl Owner {
    pub fn out(transaction: Option<Transaction>) -> Self {
        Self {
            phase: Phase::Out,
            has_present_generation: false,
            epoch: 0,
            committed: 0,
            finished: Vec::new(),
            unanswered: false,
            transaction,
        }
    }

    /// The offset of the record to handle next.
    pub fn next(&self) -> u8 {
        self.committed + self.finished.len() as u8
    }
}

impl State {
    /// The first owner was just given the partition; the document is absent or as taken over.
    pub fn at_start(owners: u8, document: Option<Document>) -> Self {
        let mut owners: Vec<Owner> = (0..owners).map(|_| Owner::out(None)).collect();
        owners[0].phase = Phase::Assigned;
        owners[0].has_present_generation = true;
        Self {
            view: 0,
            content_at_start: document.as_ref().map_or(0, |document| document.content),
            document,
            stale: None,
            partition: Partition { assigned_to: 0, assignments: 0, committed: 0, told: Vec::new() },
            owners,
            late: Vec::new(),
            lost_answers: 0,
            failed_commits: 0,
            stale_reads: 0,
            older_view_won: false,
        }
    }
}
