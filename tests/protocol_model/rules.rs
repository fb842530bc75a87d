//! The rules of the protocol, each a switch, and the bounds that make the model finite.

/// The rules. A test takes one away at a time and expects a counterexample.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Every write filters on `fence <= mine` and sets it.
    pub fence: bool,
    /// No record is handled before a transaction has committed the position that was read.
    pub prove: bool,
    /// The position is read only while no transaction on the partition is open.
    pub stable_position: bool,
    /// Reading again after a failed commit takes a new epoch and proves it.
    pub new_ownership_after_failed_commit: bool,
    /// A batch rides with the group metadata under which its partition was assigned.
    pub own_what_you_name: bool,
    /// A record that finds its own pending entry gives it out again and fetches nothing.
    pub replay: bool,
    /// A pass list is written only over the version that was read.
    pub change_is_cas: bool,
    /// "Nothing new" is written only over the version that was read.
    pub timestamp_is_cas: bool,
    /// "Nothing new" moves the version as a change does.
    pub timestamp_bumps: bool,
    /// A touch is written only over the version that was read.
    pub touch_is_cas: bool,
    /// After a write without an answer the record ends with a write that bumps the version.
    pub seal: bool,
    /// A record that ends without a document write still writes the fence.
    pub touch: bool,
    /// Outputs of another epoch are given out only after the own fence is in the document.
    pub adopt: bool,
    /// Entries of later records are made the record's own before anything is fetched.
    pub take_over: bool,
    /// An absent document is first upserted empty, with the fence.
    pub create: bool,
    /// Only entries that this owner knows to be committed are dropped.
    pub drop_only_committed: bool,
}

impl Rules {
    /// The protocol as it is meant.
    pub const ALL: Self = Self {
        fence: true,
        prove: true,
        stable_position: true,
        new_ownership_after_failed_commit: true,
        own_what_you_name: true,
        replay: true,
        change_is_cas: true,
        timestamp_is_cas: true,
        timestamp_bumps: true,
        touch_is_cas: true,
        seal: true,
        touch: true,
        adopt: true,
        take_over: true,
        create: true,
        drop_only_committed: true,
    };
}

/// How much may happen in one run.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Processes that can own the partition.
    pub owners: u8,
    /// Records of the user in the partition.
    pub records: u8,
    /// Records that an owner may have finished or begun beyond its last commit.
    pub window: u8,
    /// How often the truth at the API changes: from A to B, back to A, ...
    pub api_changes: u8,
    /// Rebalances and restarts after the first assignment.
    pub assignments: u8,
    /// Writes whose answer is lost: they land late, or never.
    pub lost_answers: u8,
    /// Commits that are aborted or whose answer is lost.
    pub failed_commits: u8,
    /// Reads that give the document as it was before its last write.
    pub stale_reads: u8,
}
