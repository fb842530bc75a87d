//! Members of a group in Kafka, that share partitions and lose them.

use std::sync::Arc;

use passflow::{
    domain::record::{Output, Position, TopicPartition},
    ports::{Batch, CommitError, Committer, Consumer, Event, Membership, Ownership, Release, Topics},
};

use crate::{kafka::Kafka, storage::soon, topics::output};

/// A member that follows what it owns, and starts all of it at the first offset.
pub struct Member {
    pub consumer: Box<dyn Consumer>,
    pub committer: Arc<dyn Committer>,
    pub ownership: Ownership,
    pub owned: Vec<TopicPartition>,
}

impl Member {
    pub async fn join(topics: &impl Topics, names: &[&str]) -> Self {
        let names: Vec<_> = names.iter().map(|name| (*name).into()).collect();
        let Membership { consumer, committer } = topics.join("g", &names).await.unwrap();
        Self { consumer, committer, ownership: Ownership(0), owned: Vec::new() }
    }

    /// The next event; what it says of the ownership is noted. A release goes to the caller.
    pub async fn next(&mut self) -> (Event, Option<Release>) {
        let mut event = self.consumer.next().await.unwrap();
        let mut released = None;
        match &mut event {
            Event::Assigned { ownership, partitions } => {
                self.ownership = *ownership;
                self.owned.extend(partitions.iter().cloned());
            }
            Event::Revoked { ownership, partitions, release } => {
                self.ownership = *ownership;
                self.owned.retain(|owned| !partitions.contains(owned));
                released = Some(std::mem::take(release));
            }
            _ => {}
        }
        (event, released)
    }

    /// Follows, and releases at once, until it owns `count` partitions.
    pub async fn until_it_owns(&mut self, count: usize) {
        while self.owned.len() != count {
            drop(self.next().await);
        }
    }

    pub async fn until_revoked(&mut self) -> (Vec<TopicPartition>, Release) {
        loop {
            if let (Event::Revoked { partitions, .. }, Some(release)) = self.next().await {
                return (partitions, release);
            }
        }
    }

    pub fn batch(&self, of: &[TopicPartition], offset: i64, outputs: Vec<Output>) -> Batch {
        let position = Position { offset, metadata: String::new() };
        let positions = of.iter().map(|partition| (partition.clone(), position.clone())).collect();
        Batch { ownership: self.ownership, outputs, positions }
    }

    pub async fn commit(&self, of: &[TopicPartition], offset: i64, outputs: Vec<Output>) -> Result<(), CommitError> {
        soon("the commit", self.committer.commit(self.batch(of, offset, outputs))).await
    }
}

pub fn note(text: &str) -> Vec<Output> {
    vec![output("out", Some("k"), text)]
}

pub async fn fill(topics: &impl Topics, topic: &str) {
    topics.append((0..60).map(|n| output(topic, Some(&n.to_string()), &n.to_string())).collect()).await.unwrap();
}

/// Two members between which three partitions are shared.
pub async fn two_members(kafka: &Kafka) -> (Member, Member) {
    let (one, two) = (kafka.process(kafka.settings()), kafka.process(kafka.settings()));
    fill(&one, "t").await;
    let mut first = Member::join(&one, &["t"]).await;
    soon("all", first.until_it_owns(3)).await;
    let mut second = Member::join(&two, &["t"]).await;
    let shared = async {
        loop {
            tokio::select! {
                _ = first.next() => {}
                _ = second.next() => {}
            }
            let (a, b) = (first.owned.len(), second.owned.len());
            if a + b == 3 && a > 0 && b > 0 {
                return;
            }
        }
    };
    soon("both to have a part", shared).await;
    (first, second)
}

/// The only member of its group, with the three partitions of `t`, which it owns; there are records in them.
pub async fn sole_member(topics: &impl Topics) -> (Member, Vec<TopicPartition>) {
    fill(topics, "t").await;
    let mut member = Member::join(topics, &["t"]).await;
    soon("all", member.until_it_owns(3)).await;
    let owned = member.owned.clone();
    (member, owned)
}

/// Commits until the group has settled: while it rebalances, `NotOwner` is the ordinary answer.
pub async fn commit_when_settled(member: &mut Member, of: &[TopicPartition], offset: i64, text: &str) {
    let committing = async {
        while let Err(error) = member.committer.commit(member.batch(of, offset, note(text))).await {
            assert!(matches!(error, CommitError::NotOwner(_)), "{error}");
            drop(member.next().await);
        }
    };
    soon("the commit", committing).await;
}
