//! Fields of one type that may be left out or null.

use std::borrow::Cow;

use jiff::Timestamp;

use super::{Field, present, text_of, wrong_type};
use crate::domain::poison::{Code, Poison};

/// A text that may be left out or null.
fn text_field<'a>(name: &str, field: Field<'a>) -> Result<Option<Cow<'a, str>>, Poison> {
    let Some(raw) = present(field) else {
        return Ok(None);
    };
    let text = text_of(raw).ok_or_else(|| wrong_type(name, raw, "a Unicode text"))?;
    Ok(Some(text))
}

/// A time in RFC 3339 that may be left out or null.
pub(crate) fn timestamp(name: &str, field: Field<'_>) -> Result<Option<Timestamp>, Poison> {
    let Some(text) = text_field(name, field)? else {
        return Ok(None);
    };
    let time = text.parse().map_err(|_| {
        let message = format!("{name} is no time in RFC 3339, like 2026-11-20T10:00:00Z");
        Poison::new(Code::WrongType, message)
    })?;
    Ok(Some(time))
}

/// A text of at most `max` characters that may be left out or null.
pub(crate) fn bounded_text(name: &str, field: Field<'_>, max: usize) -> Result<Option<String>, Poison> {
    let Some(text) = text_field(name, field)? else {
        return Ok(None);
    };
    if text.chars().nth(max).is_some() {
        let message = format!("{name} is longer than {max} characters");
        return Err(Poison::new(Code::WrongType, message));
    }
    Ok(Some(text.into_owned()))
}

/// The value that a text names; the default when it is left out or null.
pub(crate) fn one_of<T: Copy + Default>(name: &str, field: Field<'_>, named: &[(&str, T)]) -> Result<T, Poison> {
    let Some(text) = text_field(name, field)? else {
        return Ok(T::default());
    };
    let found = named.iter().find(|(known, _)| *known == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<&str> = named.iter().map(|(known, _)| *known).collect();
        let message = format!("{name} is none of {}", known.join(", "));
        Poison::new(Code::WrongType, message)
    })
}

/// A boolean; false when it is left out or null.
pub(crate) fn flag(name: &str, field: Field<'_>) -> Result<bool, Poison> {
    let Some(raw) = present(field) else {
        return Ok(false);
    };
    match raw.get() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(wrong_type(name, raw, "a boolean")),
    }
}
