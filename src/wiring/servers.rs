//! Topics in Kafka, documents in MongoDB, tokens in MySQL.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    adapters::{
        kafka_topics::{self, KafkaTopics, TopicPlan},
        mongo_documents::{self, MongoDocuments},
        mysql_tokens::{self, Columns, MysqlTokens},
        system_clock::SystemClock,
    },
    domain::{
        record::{TopicName, TopicPartition},
        token::Token,
        user_id::UserId,
    },
    ports::{Dependency, Documents, Failure, PortError, Tokens, Topics},
    settings::{Kafka, Names, Servers},
};

use super::{Catalog, Error, Planned, PutRows, Store, TokenAdmin, absent, plans};

/// The parts that are named; those that are not fail when they are used, so that a command that needs only one works
/// with that one.
pub(super) async fn open(servers: &Servers, names: &Names) -> Result<Store, Error> {
    let (topics, catalog): (Arc<dyn Topics>, Arc<dyn Catalog>) = match &servers.kafka {
        Some(kafka) => {
            let topics = Arc::new(topics(kafka)?);
            let catalog = KafkaCatalog { topics: KafkaTopics::clone(&topics), names: names.clone() };
            (topics, Arc::new(catalog))
        }
        None => (Arc::new(absent::Topics), Arc::new(absent::Topics)),
    };
    let documents: Arc<dyn Documents> = match &servers.mongodb {
        Some(uri) => Arc::new(documents(uri.expose(), names).await?),
        None => Arc::new(absent::Documents),
    };
    let tokens: Arc<dyn Tokens> = match &servers.mysql {
        Some(url) => Arc::new(tokens(url.expose(), names)?),
        None => Arc::new(absent::Tokens),
    };
    Ok(Store { topics, catalog, documents, tokens, token_admin: Arc::new(OthersTable) })
}

pub(super) fn topics(kafka: &Kafka) -> Result<KafkaTopics, PortError> {
    let properties = kafka.properties.iter().map(|(name, value)| (name.clone(), value.expose().to_owned()));
    let settings = kafka_topics::Settings {
        properties: properties.collect(),
        transactions: kafka.transactions,
        ..kafka_topics::Settings::new(&kafka.brokers)
    };
    KafkaTopics::new(settings, Arc::new(SystemClock))
}

pub(super) async fn documents(uri: &str, names: &Names) -> Result<MongoDocuments, PortError> {
    let client = mongo_documents::connect(uri, &mongo_documents::Connection::default()).await?;
    let settings = mongo_documents::Settings {
        database: names.cache_database.clone(),
        collection: names.cache_collection.clone(),
        ..mongo_documents::Settings::default()
    };
    Ok(MongoDocuments::new(&client, settings))
}

pub(super) fn tokens(url: &str, names: &Names) -> Result<MysqlTokens, PortError> {
    let columns = Columns {
        table: names.token_table.clone(),
        user_id: names.user_id_column.clone(),
        token: names.token_column.clone(),
        ..Columns::default()
    };
    MysqlTokens::new(url, &mysql_tokens::Settings { columns, ..mysql_tokens::Settings::default() })
}

/// Makes the indexes that are missing; a failure only costs speed.
pub(super) async fn ensure_indexes(documents: &MongoDocuments) {
    for outcome in documents.ensure_indexes().await {
        if let Some(problem) = outcome.problem {
            tracing::warn!(index = outcome.index, problem, "an index is missing and can't be made; reads are slow");
        }
    }
}

struct KafkaCatalog {
    topics: KafkaTopics,
    names: Names,
}

#[async_trait]
impl Catalog for KafkaCatalog {
    async fn topics(&self) -> Result<Vec<TopicName>, PortError> {
        let planned: Vec<TopicName> = plans(&self.names).into_iter().map(|plan| plan.topic).collect();
        let there = self.topics.describe(&planned).await?;
        Ok(there.into_iter().map(|description| description.topic).collect())
    }

    async fn committed(&self, groups: &[String]) -> Result<Vec<(String, TopicPartition, i64)>, PortError> {
        let mut all = Vec::new();
        let topics = self.topics().await?;
        for group in groups {
            for topic in &topics {
                let committed = self.topics.committed(group, topic).await?;
                all.extend(committed.into_iter().map(|(partition, offset)| (group.clone(), partition, offset)));
            }
        }
        Ok(all)
    }

    async fn create(&self) -> Result<Vec<super::TopicReport>, PortError> {
        let plans: Vec<TopicPlan> = plans(&self.names).into_iter().map(kafka_plan).collect();
        let reports = self.topics.create(&plans).await?;
        Ok(reports.into_iter().map(report).collect())
    }

    async fn record_sizes(&self) -> Result<Vec<(TopicName, usize)>, PortError> {
        let planned: Vec<TopicName> = plans(&self.names).into_iter().map(|plan| plan.topic).collect();
        self.topics.record_sizes(&planned).await
    }

    async fn trim(&self, _topic: &TopicName, _before_ms: i64) -> Result<u64, PortError> {
        // The brokers do that.
        Ok(0)
    }
}

fn kafka_plan(plan: Planned) -> TopicPlan {
    TopicPlan {
        topic: plan.topic,
        partitions: plan.partitions,
        compacted: plan.compacted,
        retention: plan.retention_ms.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis),
        config: BTreeMap::default(),
    }
}

fn report(report: kafka_topics::TopicReport) -> super::TopicReport {
    let differences = report.differences.into_iter();
    super::TopicReport {
        topic: report.topic,
        made: report.made,
        differences: differences
            .map(|difference| format!("{} is {}, planned is {}", difference.what, difference.found, difference.planned))
            .collect(),
    }
}

/// The token table belongs to others.
struct OthersTable;

fn only_embedded() -> PortError {
    PortError {
        kind: Failure::Refused,
        dependency: Dependency::Tokens,
        doing: "changing tokens".to_owned(),
        message: "passflow only reads the table in MySQL; change it there, or unset PASSFLOW_MYSQL_URL and the other \
                  servers to use the embedded store"
            .to_owned(),
    }
}

#[async_trait]
impl TokenAdmin for OthersTable {
    async fn put(&self, _rows: Vec<(UserId, Option<Token>)>) -> Result<PutRows, PortError> {
        Err(only_embedded())
    }

    async fn delete(&self, _user: UserId) -> Result<bool, PortError> {
        Err(only_embedded())
    }
}
