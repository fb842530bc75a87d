//! Reads single fields of a JSON object where they lie, without building a tree, and writes small objects.
//!
//! Values that nobody asks for are skipped without recursion, so deep nesting costs no stack. Of a repeated key the
//! last value counts, as in JavaScript.

mod typed;
mod write;

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::poison::{Code, Poison};

pub(crate) use typed::{bounded_text, flag, one_of, timestamp};
pub(crate) use write::ObjectWriter;

/// A field's value as it stands in the text; `None` when the object lacks the field.
pub(crate) type Field<'a> = Option<&'a RawValue>;

/// Which fields of an object are wanted, and where they go.
pub(crate) trait Slots<'a> {
    /// The place for the value of `key`; `None` when it is not wanted.
    fn slot(&mut self, key: &str) -> Option<&mut Field<'a>>;
}

/// Fills `slots` from the object in `text`.
pub(crate) fn read_object<'a>(text: &'a str, slots: &mut impl Slots<'a>) -> Result<(), Poison> {
    let mut parser = serde_json::Deserializer::from_str(text);
    parser.deserialize_map(ObjectVisitor(slots)).and_then(|()| parser.end()).map_err(|error| not_json(&error))
}

/// The text of a record's value that ought to be a JSON object; what is wrong with it otherwise.
pub(crate) fn object_text(value: &[u8]) -> Result<&str, Poison> {
    let text = std::str::from_utf8(value).map_err(|error| {
        let at = error.valid_up_to();
        let message = format!("the value is no UTF-8 text: invalid at byte {at}");
        Poison::new(Code::NotJson, message)
    })?;
    let text = text.trim_matches([' ', '\t', '\n', '\r']);
    if text.starts_with('{') {
        return Ok(text);
    }
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| not_json(&error))?;
    let message = format!("the value is {}, not a JSON object", kind_of(raw));
    Err(Poison::new(Code::WrongType, message))
}

/// A field that may be left out or null.
pub(crate) fn present(field: Field<'_>) -> Field<'_> {
    field.filter(|raw| !is_null(raw))
}

pub(crate) fn is_null(raw: &RawValue) -> bool {
    raw.get() == "null"
}

pub(crate) fn is_object(raw: &RawValue) -> bool {
    raw.get().starts_with('{')
}

pub(crate) fn is_array(raw: &RawValue) -> bool {
    raw.get().starts_with('[')
}

pub(crate) fn is_number(raw: &RawValue) -> bool {
    raw.get().starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

/// The text that `raw` holds, unescaped; `None` when it is no text.
pub(crate) fn text_of(raw: &RawValue) -> Option<Cow<'_, str>> {
    let quoted = raw.get();
    let inside = quoted.strip_prefix('"')?.strip_suffix('"')?;
    if !inside.contains('\\') {
        return Some(Cow::Borrowed(inside));
    }
    serde_json::from_str(quoted).ok().map(Cow::Owned)
}

/// The whole number that `raw` holds, `42.0` and `4.2e1` included; `None` when it is none or past 64 bits.
pub(crate) fn whole_number_of(raw: &RawValue) -> Option<i64> {
    let number = raw.get();
    if let Ok(whole) = number.parse() {
        return Some(whole);
    }
    // Past 2^53 a double no longer tells neighbouring whole numbers apart.
    const EXACT_MAX: f64 = (1_u64 << 53) as f64;
    let double: f64 = number.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
    let whole = double as i64;
    (double.fract() == 0.0 && double.abs() <= EXACT_MAX).then_some(whole)
}

/// What kind of value `raw` is, for messages: its content may be a secret.
pub(crate) fn kind_of(raw: &RawValue) -> &'static str {
    kind_of_text(raw.get())
}

/// The same of a value's text.
pub(crate) fn kind_of_text(json: &str) -> &'static str {
    match json.as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a text",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// The poison for a field of another type than `wanted`.
pub(crate) fn wrong_type(name: &str, raw: &RawValue, wanted: &str) -> Poison {
    let kind = kind_of(raw);
    Poison::new(Code::WrongType, format!("{name} is {kind}, not {wanted}"))
}

fn not_json(error: &serde_json::Error) -> Poison {
    // Only syntax errors are quoted: they are fixed texts with a position, while others repeat the value.
    let message = if error.is_syntax() || error.is_eof() {
        format!("the value is no JSON: {error}")
    } else {
        format!("the value is no JSON: line {} column {}", error.line(), error.column())
    };
    Poison::new(Code::NotJson, message)
}

struct ObjectVisitor<'s, S>(&'s mut S);

impl<'de, S: Slots<'de>> Visitor<'de> for ObjectVisitor<'_, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        while let Some(slot) = object.next_key_seed(KeySeed(&mut *self.0))? {
            match slot {
                Some(slot) => *slot = Some(object.next_value()?),
                None => drop(object.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

struct KeySeed<'s, S>(&'s mut S);

impl<'s, 'de: 's, S: Slots<'de>> DeserializeSeed<'de> for KeySeed<'s, S> {
    type Value = Option<&'s mut Field<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<Self::Value, D::Error> {
        key.deserialize_str(self)
    }
}

impl<'s, 'de: 's, S: Slots<'de>> Visitor<'de> for KeySeed<'s, S> {
    type Value = Option<&'s mut Field<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.slot(key))
    }
}
