//! Compare-and-set, fences, and other programs' writes.

use std::sync::Arc;

use bytes::Bytes;
use passflow::{
    adapters::memory::{By, CallOdds, Chaos, DocumentsClient, MemoryDocuments, Odds, Span, StoredPass, World},
    domain::{
        cache::{Entry, Epoch, Head, List, LogEntry, Pending, PerList, Slot, Stream},
        payload_hash::PayloadHash,
        record::Source,
    },
    ports::{Change, Documents, Failure, Update, Write, Written},
};
use tokio::time::sleep;

use crate::kit::{BASE_MS, partition, run, secs, user};

const PAYLOAD: &str = r#"{"uuid":"p","a":"\ud800"}"#;

fn entry(uuid: &str, status: &str) -> Entry {
    Entry {
        id: "0".repeat(24),
        pass_uuid: uuid.to_owned(),
        timestamp: 5,
        status: status.to_owned(),
        free_ticket_status: 0,
        payload_hash: PayloadHash::of(PAYLOAD.as_bytes()),
    }
}

fn put(uuid: &str) -> Slot {
    Slot::Put(entry(uuid, "USABLE"), Bytes::from_static(PAYLOAD.as_bytes()))
}

fn update(read: &Arc<Head>, epoch: u64, write: Write) -> Update {
    Update { read: read.clone(), epoch: Epoch(epoch), write }
}

fn touch(read: &Arc<Head>, epoch: u64, timestamp: i64) -> Update {
    update(read, epoch, Write::Touch { timestamp: Some(timestamp), drop_committed: None })
}

/// A change that sets the active list.
fn change(read: &Arc<Head>, epoch: u64, passes: Option<Vec<Slot>>) -> Update {
    update(read, epoch, Write::Change(Box::new(plain(read, passes))))
}

fn plain(read: &Head, passes: Option<Vec<Slot>>) -> Change {
    let mut stream = read.stream.clone().unwrap_or_default();
    stream.version += 1;
    let lists = PerList { passes, passes4: None };
    Change { timestamp: Some(9), lists, logs: PerList::default(), log_max: 2, stream }
}

async fn head(client: &DocumentsClient) -> Arc<Head> {
    Arc::new(client.heads(&[user(1)]).await.unwrap().remove(0).unwrap())
}

async fn new() -> (MemoryDocuments, DocumentsClient) {
    let documents = MemoryDocuments::new(&World::new(BASE_MS));
    let client = documents.client(&Chaos::none());
    client.create(&[(user(1), Epoch(1))]).await.unwrap();
    (documents, client)
}

#[test]
fn a_created_document_is_empty_and_stays_what_it_is_when_created_again() {
    run(async {
        let (_documents, client) = new().await;
        client.create(&[(user(1), Epoch(5)), (user(2), Epoch(5))]).await.unwrap();
        let heads = client.heads(&[user(2), user(3), user(1)]).await.unwrap();
        assert!(heads[1].is_none());
        let (second, first) = (heads[0].as_ref().unwrap(), heads[2].as_ref().unwrap());
        assert_eq!((first.fence, second.fence), (Epoch(1), Epoch(5)));
        assert_eq!((first.timestamp, first.stream.clone()), (0, Some(Stream::default())));
        assert_ne!(first.id, second.id);
        assert_eq!(client.users(None, 9).await.unwrap(), [user(1), user(2)]);
        assert_eq!(client.users(Some(user(1)), 9).await.unwrap(), [user(2)]);
        assert_eq!(client.users(None, 1).await.unwrap(), [user(1)]);
    });
}

#[test]
fn only_the_first_of_two_changes_on_one_reading_is_applied() {
    run(async {
        let (_documents, client) = new().await;
        let read = head(&client).await;
        let updates = |uuid| [change(&read, 1, Some(vec![put(uuid)]))];
        assert_eq!(client.update(&updates("p")).await.unwrap(), [Written::Yes]);
        assert_eq!(client.update(&updates("q")).await.unwrap(), [Written::No]);
        assert_eq!(client.update(&[touch(&read, 1, 7)]).await.unwrap(), [Written::No], "touches are bound, too");
        let now = head(&client).await;
        assert_eq!((now.timestamp, now.document_version), (9, Some(1)));
        assert_eq!(now.lists.passes, [entry("p", "USABLE")]);
        let payload = client.payload(user(1), List::Passes, "p").await.unwrap();
        assert_eq!(payload.as_deref(), Some(PAYLOAD.as_bytes()));
        assert_eq!(client.payload(user(1), List::Passes4, "p").await.unwrap(), None);
        assert!(client.document(user(1)).await.unwrap().unwrap().contains(PAYLOAD));
    });
}

#[test]
fn a_higher_fence_keeps_an_older_epoch_out() {
    run(async {
        let (_documents, client) = new().await;
        let read = head(&client).await;
        assert_eq!(client.update(&[touch(&read, 8, 3)]).await.unwrap(), [Written::Yes]);
        let now = head(&client).await;
        assert_eq!((now.fence, now.timestamp, now.document_version), (Epoch(8), 3, Some(0)));
        assert_eq!(client.update(&[change(&now, 7, None)]).await.unwrap(), [Written::No]);
        assert_eq!(client.update(&[change(&now, 8, None)]).await.unwrap(), [Written::Yes]);
        assert_eq!(head(&client).await.document_version, Some(0), "no list, no log");
    });
}

#[test]
fn kept_slots_take_their_payload_along_and_logs_keep_the_newest() {
    run(async {
        let (documents, client) = new().await;
        let first = change(&head(&client).await, 1, Some(vec![put("p"), put("q")]));
        client.update(&[first]).await.unwrap();
        for number in 0..4 {
            let read = head(&client).await;
            let last = read.lists.passes.len() - 1;
            let mut next = plain(&read, (number == 0).then(|| vec![Slot::Keep(last)]));
            next.logs.passes4 = Some(LogEntry {
                id: number.to_string(),
                errors: "[]".to_owned(),
                server_time: "t".to_owned(),
                data: "{}".to_owned(),
            });
            let written = client.update(&[update(&read, 1, Write::Change(Box::new(next)))]).await.unwrap();
            assert_eq!(written, [Written::Yes]);
        }
        let document = documents.get(user(1)).unwrap();
        assert_eq!(document.lists.passes.len(), 1);
        assert_eq!(document.payload(List::Passes, "q").map(AsRef::as_ref), Some(PAYLOAD.as_bytes()));
        let kept: Vec<_> = document.logs.passes4.iter().map(|entry| entry.id.as_str()).collect();
        assert_eq!((kept, document.document_version), (vec!["2", "3"], Some(5)));
        let read = head(&client).await;
        let refused = client.update(&[change(&read, 1, Some(vec![Slot::Keep(4)]))]).await.unwrap_err();
        assert_eq!(refused.kind, Failure::Refused);
    });
}

#[test]
fn a_touch_forgets_what_is_committed() {
    run(async {
        let (_documents, client) = new().await;
        let read = head(&client).await;
        let mut next = plain(&read, None);
        next.stream.pending = (0..3)
            .map(|offset| Pending {
                source: Source { topic: "in".into(), partition: 0, offset, timestamp_ms: 0 },
                events: Vec::new(),
                then: None,
            })
            .collect();
        client.update(&[update(&read, 1, Write::Change(Box::new(next)))]).await.unwrap();
        let write = Write::Touch { timestamp: None, drop_committed: Some((partition(0), 2)) };
        client.update(&[update(&head(&client).await, 1, write)]).await.unwrap();
        let now = head(&client).await;
        let stream = now.stream.as_ref().unwrap();
        assert_eq!((stream.pending.len(), stream.version, now.timestamp), (1, 1, 9));
    });
}

#[test]
fn another_programs_writes_make_ours_fail() {
    run(async {
        let (documents, client) = new().await;
        let first = change(&head(&client).await, 1, Some(vec![put("p")]));
        client.update(&[first]).await.unwrap();
        let read = head(&client).await;
        assert!(documents.set_status_foreign(user(1), List::Passes, "p", "USING"));
        let now = head(&client).await;
        assert_eq!(now.document_version, read.document_version, "an element's change does not move it");
        assert_eq!(client.update(&[change(&read, 1, None)]).await.unwrap(), [Written::No]);
        let stored = StoredPass { entry: entry("p", "USING"), payload: Bytes::from_static(PAYLOAD.as_bytes()) };
        documents.assign_foreign(user(1), List::Passes, vec![stored]);
        assert_eq!(head(&client).await.lists, now.lists);
        assert_eq!(client.update(&[touch(&now, 1, 1)]).await.unwrap(), [Written::No], "by __v alone");
        let by: Vec<_> = documents.history().into_iter().map(|applied| applied.by).collect();
        let us = "process".to_owned();
        assert_eq!(by, [By::Create(us.clone()), By::Change(us), By::Foreign, By::Foreign]);
    });
}

#[test]
fn a_document_of_the_old_service_has_no_state_until_the_first_change() {
    run(async {
        let (documents, client) = new().await;
        documents.assign_foreign(user(2), List::Passes, Vec::new());
        let read = |client: DocumentsClient| async move {
            Arc::new(client.heads(&[user(2)]).await.unwrap().remove(0).unwrap())
        };
        let before = read(client.clone()).await;
        assert_eq!((&before.stream, before.document_version), (&None, Some(1)));
        client.update(&[touch(&before, 3, 1)]).await.unwrap();
        let touched = read(client.clone()).await;
        assert_eq!((&touched.stream, touched.fence), (&None, Epoch(3)));
        client.update(&[change(&touched, 3, None)]).await.unwrap();
        assert_eq!(read(client).await.stream.as_ref().unwrap().version, 1);
    });
}

#[test]
fn too_large_a_document_is_refused_unchanged() {
    run(async {
        let (documents, client) = new().await;
        documents.set_max_bytes(400);
        let read = head(&client).await;
        let slots = (0..9).map(|number| put(&number.to_string())).collect();
        assert_eq!(client.update(&[change(&read, 1, Some(slots))]).await.unwrap(), [Written::TooLarge]);
        assert_eq!(head(&client).await, read);
    });
}

#[test]
fn a_late_write_lands_if_nothing_came_between_and_else_does_not() {
    run(async {
        for sealed in [false, true] {
            let (documents, client) = new().await;
            let late = CallOdds { late: 1.0, late_by: Span::ms(5_000, 5_000), ..CallOdds::default() };
            let zombie = documents.client(&Chaos::new("zombie", 1, Odds { documents: late, ..Odds::default() }));
            let read = head(&client).await;
            let lost = zombie.update(&[change(&read, 1, Some(vec![put("p")]))]).await.unwrap_err();
            assert_eq!(lost.kind, Failure::Unanswered);
            if sealed {
                client.update(&[change(&read, 1, None)]).await.unwrap();
            }
            assert!(head(&client).await.lists.passes.is_empty());
            sleep(secs(6)).await;
            assert_eq!(head(&client).await.lists.passes.is_empty(), sealed);
        }
    });
}

#[test]
fn a_landed_write_can_be_denied() {
    run(async {
        let (documents, client) = new().await;
        let liar = documents.client(&Chaos::new("liar", 1, Odds { denied: 1.0, ..Odds::default() }));
        let read = head(&client).await;
        assert_eq!(liar.update(&[change(&read, 1, None)]).await.unwrap(), [Written::No]);
        assert_eq!(head(&client).await.stream.as_ref().unwrap().version, 1);
    });
}

#[test]
fn epochs_only_rise_and_marks_never_fall() {
    run(async {
        let (_documents, client) = new().await;
        assert_eq!(client.next_epoch(Epoch(0)).await.unwrap(), Epoch(1));
        assert_eq!(client.next_epoch(Epoch(40)).await.unwrap(), Epoch(41));
        assert_eq!(client.next_epoch(Epoch(3)).await.unwrap(), Epoch(42));
        let marks = [(partition(0), 9), (partition(1), 4)];
        client.raise_committed_marks("g", &marks).await.unwrap();
        client.raise_committed_marks("g", &[(partition(0), 5)]).await.unwrap();
        let read = client.committed_marks("g", &[partition(1), partition(0), partition(2)]).await.unwrap();
        assert_eq!(read, [Some(4), Some(9), None]);
        assert_eq!(client.committed_marks("other", &[partition(0)]).await.unwrap(), [None]);
    });
}
