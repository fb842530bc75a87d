//! Dead letters: a refused record as it was, and what was wrong with it in headers.

use bytes::Bytes;

use super::record_sizes::RecordSizes;
use crate::domain::{
    payload_hash::PayloadHash,
    poison::Poison,
    record::{Headers, Output, Record, TopicName},
};

/// Where a pipeline's dead letters go.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    /// The topic.
    pub topic: TopicName,
    /// The pipeline's name, for the header.
    pub pipeline: String,
    /// Bytes a dead letter may have; of a larger record the source, the MD5 and the first bytes are kept.
    pub sizes: RecordSizes,
}

/// What of a key or value is kept when the whole would be too large.
const KEPT_BYTES: usize = 64 * 1024;
/// What of the reason is kept then.
const KEPT_REASON_BYTES: usize = 512;

impl DeadLetters {
    /// The smallest limit of its topic that a dead letter always fits.
    pub const ROOM_BYTES: usize = 4096;

    /// The dead letter of `record`, refused at `stage` after `attempts` failed turns before the last.
    pub fn letter(&self, record: &Record, stage: &str, poison: &Poison, attempts: u32) -> Output {
        let headers: Headers =
            record.headers.iter().cloned().chain(self.headers(record, stage, poison, attempts)).collect();
        let letter =
            Output { topic: self.topic.clone(), key: record.key.clone(), value: record.value.clone(), headers };
        let max = self.sizes.max_of(&self.topic);
        if letter.size_bytes() <= max { letter } else { self.shortened(record, stage, poison, attempts, max) }
    }

    /// What is wrong, and where the record lay.
    fn headers(&self, record: &Record, stage: &str, poison: &Poison, attempts: u32) -> Headers {
        let source = &record.source;
        let fields = [
            ("pipeline", self.pipeline.clone()),
            ("stage", stage.to_owned()),
            ("code", poison.code.to_string()),
            ("message", poison.message.clone()),
            ("topic", source.topic.to_string()),
            ("partition", source.partition.to_string()),
            ("offset", source.offset.to_string()),
            ("timestamp", source.timestamp_ms.to_string()),
            ("attempts", (attempts + 1).to_string()),
        ];
        fields.into_iter().map(|(name, value)| (format!("passflow.error.{name}"), Some(Bytes::from(value)))).collect()
    }

    /// The codes of the dead letters among these outputs.
    pub(super) fn codes_of(&self, outputs: &[Output]) -> Vec<String> {
        let letters = outputs.iter().filter(|output| output.topic == self.topic);
        let code = |letter: &Output| {
            let (_, code) = letter.headers.iter().rev().find(|(name, _)| name == "passflow.error.code")?;
            Some(String::from_utf8_lossy(code.as_deref()?).into_owned())
        };
        letters.filter_map(code).collect()
    }

    /// Keeps what fits: our own headers, the MD5 of key and value, and the first bytes of both. The record's own headers
    /// go: they may be what is too large.
    fn shortened(&self, record: &Record, stage: &str, poison: &Poison, attempts: u32, max: usize) -> Output {
        let mut message = poison.message.clone();
        message.truncate(message.floor_char_boundary(KEPT_REASON_BYTES));
        let mut headers = self.headers(record, stage, &Poison::new(poison.code, message), attempts);
        let mut note = |name: &str, part: Option<&Bytes>| {
            let Some(part) = part else { return };
            headers.push((format!("passflow.error.{name}_md5"), Some(PayloadHash::of(part).to_string().into())));
            headers.push((format!("passflow.error.{name}_bytes"), Some(part.len().to_string().into())));
        };
        note("key", record.key.as_ref());
        note("value", record.value.as_ref());
        let mut letter = Output { topic: self.topic.clone(), key: None, value: None, headers };
        let room = max.saturating_sub(letter.size_bytes());
        let first = |part: &Bytes, most: usize| part.slice(..part.len().min(most).min(KEPT_BYTES));
        letter.key = record.key.as_ref().map(|key| first(key, room / 2));
        let room = max.saturating_sub(letter.size_bytes());
        letter.value = record.value.as_ref().map(|value| first(value, room));
        letter
    }
}
