//! Committed positions.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use rdkafka::{TopicPartitionList, consumer::Consumer as _, topic_partition_list::Offset};

use super::{
    context::PlainClient,
    error::{asking, failed},
};
use crate::{
    domain::record::{Position, TopicPartition},
    ports::{Failure, PortError},
};

/// The brokers' default of the longest metadata, in bytes.
pub(super) const METADATA_MAX_BYTES: usize = 4096;

/// A list of these partitions, with nothing about them.
pub(super) fn list_of(partitions: &[TopicPartition]) -> Result<TopicPartitionList, PortError> {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition(check_topic(partition.topic.as_str())?, number(partition)?);
    }
    Ok(list)
}

/// A list to commit.
///
/// # Errors
/// `Refused`: an offset that is none (the driver drops those in silence, and says that all went well), or metadata that
/// the broker would abort the transaction for.
pub(super) fn list_to_commit(positions: &[(TopicPartition, Position)]) -> Result<TopicPartitionList, PortError> {
    let mut list = TopicPartitionList::with_capacity(positions.len());
    for (partition, position) in positions {
        let refused = |why: String| failed(Failure::Refused, format!("committing {partition}"), why);
        if position.offset < 0 {
            return Err(refused(format!("the offset {} is none", position.offset)));
        }
        let length = position.metadata.len();
        if length > METADATA_MAX_BYTES {
            return Err(refused(format!("the metadata has {length} bytes, at most {METADATA_MAX_BYTES} are kept")));
        }
        let mut element = list.add_partition(check_topic(partition.topic.as_str())?, number(partition)?);
        element.set_offset(Offset::Offset(position.offset)).map_err(|error| refused(error.to_string()))?;
        element.set_metadata(&position.metadata);
    }
    Ok(list)
}

/// The committed positions in the order asked; `None` where there is none. A client that reads committed records alone
/// gets stable ones: the broker answers for a partition once no transaction is open on it.
pub(super) fn committed(
    client: &PlainClient,
    partitions: &[TopicPartition],
    timeout: Duration,
) -> Result<Vec<Option<Position>>, PortError> {
    if partitions.is_empty() {
        return Ok(Vec::new());
    }
    let doing = || format!("reading the committed positions of {} partitions", partitions.len());
    let answer = client.committed_offsets(list_of(partitions)?, timeout).map_err(|error| asking(&error, doing()))?;
    let mut positions = Vec::with_capacity(partitions.len());
    for partition in partitions {
        let element = answer.find_partition(partition.topic.as_str(), number(partition)?);
        let Some(element) = element else {
            return Err(failed(Failure::Down, doing(), format!("{partition} is missing in the answer")));
        };
        element.error().map_err(|error| asking(&error, doing()))?;
        let Offset::Offset(offset) = element.offset() else {
            positions.push(None);
            continue;
        };
        // The driver panics on other than UTF-8, and other tools may have committed it.
        let metadata = catch_unwind(AssertUnwindSafe(|| element.metadata().to_owned())).map_err(|_| {
            let why = format!("the metadata committed for {partition} is not UTF-8: another tool uses this group");
            failed(Failure::Refused, doing(), why)
        })?;
        positions.push(Some(Position { offset, metadata }));
    }
    Ok(positions)
}

/// Positions to begin at: the stable committed ones, else the partition's first offset, or its end.
pub(super) fn to_begin_at(
    client: &PlainClient,
    partitions: &[TopicPartition],
    starts_at_end: bool,
    stable_timeout: Duration,
    timeout: Duration,
) -> Result<Vec<Position>, PortError> {
    let committed = committed(client, partitions, stable_timeout)?;
    let begin = |(partition, position): (&TopicPartition, Option<Position>)| {
        if let Some(position) = position {
            return Ok(position);
        }
        let range = client.fetch_watermarks(partition.topic.as_str(), number(partition)?, timeout);
        let (first, end) = range.map_err(|error| asking(&error, format!("reading the offsets of {partition}")))?;
        Ok(Position { offset: if starts_at_end { end } else { first }, metadata: String::new() })
    };
    partitions.iter().zip(committed).map(begin).collect()
}

/// The number as the driver has it.
pub(super) fn number(partition: &TopicPartition) -> Result<i32, PortError> {
    let none = |_| failed(Failure::Refused, format!("using {partition}"), "there is no such partition");
    i32::try_from(partition.partition).map_err(none)
}

/// The name, if Kafka can have a topic of this name. The driver panics on some others.
pub(super) fn check_topic(name: &str) -> Result<&str, PortError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if !name.is_empty() && name.len() <= 249 && name.chars().all(legal) {
        return Ok(name);
    }
    let why = "a topic's name has 1 to 249 letters, digits, dots, underscores and hyphens";
    Err(failed(Failure::Refused, format!("using the topic {name:?}"), why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to_commit(topic: &str, offset: i64, metadata: usize) -> Result<TopicPartitionList, PortError> {
        let partition = TopicPartition { topic: topic.into(), partition: 0 };
        list_to_commit(&[(partition, Position { offset, metadata: "x".repeat(metadata) })])
    }

    #[test]
    fn refuses_what_would_be_dropped_or_abort_the_transaction() {
        assert_eq!(to_commit("t", 0, METADATA_MAX_BYTES).unwrap().count(), 1);
        for refused in [to_commit("t", -1, 0), to_commit("t", 0, METADATA_MAX_BYTES + 1), to_commit("a\0b", 0, 0)] {
            assert_eq!(refused.unwrap_err().kind, Failure::Refused);
        }
    }
}
