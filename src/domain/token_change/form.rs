//! Tells the forms of messages apart, by their fields and the kinds of their values.

use serde_json::value::RawValue;

use super::{SkipReason, TableNames};
use crate::domain::json::{self, Field, Slots};
use crate::domain::poison::Poison;

/// The form of a message.
pub(super) enum Form<'a> {
    /// `{schema, payload}`: the payload is the message.
    Wrapped(&'a RawValue),
    Envelope,
    Flattened,
    /// No row at all, but a message that may share the topic.
    Aside(SkipReason),
    /// A format that is known by name only.
    Unsupported(&'static str),
    Unknown,
}

/// The fields of a message that any of the forms has.
pub(super) struct Message<'a, 't> {
    pub(super) table: &'t TableNames,
    pub(super) user_id: Field<'a>,
    pub(super) op: Field<'a>,
    pub(super) before: Field<'a>,
    pub(super) after: Field<'a>,
    pub(super) source: Field<'a>,
    pub(super) ts_ms: Field<'a>,
    pub(super) deleted: Field<'a>,
    pub(super) added: AddedFields<'a>,
    schema: Field<'a>,
    payload: Field<'a>,
    ts_us: Field<'a>,
    ts_ns: Field<'a>,
    id: Field<'a>,
    status: Field<'a>,
    event_count: Field<'a>,
    data_collections: Field<'a>,
    ddl: Field<'a>,
    table_changes: Field<'a>,
    database_name: Field<'a>,
    kind: Field<'a>,
    database: Field<'a>,
    data: Field<'a>,
    is_ddl: Field<'a>,
    key_count: usize,
}

/// What the connector adds to a flattened row on request (`add.fields`), named without the prefix.
#[derive(Default)]
pub(super) struct AddedFields<'a> {
    pub(super) op: Field<'a>,
    pub(super) table: Field<'a>,
    pub(super) database: Field<'a>,
    pub(super) snapshot: Field<'a>,
    pub(super) source_ts_ms: Field<'a>,
    pub(super) ts_ms: Field<'a>,
}

impl<'a> AddedFields<'a> {
    fn slot(&mut self, name: &str) -> Option<&mut Field<'a>> {
        match name {
            "op" => Some(&mut self.op),
            "table" | "source_table" => Some(&mut self.table),
            "db" | "source_db" => Some(&mut self.database),
            "snapshot" | "source_snapshot" => Some(&mut self.snapshot),
            "source_ts_ms" => Some(&mut self.source_ts_ms),
            "ts_ms" => Some(&mut self.ts_ms),
            _ => None,
        }
    }

    fn any(&self) -> bool {
        self.op.is_some() || self.table.is_some() || self.database.is_some()
    }
}

impl<'a> Slots<'a> for Message<'a, '_> {
    fn slot(&mut self, key: &str) -> Option<&mut Field<'a>> {
        self.key_count += 1;
        if key == self.table.user_id_column {
            return Some(&mut self.user_id);
        }
        // Debezium's own name, whatever the prefix is.
        if key == "__deleted" {
            return Some(&mut self.deleted);
        }
        let prefix = self.table.added_field_prefix.as_str();
        if !prefix.is_empty()
            && let Some(name) = key.strip_prefix(prefix)
        {
            return self.added.slot(name);
        }
        match key {
            "op" => Some(&mut self.op),
            "before" => Some(&mut self.before),
            "after" => Some(&mut self.after),
            "source" => Some(&mut self.source),
            "ts_ms" => Some(&mut self.ts_ms),
            "ts_us" => Some(&mut self.ts_us),
            "ts_ns" => Some(&mut self.ts_ns),
            "schema" => Some(&mut self.schema),
            "payload" => Some(&mut self.payload),
            "id" => Some(&mut self.id),
            "status" => Some(&mut self.status),
            "event_count" => Some(&mut self.event_count),
            "data_collections" => Some(&mut self.data_collections),
            "ddl" => Some(&mut self.ddl),
            "tableChanges" => Some(&mut self.table_changes),
            "databaseName" => Some(&mut self.database_name),
            "type" => Some(&mut self.kind),
            "database" => Some(&mut self.database),
            "data" => Some(&mut self.data),
            "isDdl" => Some(&mut self.is_ddl),
            _ => None,
        }
    }
}

impl<'a, 't> Message<'a, 't> {
    pub(super) fn read(text: &'a str, table: &'t TableNames) -> Result<Self, Poison> {
        let mut message = Self::empty(table);
        json::read_object(text, &mut message)?;
        Ok(message)
    }

    fn empty(table: &'t TableNames) -> Self {
        Self {
            table,
            user_id: None,
            op: None,
            before: None,
            after: None,
            source: None,
            ts_ms: None,
            deleted: None,
            added: AddedFields::default(),
            schema: None,
            payload: None,
            ts_us: None,
            ts_ns: None,
            id: None,
            status: None,
            event_count: None,
            data_collections: None,
            ddl: None,
            table_changes: None,
            database_name: None,
            kind: None,
            database: None,
            data: None,
            is_ddl: None,
            key_count: 0,
        }
    }

    /// The message's form. The order matters: a row may have columns of any name, but its values are never objects
    /// or arrays, so an object tells an envelope, and the column of user ids tells a row.
    pub(super) fn form(&self) -> Form<'a> {
        if let Some(payload) = self.wrapped_payload() {
            Form::Wrapped(payload)
        } else if self.is_envelope() {
            Form::Envelope
        } else if self.user_id.is_some() || self.deleted.is_some() || self.added.any() {
            Form::Flattened
        } else if let Some(reason) = self.aside() {
            Form::Aside(reason)
        } else if let Some(name) = self.unsupported() {
            Form::Unsupported(name)
        } else {
            Form::Unknown
        }
    }

    /// The wrapper has these two fields and no others, and the schema is an object or null; a row with a column
    /// `payload` has others.
    fn wrapped_payload(&self) -> Option<&'a RawValue> {
        let is_wrapper =
            self.key_count == 2 && self.schema.is_some_and(|schema| json::is_object(schema) || json::is_null(schema));
        self.payload.filter(|_| is_wrapper)
    }

    fn is_envelope(&self) -> bool {
        if holds_object(self.before) || holds_object(self.after) {
            return true;
        }
        let has_image = self.before.is_some() || self.after.is_some() || self.source.is_some();
        let may_be_row = self.user_id.is_some() && !holds_object(self.source);
        self.op.is_some() && has_image && !may_be_row
    }

    fn aside(&self) -> Option<SkipReason> {
        if self.is_schema_change() {
            Some(SkipReason::SchemaChange)
        } else if self.is_transaction() {
            Some(SkipReason::Transaction)
        } else if self.is_heartbeat() {
            Some(SkipReason::Heartbeat)
        } else if self.is_signal() {
            Some(SkipReason::Signal)
        } else {
            None
        }
    }

    fn is_schema_change(&self) -> bool {
        (self.ddl.is_some() || self.table_changes.is_some())
            && (holds_object(self.source) || self.database_name.is_some())
    }

    fn is_transaction(&self) -> bool {
        let status = self.status.and_then(json::text_of);
        matches!(status.as_deref(), Some("BEGIN" | "END")) && self.id.is_some()
    }

    fn is_heartbeat(&self) -> bool {
        let times = [self.ts_ms, self.ts_us, self.ts_ns];
        self.ts_ms.is_some() && self.key_count == times.iter().flatten().count()
    }

    fn is_signal(&self) -> bool {
        let fields = [self.id, self.kind, self.data];
        self.kind.is_some() && self.data.is_some() && self.key_count == fields.iter().flatten().count()
    }

    fn unsupported(&self) -> Option<&'static str> {
        if self.kind.is_none() || self.database.is_none() {
            return None;
        }
        if self.is_ddl.is_some() || self.data.is_some_and(json::is_array) {
            return Some("Canal (flat messages)");
        }
        Some("Maxwell")
    }
}

fn holds_object(field: Field<'_>) -> bool {
    field.is_some_and(json::is_object)
}
