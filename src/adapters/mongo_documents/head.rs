//! A stored document as passflow reads it. Documents of other writers are taken as they come: arrays may be missing,
//! numbers may be int32, int64 or double, elements may lack fields.

use mongodb::bson::{Bson, Document, doc};

use super::{
    bson_to_json::to_json,
    id::{id_text, id_value},
};
use crate::domain::{
    cache::{Entry, Epoch, Head, List, PerList, Stream},
    payload_hash::PayloadHash,
    user_id::UserId,
};

/// What a refresh reads: everything but payloads and logs.
pub(super) fn projection() -> Document {
    let mut projection = doc! {"user_id": 1, "timestamp": 1, "__v": 1, "stream": 1};
    for list in List::BOTH {
        for field in ["_id", "pass_uuid", "timestamp", "status", "free_ticket_status", "payload_hash"] {
            projection.insert(format!("{}.{field}", list.name()), 1);
        }
    }
    projection
}

/// The document as a head.
///
/// # Errors
/// What in passflow's own part of it can't be read.
pub(super) fn head(user_id: UserId, document: &Document) -> Result<Head, String> {
    let stored = document.get_document("stream").ok();
    let entries = |list: List| elements(document, list.name()).map(entry).collect();
    Ok(Head {
        user_id,
        id: id_text(document.get("_id")),
        timestamp: document.get("timestamp").and_then(whole).unwrap_or(0),
        document_version: document.get("__v").and_then(whole),
        lists: PerList { passes: entries(List::Passes), passes4: entries(List::Passes4) },
        stream: stored.filter(|stored| stored.contains_key("version")).map(stream).transpose()?,
        fence: Epoch(stored.and_then(|stored| stored.get("fence")).and_then(whole).map_or(0, i64::cast_unsigned)),
    })
}

/// The elements of an array; none when it is no array.
pub(super) fn elements<'a>(document: &'a Document, name: &str) -> impl Iterator<Item = &'a Bson> + use<'a> {
    document.get_array(name).map(Vec::as_slice).unwrap_or_default().iter()
}

fn entry(element: &Bson) -> Entry {
    let field = |name| element.as_document().and_then(|element| element.get(name));
    let text = |name| field(name).and_then(Bson::as_str);
    let number = |name| field(name).and_then(whole);
    Entry {
        id: field("_id").map_or_else(String::new, |id| id_text(Some(id))),
        pass_uuid: text("pass_uuid").unwrap_or_default().to_owned(),
        timestamp: number("timestamp").unwrap_or(0),
        status: text("status").unwrap_or_default().to_owned(),
        free_ticket_status: number("free_ticket_status").and_then(|number| i32::try_from(number).ok()).unwrap_or(0),
        // No text has this hash, so the pass will be written anew.
        payload_hash: text("payload_hash").and_then(|hash| hash.parse().ok()).unwrap_or(PayloadHash::default()),
    }
}

fn stream(stored: &Document) -> Result<Stream, String> {
    serde_json::from_str(&to_json(&Bson::Document(stored.clone())))
        .map_err(|error| format!("passflow's own state (`stream`) is damaged: {error}"))
}

/// A whole number of any of BSON's types.
pub(super) fn whole(value: &Bson) -> Option<i64> {
    match value {
        Bson::Int32(number) => Some(i64::from(*number)),
        Bson::Int64(number) => Some(*number),
        #[expect(clippy::cast_possible_truncation, reason = "saturates; a fraction of a second does not matter")]
        Bson::Double(number) if number.is_finite() => Some(*number as i64),
        Bson::DateTime(time) => Some(time.timestamp_millis()),
        _ => None,
    }
}

/// The user a document belongs to, if that is a user passflow can have.
pub(super) fn user_of(document: &Document) -> Option<UserId> {
    let stored = document.get("user_id")?;
    let is_whole = !matches!(stored, Bson::Double(number) if number.fract() != 0.0) && stored.as_datetime().is_none();
    whole(stored).filter(|_| is_whole).and_then(|number| UserId::new(number).ok())
}

/// Of several documents of one user: the place of the one with passflow's state, else of the one with the oldest `_id`.
pub(super) fn chosen(documents: &[&Document]) -> Option<usize> {
    let has_state =
        |document: &Document| document.get_document("stream").is_ok_and(|stream| stream.contains_key("version"));
    let order = |document: &Document| (!has_state(document), id_text(document.get("_id")));
    (0..documents.len()).min_by_key(|place| documents.get(*place).map(|document| order(document)))
}

/// A filter value for the document that was read.
pub(super) fn id_of(head: &Head) -> Bson {
    id_value(&head.id)
}

#[cfg(test)]
mod tests {
    use mongodb::bson::oid::ObjectId;

    use super::*;

    fn user(number: i64) -> UserId {
        UserId::new(number).unwrap()
    }

    #[test]
    fn a_document_of_the_old_service_is_taken_as_it_is() {
        let id = ObjectId::parse_str("0123456789abcdef01234567").unwrap();
        let hash = "99914b932bd37a50b983c5e7c90ae93b";
        let document = doc! {
            "_id": id, "user_id": 7.0, "timestamp": 1_700_000_000_000_i64, "__v": 3.0,
            "passes": [
                {"_id": id, "pass_uuid": "a", "timestamp": 5.0, "status": "USING", "free_ticket_status": 1_i64, "payload_hash": hash},
                {"pass_uuid": "b", "payload_hash": "nonsense"},
                null,
            ],
            "passes4": "no array",
        };
        let head = head(user(7), &document).unwrap();
        assert_eq!((head.timestamp, head.document_version, head.fence), (1_700_000_000_000, Some(3), Epoch(0)));
        assert_eq!((head.stream, head.lists.passes4.len()), (None, 0));
        let [a, b, none] = <[Entry; 3]>::try_from(head.lists.passes).unwrap();
        assert_eq!((a.id.as_str(), a.timestamp, a.free_ticket_status), ("0123456789abcdef01234567", 5, 1));
        assert_eq!(a.payload_hash.to_string(), hash);
        assert_eq!((b.pass_uuid.as_str(), b.status.as_str(), b.payload_hash), ("b", "", PayloadHash::default()));
        assert_eq!(none.pass_uuid, "");
    }

    #[test]
    fn a_fence_alone_is_no_state() {
        let fenced = doc! {"_id": 1, "stream": {"fence": 5_i64}};
        let fenced = head(user(1), &fenced).unwrap();
        assert_eq!((fenced.stream, fenced.fence), (None, Epoch(5)));
        let damaged = doc! {"stream": {"version": "x"}};
        assert!(head(user(1), &damaged).unwrap_err().contains("stream"));
    }

    #[test]
    fn of_several_documents_the_one_with_state_counts_then_the_oldest() {
        let id = |text: &str| ObjectId::parse_str(format!("{text:0>24}")).unwrap();
        let (one, two, own) =
            (doc! {"_id": id("1")}, doc! {"_id": id("2")}, doc! {"_id": id("3"), "stream": {"version": 0}});
        assert_eq!(chosen(&[&two, &one]), Some(1));
        assert_eq!(chosen(&[&two, &one, &own]), Some(2));
        assert_eq!(chosen(&[]), None);
    }

    #[test]
    fn users_are_whole_numbers_in_range() {
        let of = |value: Bson| user_of(&doc! {"user_id": value}).map(UserId::get);
        assert_eq!(of(Bson::Int32(5)), Some(5));
        assert_eq!(of(Bson::Double(9_007_199_254_740_991.0)), Some(UserId::MAX));
        for other in
            [Bson::Double(5.5), Bson::Int32(0), Bson::Double(1e300), Bson::Int64(i64::MAX), Bson::String("5".into())]
        {
            assert_eq!(of(other), None);
        }
    }
}
