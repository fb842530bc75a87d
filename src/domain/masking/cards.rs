//! Full card numbers: 13 to 19 digits that pass the Luhn check, however they are grouped.

use std::{borrow::Cow, ops::Range};

/// Separators between two groups of digits, at most, where nothing else says that they are a card's.
const GAP_MAX: usize = 4;

/// `text` with its full card numbers masked. In a field of a card's, any of them; elsewhere only what begins as card
/// numbers do (times in ms look alike otherwise) and is no part of a hexadecimal id.
pub(super) fn mask(text: &str, is_card_field: bool) -> Cow<'_, str> {
    let groups = digit_groups(text);
    let mut masked = String::new();
    let mut copied = 0;
    let mut first = 0;
    while let Some(group) = groups.get(first) {
        let Some((last, digits)) = card_at(text, groups.get(first..).unwrap_or_default(), is_card_field) else {
            first += 1;
            continue;
        };
        let end = groups.get(first + last).map_or(group.end, |group| group.end);
        masked.push_str(text.get(copied..group.start).unwrap_or_default());
        push_masked(&digits, &mut masked);
        copied = end;
        first += last + 1;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    masked.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(masked)
}

/// A JSON number that is a full card number, masked.
pub(super) fn mask_number(number: &str, is_card_field: bool) -> Option<String> {
    let plain = number.trim_start_matches('-');
    let digits = if plain.bytes().all(|byte| byte.is_ascii_digit()) { plain.to_owned() } else { whole_digits(plain)? };
    (is_likely(&digits, is_card_field) && is_card_number(&digits)).then(|| {
        let mut masked = String::new();
        push_masked(&digits, &mut masked);
        masked
    })
}

/// The digits of a whole number that is written with a fraction or an exponent, as `4.111E15`.
fn whole_digits(number: &str) -> Option<String> {
    let value: f64 = number.parse().ok()?;
    let is_whole = value.fract() == 0.0 && (1e12..1e19).contains(&value);
    is_whole.then(|| format!("{value:.0}"))
}

fn digit_groups(text: &str) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    for (at, _) in text.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_digit()) {
        match groups.last_mut() {
            Some(group) if group.end == at => group.end += 1,
            _ => groups.push(at..at + 1),
        }
    }
    groups
}

/// The longest card number that begins with the first group: the index of its last group, and its digits.
fn card_at(text: &str, groups: &[Range<usize>], is_card_field: bool) -> Option<(usize, String)> {
    let mut digits = String::new();
    let mut found = None;
    let mut before: Option<&Range<usize>> = None;
    let start = groups.first()?.start;
    for (index, group) in groups.iter().enumerate() {
        let gap = before.and_then(|before| text.get(before.end..group.start));
        if gap.is_some_and(|gap| !is_gap(gap, is_card_field)) {
            break;
        }
        digits.push_str(text.get(group.clone()).unwrap_or_default());
        if digits.len() > 19 {
            break;
        }
        let is_decimal = index == 1 && gap == Some(".") && !is_card_field;
        let is_free = is_card_field || !is_in_hexadecimal(text, start..group.end);
        if !is_decimal && is_free && is_likely(&digits, is_card_field) && is_card_number(&digits) {
            found = Some((index, digits.clone()));
        }
        before = Some(group);
    }
    found
}

fn is_gap(gap: &str, is_card_field: bool) -> bool {
    let is_dash = |c: char| matches!(c, '-' | '.' | '_' | '/' | '\u{2010}'..='\u{2015}' | '\u{200b}');
    if is_card_field {
        return !gap.contains(char::is_alphanumeric);
    }
    gap.chars().count() <= GAP_MAX && gap.chars().all(|c| c.is_whitespace() || is_dash(c))
}

/// Whether the digits are the decimal part of a word in hexadecimal.
fn is_in_hexadecimal(text: &str, digits: Range<usize>) -> bool {
    let before = text.get(..digits.start).unwrap_or_default().chars().rev().take_while(|c| c.is_alphanumeric());
    let behind = text.get(digits.end..).unwrap_or_default().chars().take_while(|c| c.is_alphanumeric());
    let mut around = before.chain(behind).peekable();
    around.peek().is_some() && around.all(|c| c.is_ascii_hexdigit())
}

fn is_likely(digits: &str, is_card_field: bool) -> bool {
    is_card_field || digits.starts_with(['2', '3', '4', '5', '6'])
}

fn is_card_number(digits: &str) -> bool {
    (13..=19).contains(&digits.len()) && luhn_sum(digits).is_multiple_of(10)
}

fn luhn_sum(digits: &str) -> u32 {
    let values = digits.bytes().rev().map(|digit| u32::from(digit - b'0'));
    let doubled = |value: u32| if value > 4 { 2 * value - 9 } else { 2 * value };
    values.enumerate().map(|(place, value)| if place % 2 == 1 { doubled(value) } else { value }).sum()
}

fn push_masked(digits: &str, masked: &mut String) {
    let last = digits.len() - 4;
    masked.extend(digits.char_indices().map(|(at, digit)| if (6..last).contains(&at) { '*' } else { digit }));
}
