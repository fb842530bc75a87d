//! One pass over valid JSON, without a tree: what is no secret stays byte for byte.

use std::borrow::Cow;

use super::{MASK, Masking, Meaning, cards, hidden_within, quoted};

/// `json` with its secrets masked.
pub(super) fn mask(masking: &Masking, json: &str) -> String {
    let mut scan = Scan { masking, rest: json, masked: String::new(), meaning: Meaning::Plain };
    while scan.step() {}
    scan.masked
}

struct Scan<'a, 'm> {
    masking: &'m Masking,
    rest: &'a str,
    masked: String,
    /// Of the value that comes next.
    meaning: Meaning,
}

impl<'a> Scan<'a, '_> {
    /// Handles what stands at the front; false at the end.
    fn step(&mut self) -> bool {
        let Some(first) = self.rest.chars().next() else { return false };
        match first {
            '"' => self.string(),
            '{' | '[' if self.meaning == Meaning::Secret => self.secret_container(),
            '{' | '}' | '[' | ']' | ',' | ':' => {
                if first != ':' && first != '[' {
                    self.meaning = Meaning::Plain;
                }
                self.copy(first.len_utf8());
            }
            _ if first.is_whitespace() => self.copy(first.len_utf8()),
            _ => self.bare(),
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

    fn string(&mut self) {
        let literal = self.take(string_length(self.rest));
        let is_key = self.rest.trim_start().starts_with(':');
        if !is_key && self.meaning == Meaning::Secret && literal != "\"\"" {
            return self.hide();
        }
        // None: it holds half a surrogate pair.
        let text: Option<String> = serde_json::from_str(literal).ok();
        if is_key {
            let key = text.as_deref().unwrap_or_else(|| literal.trim_matches('"'));
            self.meaning = self.masking.meaning_of(key);
        }
        let masked = match &text {
            Some(text) => self.masking.mask_text(text, !is_key && self.meaning == Meaning::Card),
            None => Cow::Owned(hidden_within(literal)),
        };
        match masked {
            Cow::Borrowed(_) => self.masked.push_str(literal),
            Cow::Owned(masked) => self.masked.push_str(&quoted(&masked)),
        }
    }

    /// A number or literal.
    fn bare(&mut self) {
        let is_end = |c: char| c.is_whitespace() || "{}[],:\"".contains(c);
        let text = self.take(self.rest.find(is_end).unwrap_or(self.rest.len()));
        if matches!(text, "null" | "true" | "false") {
            return self.masked.push_str(text);
        }
        if self.meaning == Meaning::Secret {
            return self.hide();
        }
        match cards::mask_number(text, self.meaning == Meaning::Card) {
            // A masked number is no number any more.
            Some(masked) => self.masked.push_str(&quoted(&masked)),
            None => self.masked.push_str(text),
        }
    }

    fn secret_container(&mut self) {
        let mut depth = 0_usize;
        while let Some(first) = self.rest.chars().next() {
            match first {
                '{' | '[' => depth += 1,
                '}' | ']' => depth -= 1,
                _ => {}
            }
            let length = if first == '"' { string_length(self.rest) } else { first.len_utf8() };
            self.take(length);
            if depth == 0 {
                break;
            }
        }
        self.hide();
    }

    fn hide(&mut self) {
        self.masked.push_str(&quoted(MASK));
    }
}

/// Bytes of the string literal at the front of `text`.
pub(super) fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}
