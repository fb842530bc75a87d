//! The members of an object: which keys are equal, and the order in which `JSON.stringify` writes them.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::draft::Draft;

/// A member of an object, by offsets in the draft.
pub(super) struct Member {
    key_hash: u64,
    /// Where its key's opening quote stands.
    pub(super) start: usize,
    /// After its key's closing quote.
    pub(super) key_end: usize,
}

impl Member {
    /// The member whose key, with its quotes, was read from the input in `quoted`, and starts at `start` in the draft.
    #[inline(always)]
    pub(super) fn new(draft: &mut Draft<'_>, start: usize, quoted: Range<usize>) -> Self {
        let is_same = draft.join(start, quoted.end);
        let key_end = draft.offset_of(quoted.end);
        let key_hash = if is_same {
            hash(draft.input().as_bytes(), quoted)
        } else {
            let key = draft.get(start..key_end).as_bytes();
            hash(key, 0..key.len())
        };
        Self { key_hash, start, key_end }
    }

    /// The length of [`key`](Self::key).
    #[inline]
    pub(super) fn key_length(&self) -> usize {
        self.key_end - self.start - 2
    }

    /// The key's canonical text, without the quotes.
    #[inline]
    pub(super) fn key<'t>(&self, draft: &'t Draft<'_>) -> &'t str {
        draft.get(self.start + 1..self.key_end - 1)
    }
}

/// An object whose members have to change places; offsets in the draft.
pub(super) struct Reorder {
    /// Where its opening brace stands.
    pub(super) start: usize,
    /// Where its closing brace stands.
    pub(super) end: usize,
    /// The members that stay, in their new order, without the commas.
    pub(super) members: Vec<Range<usize>>,
}

impl Reorder {
    /// The order of the `members` of the object that lies in `start..=end`.
    pub(super) fn new(draft: &Draft<'_>, members: &[Member], start: usize, end: usize) -> Self {
        let mut places: HashMap<&str, usize> = HashMap::with_capacity(members.len());
        let mut kept: Vec<(u64, Range<usize>)> = Vec::with_capacity(members.len());
        for (index, member) in members.iter().enumerate() {
            let member_end = members.get(index + 1).map_or(end, |next| next.start - 1);
            let span = member.start..member_end;
            match places.entry(member.key(draft)) {
                Entry::Occupied(place) => kept[*place.get()].1 = span,
                Entry::Vacant(place) => {
                    place.insert(kept.len());
                    kept.push((rank(member.key(draft)), span));
                }
            }
        }
        kept.sort_by_key(|(rank, _)| *rank);
        Self { start, end, members: kept.into_iter().map(|(_, span)| span).collect() }
    }
}

/// Whether array indices among the keys stand first and ascend.
pub(super) fn are_in_order(draft: &Draft<'_>, members: &[Member]) -> bool {
    members.iter().map(|member| rank(member.key(draft))).is_sorted()
}

/// Array indices come first, by their number; all other keys alike after them.
fn rank(key: &str) -> u64 {
    array_index(key).map_or(u64::MAX, u64::from)
}

/// The number of a canonical array index, "0" to "4294967294".
fn array_index(key: &str) -> Option<u32> {
    let is_canonical = key == "0" || !key.starts_with(['0', '+']);
    let index = key.parse().ok().filter(|_| is_canonical)?;
    (index != u32::MAX).then_some(index)
}

const WORD: usize = size_of::<u64>();

/// A quick hash of a key, which lies with its quotes in `quoted`; good enough to tell keys apart that are written by people.
///
/// It looks at the first eight bytes and the last eight, without a branch on the length, which no CPU could guess.
#[inline(always)]
fn hash(bytes: &[u8], quoted: Range<usize>) -> u64 {
    let (start, end) = (quoted.start + 1, quoted.end - 1);
    let head = bytes.get(start..).and_then(<[u8]>::first_chunk::<WORD>);
    let tail = bytes.get(..end).and_then(<[u8]>::last_chunk::<WORD>);
    let (Some(head), Some(tail)) = (head, tail) else {
        return hash_at_edge(bytes.get(quoted).unwrap_or_default());
    };
    // Of a short key both words are the same. The empty one is hashed as the quote beside it.
    let unused_bits = 64 - 8 * (end - start).clamp(1, WORD);
    let head = u64::from_le_bytes(*head) << unused_bits;
    let tail = u64::from_le_bytes(*tail) >> unused_bits;
    let mixed = head.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ tail.wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
    (mixed ^ (end - start) as u64).wrapping_mul(0xff51_afd7_ed55_8ccd)
}

/// The same for a key with less than a word of text around it.
#[cold]
fn hash_at_edge(quoted: &[u8]) -> u64 {
    let padding = [0; WORD];
    let padded = [&padding, quoted, &padding].concat();
    hash(&padded, WORD..WORD + quoted.len())
}

const SLOTS: usize = 256;
const MEMBERS_IN_SLOTS_MAX: usize = SLOTS / 4;

/// Finds equal keys in one object after the other, in a small table that is never cleared between them.
pub(super) struct DuplicateFinder {
    slots: [Slot; SLOTS],
    object: u32,
}

#[derive(Clone, Copy)]
struct Slot {
    object: u32,
    member: u32,
}

impl DuplicateFinder {
    pub(super) fn new() -> Self {
        let empty = Slot { object: 0, member: 0 };
        Self { slots: [empty; SLOTS], object: 0 }
    }

    /// Whether two of `members` have the same key.
    pub(super) fn has_duplicates(&mut self, draft: &Draft<'_>, members: &[Member]) -> bool {
        // The table's search is quadratic for keys made to collide; the standard set's is not, for any number of keys.
        if members.len() > MEMBERS_IN_SLOTS_MAX {
            let mut keys = HashSet::with_capacity(members.len());
            return !members.iter().all(|member| keys.insert(member.key(draft)));
        }
        self.next_object();
        (0u32..).zip(members).any(|(index, _)| self.is_known(draft, members, index))
    }

    fn next_object(&mut self) {
        self.object = self.object.wrapping_add(1);
        if self.object == 0 {
            *self = Self::new();
            self.object = 1;
        }
    }

    /// Whether an earlier member has the key of the one at `index`; else remembers it.
    #[inline]
    fn is_known(&mut self, draft: &Draft<'_>, members: &[Member], index: u32) -> bool {
        let member = &members[index as usize];
        let mut place = (member.key_hash >> 56) as usize;
        loop {
            let slot = &mut self.slots[place % SLOTS];
            if slot.object != self.object {
                *slot = Slot { object: self.object, member: index };
                return false;
            }
            let other = &members[slot.member as usize];
            if other.key_hash == member.key_hash && other.key(draft) == member.key(draft) {
                return true;
            }
            place += 1;
        }
    }
}

/// The text of a draft with the members of its objects in their order.
///
/// Each byte is copied at most once, however deep objects to reorder lie inside each other.
pub(super) fn reordered(text: &str, reorders: &[Reorder]) -> String {
    let mut by_start: Vec<&Reorder> = reorders.iter().collect();
    by_start.sort_unstable_by_key(|reorder| reorder.start);

    let mut ordered = String::with_capacity(text.len());
    let mut copy = |range: Range<usize>| ordered.push_str(text.get(range).unwrap_or_default());
    // What is still to be copied, last first.
    let everything = 0..text.len();
    let mut spans = Vec::from([everything]);
    while let Some(span) = spans.pop() {
        let next = by_start.partition_point(|reorder| reorder.start < span.start);
        let inside = by_start.get(next).filter(|reorder| reorder.start < span.end);
        let Some(reorder) = inside else {
            copy(span);
            continue;
        };
        copy(span.start..reorder.start + 1);
        spans.push(reorder.end..span.end);
        // A comma stands before each member but the first in the draft, so the offset before a member's start is in the text;
        // for a member that was first it is the brace, hence the commas are spans of their own.
        let comma = reorder.comma();
        for (index, member) in reorder.members.iter().enumerate().rev() {
            spans.push(member.clone());
            if index > 0 {
                spans.push(comma.clone());
            }
        }
    }
    ordered
}

impl Reorder {
    /// A comma between members of the draft's object; an object that needs a new order has had one.
    fn comma(&self) -> Range<usize> {
        let starts = self.members.iter().map(|member| member.start);
        let last = starts.max().unwrap_or(self.start);
        last - 1..last
    }
}
