//! What must still be so for a write to be applied.

use mongodb::bson::{Bson, Document, bson, doc};

use super::{head::id_of, json_to_bson::whole};
use crate::{
    domain::{
        cache::{Entry, List},
        payload_hash::PayloadHash,
    },
    ports::{Update, Write},
};

/// Matches the document of `update` as long as it is as it was read, and its fence is not above the writer's epoch. An
/// absent field counts as null, which is how equality takes it.
///
/// For a change of lists versions alone are not enough: mongoose changes single elements without moving `__v`. So what it
/// may change of an element is compared, too. A touch writes nothing of them, so it does as well before as after such a
/// write; and to compare them would cost the server more than all the rest.
pub(super) fn filter(update: &Update) -> Document {
    let read = &update.read;
    let version = read.stream.as_ref().map_or(Bson::Null, |stream| whole(stream.version.cast_signed()));
    let mut filter = doc! {
        "_id": id_of(read),
        "user_id": whole(read.user_id.get()),
        "__v": read.document_version.map_or(Bson::Null, whole),
        "stream.version": version,
        "stream.fence": {"$not": {"$gt": whole(update.epoch.0.cast_signed())}},
    };
    if matches!(update.write, Write::Touch { .. }) {
        return filter;
    }
    let mut same = Vec::new();
    for list in List::BOTH {
        let entries = read.lists.of(list);
        if entries.is_empty() {
            filter.insert(format!("{}.0", list.name()), doc! {"$exists": false});
        } else {
            same.push(is_same(list, entries));
        }
    }
    if !same.is_empty() {
        filter.insert("$expr", doc! {"$and": same});
    }
    filter
}

/// An expression: whether the list's entries are these.
fn is_same(list: List, entries: &[Entry]) -> Bson {
    // Such a hash stands for one that could not be read; then the others and `__v` must do.
    let with_hashes = entries.iter().all(|entry| entry.payload_hash != PayloadHash::default());
    let field = |name: &str, default: Bson| bson!({"$ifNull": [format!("$$this.{name}"), default]});
    let mut fields = vec![
        field("pass_uuid", Bson::String(String::new())),
        field("status", Bson::String(String::new())),
        field("free_ticket_status", Bson::Int32(0)),
    ];
    if with_hashes {
        fields.push(Bson::String("$$this.payload_hash".to_owned()));
    }
    let rows = entries.iter().map(|entry| {
        let mut row: Vec<Bson> =
            vec![entry.pass_uuid.as_str().into(), entry.status.as_str().into(), entry.free_ticket_status.into()];
        if with_hashes {
            row.push(entry.payload_hash.to_string().into());
        }
        Bson::Array(row)
    });
    let expected: Vec<Bson> = rows.collect();
    bson!({"$eq": [{"$map": {"input": stored_array(list.name()), "in": fields}}, {"$literal": expected}]})
}

/// An expression: the array of this name; an empty one when it is missing or no array.
pub(super) fn stored_array(name: &str) -> Bson {
    let path = format!("${name}");
    bson!({"$cond": [{"$isArray": [&path]}, &path, []]})
}
