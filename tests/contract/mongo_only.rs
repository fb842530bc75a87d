//! Documents that others wrote, or write meanwhile.

use mongodb::bson::{Bson, DateTime, Document, doc, oid::ObjectId};
use passflow::{
    domain::{
        cache::{Entry, Epoch, List, Slot, Stream},
        payload_hash::PayloadHash,
    },
    ports::{Failure, Written},
};

use crate::{
    documents::{LARGE, apply, change, head, touch},
    documents_lists::{log, new},
    mongo::Mongo,
    storage::{DocumentsStorage as _, run, user},
};

fn id(number: u32) -> ObjectId {
    ObjectId::parse_str(format!("{number:024x}")).unwrap()
}

fn old_pass(number: u32, uuid: &str) -> Document {
    doc! {
        "pass_uuid": uuid, "timestamp": 1_600_000_000_i64, "status": "USABLE", "free_ticket_status": 0.0,
        "payload": {"uuid": uuid, "first_use": null}, "payload_hash": PayloadHash::of(uuid.as_bytes()).to_string(),
        "_id": id(number), "note": format!("of {uuid}"),
    }
}

/// As the old service, or a hand, may have left it.
fn old_document(of: i64) -> Document {
    doc! {
        "_id": id(900), "user_id": of, "timestamp": 1_700_000_000.0, "device": {"os": "x"}, "__v": 4_i64,
        "passes": [old_pass(1, "a"), old_pass(2, "b"), old_pass(3, "c")], "passesLog": [],
    }
}

fn has_int64(value: &Bson) -> bool {
    match value {
        Bson::Int64(_) => true,
        Bson::Array(items) => items.iter().any(has_int64),
        Bson::Document(object) => object.iter().any(|(_, value)| has_int64(value)),
        _ => false,
    }
}

#[tokio::test]
async fn a_document_of_the_old_service_is_taken_over() {
    run(Mongo::new().await, async |storage: &Mongo| {
        storage.collection().insert_one(old_document(7)).await.unwrap();
        let documents = storage.documents(LARGE).await;
        let read = head(&documents, user(7)).await;
        assert_eq!((read.timestamp, read.document_version, read.stream.as_ref()), (1_700_000_000, Some(4), None));
        assert_eq!((read.fence, read.lists.passes.len(), read.lists.passes4.len()), (Epoch(0), 3, 0));
        let changed = Entry { status: "USING".to_owned(), timestamp: 1_800_000_000, ..read.lists.passes[1].clone() };
        let update = change(&read, 5, |change| {
            change.lists.passes = Some(vec![Slot::Keep(2), Slot::Put(changed, "{\"v\":1}".into()), new("d", "{}")]);
            change.lists.passes4 = Some(vec![Slot::Put(read.lists.passes[0].clone(), "{\"v\":2}".into())]);
            change.logs.passes4 = Some(log(1));
        });
        assert_eq!(apply(&documents, update).await, Written::Yes);
        let stored = storage.stored(user(7)).await;
        assert_eq!(stored.get_document("device").unwrap(), &doc! {"os": "x"});
        assert_eq!(stored.get("__v"), Some(&Bson::Int32(5)));
        let passes = stored.get_array("passes").unwrap();
        assert_eq!(passes[0], Bson::Document(old_pass(3, "c")), "untouched, with a field of somebody's");
        let changed = passes[1].as_document().unwrap();
        assert_eq!((changed.get_str("note").unwrap(), changed.get_str("status").unwrap()), ("of b", "USING"));
        assert_eq!(changed.get_document("payload").unwrap(), &doc! {"v": 1});
        let moved = stored.get_array("passes4").unwrap()[0].as_document().unwrap();
        assert_eq!((moved.get_str("note").unwrap(), moved.get_object_id("_id").unwrap()), ("of a", id(1)));
        assert_eq!(stored.get_array("passes4Log").unwrap().len(), 1);
        assert!(!has_int64(&Bson::Document(stored.get_document("stream").unwrap().clone())));
        assert_eq!(head(&documents, user(7)).await.fence, Epoch(5));
    })
    .await;
}

#[tokio::test]
async fn absent_versions_count_as_values_of_their_own() {
    run(Mongo::new().await, async |storage: &Mongo| {
        let bare = doc! {"_id": id(1), "user_id": 7, "timestamp": DateTime::from_millis(1_700_000_000_000)};
        storage.collection().insert_one(bare).await.unwrap();
        let documents = storage.documents(LARGE).await;
        let read = head(&documents, user(7)).await;
        assert_eq!((read.timestamp, read.document_version), (1_700_000_000_000, None));
        assert_eq!(apply(&documents, change(&read, 1, |change| change.logs.passes = Some(log(1)))).await, Written::Yes);
        assert_eq!(apply(&documents, change(&read, 1, |_| ())).await, Written::No);
        let now = head(&documents, user(7)).await;
        assert_eq!((now.document_version, now.stream.as_ref().map(|stream| stream.version)), (Some(1), Some(1)));
        storage.collection().update_one(doc! {}, doc! {"$set": {"__v": 9}}).await.unwrap();
        assert_eq!(apply(&documents, touch(&now, 1, Some(5))).await, Written::No);
    })
    .await;
}

#[tokio::test]
async fn of_several_documents_of_a_user_the_oldest_is_used_and_then_the_one_with_state() {
    run(Mongo::new().await, async |storage: &Mongo| {
        for (number, timestamp) in [(3, 30), (1, 10), (2, 20)] {
            let document = doc! {"_id": id(number), "user_id": 7, "timestamp": timestamp, "__v": 0};
            storage.collection().insert_one(document).await.unwrap();
        }
        let documents = storage.documents(LARGE).await;
        documents.create(&[(user(7), Epoch(1)), (user(8), Epoch(1)), (user(9), Epoch(1))]).await.unwrap();
        assert_eq!(storage.collection().count_documents(doc! {"user_id": 7}).await.unwrap(), 3, "none was made");
        let read = head(&documents, user(7)).await;
        assert_eq!((read.timestamp, read.id.as_str()), (10, id(1).to_hex().as_str()));
        assert_eq!(apply(&documents, change(&read, 1, |_| ())).await, Written::Yes);
        let older = doc! {"_id": id(0), "user_id": 7, "timestamp": 5, "__v": 0};
        storage.collection().insert_one(older).await.unwrap();
        let read = head(&documents, user(7)).await;
        assert_eq!((read.timestamp, read.stream.unwrap().version), (10, 1));
        assert_eq!(documents.users(None, 2).await.unwrap(), [user(7), user(8)]);
        assert_eq!(documents.users(Some(user(7)), 2).await.unwrap(), [user(8), user(9)]);
        assert!(documents.document(user(7)).await.unwrap().unwrap().contains(r#""timestamp":10,"#));
    })
    .await;
}

#[tokio::test]
async fn what_mongoose_saved_in_between_is_not_written_over() {
    run(Mongo::new().await, async |storage: &Mongo| {
        storage.collection().insert_one(old_document(7)).await.unwrap();
        let documents = storage.documents(LARGE).await;
        for foreign in [
            // A replaced array filters on and moves `__v`; an element's field does not.
            doc! {"$set": {"passes": [old_pass(1, "a")]}, "$inc": {"__v": 1}},
            doc! {"$set": {"passes.0.status": "USING"}},
            doc! {"$set": {"passes.0.free_ticket_status": 1}},
            doc! {"$set": {"passes.0.payload_hash": PayloadHash::of(b"x").to_string()}},
            doc! {"$set": {"passes4": [old_pass(5, "e")]}},
            doc! {"$push": {"passes": old_pass(6, "f")}},
        ] {
            let read = head(&documents, user(7)).await;
            storage.collection().update_one(doc! {"user_id": 7}, foreign.clone()).await.unwrap();
            let before = storage.stored(user(7)).await;
            assert_eq!(apply(&documents, change(&read, 5, |_| ())).await, Written::No, "{foreign}");
            assert_eq!(storage.stored(user(7)).await, before);
        }
        // A touch writes nothing of the lists: only what moves versions is in its way.
        let read = head(&documents, user(7)).await;
        storage
            .collection()
            .update_one(doc! {"user_id": 7}, doc! {"$set": {"passes.0.status": "PENDING"}})
            .await
            .unwrap();
        assert_eq!(apply(&documents, touch(&read, 5, Some(9))).await, Written::Yes);
        let stored = storage.stored(user(7)).await;
        assert_eq!(stored.get_array("passes").unwrap()[0].as_document().unwrap().get_str("status").unwrap(), "PENDING");
        let read = head(&documents, user(7)).await;
        storage.collection().update_one(doc! {"user_id": 7}, doc! {"$inc": {"__v": 1}}).await.unwrap();
        assert_eq!(apply(&documents, touch(&read, 5, Some(10))).await, Written::No);
        let read = head(&documents, user(7)).await;
        assert_eq!(apply(&documents, change(&read, 5, |_| ())).await, Written::Yes);
    })
    .await;
}

/// `$` and dots are BSON's to hold, U+0000 in a key, lone surrogates and great depth are not.
#[tokio::test]
async fn payloads_that_bson_cannot_hold_come_back_as_they_were() {
    run(Mongo::new().await, async |storage: &Mongo| {
        let documents = storage.documents(LARGE).await;
        documents.create(&[(user(1), Epoch(1))]).await.unwrap();
        let deep = format!("{}1{}", "[".repeat(1_500), "]".repeat(1_500));
        let payloads = [
            r#"{"$set":{"$x":"$passes"},"a.b":{"":1},"$":"$$ROOT","__proto__":null}"#,
            "{\"a\\u0000b\":\"\\u0000\"}",
            r#"{"s":"\ud800"}"#,
            &deep,
            "9007199254740993",
        ];
        let read = head(&documents, user(1)).await;
        let slots = (0..).zip(payloads).map(|(number, text)| new(&format!("{}", b'a' + number), text)).collect();
        assert_eq!(apply(&documents, change(&read, 1, |change| change.lists.passes = Some(slots))).await, Written::Yes);
        let read = head(&documents, user(1)).await;
        for (entry, text) in read.lists.passes.iter().zip(payloads) {
            let payload = documents.payload(user(1), List::Passes, &entry.pass_uuid).await.unwrap().unwrap();
            assert_eq!(payload, text);
        }
        let stored = storage.stored(user(1)).await;
        let element = |number: usize| stored.get_array("passes").unwrap()[number].as_document().unwrap().clone();
        let payload = element(0).get_document("payload").unwrap().clone();
        assert_eq!(payload.get_document("$set").unwrap(), &doc! {"$x": "$passes"});
        assert!(!element(0).contains_key("payload_text"));
        assert_eq!(element(2).get_document("payload").unwrap(), &doc! {"s": "\u{fffd}"});
        // Somebody else's payload is not hidden by the text of the former one.
        let foreign = doc! {"$set": {"passes.2.payload": {"s": 5}}};
        storage.collection().update_one(doc! {"user_id": 1}, foreign).await.unwrap();
        let uuid = &read.lists.passes[2].pass_uuid;
        assert_eq!(documents.payload(user(1), List::Passes, uuid).await.unwrap().unwrap(), r#"{"s":5}"#);
        // A payload that BSON holds takes the text of the former one away.
        let entry = Entry { payload_hash: PayloadHash::of(b"{}"), ..read.lists.passes[1].clone() };
        let slots = vec![Slot::Put(entry, "{}".into())];
        assert_eq!(apply(&documents, change(&read, 1, |change| change.lists.passes = Some(slots))).await, Written::Yes);
        let stored = storage.stored(user(1)).await;
        assert!(!stored.get_array("passes").unwrap()[0].as_document().unwrap().contains_key("payload_text"));
    })
    .await;
}

#[tokio::test]
async fn a_full_document_is_refused_and_can_still_be_fenced_and_sealed() {
    run(Mongo::new().await, async |storage: &Mongo| {
        let documents = storage.documents(LARGE).await;
        documents.create(&[(user(1), Epoch(1)), (user(2), Epoch(1))]).await.unwrap();
        let text = |megabytes: usize| format!("\"{}\"", "x".repeat(megabytes << 20));
        let read = head(&documents, user(1)).await;
        let fill = change(&read, 1, |change| change.lists.passes = Some(vec![new("a", &text(8)), new("b", &text(7))]));
        assert_eq!(apply(&documents, fill).await, Written::Yes);
        let read = head(&documents, user(1)).await;
        let before = storage.stored(user(1)).await;
        // Over passflow's limit, over the server's, and too large for a message.
        let slots = |text: &str| vec![Slot::Keep(0), Slot::Keep(1), new("c", text)];
        for text in [&format!("\"{}\"", "x".repeat(1_000_000)), &text(2), &text(17)] {
            let large = change(&read, 2, |change| change.lists.passes = Some(slots(text)));
            assert_eq!(apply(&documents, large.clone()).await, Written::TooLarge);
            let other = touch(&head(&documents, user(2)).await, 2, Some(5));
            assert_eq!(documents.update(&[large, other]).await.unwrap(), [Written::TooLarge, Written::Yes]);
        }
        assert_eq!(storage.stored(user(1)).await, before);
        assert_eq!(apply(&documents, touch(&read, 2, None)).await, Written::Yes);
        assert_eq!(apply(&documents, change(&read, 2, |_| ())).await, Written::Yes);
    })
    .await;
}

#[tokio::test]
async fn one_refused_update_spoils_no_other() {
    run(Mongo::new().await, async |storage: &Mongo| {
        storage.collection().insert_one(doc! {"_id": id(1), "user_id": 7, "__v": 0, "stream": null}).await.unwrap();
        let documents = storage.documents(LARGE).await;
        documents.create(&[(user(8), Epoch(1))]).await.unwrap();
        let (odd, fine) = (head(&documents, user(7)).await, head(&documents, user(8)).await);
        // A field can't be set below null.
        let updates = [touch(&odd, 5, None), touch(&fine, 5, Some(9))];
        assert_eq!(documents.update(&updates).await.unwrap(), [Written::No, Written::Yes]);
        let error = documents.update(&updates[..1]).await.unwrap_err();
        assert_eq!(error.kind, Failure::Refused);
        assert!(
            error.to_string().contains("users 7") && error.to_string().contains("bytemark_tickets_cache"),
            "{error}"
        );
        assert_eq!(apply(&documents, change(&odd, 5, |_| ())).await, Written::Yes, "the whole state can be set");
    })
    .await;
}

#[tokio::test]
async fn forty_owners_at_once_get_forty_epochs() {
    run(Mongo::new().await, async |storage: &Mongo| {
        let documents = storage.documents(LARGE).await;
        let epochs = futures::future::join_all((0..40).map(|above| documents.next_epoch(Epoch(above % 3)))).await;
        let mut epochs: Vec<u64> = epochs.into_iter().map(|epoch| epoch.unwrap().0).collect();
        epochs.sort_unstable();
        epochs.dedup();
        assert_eq!(epochs.len(), 40);
    })
    .await;
}

#[tokio::test]
async fn creations_at_once_make_one_document() {
    run(Mongo::new().await, async |storage: &Mongo| {
        let documents = storage.documents(LARGE).await;
        let users: Vec<_> = (1..=50).map(|number| (user(number), Epoch(1))).collect();
        let made = futures::future::join_all((0..8).map(|_| documents.create(&users))).await;
        made.into_iter().for_each(|made| made.unwrap());
        assert_eq!(storage.collection().count_documents(doc! {}).await.unwrap(), 50);
        let stored = storage.stored(user(1)).await;
        assert!(!has_int64(&Bson::Document(stored.clone())), "{stored}");
        assert_eq!(head(&documents, user(1)).await.stream, Some(Stream::default()));
    })
    .await;
}
