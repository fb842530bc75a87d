//! The inside of the reader: one whole value, with a stack of its own for the containers in it.

use super::members::{Member, Reorder, are_in_order};
use super::scanner::{Frame, Scanner, end_of_space, error};
use super::{Error, ErrorKind, number, string};

/// What is to be read next.
enum Step {
    Value,
    /// What follows a value: the end of its container, or a comma (and the next key).
    AfterValue,
    Nothing,
}

impl Scanner<'_> {
    /// Reads the value at `at`; returns the position after it.
    ///
    /// Positions are handed on, not kept in `self`, so that they stay in a register.
    pub(super) fn read_value(&mut self, at: usize) -> Result<usize, Error> {
        let mut next = (Step::Value, at);
        loop {
            next = match next {
                (Step::Value, at) => self.start_value(at)?,
                (Step::AfterValue, at) => self.after_value(at)?,
                (Step::Nothing, at) => return Ok(at),
            };
        }
    }

    /// Reads a value, or the start of a container that is not empty.
    #[inline(always)]
    fn start_value(&mut self, mut at: usize) -> Result<(Step, usize), Error> {
        let byte = self.next_byte(&mut at);
        if byte == Some(b'"') {
            let end = string::read(&mut self.draft, &mut self.stops, at)?;
            return Ok((Step::AfterValue, end));
        }
        let end = match byte {
            Some(b'-' | b'0'..=b'9') => number::read(&mut self.draft, at)?,
            Some(b'{') => return self.open_object(at),
            Some(b'[') => return self.open_array(at),
            Some(b't') => self.literal(at, b"true")?,
            Some(b'f') => self.literal(at, b"false")?,
            Some(b'n') => self.literal(at, b"null")?,
            _ => return Err(self.unexpected(at)),
        };
        Ok((Step::AfterValue, end))
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

    fn open_array(&mut self, at: usize) -> Result<(Step, usize), Error> {
        let mut next = self.open(at, None)?;
        if self.next_byte(&mut next) == Some(b']') {
            return Ok((Step::AfterValue, self.close(next)));
        }
        Ok((Step::Value, next))
    }

    fn open_object(&mut self, at: usize) -> Result<(Step, usize), Error> {
        let mut next = self.open(at, Some(self.members.len()))?;
        if self.next_byte(&mut next) == Some(b'}') {
            return Ok((Step::AfterValue, self.close(next)));
        }
        Ok((Step::Value, self.read_key(next)?))
    }

    fn open(&mut self, at: usize, members_from: Option<usize>) -> Result<usize, Error> {
        self.check_depth(at)?;
        self.frames.push(Frame {
            start: self.draft.offset_of(at),
            members_from,
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

    #[inline(always)]
    fn after_value(&mut self, mut at: usize) -> Result<(Step, usize), Error> {
        let Some(frame) = self.frames.last() else {
            return Ok((Step::Nothing, at));
        };
        let is_object = frame.members_from.is_some();
        match self.next_byte(&mut at) {
            Some(b',') if is_object => Ok((Step::Value, self.read_key(at + 1)?)),
            Some(b',') => Ok((Step::Value, at + 1)),
            Some(b'}') if is_object => Ok((Step::AfterValue, self.close(at))),
            Some(b']') if !is_object => Ok((Step::AfterValue, self.close(at))),
            _ => Err(self.unexpected(at)),
        }
    }

    /// Reads a key and its colon; returns the position after them.
    #[inline(always)]
    pub(super) fn read_key(&mut self, mut at: usize) -> Result<usize, Error> {
        if self.next_byte(&mut at) != Some(b'"') {
            return Err(self.unexpected(at));
        }
        let start = self.draft.offset_of(at);
        let mut end = string::read(&mut self.draft, &mut self.stops, at)?;
        // A digit, or an escape that may be one.
        let first = self.bytes().get(at + 1);
        let is_index_like = matches!(first, Some(b'0'..=b'9' | b'\\'));
        self.index_like_keys += usize::from(is_index_like);
        let member = Member::new(&mut self.draft, start, at..end);
        self.members.push(member);
        if self.next_byte(&mut end) != Some(b':') {
            return Err(self.unexpected(end));
        }
        Ok(end + 1)
    }

    /// Closes the container opened last, whose closing bracket is at `at`; returns the position after it.
    fn close(&mut self, at: usize) -> usize {
        if let Some(frame) = self.frames.pop()
            && let Some(members_from) = frame.members_from
        {
            self.close_object(&frame, members_from, self.draft.offset_of(at));
        }
        at + 1
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
    fn next_byte(&mut self, at: &mut usize) -> Option<u8> {
        match self.bytes().get(*at) {
            Some(b'\0'..=b' ') => self.leave_out_space(at),
            byte => byte.copied(),
        }
    }

    #[inline(never)]
    fn leave_out_space(&mut self, at: &mut usize) -> Option<u8> {
        let end = end_of_space(self.bytes(), *at);
        if end > *at {
            self.draft.leave_out(*at..end);
            *at = end;
        }
        self.bytes().get(end).copied()
    }
}
