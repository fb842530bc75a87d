//! Topics in Kafka, documents in MongoDB, tokens in MySQL.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use mongodb::Client;

use crate::{
    adapters::{
        kafka_topics::{self, KafkaTopics, TopicPlan},
        mongo_documents::{
            self, AuditSettings, IndexOutcome, MongoAudit, MongoDocuments, MongoParking, ParkingSettings,
        },
        mysql_tokens::{self, Columns, MysqlTokens},
        system_clock::SystemClock,
    },
    domain::{
        record::{TopicName, TopicPartition},
        token::Token,
        user_id::UserId,
    },
    ports::{AuditLogs, Dependency, Documents, Failure, ParkingEvents, PortError, Tokens, Topics},
    settings::{Kafka, Names, Servers},
};

use super::{Catalog, Error, Planned, PutRows, Store, TokenAdmin, absent, plans, retention::Kept};

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
    let (documents, audit, parking): (Arc<dyn Documents>, Arc<dyn AuditLogs>, Arc<dyn ParkingEvents>) = match &servers
        .mongodb
    {
        Some(uri) => {
            let client = connect(uri.expose()).await?;
            (Arc::new(documents(&client, names)), Arc::new(audit(&client, names)), Arc::new(parking(&client, names)))
        }
        None => (Arc::new(absent::Documents), Arc::new(absent::Documents), Arc::new(absent::Documents)),
    };
    let tokens: Arc<dyn Tokens> = match &servers.mysql {
        Some(url) => Arc::new(tokens(url.expose(), names)?),
        None => Arc::new(absent::Tokens),
    };
    Ok(Store { topics, catalog, documents, audit, parking, tokens, token_admin: Arc::new(OthersTable) })
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

/// A client of MongoDB.
pub(super) async fn connect(uri: &str) -> Result<Client, PortError> {
    mongo_documents::connect(uri, &mongo_documents::Connection::default()).await
}

pub(super) fn parking(client: &Client, names: &Names) -> MongoParking {
    let settings = ParkingSettings {
        database: names.parking_database.clone(),
        collection: names.parking_collection.clone(),
        ..ParkingSettings::default()
    };
    MongoParking::new(client, settings)
}

pub(super) fn audit(client: &Client, names: &Names) -> MongoAudit {
    let settings = AuditSettings {
        database: names.cache_database.clone(),
        tickets_log: names.tickets_log.clone(),
        status_log: names.status_log.clone(),
        ..AuditSettings::default()
    };
    MongoAudit::new(client, settings)
}

pub(super) fn documents(client: &Client, names: &Names) -> MongoDocuments {
    let settings = mongo_documents::Settings {
        database: names.cache_database.clone(),
        collection: names.cache_collection.clone(),
        ..mongo_documents::Settings::default()
    };
    MongoDocuments::new(client, settings)
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

/// Makes the indexes that are missing, of the cache and of what is kept for a time; what fails is told. Whether all
/// are there.
pub(super) async fn ensure_indexes(client: &Client, names: &Names, kept: &[Kept]) -> bool {
    const PATIENCE: Duration = Duration::from_secs(20);
    let mut outcomes = documents(client, names).ensure_indexes().await;
    for Kept { database, collection, indexes } in kept {
        let collection = client.database(database).collection(collection);
        outcomes.extend(mongo_documents::ensure_indexes(&collection, indexes, PATIENCE).await);
    }
    let problems = outcomes.into_iter().filter_map(|IndexOutcome { index, problem }| Some((index, problem?)));
    let mut all_there = true;
    for (index, problem) in problems {
        all_there = false;
        tracing::warn!(index, problem, "an index can't be made or changed: reads are slow, or old documents stay");
    }
    all_there
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
