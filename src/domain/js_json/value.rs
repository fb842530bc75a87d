//! A value that was read: its canonical text and, of an object, its members.

use std::borrow::Cow;
use std::ops::Range;

use super::members::{Member, reordered};
use super::scanner::Scanner;
use super::string::unescape;

/// The value that a [`Scanner`] read last.
pub struct Value<'s, 'a> {
    scanner: &'s Scanner<'a>,
    /// The length of its text in the draft.
    length: usize,
}

impl<'s, 'a: 's> Value<'s, 'a> {
    pub(super) fn new(scanner: &'s Scanner<'a>, length: usize) -> Self {
        Self { scanner, length }
    }

    /// The canonical text; borrowed when the input already is canonical.
    #[must_use]
    pub fn text(&self) -> Cow<'a, str> {
        match self.draft().text() {
            text if self.scanner.reorders.is_empty() => text.into_cow(),
            text => reordered(text.as_str(), &self.scanner.reorders).into(),
        }
    }

    /// The value as a field of nothing: its text before members were put in order, which only matters to objects.
    #[must_use]
    pub fn draft(&self) -> Field<'s, 'a> {
        self.field("", 0..self.length)
    }

    /// The members of an object as they stand in the input, duplicates as well (the last one counts); none of other values.
    pub fn members(&self) -> impl Iterator<Item = Field<'s, 'a>> {
        let (scanner, end) = (self.scanner, self.length);
        let is_object = self.draft().json().starts_with('{');
        let members: &'s [Member] = if is_object { &scanner.members } else { &[] };
        let fields = members.iter().enumerate().map(move |(index, member)| {
            let value_end = members.get(index + 1).map_or(end, |next| next.start) - 1;
            let key = member.key(&scanner.draft);
            (key, member.key_end + 1..value_end)
        });
        fields.map(|(key, range)| self.field(key, range))
    }

    #[inline]
    fn field(&self, key: &'s str, range: Range<usize>) -> Field<'s, 'a> {
        let scanner = self.scanner;
        Field { key, range, scanner }
    }
}

/// A member of an object: its key, and the canonical text of its value (except that the objects inside keep their order).
pub struct Field<'s, 'a> {
    /// The canonical text of the key, without the quotes.
    pub key: &'s str,
    /// Where the value's text lies in the draft.
    range: Range<usize>,
    scanner: &'s Scanner<'a>,
}

#[derive(Clone, Copy)]
enum Text<'s, 'a> {
    Input(&'a str),
    Rewritten(&'s str),
}

impl<'s, 'a: 's> Text<'s, 'a> {
    fn as_str(self) -> &'s str {
        match self {
            Self::Input(text) => text,
            Self::Rewritten(text) => text,
        }
    }

    fn into_cow(self) -> Cow<'a, str> {
        match self {
            Self::Input(text) => Cow::Borrowed(text),
            Self::Rewritten(text) => Cow::Owned(text.to_owned()),
        }
    }
}

impl<'s, 'a: 's> Field<'s, 'a> {
    fn text(&self) -> Text<'s, 'a> {
        let draft = &self.scanner.draft;
        let range = self.range.clone();
        if draft.is_verbatim() { Text::Input(draft.verbatim(range)) } else { Text::Rewritten(draft.get(range)) }
    }

    /// The value's JSON text.
    #[must_use]
    pub fn json(&self) -> &'s str {
        self.text().as_str()
    }

    /// The value's JSON text, borrowed from the input where that is possible.
    #[must_use]
    pub fn json_text(&self) -> Cow<'a, str> {
        self.text().into_cow()
    }

    /// Whether the value is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.json() == "null"
    }

    /// What the value says, when it is a string (lone surrogates as U+FFFD).
    #[must_use]
    pub fn string(&self) -> Option<Cow<'a, str>> {
        match self.text() {
            Text::Input(text) => inside_quotes(text).map(unescape),
            Text::Rewritten(text) => {
                let inside = inside_quotes(text)?;
                Some(Cow::Owned(unescape(inside).into_owned()))
            }
        }
    }
}

fn inside_quotes(json: &str) -> Option<&str> {
    json.strip_prefix('"')?.strip_suffix('"')
}
