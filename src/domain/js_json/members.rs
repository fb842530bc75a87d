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
    /// The member whose key, with its quotes, was read from `bytes`, the input, in `quoted`, and starts at `start` in the draft;
    /// and whether the key may be an array index.
    #[inline(always)]
    pub(super) fn new(draft: &mut Draft<'_>, bytes: &[u8], start: usize, quoted: Range<usize>) -> (Self, bool) {
        let is_same = draft.join(start, quoted.end);
        let key_end = draft.offset_of(quoted.end);
        let (first, key_hash) = if is_same {
            hash_in(bytes, quoted)
        } else {
            hash_in(draft.get(start..key_end).as_bytes(), 0..key_end - start)
        };
        (Self { key_hash, start, key_end }, first.is_ascii_digit())
    }

    fn has_key_of(&self, other: &Self, draft: &Draft<'_>) -> bool {
        self.key_hash == other.key_hash && self.key(draft) == other.key(draft)
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

/// The first byte of the key that lies with its quotes in `quoted`, and a quick hash of it; good enough to tell keys apart
/// that are written by people.
///
/// The hash is of the first byte and the last eight. There is no branch on the key's length, which no CPU could guess.
#[inline(always)]
fn hash_in(bytes: &[u8], quoted: Range<usize>) -> (u8, u64) {
    let first = bytes.get(quoted.start + 1).copied().unwrap_or_default();
    let end = quoted.end - 1;
    let last = bytes.get(end.wrapping_sub(WORD)..end).and_then(|last| <[u8; WORD]>::try_from(last).ok());
    let Some(last) = last else {
        return hash_at_start(bytes.get(quoted).unwrap_or_default());
    };
    let length = end - quoted.start - 1;
    // The empty key is hashed as the quotes around it.
    let unused_bits = 8 * (WORD - length.clamp(1, WORD));
    let word = u64::from_le_bytes(last) >> unused_bits ^ u64::from(first) << 48;
    (first, word.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// The same for a key with less than a word of text before its end.
#[cold]
#[inline(never)]
fn hash_at_start(quoted: &[u8]) -> (u8, u64) {
    let padded = [&[0; WORD], quoted].concat();
    hash_in(&padded, WORD..WORD + quoted.len())
}

const MARKS: usize = 2048;
/// A mark is numbered by the highest bits of the hash, which are its best.
const MARK_SHIFT: u32 = u64::BITS - MARKS.ilog2();
const MEMBERS_COMPARED_MAX: usize = u64::BITS as usize;

/// Finds equal keys in one object after the other, in a small table that is next to never cleared between them.
pub(super) struct DuplicateFinder {
    /// The last object with a key of this hash.
    marks: [u8; MARKS],
    /// The number of the object looked at; 0 is none.
    object: u8,
}

impl DuplicateFinder {
    pub(super) fn new() -> Self {
        Self { marks: [0; MARKS], object: 0 }
    }

    /// Whether two of `members` have the same key.
    pub(super) fn has_duplicates(&mut self, draft: &Draft<'_>, members: &[Member]) -> bool {
        // Comparing is quadratic for keys made to collide; the standard set is not, for any number of keys.
        if members.len() > MEMBERS_COMPARED_MAX {
            let mut keys = HashSet::with_capacity(members.len());
            return !members.iter().all(|member| keys.insert(member.key(draft)));
        }
        let mut suspects = self.suspects(members);
        while suspects != 0 {
            let (before, from) = members.split_at(suspects.trailing_zeros() as usize);
            if from.first().is_some_and(|suspect| before.iter().any(|other| suspect.has_key_of(other, draft))) {
                return true;
            }
            suspects &= suspects - 1;
        }
        false
    }

    /// A bit for each of the members whose key may be that of an earlier one, the lowest for the first.
    fn suspects(&mut self, members: &[Member]) -> u64 {
        self.object = self.object.wrapping_add(1);
        if self.object == 0 {
            *self = Self { marks: [0; MARKS], object: 1 };
        }
        let mut suspects = 0;
        for (place, member) in members.iter().enumerate() {
            let mark = &mut self.marks[(member.key_hash >> MARK_SHIFT) as usize];
            suspects |= u64::from(*mark == self.object) << place;
            *mark = self.object;
        }
        suspects
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
