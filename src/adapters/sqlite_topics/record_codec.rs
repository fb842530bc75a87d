//! Records that were put at once on one partition, packed into a byte string: key, value, headers, one after another.
//! Their offsets count up from the batch's first, and they share its timestamp.

use bytes::Bytes;

use crate::{
    adapters::sqlite_store::{BytesWriter, Malformed, Reader},
    domain::record::{Headers, Output, Record, Source, TopicPartition},
};

pub(super) fn encode(writer: &mut BytesWriter, output: &Output) {
    writer.optional(output.key.as_deref());
    writer.optional(output.value.as_deref());
    writer.count(output.headers.len());
    for (name, value) in &output.headers {
        writer.bytes(name.as_bytes());
        writer.optional(value.as_deref());
    }
}

/// A batch as it is stored.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) base_offset: i64,
    pub(super) timestamp_ms: i64,
    pub(super) records: Bytes,
}

/// Appends the batch's records from `from` on to `into`, until there are `limit`.
pub(super) fn decode(
    batch: Stored,
    partition: &TopicPartition,
    from: i64,
    limit: usize,
    into: &mut Vec<Record>,
) -> Result<(), Malformed> {
    let mut reader = Reader(batch.records);
    let mut offset = batch.base_offset;
    while !reader.is_empty() && into.len() < limit {
        let (key, value, headers) = (reader.optional()?, reader.optional()?, headers(&mut reader)?);
        if offset >= from {
            let TopicPartition { topic, partition } = partition.clone();
            let source = Source { topic, partition, offset, timestamp_ms: batch.timestamp_ms };
            into.push(Record { source, key, value, headers });
        }
        offset += 1;
    }
    Ok(())
}

fn headers(reader: &mut Reader) -> Result<Headers, Malformed> {
    let count = reader.count()?;
    // No more room than the bytes can fill, whatever the count says.
    let mut headers = Headers::with_capacity(count.min(64));
    for _ in 0..count {
        headers.push((reader.text()?, reader.optional()?));
    }
    Ok(headers)
}
