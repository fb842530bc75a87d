//! Indexes of a collection, made where they are missing.

use std::time::Duration;

use mongodb::{
    Collection, IndexModel,
    bson::{Document, doc},
};
use tokio::time::timeout;

/// What became of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexOutcome {
    /// `database.collection` and the key.
    pub index: String,
    /// Why it could not be made; `None` when it is there.
    pub problem: Option<String>,
}

/// Makes an ascending index of each of `fields`, unless there is one.
pub(super) async fn ensure(documents: &Collection<Document>, fields: &[&str], patience: Duration) -> Vec<IndexOutcome> {
    let mut outcomes = Vec::with_capacity(fields.len());
    for field in fields {
        let (documents, keys) = (documents.clone(), doc! {*field: 1});
        let index = format!("{} {field}", documents.namespace());
        let make = async move { documents.create_index(IndexModel::builder().keys(keys).build()).await.map(|_| ()) };
        // On a large collection the server goes on by itself when nobody waits any more.
        let problem = match timeout(patience, tokio::spawn(make)).await {
            Ok(Ok(Ok(()))) => None,
            Ok(Ok(Err(error))) => Some(error.kind.to_string()),
            Ok(Err(ended)) => Some(format!("the call ended without an answer: {ended}")),
            Err(_) => Some("it is not ready yet; the server may still be building it".to_owned()),
        };
        outcomes.push(IndexOutcome { index, problem });
    }
    outcomes
}
