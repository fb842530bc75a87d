//! The epoch counter and the marks beside it: documents of `passflow_state`, in the database of the cache.

use std::{collections::HashMap, time::Duration};

use mongodb::{
    Collection,
    bson::{Document, RawDocumentBuf, doc},
    error::Error,
    options::ReturnDocument,
};

use super::head::whole;
use crate::domain::{cache::Epoch, record::TopicPartition};

/// The next epoch of the cache `collection`; `None` when the counter is no number.
pub(super) async fn next_epoch(
    counters: Collection<Document>,
    collection: String,
    above: Epoch,
    max_time: Duration,
) -> Result<Option<Epoch>, Error> {
    let above = above.0.cast_signed();
    let next = doc! {"$add": [{"$max": ["$epoch", above]}, 1_i64]};
    let counter = counters
        .find_one_and_update(doc! {"_id": format!("epoch:{collection}")}, vec![doc! {"$set": {"epoch": next}}])
        .upsert(true)
        .return_document(ReturnDocument::After)
        .max_time(max_time)
        .await?;
    let epoch = counter.as_ref().and_then(|counter| counter.get("epoch")).and_then(whole);
    Ok(epoch.map(|epoch| Epoch(epoch.cast_unsigned())))
}

fn mark_id(group: &str, partition: &TopicPartition) -> String {
    // A topic's name holds neither slash nor colon; a group's may.
    format!("committed:{partition}:{group}")
}

/// The marks of `partitions`, in order; `None` where there is none.
pub(super) fn marks(
    counters: Collection<Document>,
    group: &str,
    partitions: &[TopicPartition],
    max_time: Duration,
) -> impl Future<Output = Result<Vec<Option<i64>>, Error>> + Send + 'static {
    let ids: Vec<String> = partitions.iter().map(|partition| mark_id(group, partition)).collect();
    async move {
        let mut cursor = counters.find(doc! {"_id": {"$in": &ids}}).max_time(max_time).await?;
        let mut marks: HashMap<String, i64> = HashMap::new();
        while cursor.advance().await? {
            let document = cursor.deserialize_current()?;
            if let (Ok(id), Some(offset)) = (document.get_str("_id"), document.get("offset").and_then(whole)) {
                marks.insert(id.to_owned(), offset);
            }
        }
        Ok(ids.iter().map(|id| marks.get(id).copied()).collect())
    }
}

/// Statements that raise the marks.
pub(super) fn raises(group: &str, marks: &[(TopicPartition, i64)]) -> Result<Vec<RawDocumentBuf>, Error> {
    let raise = |(partition, offset): &(TopicPartition, i64)| {
        let place = doc! {
            "group": group,
            "topic": partition.topic.as_str(),
            "partition": i64::from(partition.partition),
        };
        let statement = doc! {
            "q": {"_id": mark_id(group, partition)},
            "u": {"$max": {"offset": *offset}, "$setOnInsert": place},
            "upsert": true,
        };
        Ok(RawDocumentBuf::try_from(&statement)?)
    };
    marks.iter().map(raise).collect()
}
