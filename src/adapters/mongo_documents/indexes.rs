//! Indexes of a collection, made where they are missing, and how long its documents are kept.

use std::time::Duration;

use futures::TryStreamExt as _;
use mongodb::{
    Collection, IndexModel,
    bson::{Bson, Document, doc},
    error::{Error, ErrorKind},
    options::IndexOptions,
};
use tokio::time::timeout;

/// An ascending index that a collection is to have.
#[derive(Clone, Debug)]
pub struct Index {
    keys: &'static [&'static str],
    expiry: Expiry,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expiry {
    /// Documents are kept as they are now.
    AsItIs,
    /// Documents are deleted so many seconds after the date in the key; with 0 none is.
    After {
        seconds: u64,
        /// The index is wanted even if it deletes nothing.
        serves_reads: bool,
    },
}

impl Index {
    /// For reading.
    pub fn on(keys: &'static [&'static str]) -> Self {
        Self { keys, expiry: Expiry::AsItIs }
    }

    /// For deleting documents this long after the date in their only key; zero = never, and no index.
    pub fn expiring(key: &'static [&'static str; 1], after: Duration) -> Self {
        Self { keys: key, expiry: Expiry::After { seconds: whole_seconds(after), serves_reads: false } }
    }

    /// For both.
    pub fn on_and_expiring(key: &'static [&'static str; 1], after: Duration) -> Self {
        Self { keys: key, expiry: Expiry::After { seconds: whole_seconds(after), serves_reads: true } }
    }

    fn key_pattern(&self) -> Document {
        self.keys.iter().map(|key| ((*key).to_owned(), Bson::Int32(1))).collect()
    }
}

/// Never 0 unless it is: that would delete at once.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// What became of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexOutcome {
    /// `database.collection` and the key.
    pub index: String,
    /// Why it could not be made; `None` when it is there.
    pub problem: Option<String>,
}

/// Makes each of `wanted` unless it is there, and changes after what time documents expire where that is another.
pub async fn ensure(documents: &Collection<Document>, wanted: &[Index], patience: Duration) -> Vec<IndexOutcome> {
    let mut outcomes = Vec::with_capacity(wanted.len());
    for wanted in wanted {
        let (documents, wanted) = (documents.clone(), wanted.clone());
        let index = format!("{} {}", documents.namespace(), wanted.keys.join(" "));
        let make = async move { ensure_one(&documents, &wanted).await };
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

async fn ensure_one(documents: &Collection<Document>, wanted: &Index) -> Result<(), Error> {
    let Expiry::After { seconds, serves_reads } = wanted.expiry else { return create(documents, wanted, 0).await };
    let there = existing(documents, wanted).await?;
    let expires_after = there.as_ref().and_then(expiry_of);
    match (there, seconds) {
        (None, 0) if !serves_reads => Ok(()),
        (None, seconds) => create(documents, wanted, seconds).await,
        (Some(_), 0) if expires_after.is_none() => Ok(()),
        (Some(_), seconds) if expires_after == Some(seconds) => Ok(()),
        (Some(there), 0) => {
            drop_index(documents, &there).await?;
            if serves_reads { create(documents, wanted, 0).await } else { Ok(()) }
        }
        (Some(there), seconds) => {
            if modify(documents, wanted, seconds).await.is_ok() {
                return Ok(());
            }
            // A server before 5.1 cannot turn an index that deletes nothing into one that does.
            drop_index(documents, &there).await?;
            create(documents, wanted, seconds).await
        }
    }
}

async fn existing(documents: &Collection<Document>, wanted: &Index) -> Result<Option<IndexModel>, Error> {
    /// There is no collection yet.
    const NAMESPACE_NOT_FOUND: i32 = 26;
    let indexes: Vec<IndexModel> = match documents.list_indexes().await {
        Ok(indexes) => indexes.try_collect().await?,
        Err(error) if matches!(&*error.kind, ErrorKind::Command(error) if error.code == NAMESPACE_NOT_FOUND) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let is_wanted = |index: &IndexModel| {
        let is_ascending = |value: &Bson| super::head::whole(value) == Some(1);
        index.keys.keys().eq(wanted.keys.iter().copied()) && index.keys.values().all(is_ascending)
    };
    Ok(indexes.into_iter().find(is_wanted))
}

fn expiry_of(index: &IndexModel) -> Option<u64> {
    Some(index.options.as_ref()?.expire_after?.as_secs())
}

async fn create(documents: &Collection<Document>, wanted: &Index, seconds: u64) -> Result<(), Error> {
    let expire_after = (seconds > 0).then(|| Duration::from_secs(seconds));
    let options = IndexOptions::builder().expire_after(expire_after).build();
    let index = IndexModel::builder().keys(wanted.key_pattern()).options(options).build();
    documents.create_index(index).await.map(drop)
}

async fn modify(documents: &Collection<Document>, wanted: &Index, seconds: u64) -> Result<(), Error> {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    let index = doc! {"keyPattern": wanted.key_pattern(), "expireAfterSeconds": seconds};
    let database = documents.client().database(&documents.namespace().db);
    database.run_command(doc! {"collMod": documents.name(), "index": index}).await.map(drop)
}

async fn drop_index(documents: &Collection<Document>, index: &IndexModel) -> Result<(), Error> {
    let name = index.options.as_ref().and_then(|options| options.name.as_deref()).unwrap_or_default();
    documents.drop_index(name).await
}
