//! Rules of a document's lists, payloads, logs and size.

use std::sync::Arc;

use bytes::Bytes;
use passflow::{
    domain::{
        cache::{Entry, Epoch, Head, List, LogEntry, PerList, Slot, Stream, TokenState, Told},
        payload_hash::PayloadHash,
        user_id::UserId,
    },
    ports::{Change, Documents, Written},
};

use crate::{
    documents::{LARGE, apply, change, created, head, pending},
    storage::{DocumentsStorage, user},
};

fn entry(uuid: &str, payload: &str) -> Entry {
    Entry {
        id: format!("{:0>24}", uuid.len() * 16 + usize::from(uuid.as_bytes()[0])),
        pass_uuid: uuid.to_owned(),
        timestamp: 1_700_000_000,
        status: "USABLE".to_owned(),
        free_ticket_status: 0,
        payload_hash: PayloadHash::of(payload.as_bytes()),
    }
}

pub fn new(uuid: &str, payload: &str) -> Slot {
    Slot::Put(entry(uuid, payload), Bytes::from(payload.to_owned()))
}

fn passes(slots: Vec<Slot>) -> impl FnOnce(&mut Change) {
    move |change| change.lists.passes = Some(slots)
}

async fn write(documents: &Arc<dyn Documents>, read: &Head, edit: impl FnOnce(&mut Change)) -> Head {
    assert_eq!(apply(documents, change(read, 1, edit)).await, Written::Yes);
    head(documents, read.user_id).await
}

async fn payload(documents: &Arc<dyn Documents>, of: UserId, list: List, uuid: &str) -> Option<String> {
    let payload = documents.payload(of, list, uuid).await.unwrap()?;
    Some(String::from_utf8(payload.to_vec()).unwrap())
}

fn uuids(head: &Head) -> Vec<&str> {
    head.lists.passes.iter().map(|entry| &*entry.pass_uuid).collect()
}

pub async fn keeps_puts_and_reorders_entries(storage: &impl DocumentsStorage) {
    let (documents, read) = created(storage, user(1)).await;
    let read = write(&documents, &read, passes(vec![new("a", "1"), new("b", "2"), new("c", "3")])).await;
    assert_eq!(read.lists.passes, [entry("a", "1"), entry("b", "2"), entry("c", "3")]);
    assert_eq!(read.document_version, Some(1));
    let read = write(&documents, &read, passes(vec![Slot::Keep(2), new("d", "4"), Slot::Keep(0), new("b", "5")])).await;
    assert_eq!(uuids(&read), ["c", "d", "a", "b"]);
    assert_eq!(read.document_version, Some(2));
    for (uuid, expected) in [("a", "1"), ("b", "5"), ("c", "3"), ("d", "4")] {
        assert_eq!(payload(&documents, user(1), List::Passes, uuid).await.as_deref(), Some(expected), "{uuid}");
        assert_eq!(payload(&documents, user(1), List::Passes4, uuid).await, None, "{uuid}");
    }
    let read = write(&documents, &read, passes(Vec::new())).await;
    assert_eq!(uuids(&read), Vec::<&str>::new());
    assert_eq!(payload(&documents, user(1), List::Passes, "a").await, None);
}

pub async fn a_kept_payload_survives_its_neighbours(storage: &impl DocumentsStorage) {
    let documents = storage.documents(LARGE).await;
    documents.create(&[(user(1), Epoch(1)), (user(2), Epoch(1))]).await.unwrap();
    let mut reads = [head(&documents, user(1)).await, head(&documents, user(2)).await];
    reads[0] = write(&documents, &reads[0], passes(vec![new("keep", r#"{"of":1}"#), new("z", "0")])).await;
    reads[1] = write(&documents, &reads[1], passes(vec![new("keep", r#"{"of":2}"#)])).await;
    for round in 0..5 {
        let text = round.to_string();
        reads[0] = write(&documents, &reads[0], passes(vec![Slot::Keep(0), new("x", &text)])).await;
        reads[1] = write(&documents, &reads[1], passes(vec![new("y", &text), new("keep", r#"{"of":2}"#)])).await;
    }
    assert_eq!(payload(&documents, user(1), List::Passes, "keep").await.as_deref(), Some(r#"{"of":1}"#));
    assert_eq!(payload(&documents, user(2), List::Passes, "keep").await.as_deref(), Some(r#"{"of":2}"#));
    assert_eq!(payload(&documents, user(1), List::Passes, "x").await.as_deref(), Some("4"));
}

pub async fn one_list_leaves_the_other(storage: &impl DocumentsStorage) {
    let (documents, read) = created(storage, user(1)).await;
    let read = write(&documents, &read, |change| {
        change.lists = PerList { passes: Some(vec![new("a", "1")]), passes4: Some(vec![new("a", "2")]) };
    })
    .await;
    let read = write(&documents, &read, |change| change.lists.passes4 = Some(vec![new("b", "3")])).await;
    assert_eq!((read.lists.passes.len(), read.document_version), (1, Some(2)));
    assert_eq!(payload(&documents, user(1), List::Passes, "a").await.as_deref(), Some("1"));
    assert_eq!(payload(&documents, user(1), List::Passes4, "a").await, None);
    assert_eq!(payload(&documents, user(1), List::Passes4, "b").await.as_deref(), Some("3"));
}

/// Lone surrogates as escapes, digits past 2^53, key order, U+2028 raw.
const AWKWARD: &str =
    "{\"z\":\"\\ud800\",\"a\":9007199254740993,\"b\":1e+21,\"10\":null,\"c\":\"\u{2028}\u{7f}é\\\"\",\"a\":-0.1}";

pub async fn payload_text_stays_byte_for_byte(storage: &impl DocumentsStorage) {
    let (documents, read) = created(storage, user(1)).await;
    write(&documents, &read, passes(vec![new("a", AWKWARD)])).await;
    assert_eq!(payload(&documents, user(1), List::Passes, "a").await.as_deref(), Some(AWKWARD));
    let document = documents.document(user(1)).await.unwrap().unwrap();
    assert!(document.contains(&format!("\"payload\":{AWKWARD},")), "{document}");
}

pub async fn the_state_comes_back_whole(storage: &impl DocumentsStorage) {
    let (documents, read) = created(storage, user(1)).await;
    let told = |uuid: &str, list, seq| Told {
        pass_uuid: uuid.to_owned(),
        list,
        status: "USING".to_owned(),
        payload_hash: PayloadHash::of(uuid.as_bytes()),
        seq,
    };
    let stream = Stream {
        version: 1,
        seq: 1 << 52,
        emitted: vec![told("a", List::Passes4, 0), told("b", List::Passes, 17)],
        pending: vec![pending(1), pending(2)],
        token: TokenState { fingerprint: Some("f".to_owned()), refused: None },
    };
    let now = write(&documents, &read, |change| change.stream = stream.clone()).await;
    assert_eq!(now.stream, Some(stream));
}

pub fn log(number: usize) -> LogEntry {
    LogEntry {
        id: format!("{number:024x}"),
        errors: format!(r#"[{{"code":{number},"message":"\ud800"}}]"#),
        server_time: "2026-11-20T10:00:00Z".to_owned(),
        data: "{}".to_owned(),
    }
}

async fn log_codes(documents: &Arc<dyn Documents>, name: &str) -> Vec<i64> {
    let document = documents.document(user(1)).await.unwrap().unwrap().replace("\\ud800", "");
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    let entries = document[name].as_array().unwrap();
    entries.iter().map(|entry| entry["errors"][0]["code"].as_i64().unwrap()).collect()
}

pub async fn logs_keep_the_newest(storage: &impl DocumentsStorage) {
    let (documents, mut read) = created(storage, user(1)).await;
    for number in 0..5 {
        read = write(&documents, &read, |change| {
            change.logs.passes4 = Some(log(number));
            change.log_max = 3;
        })
        .await;
        assert_eq!(read.document_version, Some(i64::try_from(number).unwrap() + 1));
    }
    write(&documents, &read, |change| change.logs.passes = Some(log(9))).await;
    assert_eq!(log_codes(&documents, "passes4Log").await, [2, 3, 4]);
    assert_eq!(log_codes(&documents, "passesLog").await, [9]);
}

pub async fn refuses_what_is_too_large(storage: &impl DocumentsStorage) {
    let documents = storage.documents(10_000).await;
    documents.create(&[(user(1), Epoch(1))]).await.unwrap();
    let read = head(&documents, user(1)).await;
    let fits = format!("\"{}\"", "x".repeat(6_000));
    let read = write(&documents, &read, passes(vec![new("a", &fits)])).await;
    let before = documents.document(user(1)).await.unwrap();
    let large = change(&read, 2, |change| {
        change.lists.passes4 = Some(vec![new("b", &fits)]);
        change.logs.passes = Some(log(1));
        change.timestamp = Some(9);
    });
    assert_eq!(apply(&documents, large).await, Written::TooLarge);
    assert_eq!(documents.document(user(1)).await.unwrap(), before, "unchanged");
    let large_log = LogEntry { data: fits.clone(), ..log(1) };
    let large = change(&read, 2, |change| change.logs.passes = Some(large_log));
    assert_eq!(apply(&documents, large).await, Written::TooLarge);
    write(&documents, &read, passes(vec![new("b", &fits)])).await;
}

pub async fn writes_the_whole_document(storage: &impl DocumentsStorage) {
    let (documents, read) = created(storage, user(42)).await;
    assert_eq!(documents.document(user(41)).await.unwrap(), None);
    let read = write(&documents, &read, |change| {
        change.timestamp = Some(1_700_000_000);
        change.lists.passes = Some(vec![new("a", r#"{"uuid":"a"}"#)]);
        change.logs.passes4 = Some(LogEntry { errors: "[]".to_owned(), ..log(1) });
        change.stream.seq = 1;
    })
    .await;
    let pass = &read.lists.passes[0];
    let expected = format!(
        concat!(
            r#"{{"_id":"{}","user_id":42,"timestamp":1700000000,"passes":[{{"pass_uuid":"a","timestamp":1700000000,"#,
            r#""status":"USABLE","free_ticket_status":0,"payload":{{"uuid":"a"}},"payload_hash":"{}","_id":"{}"}}],"#,
            r#""passes4":[],"passesLog":[],"passes4Log":[{{"errors":[],"server_time":"2026-11-20T10:00:00Z","#,
            r#""data":{{}},"_id":"000000000000000000000001"}}],"__v":1,"stream":{{"version":1,"seq":1,"#,
        ),
        read.id, pass.payload_hash, pass.id
    );
    let document = documents.document(user(42)).await.unwrap().unwrap();
    assert_eq!(document.get(..expected.len()), Some(&*expected), "{document}");
}
