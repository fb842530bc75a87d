//! Where a partition goes on when it is taken: in the life of its committed position, or in a new one.

use super::Engine;
use crate::{
    domain::{
        cache::Epoch,
        life::Life,
        record::{Position, TopicPartition},
    },
    ports::{Dependency, Failure, PortError},
};

/// A partition on its way to be held.
pub(super) struct Found {
    pub(super) partition: TopicPartition,
    pub(super) life: Life,
    pub(super) position: Position,
    /// How far it was committed in the life before, if that is known; by the name that is kept under.
    pub(super) before: Option<(TopicPartition, i64)>,
}

/// What the group and the marks say of a partition.
struct Known {
    partition: TopicPartition,
    /// The life that the position was committed in.
    life: Option<Life>,
    position: Position,
    /// How far the partition is known to be committed in that life.
    mark: Option<i64>,
    /// When its last life began.
    last_life: Option<i64>,
}

impl Engine {
    /// Where `partitions` go on, committed at `positions`. A life that begins now begins with `epoch`.
    pub(super) async fn find(
        &mut self,
        partitions: &[TopicPartition],
        positions: Vec<Position>,
        epoch: Epoch,
    ) -> Result<Vec<Found>, PortError> {
        let mut found = Vec::with_capacity(partitions.len());
        for known in self.known(partitions, positions).await? {
            found.push(self.found(known, epoch).await?);
        }
        Ok(found)
    }

    async fn known(
        &mut self,
        partitions: &[TopicPartition],
        positions: Vec<Position>,
    ) -> Result<Vec<Known>, PortError> {
        let signed: Vec<_> = positions.into_iter().map(Life::signed).collect();
        let place = |(partition, (life, _)): (&TopicPartition, &(Option<Life>, Position))| {
            life.as_ref().map_or_else(|| partition.clone(), |life| life.place(partition))
        };
        let mut names: Vec<TopicPartition> = partitions.iter().zip(&signed).map(place).collect();
        names.extend(partitions.iter().map(Life::beginning));
        let marks = self.parts.handler.committed_marks(&names).await?;
        let (marks, lives) = marks.split_at(partitions.len().min(marks.len()));
        let known = partitions.iter().zip(signed).zip(marks.iter().zip(lives));
        let known = known.map(|((partition, (life, position)), (mark, last_life))| Known {
            partition: partition.clone(),
            life,
            position,
            mark: *mark,
            last_life: *last_life,
        });
        Ok(known.collect())
    }

    async fn found(&mut self, known: Known, epoch: Epoch) -> Result<Found, PortError> {
        let topic_id = self.consumer.topic_id(&known.partition.topic).map(|id| id.to_string());
        let anew = Life { topic_id, since: epoch };
        let Known { partition, life, position, mark, last_life } = known;
        let Some(life) = life else {
            report_unsigned(&partition, position.offset, last_life);
            // Without any life before, the position is a former version's, which kept all under the bare name.
            let before = last_life.is_none().then(|| (partition.clone(), position.offset));
            return Ok(Found { partition, life: anew, position, before });
        };
        if life.topic_id == anew.topic_id {
            let is_set_back = mark.is_some_and(|mark| position.offset < mark);
            if is_set_back {
                report_set_back(&partition, position.offset, mark);
            }
            let life = if is_set_back { anew } else { life };
            return Ok(Found { partition, life, position, before: None });
        }
        let before = Some((life.place(&partition), position.offset));
        let position = match (&life.topic_id, &anew.topic_id) {
            (Some(before), None) => return Err(no_id_now(&partition, before)),
            (Some(_), Some(_)) => self.first_of_another_topic(&partition, position.offset).await?,
            // The brokers tell ids since they are newer.
            (None, _) => position,
        };
        Ok(Found { partition, life: anew, position, before })
    }

    /// A position of another topic, which once had the same name, says nothing of this one.
    async fn first_of_another_topic(&mut self, partition: &TopicPartition, before: i64) -> Result<Position, PortError> {
        let ranges = self.parts.topics.partitions(&partition.topic).await?;
        let range = usize::try_from(partition.partition).ok().and_then(|number| ranges.get(number));
        let first = range.map(|range| range.start).ok_or_else(|| PortError {
            kind: Failure::Down,
            dependency: Dependency::Topics,
            doing: format!("finding the first record of {partition}"),
            message: "there is no such partition now".to_owned(),
        })?;
        tracing::warn!(
            pipeline = self.parts.pipeline,
            %partition,
            position = before,
            first,
            "the topic was deleted and made anew since the group committed its position: going on at its first record"
        );
        Ok(Position { offset: first, metadata: String::new() })
    }
}

/// To go on without would tell again what was told.
fn no_id_now(partition: &TopicPartition, before: &str) -> PortError {
    PortError {
        kind: Failure::Down,
        dependency: Dependency::Topics,
        doing: format!("finding where {partition} goes on"),
        message: format!(
            "the group's position was committed for the topic with the id {before}, and the brokers tell no id of it \
             now; are they older than before (topics have ids from Kafka 2.8 on)?"
        ),
    }
}

fn report_set_back(partition: &TopicPartition, position: i64, mark: Option<i64>) {
    tracing::info!(%partition, position, committed = mark, "the group was set back; what was told stays told");
}

fn report_unsigned(partition: &TopicPartition, position: i64, last_life: Option<i64>) {
    if last_life.is_some() {
        tracing::warn!(
            %partition,
            position,
            "the position is none that this group committed: set by another tool, or the former one expired or went with its \
             topic. What was told stays told; but if the group's last instance was killed and none started since, changes \
             of the last seconds before that are told once more"
        );
    }
}
