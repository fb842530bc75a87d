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
        match self.draft().text {
            text if self.scanner.reorders.is_empty() => text.into_cow(),
            text => reordered(text.as_str(), &self.scanner.reorders).into(),
        }
    }

    /// The whole value as a field: its text before the members of objects were put in order.
    #[must_use]
    pub fn draft(&self) -> Field<'s, 'a> {
        self.field(0..self.length)
    }

    /// The members of an object with these keys (as their canonical text, without the quotes); of equal ones the last, which
    /// is the one that counts. There are none in other values.
    #[must_use]
    pub fn members<const N: usize>(&self, keys: [&str; N]) -> [Option<Field<'s, 'a>>; N] {
        let mut places = [None; N];
        let length_bit = |length: usize| 1_u64 << length.min(63);
        let lengths = keys.iter().fold(0, |bits, key| bits | length_bit(key.len()));
        for (place, member) in self.all_members().iter().enumerate() {
            let length = member.key_length();
            if lengths & length_bit(length) == 0 {
                continue;
            }
            for (key, found) in keys.iter().zip(&mut places) {
                if key.len() == length && *key == member.key(&self.scanner.draft) {
                    *found = Some(place);
                }
            }
        }
        places.map(|place| self.member_at(place?))
    }

    fn all_members(&self) -> &'s [Member] {
        let is_object = self.draft().json().starts_with('{');
        if is_object { &self.scanner.members } else { &[] }
    }

    fn member_at(&self, place: usize) -> Option<Field<'s, 'a>> {
        let members = self.all_members();
        let member = members.get(place)?;
        let end = members.get(place + 1).map_or(self.length, |next| next.start) - 1;
        Some(self.field(member.key_end + 1..end))
    }

    fn field(&self, range: Range<usize>) -> Field<'s, 'a> {
        let draft = &self.scanner.draft;
        let text =
            if draft.is_verbatim() { Text::Input(draft.verbatim(range)) } else { Text::Rewritten(draft.get(range)) };
        Field { text }
    }
}

/// The canonical text of a member's value (except that the objects inside keep their order).
#[derive(Clone, Copy)]
pub struct Field<'s, 'a> {
    text: Text<'s, 'a>,
}

#[derive(Clone, Copy)]
enum Text<'s, 'a> {
    Input(&'a str),
    Rewritten(&'s str),
}

impl<'s, 'a: 's> Text<'s, 'a> {
    #[expect(clippy::match_same_arms, reason = "their lifetimes differ")]
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
    /// The value's JSON text.
    #[must_use]
    pub fn json(&self) -> &'s str {
        self.text.as_str()
    }

    /// The value's JSON text, borrowed from the input where that is possible.
    #[must_use]
    pub fn json_text(&self) -> Cow<'a, str> {
        self.text.into_cow()
    }

    /// Whether the value is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.json() == "null"
    }

    /// What the value says, when it is a string (lone surrogates as U+FFFD).
    #[must_use]
    pub fn string(&self) -> Option<Cow<'a, str>> {
        match self.text {
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
