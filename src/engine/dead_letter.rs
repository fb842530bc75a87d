//! Dead letters: a refused record as it was, and what was wrong with it in headers.

use bytes::Bytes;

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
    pub size_max: usize,
}

/// What of a value is kept when the whole would be too large.
const KEPT_BYTES: usize = 64 * 1024;

impl DeadLetters {
    /// The dead letter of `record`, refused at `stage` after `attempts` failed turns before the last.
    pub fn letter(&self, record: &Record, stage: &str, poison: &Poison, attempts: u32) -> Output {
        let source = &record.source;
        let mut headers = record.headers.clone();
        let mut add = |name: &str, value: String| {
            headers.push((format!("passflow.error.{name}"), Some(Bytes::from(value))));
        };
        add("pipeline", self.pipeline.clone());
        add("stage", stage.to_owned());
        add("code", poison.code.to_string());
        add("message", poison.message.clone());
        add("topic", source.topic.to_string());
        add("partition", source.partition.to_string());
        add("offset", source.offset.to_string());
        add("timestamp", source.timestamp_ms.to_string());
        add("attempts", (attempts + 1).to_string());
        let letter =
            Output { topic: self.topic.clone(), key: record.key.clone(), value: record.value.clone(), headers };
        if letter.size_bytes() <= self.size_max { letter } else { self.shortened(letter) }
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

    /// Keeps what fits: our own headers, the MD5 of key and value, and the first bytes of the value.
    fn shortened(&self, mut letter: Output) -> Output {
        let mut headers: Headers =
            letter.headers.drain(..).filter(|(name, _)| name.starts_with("passflow.error.")).collect();
        let mut note = |name: &str, part: Option<&Bytes>| {
            let Some(part) = part else { return };
            headers.push((format!("passflow.error.{name}_md5"), Some(PayloadHash::of(part).to_string().into())));
            headers.push((format!("passflow.error.{name}_bytes"), Some(part.len().to_string().into())));
        };
        note("key", letter.key.as_ref());
        note("value", letter.value.as_ref());
        let kept = KEPT_BYTES.min(self.size_max / 2);
        letter.key = letter.key.map(|key| key.slice(..key.len().min(kept)));
        letter.value = letter.value.map(|value| value.slice(..value.len().min(kept)));
        Output { headers, ..letter }
    }
}
