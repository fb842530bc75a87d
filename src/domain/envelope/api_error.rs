//! The errors that Bytemark answers with.

use std::borrow::Cow;

use super::error::Shape;
use crate::domain::js_json::{self, Field, Scanner, Value};

/// One entry of `errors`: `{code, message}`, or whatever was sent in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiErrorEntry {
    /// The code as a number, also when it was sent as a text; 50020 = the session has expired.
    pub code: Option<i64>,
    /// The code's JSON text, if there was one.
    pub code_json: Option<String>,
    /// The message; empty if there was none, JSON text if it was not a text.
    pub message: String,
}

/// The canonical text of each entry with what it says, or why it is no list of errors.
pub(super) type List = Result<Entries, Shape>;
type Entries = Vec<(String, ApiErrorEntry)>;

/// Reads the value of `errors`: a list, or `null` for none.
pub(super) fn read_errors(scanner: &mut Scanner<'_>) -> Result<List, js_json::Error> {
    if scanner.peek() == Some(b'[') {
        return read_list(scanner).map(Ok);
    }
    let value = scanner.value()?;
    if value.draft().is_null() {
        return Ok(Ok(Vec::new()));
    }
    Ok(Err(Shape::Wrong("errors is not a list")))
}

/// Reads the value of `error`: a list, an object, a text, or `null` or `false` for none.
pub(super) fn read_error(scanner: &mut Scanner<'_>) -> Result<List, js_json::Error> {
    match scanner.peek() {
        Some(b'[') => read_list(scanner).map(Ok),
        Some(b'{' | b'"') => Ok(Ok(vec![entry(&scanner.value()?)])),
        _ => match scanner.value()?.draft().json() {
            "null" | "false" => Ok(Ok(Vec::new())),
            _ => Ok(Err(Shape::Wrong("error is neither null, a text, an object nor a list"))),
        },
    }
}

fn read_list(scanner: &mut Scanner<'_>) -> Result<Entries, js_json::Error> {
    let mut entries = Vec::new();
    scanner.enter()?;
    while scanner.next_element()? {
        entries.push(entry(&scanner.value()?));
    }
    Ok(entries)
}

fn entry(value: &Value<'_, '_>) -> (String, ApiErrorEntry) {
    let text = value.text().into_owned();
    if !text.starts_with('{') {
        let entry = ApiErrorEntry {
            code: None,
            code_json: None,
            message: super::text_of(value).unwrap_or_default().into_owned(),
        };
        return (text, entry);
    }
    let [code, message] = value.members(["code", "message"]);
    let code = code.filter(|code| !code.is_null());
    let message = message.filter(|message| !message.is_null());
    let entry = ApiErrorEntry {
        code: code.and_then(|code| said(&code).trim().parse().ok()),
        code_json: code.map(|code| code.json().to_owned()),
        message: message.map_or_else(String::new, |message| said(&message).into_owned()),
    };
    (text, entry)
}

/// What a string says, else the JSON text.
fn said<'a>(field: &Field<'_, 'a>) -> Cow<'a, str> {
    field.string().unwrap_or_else(|| field.json_text())
}
