//! A rider's cache document, without the payloads: all that a refresh needs to decide what to write.
//!
//! The whole document (`bytemark_tickets_cache`) is `user_id, timestamp, passes[], passes4[], passesLog[], passes4Log[]`,
//! `__v`, and passflow's own state under `stream`.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    payload_hash::PayloadHash,
    record::{Source, TopicPartition},
    ticket_changed::Event,
    user_id::UserId,
};

/// The two lists of a document, and the API's two endpoints that fill them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum List {
    /// The active passes, from `GET /passes`.
    Passes,
    /// The history, from `GET /v4.0/passes?status=EXPIRED`.
    Passes4,
}

impl List {
    /// Both, active first.
    pub const BOTH: [Self; 2] = [Self::Passes, Self::Passes4];

    /// The array's name in the document.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passes => "passes",
            Self::Passes4 => "passes4",
        }
    }
}

/// One value for each list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerList<T> {
    /// Of the active list.
    pub passes: T,
    /// Of the history.
    pub passes4: T,
}

impl<T> PerList<T> {
    /// The value of `list`.
    pub fn of(&self, list: List) -> &T {
        match list {
            List::Passes => &self.passes,
            List::Passes4 => &self.passes4,
        }
    }

    /// The value of `list`, to change.
    pub fn of_mut(&mut self, list: List) -> &mut T {
        match list {
            List::Passes => &mut self.passes,
            List::Passes4 => &mut self.passes4,
        }
    }
}

/// A pass in a list, without its payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The array element's ObjectId, 24 lowercase hex digits; kept as long as the pass stays.
    #[serde(rename = "_id")]
    pub id: String,
    /// The vendor's id of the pass.
    pub pass_uuid: String,
    /// Unix seconds at which this payload was first stored.
    pub timestamp: i64,
    /// `USABLE`, `USING`, `EXPIRED`, `USES_GONE`, or whatever else the vendor says.
    pub status: String,
    /// 0, or 1 for a configured product; kept for a known pass.
    pub free_ticket_status: i32,
    /// MD5 of the payload's `JSON.stringify` text.
    pub payload_hash: PayloadHash,
}

/// A place in a list that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The entry at this index of the list as it was read, untouched.
    Keep(usize),
    /// This entry with this payload (canonical JSON text).
    Put(Entry, Bytes),
}

/// One entry of `passesLog` or `passes4Log`: an answer that was an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// The element's ObjectId.
    #[serde(rename = "_id")]
    pub id: String,
    /// JSON text of the errors array: `[{"code": ..., "message": ...}]`.
    pub errors: String,
    /// The API's time as it gave it, else ours in RFC 3339.
    pub server_time: String,
    /// JSON text of the answer's `data` object.
    pub data: String,
}

/// What was last emitted of a pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The pass.
    pub pass_uuid: String,
    /// The list it was told to be in.
    pub list: List,
    /// The status that was told.
    pub status: String,
    /// The hash that was told.
    pub payload_hash: PayloadHash,
    /// The event that told it; 0 if it was taken over from the old service.
    pub seq: u64,
}

/// What else a change puts out besides its events. Made anew from the record when it is given out again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// The request goes to the retry topic.
    Retry {
        /// What failed, for the log and the last dead letter.
        message: String,
    },
    /// A refresh is asked for that stores every pass anew: what is stored is not what was stored.
    Restore {
        /// What was found, for the log.
        message: String,
    },
    /// The request goes to the dead letters: its retry rounds are used up.
    DeadLetter {
        /// What failed.
        message: String,
    },
}

/// Outputs of one record, stored with the change that made them until they are known to be in the topics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The record whose handling made the change.
    pub source: Source,
    /// Its events, in `seq` order.
    pub events: Vec<Event>,
    /// Its other output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<Then>,
}

/// What is known of the user's token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenState {
    /// SHA-256 (hex) of the token of the last successful refresh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// SHA-256 (hex) of a token that the vendor refused: the user rests until there is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// passflow's own state in the document, under `stream`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// Moves with every write but plain timestamp and fence writes.
    pub version: u64,
    /// The last event's number; 0 before the first.
    pub seq: u64,
    /// What the events so far add up to.
    pub emitted: Vec<Told>,
    /// Changes whose outputs are not yet known to be in the topics.
    pub pending: Vec<Pending>,
    /// The token's state.
    #[serde(default)]
    pub token: TokenState,
}

/// An owner's number: whoever takes partitions takes a higher one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

/// A document as it was read, without payloads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The rider.
    pub user_id: UserId,
    /// The document's ObjectId, 24 hex digits.
    pub id: String,
    /// Unix seconds of the last refresh in which both lists succeeded; 0 = never. Above 10^11 it is in milliseconds:
    /// some old writers did so.
    pub timestamp: i64,
    /// mongoose's `__v`; `None` when absent.
    pub document_version: Option<i64>,
    /// The lists.
    pub lists: PerList<Vec<Entry>>,
    /// `None`: only the old service has written it so far.
    pub stream: Option<Stream>,
    /// The highest epoch that wrote it.
    pub fence: Epoch,
}

impl Head {
    /// Unix milliseconds of the last complete refresh; `None` when there was none.
    pub fn refreshed_at_ms(&self) -> Option<i64> {
        const MILLISECONDS_FROM: i64 = 100_000_000_000;
        match self.timestamp {
            ..=0 => None,
            ms @ MILLISECONDS_FROM.. => Some(ms),
            seconds => Some(seconds.saturating_mul(1000)),
        }
    }

    /// The pass as events see it: one in both lists counts as in the history.
    pub fn entry(&self, pass_uuid: &str) -> Option<(List, &Entry)> {
        [List::Passes4, List::Passes].into_iter().find_map(|list| {
            self.lists.of(list).iter().find(|entry| entry.pass_uuid == pass_uuid).map(|entry| (list, entry))
        })
    }
}

impl Stream {
    /// The entry that `source` made, if its outputs are still kept.
    pub fn pending_of(&self, source: &Source) -> Option<&Pending> {
        self.pending.iter().find(|pending| pending.source == *source)
    }

    /// Whether outputs of records behind `source` in its partition are kept: those were handled before a crash, and
    /// `source` is read again.
    pub fn has_pending_behind(&self, source: &Source) -> bool {
        let partition = source.topic_partition();
        self.pending.iter().any(|pending| is_behind(&pending.source, source, &partition))
    }

    /// Makes the entries behind `source` its own. Their order, which is `seq` order, stays.
    pub fn take_over(&mut self, source: &Source) {
        let partition = source.topic_partition();
        self.take_over_all(source, |pending| is_behind(&pending.source, source, &partition));
    }

    /// Makes the entries that are `wanted` those of `source`. Their order, which is `seq` order, stays.
    pub fn take_over_all(&mut self, source: &Source, wanted: impl Fn(&Pending) -> bool) {
        let (taken, mut rest): (Vec<_>, Vec<_>) = self.pending.drain(..).partition(wanted);
        let mut own = Pending { source: source.clone(), events: Vec::new(), then: None };
        for pending in taken {
            own.events.extend(pending.events);
        }
        rest.push(own);
        self.pending = rest;
    }

    /// Forgets the entries of `partition` before `offset`, which are known to be committed.
    pub fn drop_committed(&mut self, partition: &TopicPartition, offset: i64) {
        self.pending.retain(|pending| !(pending.source.is_in(partition) && pending.source.offset < offset));
    }

    /// Whether [`Self::drop_committed`] would drop anything.
    pub fn has_committed(&self, partition: &TopicPartition, offset: i64) -> bool {
        self.pending.iter().any(|pending| pending.source.is_in(partition) && pending.source.offset < offset)
    }
}

fn is_behind(of: &Source, source: &Source, partition: &TopicPartition) -> bool {
    of.is_in(partition) && of.offset > source.offset
}
