//! The two columns of a row that matter, and the user id in its many shapes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use super::TableNames;
use crate::domain::json::{self, Field, Slots};
use crate::domain::poison::{Code, Poison};
use crate::domain::user_id::UserId;

/// A row's image, before or after a change. No `Debug`: it holds a token.
pub(super) struct Row<'a, 't> {
    table: &'t TableNames,
    user_id: Field<'a>,
    token: Field<'a>,
}

impl<'a> Slots<'a> for Row<'a, '_> {
    fn slot(&mut self, key: &str) -> Option<&mut Field<'a>> {
        if key == self.table.user_id_column {
            return Some(&mut self.user_id);
        }
        (key == self.table.token_column).then_some(&mut self.token)
    }
}

impl<'a, 't> Row<'a, 't> {
    /// The row in `image`, the envelope's field `name`; `None` when it is left out or null.
    pub(super) fn read(name: &str, image: Field<'a>, table: &'t TableNames) -> Result<Option<Self>, Poison> {
        let Some(image) = json::present(image) else {
            return Ok(None);
        };
        if !json::is_object(image) {
            return Err(json::wrong_type(name, image, "a row"));
        }
        let mut row = Self { table, user_id: None, token: None };
        json::read_object(image.get(), &mut row)?;
        Ok(Some(row))
    }

    /// The row's user; `None` when the image does not show it.
    pub(super) fn user(&self) -> Result<Option<UserId>, Poison> {
        user_in_column(self.user_id, self.table)
    }

    /// Whether both rows show a token, and the same one.
    pub(super) fn shows_same_token(&self, other: &Self) -> bool {
        let (Some(token), Some(other_token)) = (self.token, other.token) else {
            return false;
        };
        if token.get() == other_token.get() {
            return true;
        }
        // Two escapings of one text.
        let text = json::text_of(token);
        text.is_some() && text == json::text_of(other_token)
    }

    /// Why the row's user is not known, for an operation that needs it.
    pub(super) fn without_user(&self) -> Poison {
        without_user(self.user_id, self.table)
    }
}

/// Why a row does not tell its user: the column is null, or not there at all.
pub(super) fn without_user(column: Field<'_>, table: &TableNames) -> Poison {
    let name = &table.user_id_column;
    match column {
        Some(_) => Poison::new(Code::BadUserId, format!("the row's `{name}` is null: correct the row")),
        None => Poison::new(
            Code::UnknownSchema,
            format!("the row has no column `{name}`: set the name of the column of user ids, or send it"),
        ),
    }
}

/// The user id in a row's column; `None` when it is left out or null.
pub(super) fn user_in_column(column: Field<'_>, table: &TableNames) -> Result<Option<UserId>, Poison> {
    let Some(raw) = json::present(column) else {
        return Ok(None);
    };
    let name = &table.user_id_column;
    match raw.get().as_bytes().first() {
        Some(b'"') => user_in_text(raw, name).map(Some),
        Some(b'-' | b'0'..=b'9') => user_in_number(raw, name).map(Some),
        // A boolean is a TINYINT(1) that keeps no more than zero or not: it can't tell users apart.
        _ => Err(json::wrong_type(&format!("`{name}`"), raw, "a number or its text")),
    }
}

fn user_in_number(raw: &RawValue, name: &str) -> Result<UserId, Poison> {
    let number = json::whole_number_of(raw);
    let user = number.and_then(|number| UserId::new(number).ok());
    user.ok_or_else(|| bad_user_id(name, raw.get()))
}

fn user_in_text(raw: &RawValue, name: &str) -> Result<UserId, Poison> {
    let text = json::text_of(raw).unwrap_or_default();
    let digits = text.strip_prefix('-').unwrap_or(&text);
    let is_decimal = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = if is_decimal { text.parse().ok() } else { big_endian_base64(&text) };
    let shown = if is_decimal { &text } else { "(a text)" };
    let user = number.and_then(|number| UserId::new(number).ok());
    user.ok_or_else(|| bad_user_id(name, shown))
}

/// The number whose big-endian two's complement bytes `text` gives in base64, as the connector writes an unsigned
/// BIGINT with `bigint.unsigned.handling.mode=precise`; `None` when it is none or past 64 bits. It can't be taken for
/// a decimal text: base64 that begins with a digit has its topmost bit set, so it is a negative number.
fn big_endian_base64(text: &str) -> Option<i64> {
    let bytes = STANDARD.decode(text).ok()?;
    let (first, rest) = bytes.split_first()?;
    let start = i64::from(first.cast_signed());
    rest.iter().try_fold(start, |number, byte| number.checked_mul(256)?.checked_add(i64::from(*byte)))
}

fn bad_user_id(name: &str, shown: &str) -> Poison {
    const SHOWN_MAX: usize = 24;
    let shown = if shown.len() > SHOWN_MAX { "(a long number)" } else { shown };
    let message = format!("`{name}` {shown} is no whole number in 1..={}: correct the row", UserId::MAX);
    Poison::new(Code::BadUserId, message)
}

/// The user id in a record's key, where the table's key holds it. The key is a help only: whatever else it is, it
/// tells no user.
pub(super) fn user_in_key(key: Option<&[u8]>, table: &TableNames) -> Option<UserId> {
    let text = json::object_text(key?).ok()?;
    let mut record_key = Key::empty(table);
    json::read_object(text, &mut record_key).ok()?;
    if let (2, Some(_), Some(payload)) = (record_key.count, record_key.schema, record_key.payload) {
        record_key = Key::empty(table);
        json::read_object(payload.get(), &mut record_key).ok()?;
    }
    user_in_column(record_key.user_id, table).ok()?
}

struct Key<'a, 't> {
    table: &'t TableNames,
    user_id: Field<'a>,
    schema: Field<'a>,
    payload: Field<'a>,
    count: usize,
}

impl<'t> Key<'_, 't> {
    fn empty(table: &'t TableNames) -> Self {
        Self { table, user_id: None, schema: None, payload: None, count: 0 }
    }
}

impl<'a> Slots<'a> for Key<'a, '_> {
    fn slot(&mut self, key: &str) -> Option<&mut Field<'a>> {
        self.count += 1;
        match key {
            _ if key == self.table.user_id_column => Some(&mut self.user_id),
            "schema" => Some(&mut self.schema),
            "payload" => Some(&mut self.payload),
            _ => None,
        }
    }
}
