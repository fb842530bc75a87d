//! Full card numbers in the fields that may hold one, in a record that is to be stored.

use std::borrow::Cow;

use super::{cards, quoted, scan::string_length};
use crate::domain::js_json::unescape;

/// The text of a card's field with its full card numbers masked: `411111******1111`.
pub(crate) fn mask_card(text: &str) -> Cow<'_, str> {
    cards::mask(text, true)
}

/// `json` with the full card numbers masked, texts or numbers, in the fields of these names and all that is inside
/// them, however deep; borrowed when there are none. It must be valid.
pub(crate) fn mask_named<'a>(json: &'a str, names: &[String], inside: bool) -> Cow<'a, str> {
    if !inside && !may_hold(json, names) {
        return Cow::Borrowed(json);
    }
    let named_from = inside.then_some(0);
    let mut walk = Walk { names, rest: json, masked: String::new(), changed: false, depth: 0, named_from, next: false };
    while walk.step() {}
    if walk.changed { Cow::Owned(walk.masked) } else { Cow::Borrowed(json) }
}

/// Whether one of the names can be in it: as it is, or written with escapes.
fn may_hold(json: &str, names: &[String]) -> bool {
    let finds = |needle: &str| memchr::memmem::find(json.as_bytes(), needle.as_bytes()).is_some();
    names.iter().any(|name| finds(name)) || finds("\\u")
}

struct Walk<'a, 'n> {
    names: &'n [String],
    rest: &'a str,
    masked: String,
    changed: bool,
    /// Containers that are open.
    depth: usize,
    /// How many were, when one of a named field was opened.
    named_from: Option<usize>,
    /// The next value is a named field's.
    next: bool,
}

impl<'a> Walk<'a, '_> {
    /// Handles what stands at the front; false at the end.
    fn step(&mut self) -> bool {
        let Some(first) = self.rest.bytes().next() else { return false };
        match first {
            b'"' => self.string(),
            b'{' | b'[' => {
                self.depth += 1;
                if std::mem::take(&mut self.next) {
                    self.named_from.get_or_insert(self.depth);
                }
                self.copy(1);
            }
            b'}' | b']' => {
                self.named_from.take_if(|from| *from == self.depth);
                self.depth = self.depth.saturating_sub(1);
                self.copy(1);
            }
            b'-' | b'0'..=b'9' => self.number(),
            _ => {
                let is_other = |byte: u8| !b"\"{}[]-".contains(&byte) && !byte.is_ascii_digit();
                let end = self.rest.bytes().position(|byte| !is_other(byte)).unwrap_or(self.rest.len());
                let taken = self.take(end);
                self.masked.push_str(taken);
                // A literal was the value.
                self.next &= !taken.contains(',') && !taken.contains(char::is_alphabetic);
            }
        }
        true
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn copy(&mut self, length: usize) {
        let taken = self.take(length);
        self.masked.push_str(taken);
    }

    /// Whether the value at the front is a card's.
    fn is_named(&mut self) -> bool {
        std::mem::take(&mut self.next) || self.named_from.is_some()
    }

    fn string(&mut self) {
        let literal = self.take(string_length(self.rest));
        if self.rest.trim_start().starts_with(':') {
            self.next = self.names.contains(&text_in(literal));
            return self.masked.push_str(literal);
        }
        let masked = if self.is_named() { mask_card(&text_in(literal)).into_owned() } else { String::new() };
        if masked.is_empty() || masked == text_in(literal) {
            return self.masked.push_str(literal);
        }
        self.masked.push_str(&quoted(&masked));
        self.changed = true;
    }

    fn number(&mut self) {
        let is_part = |byte: u8| byte.is_ascii_digit() || b"-+.eE".contains(&byte);
        let end = self.rest.bytes().position(|byte| !is_part(byte)).unwrap_or(self.rest.len());
        let number = self.take(end.max(1));
        let masked = if self.is_named() { cards::mask_number(number, true) } else { None };
        match masked {
            Some(masked) => {
                self.masked.push_str(&quoted(&masked));
                self.changed = true;
            }
            None => self.masked.push_str(number),
        }
    }
}

/// What a string literal says; half a surrogate pair as U+FFFD.
fn text_in(literal: &str) -> String {
    serde_json::from_str(literal).unwrap_or_else(|_| unescape(literal.trim_matches('"')).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(json: &str) -> String {
        mask_named(json, &["card".to_owned(), "pan".to_owned()], false).into_owned()
    }

    #[test]
    fn named_fields_are_masked_however_deep() {
        for (json, expected) in [
            (r#"{"card":"4111111111111111"}"#, r#"{"card":"411111******1111"}"#),
            (r#"{"a":[{"pan": "4111-1111 1111-1111"}]}"#, r#"{"a":[{"pan": "411111******1111"}]}"#),
            (r#"{"card":4111111111111111,"x":1}"#, r#"{"card":"411111******1111","x":1}"#),
            (r#"{"card":{"n":[4111111111111111]},"n":4}"#, r#"{"card":{"n":["411111******1111"]},"n":4}"#),
            (r#"{"c\u0061rd":"\u0034111111111111111"}"#, r#"{"c\u0061rd":"411111******1111"}"#),
            (r#"[{"card":null},{"pan":"4111111111111111"}]"#, r#"[{"card":null},{"pan":"411111******1111"}]"#),
            (r#"{"pan":"\ud83d\ude00 4111111111111111"}"#, r#"{"pan":"😀 411111******1111"}"#),
        ] {
            assert_eq!(masked(json), expected);
        }
        assert_eq!(mask_named("[4111111111111111]", &[], true), r#"["411111******1111"]"#);
    }

    #[test]
    fn others_stay_byte_for_byte() {
        for json in [
            r#"{"number":"4111111111111111","card":"1234"}"#,
            r#"{"card":{"n":1},"n":"4111111111111111"}"#,
            r#"{"card":[],"n":4111111111111111}"#,
            r#"{"card":"4111111111111112","é":"\ud800"}"#,
            r#"["card","4111111111111111"]"#,
            r#"{"card":null,"n":4111111111111111}"#,
            r#"[{"card":true},4111111111111111]"#,
        ] {
            assert_eq!(masked(json), json);
        }
    }
}
