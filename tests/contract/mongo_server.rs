//! A server that answers late or not at all, and its indexes.

use std::{sync::Arc, time::Duration};

use mongodb::bson::doc;
use passflow::{
    adapters::mongo_documents::{Connection, IndexOutcome, MongoDocuments, Settings, connect},
    domain::{cache::Epoch, user_id::UserId},
    ports::{Documents, Failure, Written},
};

use crate::{
    documents::{LARGE, apply, change, head},
    mongo::Mongo,
    storage::{DocumentsStorage as _, run, soon, user},
};

/// Holds the document of `of` in another's transaction for as long as `meanwhile` runs.
async fn held(storage: &Mongo, of: UserId, meanwhile: impl Future<Output = ()>) {
    let mut session = storage.client.start_session().await.unwrap();
    session.start_transaction().await.unwrap();
    let collection = storage.collection();
    let hold = collection.update_one(doc! {"user_id": of.get()}, doc! {"$set": {"held": 1}});
    hold.session(&mut session).await.unwrap();
    meanwhile.await;
    session.abort_transaction().await.unwrap();
}

#[tokio::test]
async fn a_dropped_write_lands_late_and_a_seal_notices() {
    run(Mongo::new().await, async |storage: &Mongo| {
        let documents = storage.documents(LARGE).await;
        documents.create(&[(user(1), Epoch(1))]).await.unwrap();
        let read = head(&documents, user(1)).await;
        let update = [change(&read, 2, |change| change.timestamp = Some(77))];
        held(storage, user(1), async {
            let late = tokio::time::timeout(Duration::from_millis(200), documents.update(&update)).await;
            assert!(late.is_err(), "it waits for the transaction");
        })
        .await;
        let landed = async {
            while head(&documents, user(1)).await.timestamp != 77 {
                tokio::task::yield_now().await;
            }
        };
        soon("the late write", landed).await;
        assert_eq!(apply(&documents, change(&read, 2, |_| ())).await, Written::No, "of the same owner and version");
        let now = head(&documents, user(1)).await;
        assert_eq!(apply(&documents, change(&now, 2, |_| ())).await, Written::Yes);
        assert_eq!(head(&documents, user(1)).await.stream.unwrap().version, 2);
    })
    .await;
}

#[tokio::test]
async fn the_server_ends_a_write_that_takes_too_long() {
    run(Mongo::new().await, async |storage: &Mongo| {
        let settings = Settings { statement_max: Duration::from_millis(200), ..storage.settings(LARGE) };
        let documents: Arc<dyn Documents> = Arc::new(MongoDocuments::new(&storage.client, settings));
        let patient = MongoDocuments::new(&storage.client, storage.settings(LARGE));
        patient.create(&[(user(1), Epoch(1)), (user(2), Epoch(1))]).await.unwrap();
        let heads = patient.heads(&[user(1), user(2)]).await.unwrap();
        let updates: Vec<_> = heads.iter().flatten().map(|read| change(read, 2, |_| ())).collect();
        held(storage, user(1), async {
            let error = documents.update(&updates).await.unwrap_err();
            assert_eq!(error.kind, Failure::Unanswered, "{error}");
            assert!(error.to_string().contains("users 1, 2 of passflow_test_"), "{error}");
        })
        .await;
        assert_eq!(apply(&documents, updates[0].clone()).await, Written::Yes, "nothing had landed");
    })
    .await;
}

#[tokio::test]
async fn indexes_are_made_once_and_failure_is_told() {
    run(Mongo::new().await, async |storage: &Mongo| {
        let documents = storage.mongo_documents(LARGE);
        for _ in 0..2 {
            let outcomes = documents.ensure_indexes().await;
            assert!(outcomes.iter().all(|outcome| outcome.problem.is_none()), "{outcomes:?}");
        }
        let mut names = storage.collection().list_index_names().await.unwrap();
        names.sort();
        assert_eq!(names, ["_id_", "timestamp_1", "user_id_1"]);
        let settings = Settings { collection: "other".to_owned(), ..storage.settings(LARGE) };
        storage.client.database(&storage.database).run_command(doc! {"create": "base"}).await.unwrap();
        let view = doc! {"create": "other", "viewOn": "base", "pipeline": []};
        storage.client.database(&storage.database).run_command(view).await.unwrap();
        let outcomes = MongoDocuments::new(&storage.client, settings).ensure_indexes().await;
        let [IndexOutcome { index, problem: Some(_) }, _] = &outcomes[..] else { panic!("{outcomes:?}") };
        assert_eq!(*index, format!("{}.other user_id", storage.database));
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_away_is_down() {
    let connection = Connection { primary_max: Duration::from_millis(300), ..Connection::default() };
    let uri = "mongodb://user:hunter2@127.0.0.1:9/?directConnection=true";
    let client = connect(uri, &connection).await.unwrap();
    let documents = MongoDocuments::new(&client, Settings::default());
    for error in [
        documents.heads(&[user(1)]).await.unwrap_err(),
        documents.create(&[(user(1), Epoch(1))]).await.unwrap_err(),
        documents.next_epoch(Epoch(0)).await.unwrap_err(),
    ] {
        assert_eq!(error.kind, Failure::Down);
        assert!(error.to_string().contains("PASSFLOW_MONGODB_URI"), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}
