use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::domain::{masking::Masking, record::Record};

/// A record as `produce` takes it.
#[derive(Serialize)]
pub(super) struct Jsonl<'a> {
    topic: &'a str,
    partition: u32,
    offset: i64,
    timestamp: i64,
    #[serde(flatten)]
    key: Content<'a>,
    #[serde(flatten)]
    value: Content<'a>,
    #[serde(flatten)]
    headers: Headers<'a>,
}

/// A key or value: text, or base64 of what is no UTF-8.
struct Content<'a> {
    names: [&'static str; 2],
    bytes: Option<Cow<'a, [u8]>>,
}

struct Headers<'a>(Vec<(&'a str, Option<Cow<'a, [u8]>>)>);

impl<'a> Jsonl<'a> {
    pub(super) fn new(record: &'a Record, masking: Option<&Masking>) -> Self {
        let headers = record.headers.iter();
        Self {
            topic: record.source.topic.as_str(),
            partition: record.source.partition,
            offset: record.source.offset,
            timestamp: record.source.timestamp_ms,
            key: Content { names: ["key", "key_b64"], bytes: record.key.as_ref().map(|key| masked_key(key, masking)) },
            value: Content {
                names: ["value", "value_b64"],
                bytes: record.value.as_ref().map(|value| masked_value(value, masking)),
            },
            headers: Headers(
                headers
                    .map(|(name, value)| {
                        (name.as_str(), value.as_ref().map(|value| masked_header(name, value, masking)))
                    })
                    .collect(),
            ),
        }
    }
}

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let [name, name_b64] = self.names;
        match self.bytes.as_deref().map(|bytes| (bytes, std::str::from_utf8(bytes))) {
            None => serializer.collect_map([(name, None::<&str>)]),
            Some((_, Ok(text))) => serializer.collect_map([(name, text)]),
            Some((bytes, Err(_))) => serializer.collect_map([(name_b64, STANDARD.encode(bytes))]),
        }
    }
}

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let texts: Result<Vec<_>, _> = self
            .0
            .iter()
            .map(|(name, value)| value.as_deref().map(std::str::from_utf8).transpose().map(|text| (name, text)))
            .collect();
        if let Ok(texts) = texts {
            return serializer.collect_map([("headers", texts)]);
        }
        let encoded: Vec<_> =
            self.0.iter().map(|(name, value)| (name, value.as_ref().map(|value| STANDARD.encode(value)))).collect();
        serializer.collect_map([("headers_b64", encoded)])
    }
}

fn masked_value<'a>(value: &'a Bytes, masking: Option<&Masking>) -> Cow<'a, [u8]> {
    masking.map_or(Cow::Borrowed(value.as_ref()), |masking| masking.mask_value(value))
}

fn masked_key<'a>(key: &'a Bytes, masking: Option<&Masking>) -> Cow<'a, [u8]> {
    masking.map_or(Cow::Borrowed(key.as_ref()), |masking| masking.mask_key(key))
}

fn masked_header<'a>(name: &str, value: &'a Bytes, masking: Option<&Masking>) -> Cow<'a, [u8]> {
    masking.map_or(Cow::Borrowed(value.as_ref()), |masking| masking.mask_header(name, value))
}

/// Characters of a value that a table shows.
const SHOWN: usize = 160;

/// One line for people: place, time, key and the value's beginning.
pub(super) fn table_line(record: &Record, masking: Option<&Masking>) -> String {
    let source = &record.source;
    let time = Timestamp::from_millisecond(source.timestamp_ms)
        .map_or_else(|_| source.timestamp_ms.to_string(), |time| format!("{time:.3}"));
    let key = record.key.as_ref().map_or_else(|| "-".to_owned(), |key| plain(&masked_key(key, masking)));
    let value =
        record.value.as_ref().map_or_else(|| "(tombstone)".to_owned(), |value| plain(&masked_value(value, masking)));
    format!("{:>10}  {time}  {key:<12}  {value}", format!("{}-{}", source.partition, source.offset))
}

/// The beginning, with nothing that could move a terminal's cursor.
fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut plain: String =
        text.chars().take(SHOWN).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
    if text.chars().nth(SHOWN).is_some() {
        plain.push('…');
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::record::Source;

    fn record(key: &[u8], value: Option<&[u8]>) -> Record {
        Record {
            source: Source { topic: "t".into(), partition: 2, offset: 17, timestamp_ms: 1_795_256_366_401 },
            key: Some(Bytes::copy_from_slice(key)),
            value: value.map(Bytes::copy_from_slice),
            headers: vec![("h".to_owned(), Some(Bytes::from_static(b"x"))), ("n".to_owned(), None)],
        }
    }

    fn line(record: &Record, masking: Option<&Masking>) -> String {
        serde_json::to_string(&Jsonl::new(record, masking)).unwrap()
    }

    #[test]
    fn it_is_what_produce_takes() {
        assert_eq!(
            line(&record(b"k", Some(b"v")), None),
            r#"{"topic":"t","partition":2,"offset":17,"timestamp":1795256366401,"key":"k","value":"v","headers":[["h","x"],["n",null]]}"#
        );
        let mut binary = record(b"\xff", None);
        binary.headers = vec![("h".to_owned(), Some(Bytes::from_static(b"\xff")))];
        assert!(line(&binary, None).ends_with(r#""key_b64":"/w==","value":null,"headers_b64":[["h","/w=="]]}"#));
    }

    #[test]
    fn secrets_are_masked_in_key_value_and_headers() {
        let masking = Masking::new("token");
        let mut secret = record(br#"{"token":"sekret"}"#, Some(br#"{"token":"sekret"}"#));
        secret.headers = vec![("h".to_owned(), Some(Bytes::from_static(br#"{"token":"sekret"}"#)))];
        assert!(!line(&secret, Some(&masking)).contains("sekret"));
        assert!(!table_line(&secret, Some(&masking)).contains("sekret"));
        assert!(line(&secret, None).contains("sekret"));
    }

    #[test]
    fn a_table_line_is_one_line() {
        let shown = table_line(&record(b"k", Some(b"a\n\x1b[2Jb")), None);
        assert_eq!(shown, "      2-17  2026-11-21T10:19:26.401Z  k             a\u{fffd}\u{fffd}[2Jb");
        assert!(table_line(&record(b"k", None), None).ends_with("(tombstone)"));
    }
}
