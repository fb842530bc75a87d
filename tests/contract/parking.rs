//! Rules of storing parking events.

use std::sync::Arc;

use bytes::Bytes;
use passflow::{
    domain::{
        parking::{Field, ParkingEvent, Rules, decode},
        record::{Record, Source},
    },
    ports::{ParkingEvents, Stored},
};
use serde_json::{Value, json};

use crate::{documents::LARGE, storage::ParkingStorage};

pub fn source(partition: u32, offset: i64, timestamp_ms: i64) -> Source {
    Source { topic: "parkmobile.responses".into(), partition, offset, timestamp_ms }
}

/// The event in a record of this value.
pub fn event(source: Source, value: &str) -> Arc<ParkingEvent> {
    let record = Record { source, key: None, value: Some(Bytes::from(value.to_owned())), headers: Vec::new() };
    Arc::new(decode(&record, &Rules::new(&[]), 0).unwrap().unwrap())
}

/// The event `e`, told in partition 0.
pub fn told(offset: i64, fields: &str) -> Arc<ParkingEvent> {
    event(source(0, offset, offset * 10), &format!("{{\"_id\":\"e\",{fields}}}"))
}

/// What is stored of an event, without passflow's own state.
pub async fn stored(parking: &Arc<dyn ParkingEvents>, id: &str) -> Option<Value> {
    let mut event: Value = serde_json::from_str(&parking.event(id).await.unwrap()?).unwrap();
    event.as_object_mut().unwrap().remove("stream");
    Some(event)
}

pub async fn store_one(parking: &Arc<dyn ParkingEvents>, event: &Arc<ParkingEvent>) -> Stored {
    let mut answers = parking.store(std::slice::from_ref(event)).await.unwrap();
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

fn at(ms: i64) -> String {
    format!("{:.3}", jiff::Timestamp::from_millisecond(ms).unwrap())
}

pub async fn a_new_event_has_its_fields_and_times(storage: &impl ParkingStorage) {
    let parking = storage.parking(LARGE).await;
    let value = r#"{"_id":"e","card":"4111 1111 1111 1111","http_status":"200","response":{"a":[1,2.5,"é"],"b":null},"user_id":42,"more":true}"#;
    assert_eq!(store_one(&parking, &event(source(3, 7, 1_795_000_000_123), value)).await, Stored::Yes);
    let expected = json!({
        "_id": "e", "card": "411111******1111", "http_status": 200, "response": {"a": [1, 2.5, "é"], "b": null},
        "user_id": 42, "more": true, "createdAt": at(1_795_000_000_123), "updatedAt": at(1_795_000_000_123), "__v": 0,
    });
    assert_eq!(stored(&parking, "e").await, Some(expected));
}

pub async fn the_same_record_again_changes_nothing(storage: &impl ParkingStorage) {
    let parking = storage.parking(LARGE).await;
    let record = told(1, r#""card":"1","response":{}"#);
    assert_eq!(store_one(&parking, &record).await, Stored::Yes);
    let before = parking.event("e").await.unwrap();
    for _ in 0..2 {
        assert_eq!(store_one(&storage.parking(LARGE).await, &record).await, Stored::Already);
    }
    assert_eq!(parking.event("e").await.unwrap(), before, "to the byte, own state and all");
    assert_eq!(store_one(&parking, &told(2, r#""x":1"#)).await, Stored::Yes);
    assert_eq!(store_one(&parking, &record).await, Stored::Already);
    assert_eq!(store_one(&parking, &told(2, r#""x":1"#)).await, Stored::Already);
}

pub async fn a_later_record_replaces_the_fields_that_it_carries(storage: &impl ParkingStorage) {
    let parking = storage.parking(LARGE).await;
    let records = [
        told(1, r#""card":"1","response":{"old":true},"http_status":"ECONNABORTED""#),
        told(2, r#""response":{"new":[]},"note":1"#),
        told(3, r#""http_status":200,"note":null"#),
    ];
    for record in &records {
        assert_eq!(store_one(&parking, record).await, Stored::Yes);
    }
    let expected = json!({
        "_id": "e", "card": "1", "response": {"new": []}, "http_status": 200, "note": null,
        "createdAt": at(10), "updatedAt": at(30), "__v": 0,
    });
    assert_eq!(stored(&parking, "e").await, Some(expected));
}

pub async fn a_late_record_adds_only_what_nobody_told_since(storage: &impl ParkingStorage) {
    let parking = storage.parking(LARGE).await;
    assert_eq!(store_one(&parking, &told(2, r#""http_status":200"#)).await, Stored::Yes);
    let late = told(1, r#""card":"1","http_status":500"#);
    assert_eq!(store_one(&parking, &late).await, Stored::Yes);
    assert_eq!(store_one(&parking, &told(1, r#""http_status":500"#)).await, Stored::Already);
    let expected =
        json!({"_id": "e", "card": "1", "http_status": 200, "createdAt": at(10), "updatedAt": at(20), "__v": 0});
    assert_eq!(stored(&parking, "e").await, Some(expected));
}

pub async fn between_partitions_times_decide(storage: &impl ParkingStorage) {
    let parking = storage.parking(LARGE).await;
    let of = |partition, offset, ms| event(source(partition, offset, ms), &format!("{{\"_id\":\"e\",\"at\":{ms}}}"));
    assert_eq!(store_one(&parking, &of(0, 9, 50)).await, Stored::Yes);
    assert_eq!(store_one(&parking, &of(1, 1, 60)).await, Stored::Yes);
    assert_eq!(store_one(&parking, &of(2, 100, 55)).await, Stored::Already);
    let expected = json!({"_id": "e", "at": 60, "createdAt": at(50), "updatedAt": at(60), "__v": 0});
    assert_eq!(stored(&parking, "e").await, Some(expected));
}

pub async fn records_of_one_event_may_come_together(storage: &impl ParkingStorage) {
    let parking = storage.parking(LARGE).await;
    let records = [told(3, r#""a":3"#), told(1, r#""a":1,"b":1"#), told(2, r#""a":2,"c":2"#), told(3, r#""a":3"#)];
    let answers = parking.store(&records).await.unwrap();
    assert_eq!(answers[3], Stored::Already);
    assert_eq!(answers[..3], [Stored::Yes, Stored::Yes, Stored::Yes]);
    let expected = json!({"_id": "e", "a": 3, "b": 1, "c": 2, "createdAt": at(10), "updatedAt": at(30), "__v": 0});
    assert_eq!(stored(&parking, "e").await, Some(expected));
}

pub async fn writers_of_one_event_at_once_come_to_the_same(storage: &impl ParkingStorage) {
    let handles = [storage.parking(LARGE).await, storage.parking(LARGE).await, storage.parking(LARGE).await];
    // Each field is carried by every third record; all writers write all records, each from another one on.
    let records: Vec<_> = (1..=24).map(|n| told(n, &format!("\"f{}\":{n},\"last\":{n}", n % 3))).collect();
    let write = async |parking: &Arc<dyn ParkingEvents>, first: usize| {
        for turn in 0..records.len() {
            let answer = store_one(parking, &records[(first + turn * 7) % records.len()]).await;
            assert!(matches!(answer, Stored::Yes | Stored::Already), "{answer:?}");
        }
    };
    tokio::join!(write(&handles[0], 0), write(&handles[1], 11), write(&handles[2], 17));
    let expected = json!({
        "_id": "e", "f0": 24, "f1": 22, "f2": 23, "last": 24, "createdAt": at(10), "updatedAt": at(240), "__v": 0,
    });
    assert_eq!(stored(&handles[0], "e").await, Some(expected));
    for record in &records {
        assert_eq!(store_one(&handles[1], record).await, Stored::Already);
    }
}

pub async fn a_batch_has_an_answer_for_each(storage: &impl ParkingStorage) {
    let parking = storage.parking(LARGE).await;
    let record = |n: i64| event(source(0, n, 1000 + n), &format!("{{\"_id\":\"e{}\",\"n\":{n}}}", n % 700));
    let first: Vec<_> = (0..300).map(record).collect();
    assert!(parking.store(&first).await.unwrap().iter().all(|answer| *answer == Stored::Yes));
    // Some are there already, some are new, some come to events of the same batch.
    let all: Vec<_> = (0..1000).map(record).collect();
    let answers = parking.store(&all).await.unwrap();
    assert_eq!(answers.len(), 1000);
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(*answer, if n < 300 { Stored::Already } else { Stored::Yes }, "{n}");
    }
    for n in [0, 299, 300, 699] {
        let last = if n < 300 { n + 700 } else { n };
        assert_eq!(stored(&parking, &format!("e{n}")).await.unwrap()["n"], last);
    }
}

pub async fn what_is_too_large_stays_out_and_the_rest_goes_in(storage: &impl ParkingStorage) {
    let parking = storage.parking(64 << 10).await;
    let large = format!("\"response\":\"{}\"", "x".repeat(70 << 10));
    let answers = parking.store(&[told(1, &large), event(source(0, 2, 20), r#"{"_id":"small"}"#)]).await.unwrap();
    assert_eq!(answers, [Stored::TooLarge, Stored::Yes]);
    assert_eq!(stored(&parking, "e").await, None);
    assert_eq!(store_one(&parking, &told(3, r#""card":"1""#)).await, Stored::Yes);
    assert_eq!(store_one(&parking, &told(4, &large)).await, Stored::TooLarge);
    let expected = json!({"_id": "e", "card": "1", "createdAt": at(30), "updatedAt": at(30), "__v": 0});
    assert_eq!(stored(&parking, "e").await, Some(expected));
}

pub async fn unusual_names_and_values_are_stored(storage: &impl ParkingStorage) {
    let parking = storage.parking(LARGE).await;
    let deep = format!("{}{}", "[".repeat(3000), "]".repeat(3000));
    let values = [
        r#""a.b":{"c.d":1,"$e":2,"":3},"":4,"$f":5,"names":6"#.to_owned(),
        r#""response":{"a\u0000b":"\u0000"},"n\u0000":1"#.to_owned(),
        r#""response":["\ud800",{"\udc00":1}]"#.to_owned(),
        format!("\"response\":{deep}"),
        r#""response":{"__proto__":1,"_id":2,"$ref":"x"}"#.to_owned(),
    ];
    for (number, value) in values.iter().enumerate() {
        let id = format!("e{number}");
        let of = |offset| event(source(0, offset, offset), &format!("{{\"_id\":\"{id}\",{value}}}"));
        // As a new event, and as one that is there.
        assert_eq!(store_one(&parking, &of(1)).await, Stored::Yes, "{value:.80}");
        assert_eq!(store_one(&parking, &of(2)).await, Stored::Yes, "{value:.80}");
        assert_eq!(store_one(&parking, &of(2)).await, Stored::Already, "{value:.80}");
        assert!(parking.event(&id).await.unwrap().is_some());
    }
    let expected = json!({
        "_id": "e0", "a.b": {"c.d": 1, "$e": 2, "": 3}, "": 4, "$f": 5, "names": 6,
        "createdAt": at(1), "updatedAt": at(2), "__v": 0,
    });
    assert_eq!(stored(&parking, "e0").await, Some(expected));
}

pub async fn bodies_near_the_limit_are_stored(storage: &impl ParkingStorage) {
    let parking = storage.parking(LARGE).await;
    let body = |bytes: usize| Bytes::from(format!("\"{}\"", "x".repeat(bytes)));
    let record = |offset, bytes| {
        let fields = vec![Field { name: "response".to_owned(), json: body(bytes) }];
        Arc::new(ParkingEvent { id: "e".to_owned(), source: source(0, offset, offset), fields })
    };
    assert_eq!(store_one(&parking, &record(1, (16 << 20) - 1000)).await, Stored::Yes);
    assert_eq!(store_one(&parking, &record(2, (16 << 20) - 2000)).await, Stored::Yes);
    assert_eq!(store_one(&parking, &record(3, 16 << 20)).await, Stored::TooLarge);
    let event = stored(&parking, "e").await.unwrap();
    assert_eq!(event["response"].as_str().unwrap().len(), (16 << 20) - 2000);
}

pub async fn there_is_no_event_that_nobody_stored(storage: &impl ParkingStorage) {
    let parking = storage.parking(LARGE).await;
    assert_eq!(parking.event("nobody").await.unwrap(), None);
    assert_eq!(parking.store(&[]).await.unwrap(), []);
}
