//! The reader: one step at a time through the containers outside, one call for each value inside.

use std::borrow::Cow;

use fearless_simd::{Level, dispatch};

use super::draft::Draft;
use super::members::{DuplicateFinder, Member, Reorder};
use super::stops::Stops;
use super::value::Value;
use super::{Error, ErrorKind};

/// Reads a JSON text from front to back.
///
/// The containers outside are walked with [`enter`](Self::enter), [`next_member`](Self::next_member) and
/// [`next_element`](Self::next_element); [`value`](Self::value) reads all of one value and gives its canonical text.
pub struct Scanner<'a> {
    pub(super) draft: Draft<'a>,
    position: usize,
    pub(super) depth_max: usize,
    /// How many containers were entered and not left.
    pub(super) entered: usize,
    /// Whether the container entered last was entered just now.
    at_start: bool,
    /// The containers open inside the value that is being read.
    pub(super) frames: Vec<Frame>,
    /// The members so far of the objects in `frames`; after a value, those of the value itself.
    pub(super) members: Vec<Member>,
    pub(super) reorders: Vec<Reorder>,
    /// How many keys so far may be array indices.
    pub(super) index_like_keys: usize,
    pub(super) duplicates: DuplicateFinder,
    pub(super) stops: Stops,
    /// What the CPU's vectors can do.
    level: Level,
}

/// An open container.
pub(super) struct Frame {
    /// Where it starts in the draft.
    pub(super) start: usize,
    /// Where its members start; `None` for an array.
    pub(super) members_from: Option<usize>,
    /// How many keys before it may have been array indices.
    pub(super) index_like_keys_before: usize,
}

impl<'a> Scanner<'a> {
    /// Reads `text`, in which no more than `depth_max` arrays and objects may be open at once.
    #[must_use]
    pub fn new(text: &'a str, depth_max: usize) -> Self {
        Self {
            draft: Draft::new(text),
            position: 0,
            depth_max,
            entered: 0,
            at_start: false,
            // Enough for a pass, so that they needn't grow step by step.
            frames: Vec::with_capacity(16),
            members: Vec::with_capacity(64),
            reorders: Vec::new(),
            index_like_keys: 0,
            duplicates: DuplicateFinder::new(),
            stops: Stops::new(),
            level: Level::new(),
        }
    }

    /// The next byte that is not white space, left unread.
    pub fn peek(&mut self) -> Option<u8> {
        self.position = end_of_space(self.bytes(), self.position);
        self.byte()
    }

    /// How many bytes have been read.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// Goes into the array or object that is next.
    ///
    /// # Errors
    /// [`Error`] when there is none, or it is too deep.
    pub fn enter(&mut self) -> Result<(), Error> {
        let Some(b'[' | b'{') = self.peek() else {
            return Err(self.unexpected(self.position));
        };
        self.check_depth(self.position)?;
        self.entered += 1;
        self.position += 1;
        self.at_start = true;
        Ok(())
    }

    /// Reads up to the value of the next member of the object entered last, and gives its key's canonical text (without the
    /// quotes); leaves the object, with `None`, when there is no more.
    ///
    /// # Errors
    /// [`Error`] when neither is next.
    pub fn next_member(&mut self) -> Result<Option<Cow<'a, str>>, Error> {
        if !self.next_in_container(b'}')? {
            return Ok(None);
        }
        self.peek();
        self.draft.begin(self.position);
        self.members.clear();
        self.position = dispatch!(self.level, simd => self.read_key(simd, self.bytes(), self.position))?;
        let key = match self.members.first() {
            Some(key) if self.draft.is_verbatim() => self.draft.verbatim(1..key.key_end - 1).into(),
            Some(key) => key.key(&self.draft).to_owned().into(),
            None => Cow::Borrowed(""),
        };
        Ok(Some(key))
    }

    /// Reads up to the next element of the array entered last; leaves the array, with `false`, when there is no more.
    ///
    /// # Errors
    /// [`Error`] when neither is next.
    pub fn next_element(&mut self) -> Result<bool, Error> {
        self.next_in_container(b']')
    }

    fn next_in_container(&mut self, closing: u8) -> Result<bool, Error> {
        let next = self.peek();
        let is_first = std::mem::take(&mut self.at_start);
        if next == Some(closing) {
            self.position += 1;
            self.entered = self.entered.saturating_sub(1);
            return Ok(false);
        }
        if !is_first {
            if next != Some(b',') {
                return Err(self.unexpected(self.position));
            }
            self.position += 1;
        }
        Ok(true)
    }

    /// Reads one whole value.
    ///
    /// # Errors
    /// [`Error`] when none is next.
    pub fn value(&mut self) -> Result<Value<'_, 'a>, Error> {
        self.peek();
        self.draft.begin(self.position);
        self.frames.clear();
        self.members.clear();
        self.reorders.clear();
        self.position = dispatch!(self.level, simd => self.read_value(simd, self.position))?;
        if !self.draft.is_verbatim() {
            self.draft.settle(self.position);
        }
        let end = self.draft.offset_of(self.position);
        Ok(Value::new(self, end))
    }

    /// Makes sure that nothing but white space is left.
    ///
    /// # Errors
    /// [`Error`] when there is.
    pub fn finish(&mut self) -> Result<(), Error> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(error(ErrorKind::TrailingText, self.position)),
        }
    }

    #[inline]
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.draft.input().as_bytes()
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        self.bytes().get(self.position).copied()
    }

    pub(super) fn unexpected(&self, offset: usize) -> Error {
        let is_end = offset >= self.bytes().len();
        let kind = if is_end { ErrorKind::UnexpectedEnd } else { ErrorKind::UnexpectedByte };
        error(kind, offset)
    }
}

pub(super) fn error(kind: ErrorKind, offset: usize) -> Error {
    Error { kind, offset }
}

/// The position of the first byte from `position` on that is not white space.
#[inline]
pub(super) fn end_of_space(bytes: &[u8], position: usize) -> usize {
    let mut end = position;
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(end) {
        end += 1;
    }
    end
}
