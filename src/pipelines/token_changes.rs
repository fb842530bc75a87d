//! `token_changes`: a change of the table of tokens becomes a request for each user that it touches.

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    domain::{
        record::{Headers, Output, Record, TopicName},
        request::{PassRequest, Reason, When},
        token_change::{self, TableNames, TokenChange},
        user_id::UserId,
    },
    engine::{
        handler::{self, Halt, Handler, Step, Turn},
        record_sizes::RecordSizes,
    },
};

/// The pipeline.
#[derive(Clone, Debug)]
pub struct TokenChanges {
    /// Which table's changes count, and its columns.
    pub table: TableNames,
    /// Where requests go.
    pub requests_topic: TopicName,
    /// What its topics take.
    pub sizes: RecordSizes,
}

impl TokenChanges {
    /// The requests that follow from one change: decoded and routed, without any I/O.
    ///
    /// # Errors
    /// [`Halt::Poison`] when the message cannot be understood.
    pub fn route(&self, record: &Record, trace: &Headers) -> Result<Step, Halt> {
        let change = token_change::decode(record.key.as_deref(), record.value.as_deref(), &self.table)
            .map_err(|poison| Halt::Poison { stage: "decode", poison })?;
        let TokenChange::Touched { users, snapshot, .. } = change else { return Ok(Step::done("skipped")) };
        let requests = users.iter().map(|user| self.request(user, snapshot, record, trace)).collect();
        handler::sized(&self.sizes, requests, "routed")
    }

    fn request(&self, user: UserId, snapshot: bool, record: &Record, trace: &Headers) -> Output {
        let request = PassRequest {
            when: When::IfNewToken,
            reason: Reason::TOKEN_CHANGE,
            // The database's clock may be another's; the record's time is when the change was put here.
            requested_at: jiff::Timestamp::from_millisecond(record.source.timestamp_ms).ok(),
            snapshot,
            ..PassRequest::new(user)
        };
        Output {
            topic: self.requests_topic.clone(),
            key: Some(Bytes::from(user.to_string())),
            value: Some(Bytes::from(request.encode())),
            headers: trace.clone(),
        }
    }
}

#[async_trait]
impl Handler for TokenChanges {
    async fn handle(&self, record: &Record, turn: &Turn) -> Result<Step, Halt> {
        self.route(record, &turn.trace())
    }
}
