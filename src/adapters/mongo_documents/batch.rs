//! Sends many statements in few commands, and tells what became of each.
//!
//! The server answers a command with totals, and names by index only those that failed. Where the totals leave it open
//! which statements met their document, the documents are read again: each statement leaves a mark of its own.

use std::{collections::HashMap, ops::Range};

use mongodb::{
    Collection,
    bson::{Bson, Document, RawDocumentBuf, doc, oid::ObjectId, rawdoc},
    error::{Error, ErrorKind},
};

use super::{
    failure::{is_passing, is_too_large},
    head::whole,
    write::{SERVER_MAX_BYTES, Statement},
};
use crate::domain::user_id::UserId;

/// Bytes of one command, roughly: far below the server's 16 MiB unless one statement alone is larger.
const COMMAND_BYTES: usize = 4 << 20;
/// Statements of one command.
const COMMAND_STATEMENTS: usize = 500;

/// What became of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Applied,
    /// Not applied, or not known to be.
    Missed,
    TooLarge,
    /// The server does not take it, with its words.
    Refused(String),
}

/// A statement and whose document it is about.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) user: UserId,
    pub(super) id: Bson,
    pub(super) statement: Statement,
}

/// What the server said of a command.
#[derive(Debug, Default)]
struct Answer {
    matched: usize,
    refused: HashMap<usize, Outcome>,
}

/// Applies each item by itself. An error leaves open what was done.
pub(super) async fn apply(
    documents: &Collection<Document>,
    items: &[Item],
    max_time_ms: i64,
) -> Result<Vec<Outcome>, Sent> {
    let sizes: Vec<usize> = items.iter().map(|item| item.statement.bson.as_bytes().len()).collect();
    let mut outcomes = Vec::with_capacity(items.len());
    for part in parts(&sizes) {
        let some_sent = part.start > 0;
        let items = items.get(part).unwrap_or_default();
        let sent = command(documents, items, max_time_ms).await;
        outcomes.extend(sent.map_err(|error| Sent { error, some_sent })?);
    }
    Ok(outcomes)
}

/// A command that failed.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) error: Failed,
    /// Commands before it were answered: something was done.
    pub(super) some_sent: bool,
}

/// Why a command has no answer to count on.
#[derive(Debug)]
pub(super) enum Failed {
    Driver(Error),
    /// The server was interrupted, or the majority has not confirmed.
    Unsettled(String),
}

/// Ranges of statements that go together.
fn parts(sizes: &[usize]) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (index, size) in sizes.iter().enumerate() {
        if index > start && (bytes + size > COMMAND_BYTES || index - start == COMMAND_STATEMENTS) {
            parts.push(start..index);
            (start, bytes) = (index, 0);
        }
        bytes += size;
    }
    if start < sizes.len() {
        parts.push(start..sizes.len());
    }
    parts
}

async fn command(documents: &Collection<Document>, items: &[Item], max_time_ms: i64) -> Result<Vec<Outcome>, Failed> {
    // A statement that fills a message alone can't be sent at all.
    if let [item] = items
        && item.statement.bson.as_bytes().len() as u64 > SERVER_MAX_BYTES
    {
        return Ok(vec![Outcome::TooLarge]);
    }
    let updates = items.iter().map(|item| item.statement.bson.as_ref());
    let command = update_command(documents.name(), updates, max_time_ms);
    let database = documents.client().database(&documents.namespace().db);
    let reply = match database.run_raw_command(command).await {
        Ok(reply) => reply,
        Err(error) if items.len() == 1 && is_about_size(&error) => return Ok(vec![Outcome::TooLarge]),
        Err(error) => return Err(Failed::Driver(error)),
    };
    let answer = read_answer(&reply)?;
    let open = items.len() - answer.refused.len();
    let applied = |index| answer.refused.get(&index).cloned().unwrap_or(Outcome::Applied);
    if answer.matched >= open {
        return Ok((0..items.len()).map(applied).collect());
    }
    let marks = if answer.matched == 0 { HashMap::new() } else { marks(documents, items).await };
    Ok((0..items.len())
        .zip(items)
        .map(|(index, item)| match applied(index) {
            Outcome::Applied if marks.get(&item.user) != Some(&item.statement.mark) => Outcome::Missed,
            outcome => outcome,
        })
        .collect())
}

/// An `update` command of these statements: majority, not ordered, with an end set by the server itself.
pub(super) fn update_command<'a>(
    collection: &str,
    updates: impl Iterator<Item = &'a mongodb::bson::RawDocument>,
    max_time_ms: i64,
) -> RawDocumentBuf {
    let mut statements = mongodb::bson::RawArrayBuf::new();
    for update in updates {
        statements.push(update.to_owned());
    }
    rawdoc! {
        "update": collection,
        "updates": statements,
        "ordered": false,
        "writeConcern": {"w": "majority", "wtimeout": max_time_ms},
        "maxTimeMS": max_time_ms,
    }
}

fn is_about_size(error: &Error) -> bool {
    matches!(&*error.kind, ErrorKind::Command(error) if is_too_large(error.code, &error.message))
}

fn read_answer(reply: &Document) -> Result<Answer, Failed> {
    if let Ok(error) = reply.get_document("writeConcernError") {
        // It was applied, but may be rolled back.
        return Err(Failed::Unsettled(format!("the majority has not confirmed: {}", message_in(error))));
    }
    let matched = reply.get("n").and_then(whole).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let mut refused = HashMap::new();
    for error in reply.get_array("writeErrors").map(Vec::as_slice).unwrap_or_default() {
        let Some(error) = error.as_document() else { continue };
        let number = |name| error.get(name).and_then(whole);
        let code = number("code").and_then(|code| i32::try_from(code).ok()).unwrap_or(0);
        let message = message_in(error);
        if is_passing(code) {
            return Err(Failed::Unsettled(message));
        }
        let outcome = if is_too_large(code, &message) { Outcome::TooLarge } else { Outcome::Refused(message) };
        if let Some(index) = number("index").and_then(|index| usize::try_from(index).ok()) {
            refused.insert(index, outcome);
        }
    }
    Ok(Answer { matched, refused })
}

/// Whether all is done that the command asked for; else what is not.
pub(super) fn all_done(reply: &Document) -> Result<(), String> {
    let answer = read_answer(reply).map_err(|error| match error {
        Failed::Driver(error) => error.to_string(),
        Failed::Unsettled(message) => message,
    })?;
    answer.refused.into_values().next().map_or(Ok(()), |outcome| Err(format!("a statement was refused: {outcome:?}")))
}

/// The same for insertions: who was faster has done it.
pub(super) fn created(reply: &Document) -> Result<(), String> {
    const DUPLICATE_KEY: i64 = 11000;
    let mut reply = reply.clone();
    if let Ok(errors) = reply.get_array_mut("writeErrors") {
        errors.retain(|error| {
            let code = error.as_document().and_then(|error| error.get("code")).and_then(whole);
            code != Some(DUPLICATE_KEY)
        });
    }
    all_done(&reply)
}

fn message_in(error: &Document) -> String {
    let code = error.get("code").and_then(whole).unwrap_or(0);
    format!("{} (code {code})", error.get_str("errmsg").unwrap_or("no message"))
}

/// The marks that the documents have now. One that can't be read is as good as none: its statement counts as missed,
/// and the caller reads again.
async fn marks(documents: &Collection<Document>, items: &[Item]) -> HashMap<UserId, ObjectId> {
    let ids: Vec<&Bson> = items.iter().map(|item| &item.id).collect();
    let batch = u32::try_from(items.len()).unwrap_or(u32::MAX);
    let found = documents.find(doc! {"_id": {"$in": ids}}).projection(doc! {"user_id": 1, "stream.write": 1});
    let Ok(mut cursor) = found.batch_size(batch).await else { return HashMap::new() };
    let mut marks = HashMap::new();
    while let Ok(true) = cursor.advance().await {
        let Ok(document) = cursor.deserialize_current() else { continue };
        let mark = document.get_document("stream").ok().and_then(|stream| stream.get_object_id("write").ok());
        if let (Some(user), Some(mark)) = (super::head::user_of(&document), mark) {
            marks.insert(user, mark);
        }
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_stay_below_the_limits() {
        assert!(parts(&[]).is_empty());
        assert_eq!(parts(&[1; 3]), vec![0..3; 1]);
        assert_eq!(parts(&[COMMAND_BYTES * 2, 1, COMMAND_BYTES, 1]), [0..1, 1..2, 2..3, 3..4]);
        let many = parts(&vec![1; COMMAND_STATEMENTS * 2 + 1]);
        assert_eq!(many.last(), Some(&(COMMAND_STATEMENTS * 2..COMMAND_STATEMENTS * 2 + 1)));
    }

    #[test]
    fn an_answer_has_totals_and_errors_by_index() {
        let reply = doc! {"n": 3, "nModified": 1, "writeErrors": [
            {"index": 1, "code": 17419, "errmsg": "too large"},
            {"index": 4, "code": 2, "errmsg": "bad"},
        ]};
        let answer = read_answer(&reply).unwrap();
        assert_eq!(answer.matched, 3);
        assert_eq!(answer.refused.get(&1), Some(&Outcome::TooLarge));
        assert_eq!(answer.refused.get(&4), Some(&Outcome::Refused("bad (code 2)".to_owned())));
    }

    #[test]
    fn an_unconfirmed_or_interrupted_write_is_unsettled() {
        let unconfirmed =
            doc! {"n": 1, "writeConcernError": {"code": 64, "errmsg": "waiting for replication timed out"}};
        assert!(matches!(read_answer(&unconfirmed), Err(Failed::Unsettled(message)) if message.contains("timed out")));
        let interrupted = doc! {"n": 1, "writeErrors": [{"index": 1, "code": 50, "errmsg": "time limit"}]};
        assert!(matches!(read_answer(&interrupted), Err(Failed::Unsettled(_))));
    }
}
