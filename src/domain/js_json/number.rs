//! Numbers: JSON's grammar, and the text that ECMAScript's `Number::toString` gives for the nearest double.

use super::draft::Draft;
use super::{Error, ErrorKind};

/// Any decimal of at most this many digits survives the way to a double and back, so no shorter one stands for the same double.
const EXACT_DIGITS: usize = 15;

/// Below 1e-6, which has five zeros after the point, the exponent form begins.
const ZEROS_AFTER_POINT_MAX: usize = 5;

/// Reads the number that starts at `position`; returns the position after it.
#[inline]
pub(super) fn read(draft: &mut Draft<'_>, position: usize) -> Result<usize, Error> {
    let bytes = draft.input().as_bytes();
    let first_digit = position + usize::from(bytes.get(position) == Some(&b'-'));
    let point = digits(bytes, first_digit)?;
    let starts_with_zero = bytes.get(first_digit) == Some(&b'0');
    if starts_with_zero && point > first_digit + 1 {
        return Err(unexpected(bytes, first_digit + 1));
    }
    if let Some(b'.' | b'e' | b'E') = bytes.get(point) {
        return read_rest(draft, position, first_digit, point);
    }
    let is_minus_zero = starts_with_zero && first_digit > position;
    if is_minus_zero || point - first_digit > EXACT_DIGITS {
        reformat(draft, position, point);
    }
    Ok(point)
}

/// Reads the fraction and the exponent of the number whose whole part ends at `point`.
fn read_rest(draft: &mut Draft<'_>, start: usize, first_digit: usize, point: usize) -> Result<usize, Error> {
    let bytes = draft.input().as_bytes();
    let mut end = point;
    if bytes.get(end) == Some(&b'.') {
        end = digits(bytes, end + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(end) {
        let is_signed = matches!(bytes.get(end + 1), Some(b'+' | b'-'));
        end = digits(bytes, end + 1 + usize::from(is_signed))?;
        reformat(draft, start, end);
        return Ok(end);
    }
    let fraction = bytes.get(point + 1..end).unwrap_or_default();
    let zeros_at_end = fraction.iter().rev().take_while(|&&digit| digit == b'0').count();
    let kept = fraction.len() - zeros_at_end;
    let is_exact = point - first_digit + kept <= EXACT_DIGITS;
    let starts_with_zero = bytes.get(first_digit) == Some(&b'0');
    if !is_exact || starts_with_zero && !is_plain_below_one(fraction) {
        reformat(draft, start, end);
    } else if zeros_at_end > 0 {
        let kept_to = if kept == 0 { point } else { point + 1 + kept };
        draft.leave_out(kept_to..end);
    }
    Ok(end)
}

/// Whether 0.`fraction` is neither zero nor so small that it is written with an exponent.
fn is_plain_below_one(fraction: &[u8]) -> bool {
    let zeros = fraction.iter().take_while(|&&digit| digit == b'0').count();
    zeros <= ZEROS_AFTER_POINT_MAX && zeros < fraction.len()
}

/// Writes the number as ECMAScript does, the long way.
fn reformat(draft: &mut Draft<'_>, start: usize, end: usize) {
    let text = draft.input().get(start..end).unwrap_or_default();
    // Rust's grammar for floats holds all of JSON's numbers, and rounds to nearest as JavaScript does.
    let number: f64 = text.parse().unwrap_or(f64::NAN);
    if number.is_finite() {
        draft.replace(start..end, ryu_js::Buffer::new().format_finite(number));
    } else {
        draft.replace(start..end, "null");
    }
}

/// The position after the digits at `position`; there must be one.
#[inline]
fn digits(bytes: &[u8], position: usize) -> Result<usize, Error> {
    let mut end = position;
    while bytes.get(end).is_some_and(u8::is_ascii_digit) {
        end += 1;
    }
    if end == position {
        return Err(unexpected(bytes, position));
    }
    Ok(end)
}

fn unexpected(bytes: &[u8], offset: usize) -> Error {
    let kind = if offset < bytes.len() { ErrorKind::UnexpectedByte } else { ErrorKind::UnexpectedEnd };
    Error { kind, offset }
}
