//! Strings: finding their end, and escaping as `JSON.stringify` does.

use std::borrow::Cow;

use fearless_simd::Simd;

use super::draft::Draft;
use super::stops::Stops;
use super::{Error, ErrorKind};

/// Reads the string whose opening quote is at `position` in `bytes`, the input of `draft`; returns the position after the
/// closing quote.
#[inline(always)]
pub(super) fn read<S: Simd>(
    simd: S,
    bytes: &[u8],
    draft: &mut Draft<'_>,
    stops: &mut Stops,
    position: usize,
) -> Result<usize, Error> {
    let mut position = position + 1;
    loop {
        position = stops.next(simd, bytes, position);
        let stop = bytes.get(position);
        if stop == Some(&b'"') {
            return Ok(position + 1);
        }
        match stop {
            Some(b'\\') => position = read_escape(draft, position)?,
            Some(_) => return Err(error(ErrorKind::ControlCharacter, position)),
            None => return Err(error(ErrorKind::UnexpectedEnd, position)),
        }
    }
}

/// Reads the escape at `position`; returns the position after it.
fn read_escape(draft: &mut Draft<'_>, position: usize) -> Result<usize, Error> {
    let bytes = draft.input().as_bytes();
    match bytes.get(position + 1) {
        Some(b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(position + 2),
        Some(b'/') => {
            draft.leave_out(position..position + 1);
            Ok(position + 2)
        }
        Some(b'u') => read_unicode_escape(draft, position),
        Some(_) => Err(error(ErrorKind::BadEscape, position)),
        None => Err(error(ErrorKind::UnexpectedEnd, position + 1)),
    }
}

fn read_unicode_escape(draft: &mut Draft<'_>, position: usize) -> Result<usize, Error> {
    let bytes = draft.input().as_bytes();
    let Some(unit) = code_unit(bytes, position) else {
        return Err(error(ErrorKind::BadEscape, position));
    };
    if let Some(character) = char::from_u32(unit) {
        let end = position + 6;
        match escape(character) {
            Some(escaped) => draft.replace(position..end, &escaped),
            None => draft.replace(position..end, character.encode_utf8(&mut [0; 4])),
        }
        return Ok(end);
    }
    if let Some(character) = paired(unit, code_unit(bytes, position + 6)) {
        let end = position + 12;
        draft.replace(position..end, character.encode_utf8(&mut [0; 4]));
        return Ok(end);
    }
    let end = position + 6;
    draft.replace(position..end, &format!("\\u{unit:04x}"));
    Ok(end)
}

/// The number in the `\uXXXX` at `position`, if there is one.
fn code_unit(bytes: &[u8], position: usize) -> Option<u32> {
    let escape = bytes.get(position..)?.first_chunk::<6>()?;
    let [b'\\', b'u', digits @ ..] = escape else {
        return None;
    };
    digits.iter().try_fold(0, |unit, &digit| {
        let digit = char::from(digit).to_digit(16)?;
        Some(unit << 4 | digit)
    })
}

/// The character of a surrogate pair.
fn paired(high: u32, low: Option<u32>) -> Option<char> {
    let low = low.filter(|low| (0xdc00..0xe000).contains(low))?;
    if !(0xd800..0xdc00).contains(&high) {
        return None;
    }
    char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))
}

/// How `JSON.stringify` escapes `character`; `None` when it stands for itself.
fn escape(character: char) -> Option<Cow<'static, str>> {
    let escaped = match character {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\u{8}' => "\\b",
        '\t' => "\\t",
        '\n' => "\\n",
        '\u{c}' => "\\f",
        '\r' => "\\r",
        '\0'..='\u{1f}' => return Some(format!("\\u{:04x}", u32::from(character)).into()),
        _ => return None,
    };
    Some(escaped.into())
}

/// What the inside of a canonical string stands for; a lone surrogate, which no Rust text can hold, becomes U+FFFD.
pub(crate) fn unescape(inside: &str) -> Cow<'_, str> {
    // `find` is made for long texts.
    if !inside.as_bytes().contains(&b'\\') {
        return Cow::Borrowed(inside);
    }
    let first = inside.find('\\').unwrap_or(inside.len());
    let (plain, mut rest) = inside.split_at(first);
    let mut text = plain.to_owned();
    while let Some((before, escape)) = rest.split_once('\\') {
        text.push_str(before);
        let letter = escape.bytes().next();
        let length = if letter == Some(b'u') { 5 } else { 1 };
        text.push(match letter {
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => escaped_character(escape.get(1..5)),
            Some(itself) => char::from(itself),
            None => char::REPLACEMENT_CHARACTER,
        });
        rest = escape.get(length..).unwrap_or_default();
    }
    text.push_str(rest);
    text.into()
}

fn escaped_character(digits: Option<&str>) -> char {
    let unit = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
    unit.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn error(kind: ErrorKind, offset: usize) -> Error {
    Error { kind, offset }
}
