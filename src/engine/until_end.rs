//! Knowing when all is handled: everything that stood in the topics, and everything that followed from it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::progress::Progress;
use crate::{
    domain::record::{TopicName, TopicPartition},
    ports::{Clock, PortError, Topics},
};

/// One running pipeline, as its end is watched for.
#[derive(Clone, Debug)]
pub struct Watched {
    /// Its name, for messages.
    pub pipeline: String,
    /// Its consumer group.
    pub group: String,
    /// The topics that it reads.
    pub consumes: Vec<TopicName>,
    /// Its state.
    pub progress: Progress,
}

/// How watching ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// All is handled.
    Reached,
    /// A dependency stayed away for too long.
    Waiting {
        /// The pipeline that waits.
        pipeline: String,
        /// For what.
        dependency: &'static str,
    },
}

const LOOK_EVERY: Duration = Duration::from_millis(20);

type Ends = BTreeMap<TopicPartition, i64>;

/// Where a partition was read to, and its end, between which there is no record: ends of transactions have offsets, too.
type Gaps = BTreeMap<TopicPartition, (i64, i64)>;

/// Waits until every pipeline has read its topics to their ends and committed it all, and nothing was put meanwhile; or
/// until one has waited for a dependency longer than `patience`.
/// Topics that do not answer count as a dependency that is away.
pub async fn reached(topics: &Arc<dyn Topics>, clock: &Arc<dyn Clock>, watched: &[Watched], patience: Duration) -> End {
    let mut before: Option<Ends> = None;
    let mut silent_since_ms = None;
    let mut gaps = Gaps::new();
    let patience_ms = i64::try_from(patience.as_millis()).unwrap_or(i64::MAX);
    loop {
        let now_ms = clock.now_ms();
        if let Some(end) = watched.iter().find_map(|watched| waiting(watched, now_ms, patience_ms)) {
            return end;
        }
        // Looked at twice, with nothing in flight in between: what one pipeline hands to another is in neither's window.
        match settled_ends(topics, watched, &mut gaps).await {
            Ok(now) => {
                silent_since_ms = None;
                if now.is_some() && now == before {
                    return End::Reached;
                }
                before = now;
            }
            Err(error) => {
                let since_ms = *silent_since_ms.get_or_insert(now_ms);
                if now_ms - since_ms > patience_ms {
                    return End::Waiting { pipeline: "all".to_owned(), dependency: error.dependency.name() };
                }
            }
        }
        clock.sleep(LOOK_EVERY).await;
    }
}

fn waiting(watched: &Watched, now_ms: i64, patience_ms: i64) -> Option<End> {
    let (dependency, since_ms) = watched.progress.snapshot().waiting_for?;
    let too_long = now_ms - since_ms > patience_ms;
    too_long.then(|| End::Waiting { pipeline: watched.pipeline.clone(), dependency: dependency.name() })
}

/// The topics' ends, if every pipeline is settled there.
async fn settled_ends(
    topics: &Arc<dyn Topics>,
    watched: &[Watched],
    gaps: &mut Gaps,
) -> Result<Option<Ends>, PortError> {
    if !watched.iter().all(|watched| watched.progress.is_settled()) {
        return Ok(None);
    }
    let mut ends = Ends::new();
    for watched in watched {
        for topic in &watched.consumes {
            for (partition, range) in (0..).zip(topics.partitions(topic).await?) {
                ends.insert(TopicPartition { topic: topic.clone(), partition }, range.end);
            }
        }
        let snapshot = watched.progress.snapshot();
        if !snapshot.is_settled() {
            return Ok(None);
        }
        for (partition, progress) in &snapshot.partitions {
            let (Some(end), Some(reached)) = (ends.get(partition), progress.end) else { continue };
            if !is_reached(topics, partition, reached, *end, gaps).await? {
                return Ok(None);
            }
        }
    }
    for watched in watched {
        if !others_are_done(topics, watched, &ends).await? {
            return Ok(None);
        }
    }
    Ok(Some(ends))
}

/// Whether nothing is left in partitions that other members of the group have, one that was killed among them.
async fn others_are_done(topics: &Arc<dyn Topics>, watched: &Watched, ends: &Ends) -> Result<bool, PortError> {
    let own = watched.progress.snapshot().partitions;
    for topic in &watched.consumes {
        let has_all = ends.keys().filter(|partition| partition.topic == *topic).all(|it| own.contains_key(it));
        if !has_all && topics.backlog(&watched.group, topic).await? > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether nothing lies between `reached` and `end`.
async fn is_reached(
    topics: &Arc<dyn Topics>,
    partition: &TopicPartition,
    reached: i64,
    end: i64,
    gaps: &mut Gaps,
) -> Result<bool, PortError> {
    if reached >= end || gaps.get(partition) == Some(&(reached, end)) {
        return Ok(true);
    }
    let is_empty = topics.read(partition, reached, 1).await?.is_empty();
    if is_empty {
        gaps.insert(partition.clone(), (reached, end));
    }
    Ok(is_empty)
}
