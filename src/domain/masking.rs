//! Hides tokens, passwords and card numbers in records that are shown to people.
//!
//! Works on the text as it stands, in one pass and without a tree: what is no secret stays byte for byte, and text
//! that is broken JSON (dead letters are) is masked as well.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// What stands in place of a secret value.
pub const MASK: &str = "***";

/// Which values are secret.
#[derive(Clone, Debug)]
pub struct Masking {
    secret_keys: Vec<String>,
}

/// What a key says about its value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Plain,
    Card,
    Secret,
}

impl Masking {
    /// Hides `token`, `password`, what else `token_column` names, and SQL statements, which may hold any of them.
    pub fn new(token_column: &str) -> Self {
        let mut secret_keys = vec![token_column.to_lowercase()];
        secret_keys.extend(["token", "password", "query", "sql"].map(str::to_owned));
        Self { secret_keys }
    }

    /// The text with its secrets masked.
    pub fn mask<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut scan = Scan { masking: self, rest: text, masked: String::new(), meaning: Meaning::Plain };
        while scan.step() {}
        if scan.masked == text { Cow::Borrowed(text) } else { Cow::Owned(scan.masked) }
    }

    /// A record's value with its secrets masked. What is no JSON text at all is hidden as a whole, as nobody can tell
    /// where a secret is in it.
    pub fn mask_value<'a>(&self, value: &'a [u8]) -> Cow<'a, [u8]> {
        let looks_like_json = |text: &&str| text.trim_start().starts_with(['{', '[', '"']) || *text == "null";
        match std::str::from_utf8(value).ok().filter(looks_like_json) {
            Some(text) => match self.mask(text) {
                Cow::Borrowed(_) => Cow::Borrowed(value),
                Cow::Owned(masked) => Cow::Owned(masked.into_bytes()),
            },
            None if value.is_empty() => Cow::Borrowed(value),
            None => Cow::Owned(format!("{MASK} ({} bytes that are no JSON)", value.len()).into_bytes()),
        }
    }

    fn meaning_of(&self, quoted_key: &str) -> Meaning {
        let key = serde_json::from_str(quoted_key).unwrap_or_else(|_| quoted_key.trim_matches('"').to_owned());
        let key = key.to_lowercase();
        if self.secret_keys.contains(&key) {
            return Meaning::Secret;
        }
        if key.contains("card") { Meaning::Card } else { Meaning::Plain }
    }
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
        let text = self.take(string_length(self.rest));
        if self.rest.trim_start().starts_with(':') {
            self.meaning = self.masking.meaning_of(text);
            self.masked.push_str(text);
            return;
        }
        match self.meaning {
            Meaning::Secret if text != "\"\"" => self.hide(),
            meaning => mask_cards(text, meaning == Meaning::Card, &mut self.masked),
        }
    }

    /// A number or literal; in broken JSON anything else.
    fn bare(&mut self) {
        let is_end = |c: char| c.is_whitespace() || "{}[],:\"".contains(c);
        let text = self.take(self.rest.find(is_end).unwrap_or(self.rest.len()));
        let is_literal = matches!(text, "null" | "true" | "false");
        match self.meaning {
            Meaning::Secret if !is_literal => self.hide(),
            meaning => {
                let mut masked = String::new();
                mask_cards(text, meaning == Meaning::Card, &mut masked);
                let is_json = serde_json::from_str::<&RawValue>(&masked).is_ok();
                // A masked number is no number any more.
                let quote = if masked == text || is_json { "" } else { "\"" };
                self.masked.extend([quote, masked.as_str(), quote]);
            }
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
        self.masked.push('"');
        self.masked.push_str(MASK);
        self.masked.push('"');
    }
}

/// Bytes of the string literal at the front of `text`; to the end when it is never closed.
fn string_length(text: &str) -> usize {
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

/// Copies `text`, masking full card numbers: 13 to 19 digits, spaces and dashes aside, that pass the Luhn check. But
/// in a field of a card's, only what begins as card numbers do: times in ms look alike otherwise.
fn mask_cards(text: &str, is_card_field: bool, masked: &mut String) {
    let mut rest = text;
    let mut before = None;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (plain, from) = rest.split_at(start);
        masked.push_str(plain);
        before = plain.chars().next_back().or(before);
        let (run, behind) = from.split_at(run_length(from));
        let digits: String = run.chars().filter(char::is_ascii_digit).collect();
        let is_apart = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
        let is_likely = is_card_field || digits.starts_with(['2', '3', '4', '5', '6']);
        if is_likely && is_apart(before) && is_apart(behind.chars().next()) && is_card_number(&digits) {
            push_masked_card(&digits, masked);
        } else {
            masked.push_str(run);
        }
        before = run.chars().next_back();
        rest = behind;
    }
    masked.push_str(rest);
}

/// Length of the digits at the front, with single spaces or dashes between them.
fn run_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let is_separator = |at: usize| matches!(bytes.get(at), Some(b' ' | b'-'));
    let mut end = 0;
    while is_digit(end) || (is_separator(end) && is_digit(end + 1)) {
        end += 1;
    }
    end
}

fn is_card_number(digits: &str) -> bool {
    (13..=19).contains(&digits.len()) && luhn_sum(digits).is_multiple_of(10)
}

fn luhn_sum(digits: &str) -> u32 {
    let values = digits.bytes().rev().map(|digit| u32::from(digit - b'0'));
    let doubled = |value: u32| if value > 4 { 2 * value - 9 } else { 2 * value };
    values.enumerate().map(|(place, value)| if place % 2 == 1 { doubled(value) } else { value }).sum()
}

fn push_masked_card(digits: &str, masked: &mut String) {
    let last = digits.len() - 4;
    masked.extend(digits.char_indices().map(|(at, digit)| if (6..last).contains(&at) { '*' } else { digit }));
}

#[cfg(test)]
mod tests;
