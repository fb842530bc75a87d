//! Parking events as MongoDB holds them, beside other programs.

use std::{sync::Arc, time::Duration};

use mongodb::bson::{Bson, DateTime, Document, doc};
use passflow::{
    adapters::mongo_documents::{Connection, MongoParking, ParkingSettings, connect},
    ports::{Failure, ParkingEvents, Stored},
};

use crate::{
    documents::LARGE,
    mongo::Mongo,
    parking::{event, source, store_one, told},
    storage::{ParkingStorage as _, run, soon},
};

async fn document(storage: &Mongo, id: &str) -> Document {
    storage.events().find_one(doc! {"_id": id}).await.unwrap().expect("an event")
}

#[tokio::test]
async fn types_are_those_that_mongoose_reads() {
    run(Mongo::new().await, async |storage: &Mongo| {
        let parking = storage.parking(LARGE).await;
        let value =
            r#"{"_id":"e","card":1234,"http_status":"200","response":{"n":[0,-0,1.5,2147483648,1e3]},"user_id":42}"#;
        store_one(&parking, &event(source(3, 7, 1_795_000_000_123), value)).await;
        let now = DateTime::from_millis(1_795_000_000_123);
        let expected = doc! {
            "_id": "e", "card": "1234", "http_status": 200,
            "response": {"n": [0, 0, 1.5, 2_147_483_648.0, 1000]}, "user_id": 42,
            "createdAt": now, "updatedAt": now, "__v": 0,
            "stream": {
                "version": 1,
                "source": {
                    "topic": "parkmobile.responses", "partition": 3, "offset": 7, "timestamp": 1_795_000_000_123.0,
                },
            },
        };
        assert_eq!(document(storage, "e").await, expected);
        let later = event(source(3, 8, 1_795_000_000_124), r#"{"_id":"e","user_id":43,"x":"ECONNABORTED"}"#);
        store_one(&parking, &later).await;
        let stored = document(storage, "e").await;
        assert_eq!((stored.get_i32("user_id").unwrap(), stored.get_str("x").unwrap()), (43, "ECONNABORTED"));
        assert_eq!(stored.get_datetime("createdAt").unwrap(), &now);
        assert_eq!(stored.get_datetime("updatedAt").unwrap(), &DateTime::from_millis(1_795_000_000_124));
        let other = |name: &str| {
            doc! {"name": name, "source": {
                "topic": "parkmobile.responses", "partition": 3, "offset": 8, "timestamp": 1_795_000_000_124.0,
            }}
        };
        let stream = stored.get_document("stream").unwrap();
        assert_eq!(stream.get_array("fields").unwrap(), &[Bson::from(other("user_id")), Bson::from(other("x"))]);
        assert_eq!(stream.get_i32("version").unwrap(), 2);
    })
    .await;
}

#[tokio::test]
async fn what_bson_cannot_hold_is_kept_as_text_beside() {
    run(Mongo::new().await, async |storage: &Mongo| {
        let parking = storage.parking(LARGE).await;
        let texts = async || -> Vec<(String, String)> {
            let stored = document(storage, "e").await;
            let texts = stored.get_document("stream").unwrap().get_array("texts").cloned().unwrap_or_default();
            let text = |text: &Bson, of: &str| text.as_document().unwrap().get_str(of).unwrap().to_owned();
            texts.iter().map(|it| (text(it, "name"), text(it, "text"))).collect()
        };
        let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        store_one(&parking, &told(1, r#""a":"\ud800","b":{"x\u0000":1},"c":"fine""#)).await;
        assert_eq!(texts().await, [pair("a", r#""\ud800""#), pair("b", r#"{"x\u0000":1}"#)]);
        assert_eq!(document(storage, "e").await.get_str("a").unwrap(), "\u{fffd}");
        store_one(&parking, &told(2, r#""b":1"#)).await;
        assert_eq!(texts().await, [pair("a", r#""\ud800""#)]);
        store_one(&parking, &told(3, r#""a":1,"c":"\udc00""#)).await;
        assert_eq!(texts().await, [pair("c", r#""\udc00""#)]);
    })
    .await;
}

#[tokio::test]
async fn an_event_of_the_old_service_is_added_to_and_others_fields_stay() {
    run(Mongo::new().await, async |storage: &Mongo| {
        let created = DateTime::from_millis(5);
        let old = doc! {"_id": "e", "card": "0", "response": {"old": 1_i64}, "createdAt": created, "updatedAt": created, "__v": 0};
        storage.events().insert_one(old).await.unwrap();
        storage.events().insert_one(doc! {"_id": "bare"}).await.unwrap();
        let parking = storage.parking(LARGE).await;
        let bare = event(source(0, 1, 10), r#"{"_id":"bare","card":"2"}"#);
        assert_eq!(parking.store(&[told(1, r#""card":"1""#), bare]).await.unwrap(), [Stored::Yes, Stored::Yes]);
        assert_eq!(store_one(&parking, &told(1, r#""card":"1""#)).await, Stored::Already);
        let stored = document(storage, "e").await;
        assert_eq!(stored.get_str("card").unwrap(), "1");
        assert_eq!(stored.get_document("response").unwrap(), &doc! {"old": 1_i64});
        assert_eq!(stored.get_datetime("createdAt").unwrap(), &created);
        assert_eq!(stored.get_datetime("updatedAt").unwrap(), &DateTime::from_millis(10));
        assert_eq!(document(storage, "bare").await.get_datetime("createdAt").unwrap(), &DateTime::from_millis(10));

        // Somebody writes a field of theirs: it stays.
        let set = doc! {"$set": {"reviewed": true}};
        storage.events().update_one(doc! {"_id": "e"}, set).await.unwrap();
        assert_eq!(store_one(&parking, &told(2, r#""card":"3""#)).await, Stored::Yes);
        assert!(document(storage, "e").await.get_bool("reviewed").unwrap());
        // And one that was deleted is made anew.
        storage.events().delete_one(doc! {"_id": "e"}).await.unwrap();
        assert_eq!(store_one(&parking, &told(3, r#""x":1"#)).await, Stored::Yes);
        assert!(document(storage, "e").await.get("card").is_none());
    })
    .await;
}

#[tokio::test]
async fn what_a_rule_of_the_collection_refuses_is_refused_alone() {
    run(Mongo::new().await, async |storage: &Mongo| {
        let database = storage.client.database(&storage.database);
        let rule = doc! {"create": "pm_parking_events", "validator": {"card": {"$ne": "bad"}}};
        database.run_command(rule).await.unwrap();
        let unique = doc! {"createIndexes": "pm_parking_events", "indexes": [
            {"key": {"card": 1}, "name": "theirs", "unique": true, "partialFilterExpression": {"card": {"$exists": true}}},
        ]};
        database.run_command(unique).await.unwrap();
        let parking = storage.parking(LARGE).await;
        let of = |id: &str, offset, card: &str| {
            event(source(0, offset, offset), &format!("{{\"_id\":\"{id}\",\"card\":\"{card}\"}}"))
        };
        let answers = parking.store(&[of("a", 1, "1"), of("b", 2, "bad"), of("c", 3, "1"), of("d", 4, "4")]).await;
        let [Stored::Yes, Stored::Refused(invalid), Stored::Refused(twice), Stored::Yes] = &answers.unwrap()[..] else {
            panic!("one is invalid and one is there twice");
        };
        assert!(invalid.contains("121") && twice.contains("11000"), "{invalid}, {twice}");
        assert!(!twice.contains("card: \"1\""), "no value is told: {twice}");
        assert!(matches!(store_one(&parking, &of("d", 5, "bad")).await, Stored::Refused(_)));
        assert_eq!(document(storage, "d").await.get_str("card").unwrap(), "4");
    })
    .await;
}

#[tokio::test]
async fn a_write_that_lands_late_changes_nothing_that_was_told_since() {
    run(Mongo::new().await, async |storage: &Mongo| {
        let parking = storage.parking(LARGE).await;
        store_one(&parking, &told(1, r#""card":"1""#)).await;
        let mut session = storage.client.start_session().await.unwrap();
        session.start_transaction().await.unwrap();
        let events = storage.events();
        let hold = events.update_one(doc! {"_id": "e"}, doc! {"$set": {"held": 1}});
        hold.session(&mut session).await.unwrap();
        let record = told(2, r#""card":"2","only":2"#);
        let late = parking.store(std::slice::from_ref(&record));
        assert!(tokio::time::timeout(Duration::from_millis(200), late).await.is_err(), "it waits for the transaction");
        session.abort_transaction().await.unwrap();
        // Another owner goes on meanwhile: whoever is first, it comes to the same.
        let other = storage.parking(LARGE).await;
        assert_eq!(store_one(&other, &told(3, r#""card":"3""#)).await, Stored::Yes);
        let landed = async {
            while document(storage, "e").await.get("only").is_none() {
                tokio::task::yield_now().await;
            }
        };
        let again = async {
            assert!(matches!(store_one(&other, &record).await, Stored::Yes | Stored::Already));
            landed.await;
        };
        soon("the late write", again).await;
        assert_eq!(document(storage, "e").await.get_str("card").unwrap(), "3");
        assert_eq!(store_one(&other, &record).await, Stored::Already);
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_away_is_down_and_a_damaged_state_is_refused() {
    let connection = Connection { primary_max: Duration::from_millis(300), ..Connection::default() };
    let client = connect("mongodb://user:hunter2@127.0.0.1:9/?directConnection=true", &connection).await.unwrap();
    let parking: Arc<dyn ParkingEvents> = Arc::new(MongoParking::new(&client, ParkingSettings::default()));
    let error = parking.store(&[told(1, r#""card":"1""#)]).await.unwrap_err();
    assert_eq!(error.kind, Failure::Down);
    assert!(error.to_string().contains("PASSFLOW_MONGODB_URI"), "{error}");
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    run(Mongo::new().await, async |storage: &Mongo| {
        storage.events().insert_one(doc! {"_id": "e", "stream": {"version": "one"}}).await.unwrap();
        let error = storage.parking(LARGE).await.store(&[told(1, r#""card":"1""#)]).await.unwrap_err();
        assert!(error.kind == Failure::Refused && error.to_string().contains("damaged"), "{error}");
    })
    .await;
}
