//! Reading pages of a partition outside any group.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use rdkafka::{TopicPartitionList, consumer::Consumer as _, error::KafkaError, topic_partition_list::Offset};

use super::{
    Settings,
    context::{Plain, PlainClient},
    error::{asking, failed},
    lookup::NO_GROUP,
    positions::{check_topic, number},
    record_codec,
};
use crate::{
    domain::record::{Record, TopicPartition},
    ports::{Failure, PortError},
};

/// What one page takes into memory at most, unless one record is larger.
const PAGE_BYTES: usize = 4 << 20;

/// Reads pages. A client that stands in the middle of a partition is kept for the page after.
#[derive(Default)]
pub(super) struct Pages(Mutex<Option<Reading>>);

struct Reading {
    client: PlainClient,
    at: Option<(TopicPartition, i64)>,
}

impl Pages {
    /// Records from `from` on, which is in the partition's range.
    pub(super) fn read(
        &self,
        settings: &Settings,
        partition: &TopicPartition,
        from: i64,
        limit: usize,
    ) -> Result<Vec<Record>, PortError> {
        let doing = || format!("reading {partition} from offset {from}");
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut reading = match kept {
            Some(reading) => reading,
            None => {
                let made = settings.reader(NO_GROUP).create_with_context::<_, PlainClient>(Plain::default());
                Reading { client: made.map_err(|error| asking(&error, doing()))?, at: None }
            }
        };
        if reading.at.take() != Some((partition.clone(), from)) {
            let mut list = TopicPartitionList::new();
            let name = check_topic(partition.topic.as_str())?;
            let assigned = list.add_partition_offset(name, number(partition)?, Offset::Offset(from));
            assigned.and_then(|()| reading.client.assign(&list)).map_err(|error| asking(&error, doing()))?;
        }
        let records = reading.page(partition, from, limit, settings.call_timeout)?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reading);
        Ok(records)
    }
}

impl Reading {
    fn page(
        &mut self,
        partition: &TopicPartition,
        from: i64,
        limit: usize,
        timeout: Duration,
    ) -> Result<Vec<Record>, PortError> {
        let doing = || format!("reading {partition} from offset {from}");
        let (mut records, mut bytes) = (Vec::new(), 0);
        let mut deadline = Instant::now() + timeout;
        while records.len() < limit && bytes < PAGE_BYTES {
            match self.client.poll(deadline.saturating_duration_since(Instant::now()).min(Duration::from_millis(100))) {
                Some(Ok(message)) => {
                    deadline = Instant::now() + timeout;
                    let record = record_codec::decode(&message, &partition.topic);
                    let Some(record) = record.filter(|record| record.source.is_in(partition)) else { continue };
                    bytes += record.size_bytes();
                    records.push(record);
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    self.client.unassign().map_err(|error| asking(&error, doing()))?;
                    return Ok(records);
                }
                // Connections come and go; the deadline tells when they stay away.
                Some(Err(error)) if asking(&error, "").kind == Failure::Refused => return Err(asking(&error, doing())),
                _ if Instant::now() >= deadline => {
                    return Err(failed(Failure::Down, doing(), "no answer came in time"));
                }
                _ => {}
            }
        }
        let next = records.last().map_or(from, |record| record.source.offset + 1);
        self.at = Some((partition.clone(), next));
        Ok(records)
    }
}
