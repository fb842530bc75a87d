//! Records between the driver's messages and our own.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use rdkafka::message::{BorrowedMessage, Header, Headers as _, Message as _, OwnedHeaders};

use crate::domain::record::{Headers, Output, Record, Source, TopicName};

/// The record of a message of `topic`. Its bytes are copied once, out of the driver's memory.
pub(super) fn decode(message: &BorrowedMessage<'_>, topic: &TopicName) -> Option<Record> {
    let source = Source {
        topic: topic.clone(),
        partition: u32::try_from(message.partition()).ok()?,
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis().unwrap_or(0),
    };
    let headers = headers_of(message, &source);
    Some(Record {
        source,
        key: message.key().map(Bytes::copy_from_slice),
        value: message.payload().map(Bytes::copy_from_slice),
        headers,
    })
}

fn headers_of(message: &BorrowedMessage<'_>, source: &Source) -> Headers {
    let Some(borrowed) = message.headers() else { return Headers::new() };
    let header = |index| {
        // The driver panics on a name that is not UTF-8, and anybody may send one.
        let header = catch_unwind(AssertUnwindSafe(|| borrowed.try_get(index))).ok().flatten();
        if header.is_none() {
            tracing::warn!(record = %source, index, "a header's name is not UTF-8; the header is left out");
        }
        header.map(|header| (header.key.to_owned(), header.value.map(Bytes::copy_from_slice)))
    };
    (0..borrowed.count()).filter_map(header).collect()
}

/// The headers for the driver; none when there are none.
pub(super) fn encode_headers(headers: &Headers) -> Option<OwnedHeaders> {
    if headers.is_empty() {
        return None;
    }
    let start = OwnedHeaders::new_with_capacity(headers.len());
    let add = |all: OwnedHeaders, (name, value): &(String, Option<Bytes>)| {
        all.insert(Header { key: name, value: value.as_deref() })
    };
    Some(headers.iter().fold(start, add))
}

/// What the record takes in a batch of its own at most, in bytes: with the batch's and the record's own fields.
pub(super) fn batch_bytes(output: &Output) -> usize {
    const BATCH: usize = 61;
    const RECORD: usize = 32;
    let headers: usize =
        output.headers.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, Bytes::len) + 10).sum();
    BATCH + RECORD + output.key.as_ref().map_or(0, Bytes::len) + output.value.as_ref().map_or(0, Bytes::len) + headers
}
