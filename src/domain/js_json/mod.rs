//! JSON text as JavaScript sees it: the exact bytes of `JSON.stringify(JSON.parse(text))`.
//!
//! The hashes of passes that are already stored were made from that text, so it must come out the same to the byte:
//! - Bytes are UTF-8; each maximal invalid part becomes U+FFFD; one leading byte order mark is dropped.
//! - Keys: canonical array indices ("0" to "4294967294") first in ascending order, then the others by first appearance.
//!   Of equal keys (compared unescaped) the last value stands, at the first one's place.
//! - Numbers: the nearest double, as ECMAScript's `Number::toString` writes it; too large becomes `null`, `-0` becomes `0`.
//! - Strings: only `"`, `\`, U+0000 to U+001F and lone surrogates are escaped.
//! - White space is space, tab, LF and CR.
//!
//! The text is read once, front to back, without a tree and without recursion. What already is canonical is never copied:
//! the reader only notes where its input and the canonical text differ (see `draft`), and puts keys into their order at the
//! end, if any object needs it (see `members`).

#![expect(clippy::inline_always, reason = "measured: positions and vectors stay in registers")]

mod draft;
mod members;
mod number;
mod scan_value;
mod scanner;
mod stops;
mod string;
mod value;

use std::borrow::Cow;

pub use scanner::Scanner;
pub(crate) use string::unescape;
pub use value::{Field, Value};

/// Why a text is not JSON that passflow accepts, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {offset}")]
pub struct Error {
    /// What is wrong.
    pub kind: ErrorKind,
    /// Where, in bytes from the start of the text. (When the text held invalid UTF-8: of the text with U+FFFD in its place.)
    pub offset: usize,
}

/// What is wrong with a JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ErrorKind {
    /// The text ends inside a value, or there is none.
    #[error("unexpected end of the text")]
    UnexpectedEnd,
    /// A byte that can't stand there.
    #[error("unexpected byte")]
    UnexpectedByte,
    /// U+0000 to U+001F inside a string.
    #[error("unescaped control character in a string")]
    ControlCharacter,
    /// A backslash followed by something that JSON doesn't know.
    #[error("unknown escape in a string")]
    BadEscape,
    /// Something other than white space after the value.
    #[error("text after the end of the value")]
    TrailingText,
    /// More arrays and objects inside each other than the limit given.
    #[error("nested too deep")]
    TooDeep,
}

/// The canonical text of the one value in `bytes`; borrowed when it lies there already, white space around it aside.
///
/// `depth_max` is the greatest number of arrays and objects that may be open at once.
///
/// # Errors
/// [`Error`] when `bytes` is not JSON or is nested deeper than `depth_max`.
pub fn canonicalize(bytes: &[u8], depth_max: usize) -> Result<Cow<'_, [u8]>, Error> {
    let (text, before) = decode(bytes);
    let canonical = match &text {
        Cow::Borrowed(text) => canonical_text(text, depth_max),
        Cow::Owned(text) => canonical_text(text, depth_max).map(|text| text.into_owned().into()),
    };
    match canonical {
        Ok(Cow::Borrowed(text)) => Ok(Cow::Borrowed(text.as_bytes())),
        Ok(Cow::Owned(text)) => Ok(Cow::Owned(text.into_bytes())),
        Err(error) => Err(Error { offset: error.offset + before, ..error }),
    }
}

fn canonical_text(text: &str, depth_max: usize) -> Result<Cow<'_, str>, Error> {
    let mut scanner = Scanner::new(text, depth_max);
    let canonical = scanner.value()?.text();
    scanner.finish()?;
    Ok(canonical)
}

/// The text that `bytes` stand for, without a leading byte order mark, and how many bytes that took away.
pub(crate) fn decode(bytes: &[u8]) -> (Cow<'_, str>, usize) {
    const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
    let (bytes, before) = match bytes.strip_prefix(BYTE_ORDER_MARK) {
        Some(rest) => (rest, BYTE_ORDER_MARK.len()),
        None => (bytes, 0),
    };
    // Checking alone is many times faster than the lossy conversion, and next to always enough.
    let text = match str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    };
    (text, before)
}
