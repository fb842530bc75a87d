//! The flattened form of `ExtractNewRecordState`: the row itself, with fields added on request.

use super::envelope::{self, Op};
use super::form::Message;
use super::row;
use super::{SkipReason, TokenChange, Users};
use crate::domain::json::{self, Field};
use crate::domain::poison::Poison;

/// A row is all there is, so each one touches its user: nothing shows that the token stayed the same, nor who owned
/// the row before.
pub(super) fn decode(message: &Message<'_, '_>, key: Option<&[u8]>) -> Result<TokenChange, Poison> {
    let added = &message.added;
    if envelope::is_other(added.database, &message.table.database)
        || envelope::is_other(added.table, &message.table.table)
    {
        return Ok(TokenChange::Skipped(SkipReason::OtherTable));
    }
    let op = json::present(added.op).map(|op| envelope::op_of(Some(op))).transpose()?;
    match op {
        Some(Op::Truncate) => return Ok(TokenChange::Skipped(SkipReason::Truncate)),
        Some(Op::Message) => return Ok(TokenChange::Skipped(SkipReason::Message)),
        _ => {}
    }
    let user = row::user_in_column(message.user_id, message.table)?;
    let changed_at_ms = envelope::time_ms(added.source_ts_ms).or_else(|| envelope::time_ms(added.ts_ms));
    if is_true(message.deleted) || matches!(op, Some(Op::Delete)) {
        return Ok(envelope::deleted(user, key, message.table, changed_at_ms));
    }
    let user = user
        .or_else(|| row::user_in_key(key, message.table))
        .ok_or_else(|| row::without_user(message.user_id, message.table))?;
    let is_read = matches!(op, Some(Op::Read));
    let may_be_read = !matches!(op, Some(Op::Update));
    Ok(TokenChange::Touched {
        users: Users::one(user),
        snapshot: is_read || (may_be_read && envelope::is_snapshot(added.snapshot)),
        changed_at_ms,
    })
}

/// `"true"` as the connector writes it, or the plain boolean.
fn is_true(field: Field<'_>) -> bool {
    let Some(raw) = field else {
        return false;
    };
    json::text_of(raw).map_or(raw.get() == "true", |text| text == "true")
}
