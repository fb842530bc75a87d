//! Parts that no setting names, while others are servers: what needs them fails and says which variable to set.

use std::{ops::Range, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;

use super::{Catalog, TopicReport};
use crate::{
    domain::{
        audit::{StatusEntry, TicketEntry},
        cache::{Epoch, Head, List},
        parking::ParkingEvent,
        record::{Output, Record, TopicName, TopicPartition},
        token::Token,
        user_id::UserId,
    },
    ports::{self, Dependency, Failure, Membership, PortError, Stored, Update, Written},
};

fn unset<T>(dependency: Dependency, variable: &str) -> Result<T, PortError> {
    let message = format!("{variable} is not set; with one server set, nothing falls back to the embedded store");
    Err(PortError { kind: Failure::Refused, dependency, doing: format!("using the {}", dependency.name()), message })
}

pub(super) struct Topics;

fn no_topics<T>() -> Result<T, PortError> {
    unset(Dependency::Topics, "PASSFLOW_KAFKA_BROKERS")
}

#[async_trait]
impl ports::Topics for Topics {
    async fn join(&self, _: &str, _: &[TopicName]) -> Result<Membership, PortError> {
        no_topics()
    }

    async fn append(&self, _: Vec<Output>) -> Result<(), PortError> {
        no_topics()
    }

    async fn partitions(&self, _: &TopicName) -> Result<Vec<Range<i64>>, PortError> {
        no_topics()
    }

    async fn read(&self, _: &TopicPartition, _: i64, _: usize) -> Result<Vec<Record>, PortError> {
        no_topics()
    }

    async fn offset_at(&self, _: &TopicPartition, _: i64) -> Result<i64, PortError> {
        no_topics()
    }

    async fn backlog(&self, _: &str, _: &TopicName) -> Result<u64, PortError> {
        no_topics()
    }
}

#[async_trait]
impl Catalog for Topics {
    async fn topics(&self) -> Result<Vec<TopicName>, PortError> {
        no_topics()
    }

    async fn committed(&self, _: &[String]) -> Result<Vec<(String, TopicPartition, i64)>, PortError> {
        no_topics()
    }

    async fn create(&self) -> Result<Vec<TopicReport>, PortError> {
        no_topics()
    }

    async fn record_sizes(&self) -> Result<Vec<(TopicName, usize)>, PortError> {
        no_topics()
    }

    async fn trim(&self, _: &TopicName, _: i64) -> Result<u64, PortError> {
        no_topics()
    }
}

pub(super) struct Documents;

fn no_documents<T>() -> Result<T, PortError> {
    unset(Dependency::Documents, "PASSFLOW_MONGODB_URI")
}

#[async_trait]
impl ports::Documents for Documents {
    async fn next_epoch(&self, _: Epoch) -> Result<Epoch, PortError> {
        no_documents()
    }

    async fn heads(&self, _: &[UserId]) -> Result<Vec<Option<Head>>, PortError> {
        no_documents()
    }

    async fn wholes(&self, _: &[UserId]) -> Result<Vec<Option<(Head, ports::Payloads)>>, PortError> {
        no_documents()
    }

    async fn create(&self, _: &[(UserId, Epoch)]) -> Result<(), PortError> {
        no_documents()
    }

    async fn update(&self, _: &[Update]) -> Result<Vec<Written>, PortError> {
        no_documents()
    }

    async fn payload(&self, _: UserId, _: List, _: &str) -> Result<Option<Bytes>, PortError> {
        no_documents()
    }

    async fn document(&self, _: UserId) -> Result<Option<String>, PortError> {
        no_documents()
    }

    async fn users(&self, _: Option<UserId>, _: usize) -> Result<Vec<UserId>, PortError> {
        no_documents()
    }

    async fn committed_marks(&self, _: &str, _: &[TopicPartition]) -> Result<Vec<Option<i64>>, PortError> {
        no_documents()
    }

    async fn raise_committed_marks(&self, _: &str, _: &[(TopicPartition, i64)]) -> Result<(), PortError> {
        no_documents()
    }
}

#[async_trait]
impl ports::AuditLogs for Documents {
    async fn add_tickets(&self, _: &[TicketEntry]) -> Result<(), PortError> {
        no_documents()
    }

    async fn add_checks(&self, _: &[StatusEntry]) -> Result<(), PortError> {
        no_documents()
    }

    async fn remove_before(&self, _: i64) -> Result<u64, PortError> {
        no_documents()
    }
}

#[async_trait]
impl ports::ParkingEvents for Documents {
    async fn store(&self, _: &[Arc<ParkingEvent>]) -> Result<Vec<Stored>, PortError> {
        no_documents()
    }

    async fn event(&self, _: &str) -> Result<Option<String>, PortError> {
        no_documents()
    }

    async fn remove_before(&self, _: i64) -> Result<u64, PortError> {
        no_documents()
    }
}

pub(super) struct Tokens;

#[async_trait]
impl ports::Tokens for Tokens {
    async fn tokens(&self, _: &[UserId]) -> Result<Vec<Option<Token>>, PortError> {
        unset(Dependency::Tokens, "PASSFLOW_MYSQL_URL")
    }

    async fn users(&self, _: Option<UserId>, _: usize) -> Result<Vec<UserId>, PortError> {
        unset(Dependency::Tokens, "PASSFLOW_MYSQL_URL")
    }
}
