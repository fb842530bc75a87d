//! Documents of another writer, documents that would become too large, and those of users without a token.

use bytes::Bytes;
use passflow::{
    adapters::memory::{Document, Pass, StoredPass},
    domain::{
        cache::{Entry, List},
        payload_hash::PayloadHash,
    },
};

use super::kit::{BASE_S, Kit, run, user};

fn stored(pass: &Pass) -> StoredPass {
    let entry = Entry {
        id: "0123456789abcdef01234567".to_owned(),
        pass_uuid: pass.uuid.clone(),
        timestamp: 1_700_000_000,
        status: pass.status.clone(),
        free_ticket_status: 1,
        payload_hash: PayloadHash::of(pass.payload.as_bytes()),
    };
    StoredPass { entry, payload: Bytes::from(pass.payload.clone()) }
}

#[test]
fn a_document_of_the_old_service_is_taken_over_without_events_and_keeps_all_that_is_in_it() {
    run(async {
        let mut kit = Kit::with_users(1);
        let pass = Pass::new("a", "USABLE", 1);
        kit.put_pass(1, List::Passes, pass.clone());
        kit.surroundings.documents.write_foreign(user(1), |document| {
            let mut old = Document::foreign(user(1));
            old.lists.passes = vec![stored(&pass)];
            old.others.insert("note".to_owned(), r#""hands off""#.to_owned());
            *document = Some(old);
        });
        kit.start();
        kit.refresh(1).await;
        assert!(kit.events().is_empty());
        let after = kit.document(1);
        assert_eq!(after.lists.passes, [stored(&pass)]);
        assert_eq!(after.others["note"], r#""hands off""#);
        assert!(after.stream.is_some() && after.timestamp >= BASE_S);
        kit.put_pass(1, List::Passes, Pass::new("a", "USING", 2));
        kit.refresh(1).await;
        assert_eq!(kit.changes(), ["updated a"]);
        assert_eq!(kit.events()[0]["seq"], 1);
        assert_eq!(kit.document(1).lists.passes[0].entry.free_ticket_status, 1);
    });
}

#[test]
fn what_another_writer_stored_first_is_told_once_without_a_fetch() {
    run(async {
        let mut kit = Kit::with_users(1);
        kit.put_pass(1, List::Passes, Pass::new("a", "USABLE", 1));
        let api = kit.script(|_, _| None);
        kit.start();
        kit.refresh(1).await;
        let asked = api.calls().len();
        let b = Pass::new("b", "USABLE", 1);
        let passes = vec![kit.document(1).lists.passes[0].clone(), stored(&b)];
        kit.surroundings.documents.assign_foreign(user(1), List::Passes, passes);
        for _ in 0..2 {
            kit.request(1, r#","when":"if-stale""#);
            kit.settle().await;
        }
        assert_eq!(api.calls().len(), asked);
        assert_eq!(kit.changes(), ["added a", "added b"]);
        assert_eq!(kit.events()[1]["payload"]["uuid"], "b");
    });
}

#[test]
fn a_document_that_would_be_too_large_stays_as_it_is() {
    run(async {
        let kit = Kit::with_a_pass().await;
        kit.surroundings.documents.set_max_bytes(3_000);
        let before = kit.document(1);
        let payload = format!(r#"{{"uuid":"big","status":"USABLE","text":"{}"}}"#, "x".repeat(5_000));
        kit.put_pass(1, List::Passes, Pass { uuid: "big".to_owned(), status: "USABLE".to_owned(), payload });
        kit.refresh(1).await;
        assert_eq!(kit.codes(), ["document_too_large"]);
        let after = kit.document(1);
        assert_eq!((&after.lists, after.timestamp), (&before.lists, before.timestamp));
        assert_eq!(kit.events().len(), 1);
    });
}

#[test]
fn a_user_without_a_token_is_not_fetched_and_keeps_the_document() {
    run(async {
        let kit = Kit::with_a_pass().await;
        let before = kit.document(1);
        kit.surroundings.tokens.delete_row(1);
        let asked = kit.surroundings.api.calls(user(1));
        kit.change(1, "d");
        kit.refresh(1).await;
        assert_eq!(kit.surroundings.api.calls(user(1)), asked);
        assert_eq!(kit.document(1).lists, before.lists);
        assert_eq!(kit.outcome("passes", "no_token"), 2);
    });
}

#[test]
fn if_so_set_the_lists_of_a_user_without_a_token_are_emptied_and_seq_goes_on() {
    run(async {
        let mut kit = Kit::with_users(1);
        kit.setup.passes.purge_without_token = true;
        kit.put_pass(1, List::Passes, Pass::new("a", "USABLE", 1));
        kit.put_pass(1, List::Passes4, Pass::new("b", "EXPIRED", 1));
        kit.start();
        kit.refresh(1).await;
        kit.surroundings.tokens.delete_row(1);
        kit.change(1, "d");
        kit.settle().await;
        assert!(kit.uuids(1, List::Passes).is_empty() && kit.uuids(1, List::Passes4).is_empty());
        kit.set_token(1, "token-1");
        kit.change(1, "c");
        kit.settle().await;
        let expected = ["added a", "added b", "removed a", "removed b", "added a", "added b"];
        assert_eq!(kit.changes(), expected);
        assert_eq!(kit.events()[5]["seq"], 6);
    });
}
