//! Rules of compare-and-set on documents, fences, epochs and marks.

use std::sync::Arc;

use passflow::{
    domain::{
        cache::{Epoch, Head, Pending, PerList, Stream, Then},
        object_id,
        record::Source,
        ticket_changed::Event,
        user_id::UserId,
    },
    ports::{Change, Documents, Update, Write, Written},
};

use crate::{
    storage::{DocumentsStorage, user},
    topics::partition,
};

pub const LARGE: u64 = 16 << 20;

pub async fn head(documents: &Arc<dyn Documents>, of: UserId) -> Head {
    documents.heads(&[of]).await.unwrap().remove(0).expect("a document")
}

pub async fn created(storage: &impl DocumentsStorage, of: UserId) -> (Arc<dyn Documents>, Head) {
    let documents = storage.documents(LARGE).await;
    documents.create(&[(of, Epoch(1))]).await.unwrap();
    let head = head(&documents, of).await;
    (documents, head)
}

pub fn touch(read: &Head, epoch: u64, timestamp: Option<i64>) -> Update {
    let write = Write::Touch { timestamp, drop_committed: None };
    Update { read: Arc::new(read.clone()), epoch: Epoch(epoch), write }
}

/// Moves the version, and nothing else unless the caller says so.
pub fn change(read: &Head, epoch: u64, edit: impl FnOnce(&mut Change)) -> Update {
    let mut stream = read.stream.clone().unwrap_or_default();
    stream.version += 1;
    let mut change =
        Change { timestamp: None, lists: PerList::default(), logs: PerList::default(), log_max: 50, stream };
    edit(&mut change);
    Update { read: Arc::new(read.clone()), epoch: Epoch(epoch), write: Write::Change(Box::new(change)) }
}

pub async fn apply(documents: &Arc<dyn Documents>, update: Update) -> Written {
    documents.update(&[update]).await.unwrap()[0]
}

pub fn pending(offset: i64) -> Pending {
    let source = Source { topic: "t".into(), partition: 3, offset, timestamp_ms: 5 };
    let event = Event { seq: 1, occurred_at: "now".into(), value: r#"{"a":"\ud800"}"#.into(), traceparent: None };
    Pending { source, events: vec![event], then: Some(Then::Retry { message: "m".into() }) }
}

pub async fn a_created_document_is_empty(storage: &impl DocumentsStorage) {
    let documents = storage.documents(LARGE).await;
    assert_eq!(documents.heads(&[user(42)]).await.unwrap(), [None]);
    documents.create(&[(user(42), Epoch(7))]).await.unwrap();
    let expected = Head {
        user_id: user(42),
        id: object_id::of_user(user(42)),
        timestamp: 0,
        document_version: Some(0),
        lists: PerList::default(),
        stream: Some(Stream::default()),
        fence: Epoch(7),
    };
    assert_eq!(head(&documents, user(42)).await, expected);
}

pub async fn create_keeps_what_exists(storage: &impl DocumentsStorage) {
    let (documents, read) = created(storage, user(1)).await;
    assert_eq!(apply(&documents, touch(&read, 5, Some(77))).await, Written::Yes);
    documents.create(&[(user(1), Epoch(9)), (user(2), Epoch(9))]).await.unwrap();
    let heads = documents.heads(&[user(1), user(2)]).await.unwrap();
    assert_eq!(heads[0].as_ref().map(|head| (head.timestamp, head.fence)), Some((77, Epoch(5))));
    assert_eq!(heads[1].as_ref().map(|head| head.fence), Some(Epoch(9)));
}

pub async fn heads_come_in_the_order_asked(storage: &impl DocumentsStorage) {
    let documents = storage.documents(LARGE).await;
    let users: Vec<_> = [5, 3, 9].map(user).to_vec();
    documents.create(&users.iter().map(|user| (*user, Epoch(1))).collect::<Vec<_>>()).await.unwrap();
    let heads = documents.heads(&[user(9), user(4), user(3), user(5), user(9)]).await.unwrap();
    let found: Vec<_> = heads.iter().map(|head| head.as_ref().map(|head| head.user_id.get())).collect();
    assert_eq!(found, [Some(9), None, Some(3), Some(5), Some(9)]);
    assert_eq!(documents.heads(&[]).await.unwrap(), []);
}

pub async fn a_touch_with_a_time_moves_the_version(storage: &impl DocumentsStorage) {
    let (documents, read) = created(storage, user(1)).await;
    assert_eq!(apply(&documents, touch(&read, 3, Some(1_700_000_000))).await, Written::Yes);
    let stream = Some(Stream { version: 1, ..Stream::default() });
    let expected = Head { timestamp: 1_700_000_000, fence: Epoch(3), stream, ..read.clone() };
    assert_eq!(head(&documents, user(1)).await, expected);
    assert_eq!(apply(&documents, touch(&read, 3, Some(1_700_000_001))).await, Written::No, "an older view");
    assert_eq!(head(&documents, user(1)).await, expected);
}

pub async fn a_touch_without_a_time_moves_the_fence_alone(storage: &impl DocumentsStorage) {
    let (documents, read) = created(storage, user(1)).await;
    assert_eq!(apply(&documents, touch(&read, 2, None)).await, Written::Yes);
    assert_eq!(apply(&documents, touch(&read, 3, None)).await, Written::Yes, "the version stayed");
    assert_eq!(head(&documents, user(1)).await, Head { fence: Epoch(3), ..read });
}

pub async fn a_touch_forgets_committed_outputs(storage: &impl DocumentsStorage) {
    let (documents, read) = created(storage, user(1)).await;
    let keep = change(&read, 1, |change| change.stream.pending = vec![pending(7), pending(8)]);
    assert_eq!(apply(&documents, keep).await, Written::Yes);
    let touches = [(partition("u", 3), 9, 2), (partition("t", 3), 8, 1), (partition("t", 3), 8, 1)];
    for (version, (of, offset, left)) in (2..).zip(touches) {
        let read = head(&documents, user(1)).await;
        let write = Write::Touch { timestamp: Some(9), drop_committed: Some((of, offset)) };
        let update = Update { read: Arc::new(read.clone()), epoch: Epoch(1), write };
        assert_eq!(apply(&documents, update).await, Written::Yes);
        let now = head(&documents, user(1)).await;
        assert_eq!(now.stream.as_ref().unwrap().pending.len(), left);
        assert_eq!((now.stream.unwrap().version, now.timestamp), (version, 9));
    }
}

pub async fn a_change_moves_the_version(storage: &impl DocumentsStorage) {
    let (documents, read) = created(storage, user(1)).await;
    let update = change(&read, 4, |change| {
        change.timestamp = Some(66);
        change.stream.seq = 12;
    });
    assert_eq!(apply(&documents, update).await, Written::Yes);
    let stream = Stream { version: 1, seq: 12, ..Stream::default() };
    let expected = Head { timestamp: 66, fence: Epoch(4), stream: Some(stream), ..read };
    assert_eq!(head(&documents, user(1)).await, expected, "`__v` stays: no list or log was written");
}

pub async fn refuses_another_version(storage: &impl DocumentsStorage) {
    let (documents, read) = created(storage, user(1)).await;
    assert_eq!(apply(&documents, change(&read, 1, |_| ())).await, Written::Yes);
    let now = head(&documents, user(1)).await;
    assert_eq!(apply(&documents, change(&read, 1, |_| ())).await, Written::No);
    assert_eq!(apply(&documents, touch(&read, 1, Some(9))).await, Written::No);
    assert_eq!(head(&documents, user(1)).await, now, "nothing was written");
}

pub async fn refuses_another_document_version(storage: &impl DocumentsStorage) {
    let (documents, read) = created(storage, user(1)).await;
    for document_version in [Some(1), None] {
        let other = Head { document_version, ..read.clone() };
        assert_eq!(apply(&documents, change(&other, 1, |_| ())).await, Written::No);
        assert_eq!(apply(&documents, touch(&other, 1, Some(9))).await, Written::No);
    }
    assert_eq!(head(&documents, user(1)).await, read);
}

pub async fn refuses_a_lower_epoch(storage: &impl DocumentsStorage) {
    let (documents, read) = created(storage, user(1)).await;
    assert_eq!(apply(&documents, touch(&read, 5, None)).await, Written::Yes);
    let now = head(&documents, user(1)).await;
    assert_eq!(apply(&documents, touch(&read, 4, Some(9))).await, Written::No);
    assert_eq!(apply(&documents, change(&read, 4, |_| ())).await, Written::No);
    assert_eq!(head(&documents, user(1)).await, now);
}

pub async fn takes_the_same_epoch_again(storage: &impl DocumentsStorage) {
    let (documents, mut read) = created(storage, user(1)).await;
    for _ in 0..3 {
        assert_eq!(apply(&documents, change(&read, 5, |_| ())).await, Written::Yes);
        read = head(&documents, user(1)).await;
    }
    assert_eq!((read.stream.unwrap().version, read.fence), (3, Epoch(5)));
}

pub async fn a_missing_document_is_not_updated(storage: &impl DocumentsStorage) {
    let (documents, read) = created(storage, user(1)).await;
    let missing = Head { user_id: user(2), id: object_id::of_user(user(2)), ..read };
    assert_eq!(apply(&documents, touch(&missing, 1, Some(9))).await, Written::No);
    assert_eq!(apply(&documents, change(&missing, 1, |_| ())).await, Written::No);
    assert_eq!(documents.heads(&[user(2)]).await.unwrap(), [None]);
}

pub async fn a_batch_has_an_outcome_for_each(storage: &impl DocumentsStorage) {
    let documents = storage.documents(20_000).await;
    let users: Vec<_> = (1..=6).map(user).collect();
    documents.create(&users.iter().map(|user| (*user, Epoch(1))).collect::<Vec<_>>()).await.unwrap();
    let heads: Vec<Head> = documents.heads(&users).await.unwrap().into_iter().flatten().collect();
    assert_eq!(apply(&documents, change(&heads[2], 1, |_| ())).await, Written::Yes);
    let updates = [
        touch(&heads[5], 2, Some(10)),
        change(&heads[1], 2, |change| change.timestamp = Some(11)),
        touch(&heads[2], 2, Some(12)),
        change(&heads[3], 2, |change| change.stream.token.refused = Some("x".repeat(30_000))),
        touch(&heads[4], 0, Some(13)),
        change(&heads[0], 2, |change| change.timestamp = Some(14)),
    ];
    let written = documents.update(&updates).await.unwrap();
    let (yes, no) = (Written::Yes, Written::No);
    assert_eq!(written, [yes, yes, no, Written::TooLarge, no, yes]);
    let times: Vec<i64> = documents.heads(&users).await.unwrap().iter().flatten().map(|head| head.timestamp).collect();
    assert_eq!(times, [14, 11, 0, 0, 0, 10]);
}

async fn five_hundred(documents: &Arc<dyn Documents>) -> Vec<Head> {
    let users: Vec<_> = (1..=500).map(user).collect();
    documents.create(&users.iter().map(|user| (*user, Epoch(1))).collect::<Vec<_>>()).await.unwrap();
    documents.heads(&users).await.unwrap().into_iter().flatten().collect()
}

pub async fn touches_five_hundred_users_at_once(storage: &impl DocumentsStorage) {
    let documents = storage.documents(LARGE).await;
    let heads = five_hundred(&documents).await;
    assert_eq!(apply(&documents, touch(&heads[250], 9, None)).await, Written::Yes);
    let updates: Vec<_> = heads.iter().map(|head| touch(head, 2, Some(1000 + head.user_id.get()))).collect();
    let written = documents.update(&updates).await.unwrap();
    for (number, outcome) in written.iter().enumerate() {
        assert_eq!(*outcome, if number == 250 { Written::No } else { Written::Yes }, "{number}");
    }
    let users: Vec<_> = heads.iter().map(|head| head.user_id).collect();
    for now in documents.heads(&users).await.unwrap().into_iter().flatten().filter(|now| now.user_id != user(251)) {
        assert_eq!((now.timestamp, now.fence), (1000 + now.user_id.get(), Epoch(2)));
    }
}

pub async fn changes_five_hundred_users_at_once(storage: &impl DocumentsStorage) {
    let documents = storage.documents(LARGE).await;
    let heads = five_hundred(&documents).await;
    let seq = |head: &Head| head.user_id.get().cast_unsigned();
    let updates: Vec<_> = heads.iter().map(|head| change(head, 2, |change| change.stream.seq = seq(head))).collect();
    assert!(documents.update(&updates).await.unwrap().iter().all(|written| *written == Written::Yes));
    let users: Vec<_> = heads.iter().map(|head| head.user_id).collect();
    for now in documents.heads(&users).await.unwrap().into_iter().flatten() {
        assert_eq!(now.stream.as_ref().unwrap().seq, seq(&now));
    }
}

pub async fn lists_users_in_pages(storage: &impl DocumentsStorage) {
    let documents = storage.documents(LARGE).await;
    let users: Vec<_> = [4, 1, 3, 2, 5].map(|number| (user(number), Epoch(1))).to_vec();
    documents.create(&users).await.unwrap();
    let numbers = |users: Vec<UserId>| users.into_iter().map(UserId::get).collect::<Vec<_>>();
    assert_eq!(numbers(documents.users(None, 3).await.unwrap()), [1, 2, 3]);
    assert_eq!(numbers(documents.users(Some(user(3)), 3).await.unwrap()), [4, 5]);
    assert!(documents.users(Some(user(5)), 3).await.unwrap().is_empty());
}

pub async fn epochs_only_rise(storage: &impl DocumentsStorage) {
    let (one, other) = (storage.documents(LARGE).await, storage.documents(LARGE).await);
    let first = one.next_epoch(Epoch(0)).await.unwrap();
    assert!(first > Epoch(0));
    let second = other.next_epoch(Epoch(0)).await.unwrap();
    assert!(second > first);
    let third = one.next_epoch(Epoch(1000)).await.unwrap();
    assert!(third > Epoch(1000));
    assert!(other.next_epoch(Epoch(5)).await.unwrap() > third);
}

pub async fn marks_only_rise(storage: &impl DocumentsStorage) {
    let documents = storage.documents(LARGE).await;
    let places = [partition("t", 0), partition("t", 1), partition("u", 0)];
    assert_eq!(documents.committed_marks("g", &places).await.unwrap(), [None, None, None]);
    documents.raise_committed_marks("g", &[(places[0].clone(), 5), (places[2].clone(), 9)]).await.unwrap();
    documents.raise_committed_marks("g", &[(places[0].clone(), 4), (places[1].clone(), 0)]).await.unwrap();
    assert_eq!(documents.committed_marks("g", &places).await.unwrap(), [Some(5), Some(0), Some(9)]);
    assert_eq!(documents.committed_marks("other", &places).await.unwrap(), [None, None, None]);
    let again = storage.documents(LARGE).await;
    assert_eq!(again.committed_marks("g", &places[..1]).await.unwrap(), [Some(5)]);
    // Another topic of the same name has marks of its own.
    let anew =
        passflow::domain::record::TopicPartition { topic: places[0].topic.with_suffix("2nd"), ..places[0].clone() };
    assert_eq!(again.committed_marks("g", std::slice::from_ref(&anew)).await.unwrap(), [None]);
    again.raise_committed_marks("g", &[(anew.clone(), 3)]).await.unwrap();
    assert_eq!(again.committed_marks("g", &[places[0].clone(), anew]).await.unwrap(), [Some(5), Some(3)]);
}
