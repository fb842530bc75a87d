//! What a change-data-capture message of the table of tokens means: which users it touches.
//!
//! Read are the JSON messages of Debezium's MySQL and MariaDB connectors, 2.x and 3.x: the envelope
//! (`before`, `after`, `source`, `op`) and the flattened row of `ExtractNewRecordState`, each bare or inside
//! `{schema, payload}`. A message is only a hint that a user changed: a user's rows can lie on different partitions
//! and arrive in any order, so the token itself is read from the table when the request is handled.

mod envelope;
mod flattened;
mod form;
mod row;

use std::fmt;

use self::form::{Form, Message};
use super::json;
use super::poison::{Code, Poison};
use super::user_id::UserId;

/// Where the tokens stand, and how the messages name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableNames {
    /// The database, as `source.db` tells it.
    pub database: String,
    /// The table, as `source.table` tells it.
    pub table: String,
    /// The column that holds the rider's number.
    pub user_id_column: String,
    /// The column that holds the token.
    pub token_column: String,
    /// The connector's `add.fields.prefix`, before the fields that it adds to a flattened row. Empty: such fields
    /// can't be told from columns, so none is read.
    pub added_field_prefix: String,
}

impl TableNames {
    /// The table of this name, with the usual columns `user_id` and `token` and Debezium's default prefix `__`.
    pub fn new(database: impl Into<String>, table: impl Into<String>) -> Self {
        Self {
            database: database.into(),
            table: table.into(),
            user_id_column: "user_id".to_owned(),
            token_column: "token".to_owned(),
            added_field_prefix: "__".to_owned(),
        }
    }
}

/// What a message means for the users of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenChange {
    /// Users whose token may have changed.
    Touched {
        /// Who is touched.
        users: Users,
        /// The row was read by a snapshot, so the table is known to hold it already.
        snapshot: bool,
        /// When the row changed, by the database's clock, in ms since 1970; `None` when the message does not tell.
        changed_at_ms: Option<i64>,
    },
    /// Nobody is touched.
    Skipped(SkipReason),
}

/// One user, or the two that a row's change of owner touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Users {
    first: UserId,
    second: Option<UserId>,
}

impl Users {
    /// `user` alone.
    #[must_use]
    pub fn one(user: UserId) -> Self {
        Self { first: user, second: None }
    }

    /// Both users; a single one when they are the same.
    #[must_use]
    pub fn both(first: UserId, second: UserId) -> Self {
        Self { first, second: (first != second).then_some(second) }
    }

    /// The users, the row's earlier owner first.
    pub fn iter(&self) -> impl Iterator<Item = UserId> + use<> {
        std::iter::once(self.first).chain(self.second)
    }
}

/// Why a message touches nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SkipReason {
    /// No value, or the literal `null`: it follows a delete, for the topic's compaction.
    Tombstone,
    /// `{"ts_ms"}`, sent while nothing changes.
    Heartbeat,
    /// The begin or end of a transaction.
    Transaction,
    /// A statement that changes tables.
    SchemaChange,
    /// A signal to the connector.
    Signal,
    /// A message that an application wrote into the log (`op` = `m`).
    Message,
    /// The whole table was emptied: no single user is known.
    Truncate,
    /// A row of another table or database.
    OtherTable,
    /// A delete that shows neither the old row's user nor a key with it.
    DeleteWithoutRow,
    /// An update that shows the same token for the same user before and after.
    TokenUnchanged,
}

impl SkipReason {
    /// The reason's stable text, for metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tombstone => "tombstone",
            Self::Heartbeat => "heartbeat",
            Self::Transaction => "transaction",
            Self::SchemaChange => "schema_change",
            Self::Signal => "signal",
            Self::Message => "message",
            Self::Truncate => "truncate",
            Self::OtherTable => "other_table",
            Self::DeleteWithoutRow => "delete_without_row",
            Self::TokenUnchanged => "token_unchanged",
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Decodes one message of the topic of `table`'s changes.
///
/// The key is only looked at when a delete or update does not show its user, and the table's key holds the user id.
///
/// # Errors
/// [`Poison`] when the message can't be understood; its text holds no value of the row but numbers.
pub fn decode(key: Option<&[u8]>, value: Option<&[u8]>, table: &TableNames) -> Result<TokenChange, Poison> {
    let Some(value) = value else {
        return Ok(TokenChange::Skipped(SkipReason::Tombstone));
    };
    if value.first() == Some(&AVRO_MARK) {
        return Err(avro(value));
    }
    if value.trim_ascii() == b"null" {
        return Ok(TokenChange::Skipped(SkipReason::Tombstone));
    }
    let text = json::object_text(value)?;
    let message = Message::read(text, table)?;
    let Form::Wrapped(payload) = message.form() else {
        return decode_bare(&message, key);
    };
    if json::is_null(payload) {
        return Ok(TokenChange::Skipped(SkipReason::Tombstone));
    }
    if !json::is_object(payload) {
        return Err(json::wrong_type("`payload`", payload, "an object"));
    }
    decode_bare(&Message::read(payload.get(), table)?, key)
}

fn decode_bare(message: &Message<'_, '_>, key: Option<&[u8]>) -> Result<TokenChange, Poison> {
    match message.form() {
        Form::Envelope => envelope::decode(message, key),
        Form::Flattened => flattened::decode(message, key),
        Form::Aside(reason) => Ok(TokenChange::Skipped(reason)),
        Form::Unsupported(name) => Err(Poison::new(
            Code::UnsupportedFormat,
            format!("a change in the format of {name}, which is not supported yet: send Debezium's JSON"),
        )),
        Form::Wrapped(_) | Form::Unknown => Err(Poison::new(
            Code::UnknownSchema,
            format!(
                "neither an envelope (op, before, after, source) nor a row with the column `{}`, nor any other known message",
                message.table.user_id_column
            ),
        )),
    }
}

/// The first byte of Confluent's wire format: this, the schema's id in 4 bytes, the Avro body.
const AVRO_MARK: u8 = 0;

fn avro(value: &[u8]) -> Poison {
    let schema = match value {
        [_, a, b, c, d, ..] => format!(" (schema id {})", u32::from_be_bytes([*a, *b, *c, *d])),
        _ => String::new(),
    };
    let message = format!(
        "Avro in Confluent's wire format{schema}, which is not supported yet: use the connector's JsonConverter"
    );
    Poison::new(Code::UnsupportedFormat, message)
}
