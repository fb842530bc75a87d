//! The inside of the reader: one whole value, with a stack of its own for the containers in it.

use fearless_simd::Simd;

use super::members::{Member, Reorder, are_in_order};
use super::scanner::{Frame, Scanner, end_of_space, error};
use super::{Error, ErrorKind, number, string};

/// What the value belongs to that is being read, or was read last; with the byte that ends it.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Container {
    None = 0,
    Array = b']',
    Object = b'}',
}

impl Scanner<'_> {
    /// Reads the value at `at`; returns the position after it.
    ///
    /// Positions and the input are handed on, not kept in `self`, so that they stay in registers.
    #[inline(always)]
    pub(super) fn read_value<S: Simd>(&mut self, simd: S, mut at: usize) -> Result<usize, Error> {
        let bytes = self.bytes();
        let mut container = Container::None;
        loop {
            let opened = match self.next_byte(bytes, &mut at) {
                Some(b'"') => {
                    at = string::read(simd, bytes, &mut self.draft, &mut self.stops, at)?;
                    None
                }
                Some(b'{') => Some(Container::Object),
                Some(b'[') => Some(Container::Array),
                _ => {
                    at = self.read_scalar(bytes, at)?;
                    None
                }
            };
            if let Some(opened) = opened {
                container = opened;
                at = self.open(at, container)?;
                if self.next_byte(bytes, &mut at) != Some(container as u8) {
                    if container == Container::Object {
                        at = self.read_key(simd, bytes, at)?;
                    }
                    continue;
                }
            }
            loop {
                if container == Container::None {
                    return Ok(at);
                }
                let byte = self.next_byte(bytes, &mut at);
                if byte == Some(b',') {
                    at += 1;
                    break;
                }
                if byte != Some(container as u8) {
                    return Err(self.unexpected(at));
                }
                container = self.close(at);
                at += 1;
            }
            if container == Container::Object {
                at = self.read_key(simd, bytes, at)?;
            }
        }
    }

    /// Reads what is no string and has nothing inside.
    #[inline(always)]
    fn read_scalar(&mut self, bytes: &[u8], at: usize) -> Result<usize, Error> {
        match bytes.get(at) {
            Some(b'-' | b'0'..=b'9') => number::read(&mut self.draft, at),
            Some(b'n') => self.literal(at, b"null"),
            Some(b't') => self.literal(at, b"true"),
            Some(b'f') => self.literal(at, b"false"),
            _ => Err(self.unexpected(at)),
        }
    }

    #[inline(always)]
    fn literal(&self, at: usize, literal: &[u8]) -> Result<usize, Error> {
        let end = at + literal.len();
        if self.bytes().get(at..end) == Some(literal) {
            return Ok(end);
        }
        let rest = self.bytes().get(at..).unwrap_or_default();
        let same = rest.iter().zip(literal).take_while(|(a, b)| a == b).count();
        Err(self.unexpected(at + same))
    }

    fn open(&mut self, at: usize, container: Container) -> Result<usize, Error> {
        self.check_depth(at)?;
        self.frames.push(Frame {
            start: self.draft.offset_of(at),
            members_from: (container == Container::Object).then_some(self.members.len()),
            index_like_keys_before: self.index_like_keys,
        });
        Ok(at + 1)
    }

    pub(super) fn check_depth(&self, at: usize) -> Result<(), Error> {
        if self.entered + self.frames.len() >= self.depth_max {
            return Err(error(ErrorKind::TooDeep, at));
        }
        Ok(())
    }

    /// Reads a key and its colon from `bytes`, the input; returns the position after them.
    #[inline(always)]
    pub(super) fn read_key<S: Simd>(&mut self, simd: S, bytes: &[u8], mut at: usize) -> Result<usize, Error> {
        if self.next_byte(bytes, &mut at) != Some(b'"') {
            return Err(self.unexpected(at));
        }
        let start = self.draft.offset_of(at);
        let mut end = string::read(simd, bytes, &mut self.draft, &mut self.stops, at)?;
        let (member, is_index_like) = Member::new(&mut self.draft, bytes, start, at..end);
        if is_index_like {
            self.index_like_keys += 1;
        }
        self.members.push(member);
        if self.next_byte(bytes, &mut end) != Some(b':') {
            return Err(self.unexpected(end));
        }
        Ok(end + 1)
    }

    /// Closes the container opened last, whose closing bracket is at `at`; returns that around it.
    fn close(&mut self, at: usize) -> Container {
        if let Some(frame) = self.frames.pop()
            && let Some(members_from) = frame.members_from
        {
            self.close_object(&frame, members_from, self.draft.offset_of(at));
        }
        match self.frames.last() {
            None => Container::None,
            Some(Frame { members_from: None, .. }) => Container::Array,
            Some(_) => Container::Object,
        }
    }

    fn close_object(&mut self, frame: &Frame, members_from: usize, end: usize) {
        let members = self.members.get(members_from..).unwrap_or_default();
        let has_index = self.index_like_keys > frame.index_like_keys_before;
        let is_canonical = members.len() <= 1
            || (!has_index || are_in_order(&self.draft, members))
                && !self.duplicates.has_duplicates(&self.draft, members);
        if !is_canonical {
            let reorder = Reorder::new(&self.draft, members, frame.start, end);
            self.reorders.push(reorder);
        }
        // Those of the value itself stay, for who asked for it.
        if !self.frames.is_empty() {
            self.members.truncate(members_from);
        }
    }

    /// The next byte that is not white space, left unread; the white space is left out of the draft.
    #[inline(always)]
    fn next_byte(&mut self, bytes: &[u8], at: &mut usize) -> Option<u8> {
        let byte = *bytes.get(*at)?;
        if byte > b' ' {
            return Some(byte);
        }
        *at = self.leave_out_space(*at);
        bytes.get(*at).copied()
    }

    /// Returns the position after the white space at `at`.
    #[inline(never)]
    fn leave_out_space(&mut self, at: usize) -> usize {
        let end = end_of_space(self.bytes(), at);
        if end > at {
            self.draft.leave_out(at..end);
        }
        end
    }
}
