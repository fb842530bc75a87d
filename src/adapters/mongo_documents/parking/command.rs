//! Many statements in one command, and what the server says of each.

use std::collections::HashMap;

use mongodb::{
    Collection,
    bson::{Document, RawDocumentBuf},
    error::{Error, ErrorKind},
};

use super::{
    super::{
        bson_writer::{BsonWriter, Open},
        failure::{Effect, failed, is_passing, is_too_large, port_error},
        head::whole,
        json_to_bson::NotJson,
    },
    ParkingSettings,
};
use crate::ports::{Failure, PortError, Stored};

/// Bytes of one command, roughly: far below the server's 16 MiB unless one statement alone is larger.
const COMMAND_BYTES: usize = 4 << 20;

/// A command that is being written.
pub(super) struct Command {
    writer: BsonWriter,
    command: Open,
    statements: Open,
    count: usize,
    document_max_bytes: u64,
}

impl Command {
    pub(super) fn insert(events: &Collection<Document>, settings: &ParkingSettings) -> Self {
        Self::new("insert", "documents", events, settings)
    }

    pub(super) fn update(events: &Collection<Document>, settings: &ParkingSettings) -> Self {
        Self::new("update", "updates", events, settings)
    }

    /// Majority, not ordered, with an end set by the server itself.
    fn new(name: &str, statements: &str, events: &Collection<Document>, settings: &ParkingSettings) -> Self {
        let max_time_ms = i64::try_from(settings.statement_max.as_millis()).unwrap_or(i64::MAX).max(1);
        let mut writer = BsonWriter::default();
        let command = writer.open();
        writer.text(name, events.name());
        writer.boolean("ordered", false);
        let concern = writer.open_document("writeConcern");
        writer.text("w", "majority");
        writer.number("wtimeout", max_time_ms);
        writer.close(concern);
        writer.number("maxTimeMS", max_time_ms);
        let statements = writer.open_array(statements);
        Self { writer, command, statements, count: 0, document_max_bytes: settings.document_max_bytes }
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn has_room(&self) -> bool {
        self.writer.len() < COMMAND_BYTES
    }

    /// Adds a statement as `write` gives it, or tells why it can't be sent.
    pub(super) fn add(&mut self, write: impl FnOnce(&mut BsonWriter) -> Result<(), NotJson>) -> Result<(), Stored> {
        let before = self.writer.len();
        let statement = self.writer.open_document(&self.count.to_string());
        let written = write(&mut self.writer);
        self.writer.close(statement);
        let refused = match written {
            Err(error) => Stored::Refused(format!("a value is {error}")),
            Ok(()) if (self.writer.len() - before) as u64 > self.document_max_bytes => Stored::TooLarge,
            Ok(()) => {
                self.count += 1;
                return Ok(());
            }
        };
        self.writer.truncate(before);
        Err(refused)
    }

    pub(super) fn finish(mut self) -> Result<RawDocumentBuf, String> {
        self.writer.close(self.statements);
        self.writer.close(self.command);
        RawDocumentBuf::from_bytes(self.writer.into_bytes()).map_err(|error| error.to_string())
    }
}

/// What the server said of a command.
#[derive(Debug, Default)]
pub(super) struct Reply {
    matched: usize,
    errors: HashMap<usize, Said>,
}

/// What it said of one statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Nothing: it is done, if it met its document.
    Done,
    /// There is a document of this id.
    IsThere,
    /// It is not taken.
    Refused(Stored),
}

impl Reply {
    /// The reply to a command of `count` statements.
    pub(super) fn read(reply: Result<Document, Error>, count: usize, doing: String) -> Result<Self, PortError> {
        let reply = match reply {
            Ok(reply) => reply,
            Err(error) if count == 1 && is_about_size(&error) => {
                let errors = [(0, Said::Refused(Stored::TooLarge))].into();
                return Ok(Self { matched: 0, errors });
            }
            Err(error) => return Err(failed(&error, Effect::Writes, doing)),
        };
        if let Ok(error) = reply.get_document("writeConcernError") {
            // It was done, but may be rolled back.
            let message = format!("the majority has not confirmed: {}", message_in(error));
            return Err(port_error(Failure::Unanswered, doing, message));
        }
        let number = |document: &Document, name: &str| document.get(name).and_then(whole);
        let mut errors = HashMap::new();
        for error in reply.get_array("writeErrors").map(Vec::as_slice).unwrap_or_default() {
            let Some(error) = error.as_document() else { continue };
            let code = number(error, "code").and_then(|code| i32::try_from(code).ok()).unwrap_or(0);
            if is_passing(code) {
                return Err(port_error(Failure::Unanswered, doing, message_in(error)));
            }
            if let Some(index) = number(error, "index").and_then(|index| usize::try_from(index).ok()) {
                errors.insert(index, said(error, code));
            }
        }
        let matched = number(&reply, "n").and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        Ok(Self { matched, errors })
    }

    pub(super) fn of(&self, index: usize) -> &Said {
        self.errors.get(&index).unwrap_or(&Said::Done)
    }

    /// Whether each of `count` updates that was not refused has met its document.
    pub(super) fn has_matched_all(&self, count: usize) -> bool {
        self.matched + self.errors.len() >= count
    }
}

fn said(error: &Document, code: i32) -> Said {
    const DUPLICATE_KEY: i32 = 11000;
    // Another unique index, which nobody of ours has made, is no document of this id.
    let is_id = || error.get_document("keyPattern").map_or(true, |keys| keys.keys().eq(["_id"]));
    if code == DUPLICATE_KEY && is_id() {
        return Said::IsThere;
    }
    let message = message_in(error);
    Said::Refused(if is_too_large(code, &message) { Stored::TooLarge } else { Stored::Refused(message) })
}

/// The server's words, without those that repeat a key's value.
fn message_in(error: &Document) -> String {
    let code = error.get("code").and_then(whole).unwrap_or(0);
    let message = error.get_str("errmsg").unwrap_or("no message");
    let message = message.split(" dup key:").next().unwrap_or_default();
    format!("{message} (code {code})")
}

fn is_about_size(error: &Error) -> bool {
    matches!(&*error.kind, ErrorKind::Command(error) if is_too_large(error.code, &error.message))
}

#[cfg(test)]
mod tests {
    use mongodb::bson::doc;

    use super::*;

    fn read(reply: Document) -> Result<Reply, PortError> {
        Reply::read(Ok(reply), 9, "storing".to_owned())
    }

    #[test]
    fn errors_are_told_by_index() {
        let duplicate = |index: i32, keys: Document| {
            let message = "E11000 duplicate key error index: i dup key: { card: \"4111\" }";
            doc! {"index": index, "code": 11000, "errmsg": message, "keyPattern": keys}
        };
        let errors = vec![
            duplicate(1, doc! {"_id": 1}),
            duplicate(2, doc! {"card": 1}),
            doc! {"index": 3, "code": 10334, "errmsg": "too large"},
            doc! {"index": 4, "code": 121, "errmsg": "Document failed validation"},
        ];
        let reply = read(doc! {"n": 1, "writeErrors": errors}).unwrap();
        assert_eq!(reply.of(0), &Said::Done);
        assert_eq!(reply.of(1), &Said::IsThere);
        let other = "E11000 duplicate key error index: i (code 11000)".to_owned();
        assert_eq!(reply.of(2), &Said::Refused(Stored::Refused(other)));
        assert_eq!(reply.of(3), &Said::Refused(Stored::TooLarge));
        let invalid = "Document failed validation (code 121)".to_owned();
        assert_eq!(reply.of(4), &Said::Refused(Stored::Refused(invalid)));
        assert!(reply.has_matched_all(5) && !reply.has_matched_all(6));
    }

    #[test]
    fn what_is_not_sure_to_stay_is_unanswered() {
        let unconfirmed = doc! {"n": 1, "writeConcernError": {"code": 64, "errmsg": "timed out"}};
        assert_eq!(read(unconfirmed).unwrap_err().kind, Failure::Unanswered);
        let interrupted = doc! {"n": 1, "writeErrors": [{"index": 1, "code": 50, "errmsg": "time limit"}]};
        assert_eq!(read(interrupted).unwrap_err().kind, Failure::Unanswered);
    }
}
