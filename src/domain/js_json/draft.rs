//! The canonical text of one value while it is read: the input as long as it is the same, a copy from where it differs.

use std::ops::Range;

/// Offsets given out by a draft count from the start of the canonical text, and stay right when more is written.
pub(super) struct Draft<'a> {
    input: &'a str,
    /// Where the value starts in the input.
    start: usize,
    /// The input before this is in `written` or left out; what comes after it has been the same since.
    copied_to: usize,
    written: String,
    /// What to add (wrapping) to a position in the input after `copied_to` for its offset in the canonical text.
    shift: usize,
}

impl<'a> Draft<'a> {
    pub(super) fn new(input: &'a str) -> Self {
        Self { input, start: 0, copied_to: 0, written: String::new(), shift: 0 }
    }

    pub(super) fn input(&self) -> &'a str {
        self.input
    }

    /// Starts the text of another value, at `position` in the input.
    #[inline]
    pub(super) fn begin(&mut self, position: usize) {
        self.start = position;
        self.copied_to = position;
        self.written.clear();
        self.shift = 0usize.wrapping_sub(position);
    }

    /// Where the input's byte at `position` comes to stand in the canonical text.
    #[inline]
    pub(super) fn offset_of(&self, position: usize) -> usize {
        position.wrapping_add(self.shift)
    }

    /// Leaves the input in `range` out of the text.
    #[inline]
    pub(super) fn leave_out(&mut self, range: Range<usize>) {
        self.settle(range.start);
        self.copied_to = range.end;
        self.shift = self.written.len().wrapping_sub(range.end);
    }

    /// Writes `text` in place of the input in `range`.
    pub(super) fn replace(&mut self, range: Range<usize>, text: &str) {
        if self.input.get(range.clone()) == Some(text) {
            return;
        }
        self.leave_out(range);
        self.written.push_str(text);
        self.shift = self.written.len().wrapping_sub(self.copied_to);
    }

    /// Copies what is still the same up to `position`.
    #[inline]
    pub(super) fn settle(&mut self, position: usize) {
        let same = self.input.get(self.copied_to..position);
        self.written.push_str(same.unwrap_or_default());
        self.copied_to = position;
    }

    /// Makes sure that the text from `offset` up to `position` in the input lies in one piece; returns whether it is the same
    /// in the input.
    #[inline]
    pub(super) fn join(&mut self, offset: usize, position: usize) -> bool {
        let is_same = offset >= self.written.len();
        if !is_same {
            self.settle(position);
        }
        is_same
    }

    /// Whether the input has been canonical since the value's start.
    #[inline]
    pub(super) fn is_verbatim(&self) -> bool {
        self.copied_to == self.start
    }

    /// The canonical text in `range`, which must lie in one piece.
    #[inline]
    pub(super) fn get(&self, range: Range<usize>) -> &str {
        let written = self.written.len();
        if range.end <= written {
            return self.written.get(range).unwrap_or_default();
        }
        self.verbatim(range.start - written..range.end - written)
    }

    /// The input's text in `range`, counted from where the copy ends: in a verbatim value, from its start.
    #[inline]
    pub(super) fn verbatim(&self, range: Range<usize>) -> &'a str {
        let in_input = range.start + self.copied_to..range.end + self.copied_to;
        self.input.get(in_input).unwrap_or_default()
    }
}
