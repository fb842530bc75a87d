//! Debezium's envelope: `before` and `after`, `source`, `op`.

use super::form::Message;
use super::row::{self, Row};
use super::{SkipReason, TableNames, TokenChange, Users};
use crate::domain::json::{self, Field, Slots};
use crate::domain::poison::{Code, Poison};
use crate::domain::user_id::UserId;

pub(super) fn decode(message: &Message<'_, '_>, key: Option<&[u8]>) -> Result<TokenChange, Poison> {
    let source = Source::read(message.source)?;
    if is_other(source.database, &message.table.database) || is_other(source.table, &message.table.table) {
        return Ok(TokenChange::Skipped(SkipReason::OtherTable));
    }
    let changed_at_ms = time_ms(source.ts_ms).or_else(|| time_ms(message.ts_ms));
    match op_of(message.op)? {
        Op::Create => insert(message, is_snapshot(source.snapshot), changed_at_ms),
        Op::Read => insert(message, true, changed_at_ms),
        Op::Update => update(message, key, changed_at_ms),
        Op::Delete => delete(message, key, changed_at_ms),
        Op::Truncate => Ok(TokenChange::Skipped(SkipReason::Truncate)),
        Op::Message => Ok(TokenChange::Skipped(SkipReason::Message)),
    }
}

fn insert(message: &Message<'_, '_>, snapshot: bool, changed_at_ms: Option<i64>) -> Result<TokenChange, Poison> {
    let Some(after) = Row::read("`after`", message.after, message.table)? else {
        return Err(without_image("an insert", "`after`"));
    };
    let user = after.user()?.ok_or_else(|| after.without_user())?;
    Ok(TokenChange::Touched { users: Users::one(user), snapshot, changed_at_ms })
}

fn update(message: &Message<'_, '_>, key: Option<&[u8]>, changed_at_ms: Option<i64>) -> Result<TokenChange, Poison> {
    let before = Row::read("`before`", message.before, message.table)?;
    let after = Row::read("`after`", message.after, message.table)?;
    let old_user = before.as_ref().map(Row::user).transpose()?.flatten();
    let new_user = after.as_ref().map(Row::user).transpose()?.flatten();
    let users = match (old_user, new_user) {
        (Some(old), Some(new)) => Users::both(old, new),
        (Some(user), None) | (None, Some(user)) => Users::one(user),
        (None, None) => match row::user_in_key(key, message.table) {
            Some(user) => Users::one(user),
            None => return Err(update_without_user(before.or(after))),
        },
    };
    if old_user.is_some()
        && old_user == new_user
        && let (Some(before), Some(after)) = (before, after)
        && before.shows_same_token(&after)
    {
        return Ok(TokenChange::Skipped(SkipReason::TokenUnchanged));
    }
    // Updates are never part of a snapshot, whatever their `source` says.
    Ok(TokenChange::Touched { users, snapshot: false, changed_at_ms })
}

fn delete(message: &Message<'_, '_>, key: Option<&[u8]>, changed_at_ms: Option<i64>) -> Result<TokenChange, Poison> {
    let before = Row::read("`before`", message.before, message.table)?;
    let user_in_row = before.as_ref().map(Row::user).transpose()?.flatten();
    Ok(deleted(user_in_row, key, message.table, changed_at_ms))
}

/// A deleted row of `user_in_row`, or of whom the record's key names.
pub(super) fn deleted(
    user_in_row: Option<UserId>,
    key: Option<&[u8]>,
    table: &TableNames,
    changed_at_ms: Option<i64>,
) -> TokenChange {
    let Some(user) = user_in_row.or_else(|| row::user_in_key(key, table)) else {
        return TokenChange::Skipped(SkipReason::DeleteWithoutRow);
    };
    TokenChange::Touched { users: Users::one(user), snapshot: false, changed_at_ms }
}

fn update_without_user(image: Option<Row<'_, '_>>) -> Poison {
    match image {
        Some(row) => row.without_user(),
        None => without_image("an update", "`before` and `after`"),
    }
}

fn without_image(operation: &str, image: &str) -> Poison {
    let message = format!("{operation} without {image}: set the server's binlog_row_image to FULL");
    Poison::new(Code::WrongType, message)
}

/// Debezium's operations.
pub(super) enum Op {
    Create,
    Update,
    Delete,
    Read,
    Truncate,
    Message,
}

pub(super) fn op_of(op: Field<'_>) -> Result<Op, Poison> {
    let Some(raw) = op else {
        return Err(Poison::new(Code::UnknownOp, "the change has no `op`"));
    };
    let Some(text) = json::text_of(raw) else {
        return Err(json::wrong_type("`op`", raw, "a text"));
    };
    match text.as_ref() {
        "c" => Ok(Op::Create),
        "u" => Ok(Op::Update),
        "d" => Ok(Op::Delete),
        "r" => Ok(Op::Read),
        "t" => Ok(Op::Truncate),
        "m" => Ok(Op::Message),
        unknown => Err(unknown_op(unknown)),
    }
}

fn unknown_op(op: &str) -> Poison {
    // A longer text is no operation at all, and might be a value that must not be shown.
    let is_code = op.len() <= 2 && op.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let shown = if is_code { op } else { "(not shown)" };
    let message = format!("`op` {shown} is none of c, u, d, r, t, m");
    Poison::new(Code::UnknownOp, message)
}

/// Whether `field` tells a name, and another one than `name`.
pub(super) fn is_other(field: Field<'_>, name: &str) -> bool {
    let told = field.and_then(json::text_of);
    told.is_some_and(|told| told != name)
}

/// Whether `field` says that the row was read by a snapshot: `true`, `"true"`, `"first"`, `"incremental"` and so on.
pub(super) fn is_snapshot(field: Field<'_>) -> bool {
    let Some(raw) = json::present(field) else {
        return false;
    };
    match json::text_of(raw) {
        Some(text) => text != "false",
        None => raw.get() == "true",
    }
}

/// A time in ms since 1970, as a number or its text; 0 stands for none.
pub(super) fn time_ms(field: Field<'_>) -> Option<i64> {
    let raw = field?;
    let time = match json::text_of(raw) {
        Some(text) => text.parse().ok(),
        None => json::whole_number_of(raw),
    };
    time.filter(|ms| *ms > 0)
}

/// Where a change comes from.
#[derive(Default)]
struct Source<'a> {
    database: Field<'a>,
    table: Field<'a>,
    snapshot: Field<'a>,
    ts_ms: Field<'a>,
}

impl<'a> Slots<'a> for Source<'a> {
    fn slot(&mut self, key: &str) -> Option<&mut Field<'a>> {
        match key {
            "db" => Some(&mut self.database),
            "table" => Some(&mut self.table),
            "snapshot" => Some(&mut self.snapshot),
            "ts_ms" => Some(&mut self.ts_ms),
            _ => None,
        }
    }
}

impl<'a> Source<'a> {
    fn read(field: Field<'a>) -> Result<Self, Poison> {
        let mut source = Self::default();
        let Some(raw) = json::present(field) else {
            return Ok(source);
        };
        if !json::is_object(raw) {
            return Err(json::wrong_type("`source`", raw, "an object"));
        }
        json::read_object(raw.get(), &mut source)?;
        Ok(source)
    }
}
