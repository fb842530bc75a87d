//! Indexes that delete by age: made, changed with the setting, and taken away with it.

use std::time::Duration;

use mongodb::bson::{Bson, Document, doc};
use passflow::adapters::mongo_documents::{Index, ensure_indexes};

use crate::{mongo::Mongo, storage::run};

const DAY: Duration = Duration::from_hours(24);

/// The collection's indexes but that of `_id`: key and seconds.
async fn indexes(storage: &Mongo) -> Vec<(String, Option<i64>)> {
    let database = storage.client.database(&storage.database);
    let reply = database.run_command(doc! {"listIndexes": "pm_parking_events"}).await.unwrap();
    let batch = reply.get_document("cursor").unwrap().get_array("firstBatch").unwrap().clone();
    let seconds = |index: &Document| match index.get("expireAfterSeconds") {
        Some(Bson::Int32(seconds)) => Some(i64::from(*seconds)),
        Some(Bson::Int64(seconds)) => Some(*seconds),
        Some(other) => panic!("{other}"),
        None => None,
    };
    let index = |index: &Bson| {
        let index = index.as_document().unwrap();
        (index.get_document("key").unwrap().keys().cloned().collect::<Vec<_>>().join(" "), seconds(index))
    };
    batch.iter().map(index).filter(|(key, _)| key != "_id").collect()
}

async fn ensure(storage: &Mongo, wanted: &[Index]) {
    let outcomes = ensure_indexes(&storage.events(), wanted, Duration::from_secs(20)).await;
    assert!(outcomes.iter().all(|outcome| outcome.problem.is_none()), "{outcomes:?}");
}

fn found(key: &str, seconds: Option<i64>) -> (String, Option<i64>) {
    (key.to_owned(), seconds)
}

#[tokio::test]
async fn an_index_that_deletes_follows_its_setting() {
    run(Mongo::new().await, async |storage: &Mongo| {
        let wanted = |days: u32| [Index::on(&["card", "createdAt"]), Index::expiring(&["createdAt"], DAY * days)];
        let served = found("card createdAt", None);
        ensure(storage, &wanted(0)).await;
        assert_eq!(indexes(storage).await, std::slice::from_ref(&served));
        for days in [90, 90, 30, 3650] {
            ensure(storage, &wanted(days)).await;
            let expected = [served.clone(), found("createdAt", Some(i64::from(days) * 86_400))];
            assert_eq!(indexes(storage).await, expected, "{days} days");
        }
        ensure(storage, &wanted(0)).await;
        assert_eq!(indexes(storage).await, std::slice::from_ref(&served));
        // Somebody has made one that deletes nothing.
        storage
            .events()
            .create_index(mongodb::IndexModel::builder().keys(doc! {"createdAt": 1}).build())
            .await
            .unwrap();
        ensure(storage, &wanted(0)).await;
        assert_eq!(indexes(storage).await, [served.clone(), found("createdAt", None)]);
        ensure(storage, &wanted(1)).await;
        assert_eq!(indexes(storage).await, [served, found("createdAt", Some(86_400))]);
    })
    .await;
}

#[tokio::test]
async fn an_index_that_serves_reads_too_stays_when_nothing_is_deleted() {
    run(Mongo::new().await, async |storage: &Mongo| {
        for (days, seconds) in [(0, None), (2, Some(172_800)), (0, None)] {
            ensure(storage, &[Index::on_and_expiring(&["timestamp"], DAY * days)]).await;
            assert_eq!(indexes(storage).await, [found("timestamp", seconds)], "{days} days");
        }
        // Less than a second is no "never".
        ensure(storage, &[Index::on_and_expiring(&["timestamp"], Duration::from_millis(1))]).await;
        assert_eq!(indexes(storage).await, [found("timestamp", Some(1))]);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_made_is_told() {
    run(Mongo::new().await, async |storage: &Mongo| {
        let database = storage.client.database(&storage.database);
        database.run_command(doc! {"create": "base"}).await.unwrap();
        let view = doc! {"create": "pm_parking_events", "viewOn": "base", "pipeline": []};
        database.run_command(view).await.unwrap();
        let wanted = [Index::expiring(&["createdAt"], DAY)];
        let outcomes = ensure_indexes(&storage.events(), &wanted, Duration::from_secs(20)).await;
        assert_eq!(outcomes[0].index, format!("{}.pm_parking_events createdAt", storage.database));
        assert!(outcomes[0].problem.is_some(), "{outcomes:?}");
    })
    .await;
}
