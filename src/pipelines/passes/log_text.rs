//! What of an error answer goes into the user's log: an answer can be as long as a body, and a document keeps many entries.
//!
//! Errors and data of one entry take less than 16 KiB together. What is longer is cut, stays JSON and says so.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// The longest errors that are kept as they are, in bytes.
const ERRORS_MAX: usize = 8 << 10;

/// The longest data that is kept, in bytes.
const DATA_MAX: usize = 7 << 10;

/// The longest error that is kept as it is where not all can be, in bytes.
const ERROR_MAX: usize = 2 << 10;

/// What is kept of a longer error's text, in bytes; JSON writes a byte with up to six.
const TEXT_MAX: usize = 300;

/// The longest code that is kept, in bytes.
const CODE_MAX: usize = 60;

/// The data of an answer, or an object that says how long it was.
pub(super) fn data(json: String) -> String {
    if json.len() <= DATA_MAX { json } else { format!(r#"{{"cut":"{} bytes left out by passflow"}}"#, json.len()) }
}

/// The errors of an answer, or the first of them, shortened, always with the one whose code is `decisive`, and a note.
pub(super) fn errors(json: String, decisive: i64) -> String {
    if json.len() <= ERRORS_MAX {
        return json;
    }
    let all: Vec<&RawValue> = serde_json::from_str(&json).unwrap_or_default();
    let mut kept: Vec<Cow<'_, str>> = Vec::new();
    let mut bytes = 0;
    let mut has_decisive = false;
    for error in all {
        let is_decisive = !has_decisive && code_of(error).is_some_and(|code| is(code, decisive));
        // Room for the decisive one and the note is left.
        if !is_decisive && bytes + ERROR_MAX > ERRORS_MAX - 2 * ERROR_MAX {
            continue;
        }
        let error = shortened(error);
        bytes += error.len() + 1;
        has_decisive |= is_decisive;
        kept.push(error);
    }
    let left_out = json.len().saturating_sub(bytes);
    let note = format!(r#"{{"code":"cut","message":"{left_out} bytes left out by passflow"}}"#);
    kept.push(note.into());
    format!("[{}]", kept.join(","))
}

#[derive(Deserialize)]
struct Parts<'a> {
    #[serde(borrow, default)]
    code: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
}

fn code_of(error: &RawValue) -> Option<&RawValue> {
    serde_json::from_str::<Parts<'_>>(error.get()).ok()?.code
}

fn is(code: &RawValue, number: i64) -> bool {
    code.get().trim_matches('"').parse() == Ok(number)
}

fn shortened(error: &RawValue) -> Cow<'_, str> {
    if error.get().len() <= ERROR_MAX {
        return error.get().into();
    }
    let Ok(parts) = serde_json::from_str::<Parts<'_>>(error.get()) else {
        return json_text(error).into();
    };
    let code = parts.code.filter(|code| code.get().len() <= CODE_MAX).map_or("null", RawValue::get);
    let message = json_text(parts.message.unwrap_or(error));
    format!(r#"{{"code":{code},"message":{message}}}"#).into()
}

/// The beginning of a text, or of the JSON text of what is none.
fn json_text(value: &RawValue) -> String {
    let mut text = serde_json::from_str::<String>(value.get()).unwrap_or_else(|_| value.get().to_owned());
    text.truncate(text.floor_char_boundary(TEXT_MAX));
    serde_json::Value::String(text).to_string()
}
