//! Records of a topic: what comes in, where it lay, and what goes out.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// A topic's name. Cheap to clone: every record carries one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TopicName(Arc<str>);

impl TopicName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name under which something is kept about the topic, apart from all else. No topic's name holds a `#`.
    #[must_use]
    pub fn with_suffix(&self, suffix: &str) -> Self {
        Self(format!("{}#{suffix}", self.name()).into())
    }

    /// The name without a suffix.
    pub fn name(&self) -> &str {
        self.0.split_once('#').map_or(&*self.0, |(name, _)| name)
    }

    /// What was given to [`Self::with_suffix`].
    pub fn suffix(&self) -> Option<&str> {
        self.0.split_once('#').map(|(_, suffix)| suffix)
    }
}

impl From<&str> for TopicName {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: TopicName,
    /// The partition's number, from 0.
    pub partition: u32,
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

/// Where a record lies, and when it was put there. The time tells a record from one at the same offset of a topic
/// that was deleted and made anew.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Source {
    /// The topic.
    pub topic: TopicName,
    /// The partition's number, from 0.
    pub partition: u32,
    /// The record's offset.
    pub offset: i64,
    /// The record's timestamp, in milliseconds since 1970.
    #[serde(rename = "timestamp")]
    pub timestamp_ms: i64,
}

impl Source {
    /// The partition it lies in.
    pub fn topic_partition(&self) -> TopicPartition {
        TopicPartition { topic: self.topic.clone(), partition: self.partition }
    }

    /// Whether it lies in `partition`.
    pub fn is_in(&self, partition: &TopicPartition) -> bool {
        self.partition == partition.partition && self.topic == partition.topic
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.topic, self.partition, self.offset)
    }
}

/// Header names and values, in order; a name may repeat.
pub type Headers = Vec<(String, Option<Bytes>)>;

/// A record as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it lies.
    pub source: Source,
    /// The key's bytes, if it has one.
    pub key: Option<Bytes>,
    /// The value's bytes; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// The headers.
    pub headers: Headers,
}

impl Record {
    /// Bytes that it takes in memory, roughly: what the windows count.
    pub fn size_bytes(&self) -> usize {
        content_size_bytes(self.key.as_ref(), self.value.as_ref(), &self.headers)
    }

    /// The first header of this name, if it is text.
    pub fn header_text(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(of, _)| of == name)?;
        std::str::from_utf8(value.as_deref()?).ok()
    }
}

/// A record to be put; its partition follows from its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The topic to put it on.
    pub topic: TopicName,
    /// The key's bytes. Without one the record goes to any partition.
    pub key: Option<Bytes>,
    /// The value's bytes; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// The headers.
    pub headers: Headers,
}

impl Output {
    /// Bytes that it takes in memory and in the topic, roughly.
    pub fn size_bytes(&self) -> usize {
        content_size_bytes(self.key.as_ref(), self.value.as_ref(), &self.headers)
    }
}

/// What the struct, its queue slot and its header vector take beside the bytes.
const OVERHEAD_BYTES: usize = 128;

fn content_size_bytes(key: Option<&Bytes>, value: Option<&Bytes>, headers: &Headers) -> usize {
    let headers: usize =
        headers.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, Bytes::len) + 32).sum();
    OVERHEAD_BYTES + key.map_or(0, Bytes::len) + value.map_or(0, Bytes::len) + headers
}

/// How far a group has come in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The offset to read next.
    pub offset: i64,
    /// Text kept with the offset: a long record's progress, for one. Kafka's brokers take 4096 bytes by default.
    pub metadata: String,
}
