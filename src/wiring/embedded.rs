//! Topics, documents and tokens in one SQLite file.

use std::{convert::Infallible, path::Path, sync::Arc};

use async_trait::async_trait;

use crate::{
    adapters::{
        sqlite_audit::SqliteAudit,
        sqlite_documents::{DOCUMENT_MAX_BYTES, SqliteDocuments},
        sqlite_parking::SqliteParking,
        sqlite_store::{self, RunLock},
        sqlite_tokens::{ImportError, Imported, SqliteTokens},
        sqlite_topics::{Defaults, FetchSettings, SqliteTopics, TopicDefault},
        system_clock::SystemClock,
    },
    domain::{
        record::{TopicName, TopicPartition},
        token::Token,
        user_id::UserId,
    },
    ports::PortError,
    settings::Names,
};

use super::{Catalog, Error, PutRows, Store, TokenAdmin, TopicReport, plans};

/// Opens the store in `data_dir`, and makes it when it is missing.
pub(super) async fn open(data_dir: &Path, names: &Names) -> Result<Store, Error> {
    let store = sqlite_store::Store::open(data_dir, sqlite_store::Settings::default())
        .await
        .map_err(|error| Error::Other(error.to_string()))?;
    let topics = SqliteTopics::new(store.clone(), Arc::new(SystemClock), defaults(names), FetchSettings::default());
    let used = [
        &names.token_changes,
        &names.ticks,
        &names.requests,
        &names.retry,
        &names.parking,
        &names.ticket_changed,
        &names.dead_letters,
    ];
    topics.create(&used.map(|name| TopicName::from(name.as_str()))).await?;
    let cdc_topic = TopicName::from(names.token_changes.as_str());
    let tokens = Arc::new(SqliteTokens::new(store.clone(), topics.clone(), cdc_topic));
    let topics = Arc::new(topics);
    Ok(Store {
        topics: topics.clone(),
        catalog: topics,
        parking: Arc::new(SqliteParking::new(store.clone(), DOCUMENT_MAX_BYTES)),
        audit: Arc::new(SqliteAudit::new(store.clone())),
        documents: Arc::new(SqliteDocuments::new(store, DOCUMENT_MAX_BYTES)),
        tokens: tokens.clone(),
        token_admin: tokens,
    })
}

/// Takes the data directory for one `run` or `demo`.
///
/// # Errors
/// When another one has it.
pub(super) fn lock(data_dir: &Path) -> Result<RunLock, Error> {
    RunLock::take(data_dir).map_err(|error| Error::Other(error.to_string()))
}

/// The documented partitions and clean-up, for the names that the pipelines use.
fn defaults(names: &Names) -> Defaults {
    let plans = plans(names).into_iter();
    let by_name =
        plans.map(|plan| (plan.topic, TopicDefault { partitions: plan.partitions, compacted: plan.compacted }));
    Defaults { by_name: by_name.collect(), ..Defaults::default() }
}

#[async_trait]
impl Catalog for SqliteTopics {
    async fn topics(&self) -> Result<Vec<TopicName>, PortError> {
        Ok(self.describe().await?.into_iter().map(|description| description.topic).collect())
    }

    async fn committed(&self, groups: &[String]) -> Result<Vec<(String, TopicPartition, i64)>, PortError> {
        let positions = self.group_positions().await?.into_iter();
        let positions = positions.filter(|position| groups.contains(&position.group));
        Ok(positions.map(|position| (position.group, position.partition, position.offset)).collect())
    }

    async fn create(&self) -> Result<Vec<TopicReport>, PortError> {
        // They were made when the store was opened, if they were missing.
        let there = self.topics().await?.into_iter();
        Ok(there.map(|topic| TopicReport { topic, made: false, differences: Vec::new() }).collect())
    }

    async fn record_sizes(&self) -> Result<Vec<(TopicName, usize)>, PortError> {
        Ok(Vec::new())
    }

    async fn trim(&self, topic: &TopicName, before_ms: i64) -> Result<u64, PortError> {
        Self::trim(self, topic, before_ms).await
    }
}

#[async_trait]
impl TokenAdmin for SqliteTokens {
    async fn put(&self, rows: Vec<(UserId, Option<Token>)>) -> Result<PutRows, PortError> {
        let Imported { inserted, updated, unchanged } =
            self.import(rows.into_iter().map(Ok::<_, Infallible>)).await.map_err(|error| match error {
                ImportError::Write(error) => error,
                ImportError::Source(never) => match never {},
            })?;
        Ok(PutRows { inserted, updated, unchanged })
    }

    async fn delete(&self, user: UserId) -> Result<bool, PortError> {
        Ok(Self::delete(self, user).await? > 0)
    }
}
