//! Answers that do not come, or are refusals, from brokers in this process: what commits make of them. (These brokers keep
//! no positions of transactions.)

use std::{sync::Arc, time::Duration};

use passflow::{
    adapters::kafka_topics::{KafkaTopics, Settings},
    domain::record::Position,
    ports::{Batch, CommitError, Consumer, Event, Membership, Ownership, Topics as _},
};
use rdkafka::{
    mocking::MockCluster,
    producer::DefaultProducerContext,
    types::{RDKafkaApiKey as Api, RDKafkaRespErr as Refusal},
};

use crate::{
    storage::{ManualClock, soon},
    topics::{output, partition},
};

type Brokers = MockCluster<'static, DefaultProducerContext>;

struct Member {
    _consumer: Box<dyn Consumer>,
    committer: Arc<dyn passflow::ports::Committer>,
    ownership: Ownership,
}

impl Member {
    async fn commit(&self, offset: i64) -> Result<(), CommitError> {
        let position = Position { offset, metadata: String::new() };
        let outputs = vec![output("out", Some("k"), &offset.to_string())];
        let batch = Batch { ownership: self.ownership, outputs, positions: vec![(partition("t", 0), position)] };
        soon("the commit", self.committer.commit(batch)).await
    }
}

/// A member that has committed once, and its brokers.
async fn settled_member() -> (Brokers, Member) {
    let brokers = MockCluster::new(1).unwrap();
    brokers.create_topic("t", 1, 1).unwrap();
    brokers.create_topic("out", 1, 1).unwrap();
    let settings =
        Settings { transaction_timeout: Duration::from_secs(1), ..Settings::new(brokers.bootstrap_servers()) };
    let topics = KafkaTopics::new(settings, Arc::new(ManualClock::default())).unwrap();
    let Membership { mut consumer, committer } = topics.join("g", &["t".into()]).await.unwrap();
    let ownership = loop {
        match soon("the assignment", consumer.next()).await.unwrap() {
            Event::Assigned { ownership, partitions } if !partitions.is_empty() => break ownership,
            _ => {}
        }
    };
    let member = Member { _consumer: consumer, committer, ownership };
    member.commit(1).await.unwrap();
    (brokers, member)
}

#[tokio::test]
async fn a_commit_without_an_answer_is_failed_and_the_next_one_begins_anew() {
    let (brokers, member) = settled_member().await;
    brokers.broker_round_trip_time(-1, Duration::from_millis(1500)).unwrap();
    let unanswered = member.commit(2).await;
    assert!(matches!(unanswered, Err(CommitError::Failed(_))), "{unanswered:?}");
    brokers.broker_round_trip_time(-1, Duration::ZERO).unwrap();
    let again = async { while member.commit(3).await.is_err() {} };
    soon("a commit", again).await;
}

#[tokio::test]
async fn a_group_that_moved_on_is_not_owner_and_nothing_else() {
    let (brokers, member) = settled_member().await;
    for refusal in [Refusal::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, Refusal::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION] {
        brokers.request_errors(Api::TxnOffsetCommit, &[refusal]);
        let refused = member.commit(2).await;
        assert!(matches!(refused, Err(CommitError::NotOwner(_))), "{refused:?}");
    }
    member.commit(3).await.unwrap();
}

#[tokio::test]
async fn whatever_else_is_refused_is_failed_and_mends() {
    let (brokers, member) = settled_member().await;
    let refusals = [
        (Api::EndTxn, Refusal::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH),
        (Api::AddOffsetsToTxn, Refusal::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED),
        (Api::AddPartitionsToTxn, Refusal::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED),
        (Api::Produce, Refusal::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE),
        (Api::TxnOffsetCommit, Refusal::RD_KAFKA_RESP_ERR_UNKNOWN),
    ];
    for (offset, (api, refusal)) in (2..).zip(refusals) {
        brokers.request_errors(api, &[refusal]);
        let refused = member.commit(99).await;
        assert!(matches!(refused, Err(CommitError::Failed(_))), "{api:?}: {refused:?}");
        brokers.clear_request_errors(api);
        let again = async { while member.commit(offset).await.is_err() {} };
        soon("a commit", again).await;
    }
}

#[tokio::test]
async fn brokers_that_are_away_are_down() {
    let (brokers, member) = settled_member().await;
    brokers.broker_down(1).unwrap();
    let failed = member.commit(2).await;
    assert!(matches!(failed, Err(CommitError::Failed(_))), "{failed:?}");
    brokers.broker_up(1).unwrap();
    let again = async { while member.commit(3).await.is_err() {} };
    soon("a commit", again).await;
}
