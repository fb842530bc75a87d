//! The reader: one step at a time through the containers outside, one call for each value inside.

use std::borrow::Cow;

use super::draft::Draft;
use super::members::{DuplicateFinder, Member, Reorder, are_in_order};
use super::value::Value;
use super::{Error, ErrorKind, number, string};

/// Reads a JSON text from front to back.
///
/// The containers outside are walked with [`enter`](Self::enter), [`next_member`](Self::next_member) and
/// [`next_element`](Self::next_element); [`value`](Self::value) reads all of one value and gives its canonical text.
pub struct Scanner<'a> {
    pub(super) draft: Draft<'a>,
    position: usize,
    depth_max: usize,
    /// How many containers were entered and not left.
    entered: usize,
    /// Whether the container entered last was entered just now.
    at_start: bool,
    /// The containers open inside the value that is being read.
    frames: Vec<Frame>,
    /// The members so far of the objects in `frames`; after a value, those of the value itself.
    pub(super) members: Vec<Member>,
    pub(super) reorders: Vec<Reorder>,
    /// How many keys so far may be array indices.
    index_like_keys: usize,
    duplicates: DuplicateFinder,
}

/// An open container.
struct Frame {
    /// Where it starts in the draft.
    start: usize,
    /// Where its members start; `None` for an array.
    members_from: Option<usize>,
    /// How many keys before it may have been array indices.
    index_like_keys_before: usize,
}

/// What comes after a complete value.
enum After {
    AnotherValue,
    End,
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
            frames: Vec::new(),
            members: Vec::new(),
            reorders: Vec::new(),
            index_like_keys: 0,
            duplicates: DuplicateFinder::new(),
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
            return Err(self.unexpected());
        };
        self.check_depth()?;
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
        self.read_key()?;
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
                return Err(self.unexpected());
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
        loop {
            let is_complete = self.start_value()?;
            if is_complete && let After::End = self.after_value()? {
                break;
            }
        }
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
            Some(_) => Err(self.error(ErrorKind::TrailingText)),
        }
    }

    /// Reads a value, or the start of a container that is not empty; returns whether the value is complete.
    #[inline]
    fn start_value(&mut self) -> Result<bool, Error> {
        match self.next_byte() {
            Some(b'"') => self.position = string::read(&mut self.draft, self.position)?,
            Some(b'-' | b'0'..=b'9') => {
                self.position = number::read(&mut self.draft, self.position)?;
            }
            Some(b'{') => return self.open_object(),
            Some(b'[') => return self.open_array(),
            Some(b't') => self.literal("true")?,
            Some(b'f') => self.literal("false")?,
            Some(b'n') => self.literal("null")?,
            _ => return Err(self.unexpected()),
        }
        Ok(true)
    }

    fn literal(&mut self, literal: &str) -> Result<(), Error> {
        let rest = self.bytes().get(self.position..).unwrap_or_default();
        let same = rest.iter().zip(literal.as_bytes()).take_while(|(a, b)| a == b).count();
        self.position += same;
        if same < literal.len() {
            return Err(self.unexpected());
        }
        Ok(())
    }

    fn open_array(&mut self) -> Result<bool, Error> {
        self.open(None)?;
        if self.next_byte() == Some(b']') {
            self.close();
            return Ok(true);
        }
        Ok(false)
    }

    fn open_object(&mut self) -> Result<bool, Error> {
        self.open(Some(self.members.len()))?;
        if self.next_byte() == Some(b'}') {
            self.close();
            return Ok(true);
        }
        self.read_key()?;
        Ok(false)
    }

    fn open(&mut self, members_from: Option<usize>) -> Result<(), Error> {
        self.check_depth()?;
        let start = self.draft.offset_of(self.position);
        self.frames.push(Frame { start, members_from, index_like_keys_before: self.index_like_keys });
        self.position += 1;
        Ok(())
    }

    fn check_depth(&self) -> Result<(), Error> {
        if self.entered + self.frames.len() >= self.depth_max {
            return Err(self.error(ErrorKind::TooDeep));
        }
        Ok(())
    }

    /// Reads what follows a value: the ends of containers, then a comma (and the next key) or the end of it all.
    #[inline]
    fn after_value(&mut self) -> Result<After, Error> {
        while let Some(frame) = self.frames.last() {
            let is_object = frame.members_from.is_some();
            match self.next_byte() {
                Some(b',') if is_object => {
                    self.position += 1;
                    self.read_key()?;
                    return Ok(After::AnotherValue);
                }
                Some(b',') => {
                    self.position += 1;
                    return Ok(After::AnotherValue);
                }
                Some(b'}') if is_object => self.close(),
                Some(b']') if !is_object => self.close(),
                _ => return Err(self.unexpected()),
            }
        }
        Ok(After::End)
    }

    /// Reads a key and its colon.
    #[inline]
    fn read_key(&mut self) -> Result<(), Error> {
        if self.next_byte() != Some(b'"') {
            return Err(self.unexpected());
        }
        let start = self.draft.offset_of(self.position);
        let end = string::read(&mut self.draft, self.position)?;
        let member = Member::new(&mut self.draft, start, self.position..end);
        self.index_like_keys += usize::from(member.is_index_like);
        self.members.push(member);
        self.position = end;
        if self.next_byte() != Some(b':') {
            return Err(self.unexpected());
        }
        self.position += 1;
        Ok(())
    }

    /// Closes the container opened last; its closing bracket is next.
    fn close(&mut self) {
        let end = self.draft.offset_of(self.position);
        self.position += 1;
        let Some(frame) = self.frames.pop() else {
            return;
        };
        let Some(members_from) = frame.members_from else {
            return;
        };
        let members = self.members.get(members_from..).unwrap_or_default();
        let has_index = self.index_like_keys > frame.index_like_keys_before;
        let is_canonical = members.len() <= 1
            || (!has_index || are_in_order(&self.draft, members))
                && !self.duplicates.has_duplicates(&self.draft, members);
        if !is_canonical {
            let reorder = Reorder::new(&self.draft, members, frame.start, end);
            self.reorders.push(reorder);
        }
        if !self.frames.is_empty() {
            self.members.truncate(members_from);
        }
    }

    /// The next byte that is not white space, left unread; the white space is left out of the draft.
    #[inline]
    fn next_byte(&mut self) -> Option<u8> {
        match self.byte() {
            Some(b'\0'..=b' ') => self.leave_out_space(),
            byte => byte,
        }
    }

    #[inline]
    fn leave_out_space(&mut self) -> Option<u8> {
        let end = end_of_space(self.bytes(), self.position);
        if end > self.position {
            self.draft.leave_out(self.position..end);
            self.position = end;
        }
        self.byte()
    }

    #[inline]
    fn bytes(&self) -> &'a [u8] {
        self.draft.input().as_bytes()
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        self.bytes().get(self.position).copied()
    }

    fn unexpected(&self) -> Error {
        self.error(match self.byte() {
            Some(_) => ErrorKind::UnexpectedByte,
            None => ErrorKind::UnexpectedEnd,
        })
    }

    fn error(&self, kind: ErrorKind) -> Error {
        let offset = self.position;
        Error { kind, offset }
    }
}

/// The position of the first byte from `position` on that is not white space.
#[inline]
fn end_of_space(bytes: &[u8], position: usize) -> usize {
    let mut end = position;
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(end) {
        end += 1;
    }
    end
}
