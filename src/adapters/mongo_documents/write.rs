//! An update as a statement of the `update` command.

use mongodb::bson::{Bson, Document, RawDocumentBuf, bson, doc, oid::ObjectId};

use super::{
    guard::filter,
    json_to_bson::{to_bson, whole},
    lists::{Malformed, list, log, log_name},
};
use crate::{
    domain::{
        cache::{Epoch, List, Stream},
        record::TopicPartition,
    },
    ports::{Change, Update, Write},
};

/// What the server's own limit of a document leaves for passflow's lists and logs: a fence or a seal must always fit.
const RESERVE_BYTES: u64 = 64 << 10;
/// The largest document that `MongoDB` takes.
pub(super) const SERVER_MAX_BYTES: u64 = 16 << 20;
/// In the server's words when a document would be larger than allowed.
pub(super) const TOO_LARGE: &str = "passflow: document too large";

/// Why an update can't be sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unwritable {
    #[error("the new version is {0}, one above {1:?} was due")]
    Version(u64, Option<u64>),
    #[error(transparent)]
    List(#[from] Malformed),
    #[error("it can't be written as BSON: {0}")]
    Bson(String),
}

/// A statement ready to be sent.
#[derive(Debug)]
pub(super) struct Statement {
    /// `{q, u}`.
    pub(super) bson: RawDocumentBuf,
    /// `stream.write` after it: tells it from every other write, also of the same owner.
    pub(super) mark: ObjectId,
}

/// The statement of `update`; no document becomes larger than `max_bytes`.
pub(super) fn statement(update: &Update, max_bytes: u64) -> Result<Statement, Unwritable> {
    let mark = ObjectId::new();
    let change: Bson = match &update.write {
        Write::Touch { timestamp, drop_committed } => {
            Bson::Document(touch(update, mark, *timestamp, drop_committed.as_ref())?)
        }
        Write::Change(change) => Bson::Array(pipeline(update, mark, change, max_bytes)?),
    };
    // Else the server tries out the index of `user_id` as well, each time.
    let statement = doc! {"q": filter(update), "u": change, "hint": {"_id": 1}};
    let bson = RawDocumentBuf::try_from(&statement).map_err(|error| Unwritable::Bson(error.to_string()))?;
    Ok(Statement { bson, mark })
}

/// Some fields in place: what most refreshes write.
fn touch(
    update: &Update,
    mark: ObjectId,
    timestamp: Option<i64>,
    drop_committed: Option<&(TopicPartition, i64)>,
) -> Result<Document, Unwritable> {
    let mut set = doc! {"stream.fence": whole(update.epoch.0.cast_signed()), "stream.write": mark};
    let stream = update.read.stream.as_ref();
    if let Some(timestamp) = timestamp {
        set.insert("timestamp", whole(timestamp));
        if let Some(stream) = stream {
            set.insert("stream.version", whole(stream.version.cast_signed() + 1));
        }
    }
    // As long as the version is the same, the stored entries are those that were read.
    if let (Some(stream), Some((partition, offset))) = (stream, drop_committed)
        && stream.has_committed(partition, *offset)
    {
        let mut left = stream.clone();
        left.drop_committed(partition, *offset);
        set.insert("stream.pending", json(&left.pending)?);
    }
    Ok(doc! {"$set": set})
}

fn pipeline(update: &Update, mark: ObjectId, change: &Change, max_bytes: u64) -> Result<Vec<Bson>, Unwritable> {
    let read = &update.read;
    let due = read.stream.as_ref().map(|stream| stream.version);
    if change.stream.version != due.unwrap_or(0) + 1 {
        return Err(Unwritable::Version(change.stream.version, due));
    }
    let mut set = Document::new();
    if let Some(timestamp) = change.timestamp {
        set.insert("timestamp", whole(timestamp));
    }
    let mut grows = false;
    for of in List::BOTH {
        if let Some(slots) = change.lists.of(of) {
            set.insert(of.name(), list(read, of, slots)?);
            grows = true;
        }
        if let Some(entry) = change.logs.of(of) {
            set.insert(log_name(of), log(of, entry, change.log_max)?);
            grows = true;
        }
    }
    if grows {
        set.insert("__v", whole(read.document_version.unwrap_or(0) + 1));
    }
    set.insert("stream", doc! {"$literal": stream(&change.stream, update.epoch, Some(mark))?});
    let max_bytes = if grows { max_bytes.min(SERVER_MAX_BYTES - RESERVE_BYTES) } else { max_bytes };
    Ok(vec![bson!({"$set": set}), size_check(max_bytes)])
}

/// Makes the server refuse the statement when its outcome is larger: a text that is no number can't become one. The
/// text holds the size, else it would be evaluated, and fail, before any document is looked at.
fn size_check(max_bytes: u64) -> Bson {
    let size = bson!({"$bsonSize": "$$ROOT"});
    let text = bson!({"$concat": [TOO_LARGE, ", bytes: ", {"$toString": &size}]});
    let limit = whole(i64::try_from(max_bytes).unwrap_or(i64::MAX));
    bson!({"$set": {"stream.size": {"$cond": [{"$lte": [size, limit]}, "$$REMOVE", {"$toInt": text}]}}})
}

/// passflow's own state as it is stored.
pub(super) fn stream(stream: &Stream, fence: Epoch, mark: Option<ObjectId>) -> Result<Document, Unwritable> {
    let mut stored = doc! {
        "version": whole(stream.version.cast_signed()),
        "seq": whole(stream.seq.cast_signed()),
        "fence": whole(fence.0.cast_signed()),
        "emitted": json(&stream.emitted)?,
        "pending": json(&stream.pending)?,
        "token": json(&stream.token)?,
    };
    if let Some(mark) = mark {
        stored.insert("write", mark);
    }
    Ok(stored)
}

/// By way of JSON, so that numbers get the types that mongoose reads, and the names those of the embedded store.
fn json(value: &impl serde::Serialize) -> Result<Bson, Unwritable> {
    let text = serde_json::to_vec(value).map_err(|error| Unwritable::Bson(error.to_string()))?;
    to_bson(&text).map_err(|error| Unwritable::Bson(error.to_string()))
}
