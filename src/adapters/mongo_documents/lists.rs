//! New lists and logs, as expressions over the stored ones.
//!
//! A list is written as a whole, by an aggregation: entries that stay are taken from the stored array by the server, with
//! payloads that were never read and with fields that others may have added. Only new payloads travel.

use mongodb::bson::{Bson, Document, bson, doc, oid::ObjectId};

use super::{
    bson_to_json::to_json,
    guard::stored_array,
    id::id_value,
    json_to_bson::{NotJson, to_bson, whole},
};
use crate::domain::cache::{Entry, Head, List, LogEntry, Slot};

/// Keeps the payload's text where BSON can't give it back.
pub(super) const PAYLOAD_TEXT: &str = "payload_text";

/// Why a list can't be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum Malformed {
    #[error("{list} keeps entry {index}, of {length}", list = .0.name(), index = .1, length = .2)]
    NoSuchEntry(List, usize, usize),
    #[error("the payload of pass {0} is {1}")]
    Payload(String, NotJson),
    #[error("the {0} of a log entry is {1}")]
    Log(&'static str, NotJson),
}

/// The list that `slots` make of what was read.
pub(super) fn list(read: &Head, list: List, slots: &[Slot]) -> Result<Bson, Malformed> {
    let length = read.lists.of(list).len();
    let mut parts: Vec<Bson> = Vec::new();
    let mut rest = slots.iter().peekable();
    while let Some(slot) = rest.peek() {
        if let Slot::Keep(start) = slot {
            let start = *start;
            let mut end = start;
            while rest.next_if(|slot| matches!(slot, Slot::Keep(index) if *index == end)).is_some() {
                end += 1;
            }
            if end > length {
                return Err(Malformed::NoSuchEntry(list, end - 1, length));
            }
            let place = |index: usize| i32::try_from(index).unwrap_or(i32::MAX);
            parts.push(bson!({"$slice": [format!("${}", list.name()), place(start), place(end - start)]}));
        } else {
            let mut puts: Vec<Bson> = Vec::new();
            while let Some(Slot::Put(entry, payload)) = rest.next_if(|slot| matches!(slot, Slot::Put(..))) {
                puts.push(put(read, list, entry, payload)?);
            }
            parts.push(Bson::Array(puts));
        }
    }
    Ok(bson!({"$concatArrays": parts}))
}

/// The new element; laid over the stored one of this `_id`, so that fields of others stay.
fn put(read: &Head, list: List, entry: &Entry, payload: &[u8]) -> Result<Bson, Malformed> {
    let element = element(entry, payload)?;
    let Some((list, index)) = stored_place(read, list, entry) else { return Ok(bson!({"$literal": element})) };
    let index = i32::try_from(index).unwrap_or(i32::MAX);
    let stored = bson!({"$arrayElemAt": [format!("${}", list.name()), index]});
    let stored = bson!({"$unsetField": {"field": PAYLOAD_TEXT, "input": stored}});
    Ok(bson!({"$mergeObjects": [stored, {"$literal": element}]}))
}

fn stored_place(read: &Head, list: List, entry: &Entry) -> Option<(List, usize)> {
    let other = if list == List::Passes { List::Passes4 } else { List::Passes };
    [list, other]
        .into_iter()
        .filter(|_| !entry.id.is_empty())
        .find_map(|list| read.lists.of(list).iter().position(|stored| stored.id == entry.id).map(|index| (list, index)))
}

fn element(entry: &Entry, payload: &[u8]) -> Result<Document, Malformed> {
    let stored = to_bson(payload).map_err(|error| Malformed::Payload(entry.pass_uuid.clone(), error))?;
    let text = (to_json(&stored).as_bytes() != payload).then(|| String::from_utf8_lossy(payload).into_owned());
    // An element of the old service may have been without.
    let id = if entry.id.is_empty() { Bson::ObjectId(ObjectId::new()) } else { id_value(&entry.id) };
    let mut element = doc! {
        "pass_uuid": &entry.pass_uuid,
        "timestamp": whole(entry.timestamp),
        "status": &entry.status,
        "free_ticket_status": entry.free_ticket_status,
        "payload": stored,
        "payload_hash": entry.payload_hash.to_string(),
        "_id": id,
    };
    if let Some(text) = text {
        element.insert(PAYLOAD_TEXT, text);
    }
    Ok(element)
}

/// The payload of a stored element as text: the one that was put, as long as nobody has changed what was made of it.
pub(super) fn payload_text(element: &Document) -> Option<String> {
    let payload = element.get("payload")?;
    let text = element.get_str(PAYLOAD_TEXT).ok();
    let unchanged = text.filter(|text| to_bson(text.as_bytes()).is_ok_and(|stored| stored == *payload));
    Some(unchanged.map_or_else(|| to_json(payload), str::to_owned))
}

/// The array's name of a list's log.
pub(super) fn log_name(list: List) -> &'static str {
    match list {
        List::Passes => "passesLog",
        List::Passes4 => "passes4Log",
    }
}

/// The log with its new entry, the newest `log_max` of it.
pub(super) fn log(list: List, entry: &LogEntry, log_max: usize) -> Result<Bson, Malformed> {
    let value = |what, text: &str| to_bson(text.as_bytes()).map_err(|error| Malformed::Log(what, error));
    let element = doc! {
        "errors": value("errors", &entry.errors)?,
        "server_time": &entry.server_time,
        "data": value("data", &entry.data)?,
        "_id": id_value(&entry.id),
    };
    let newest = i32::try_from(log_max).unwrap_or(i32::MAX);
    if newest == 0 {
        return Ok(Bson::Array(Vec::new()));
    }
    let all = bson!({"$concatArrays": [stored_array(log_name(list)), [{"$literal": element}]]});
    Ok(bson!({"$slice": [all, -newest]}))
}
