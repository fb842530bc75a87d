use std::path::PathBuf;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Deserializer};

use crate::{
    domain::record::{Headers, Output, TopicName},
    ports::Topics,
};

use super::{
    Context, Error, Outcome,
    input::{Lines, topic_name},
    output::{Out, say},
    progress,
};

/// Puts records on a topic, from lines of JSON
///
/// A line is `{"key": text or null, "value": text or null, "headers"?: [[name, text]]}`, or has `key_b64` and
/// `value_b64`; other keys are ignored, so what `replay --format jsonl` prints can be put again. It stops at the first bad line;
/// what was before it stays.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  passflow produce cdc.portal.bytemark_tokens changes.jsonl\n  echo '{\"key\":\"42\",\"value\":\"{\\\"user_id\\\":42}\"}' | passflow produce bytemark.pass-requests"
)]
pub(super) struct Args {
    /// Where to put them
    #[arg(value_parser = topic_name)]
    topic: String,
    /// The lines; standard input when absent or -
    file: Option<PathBuf>,
}

/// A record as `replay` prints it and `produce` takes it.
#[derive(Debug, Default, Deserialize)]
struct Line {
    #[serde(default)]
    key: Given<String>,
    #[serde(default)]
    value: Given<String>,
    key_b64: Option<String>,
    value_b64: Option<String>,
    headers: Option<Vec<(String, Option<String>)>>,
    headers_b64: Option<Vec<(String, Option<String>)>>,
}

/// A field that tells null from absent.
#[derive(Debug, Default)]
enum Given<T> {
    #[default]
    Absent,
    Null,
    Some(T),
}

impl<'de> Deserialize<'de> for Given<String> {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(value)?.map_or(Self::Null, Self::Some))
    }
}

const BATCH_RECORDS: usize = 1000;
const BATCH_BYTES: usize = 4 << 20;

pub(super) async fn execute(args: &Args, context: &Context) -> Result<Outcome, Error> {
    let mut lines = Lines::open(args.file.as_deref())?;
    let store = context.store().await?;
    let topic = TopicName::from(args.topic.as_str());
    let bar = progress::bar(lines.size, &format!("putting on {topic}"));
    let mut batch = Batch::new(store.topics.as_ref());
    loop {
        let (number, line) = match lines.next() {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err(error) => return stopped(batch, &topic, error).await,
        };
        bar.inc(line.len() as u64);
        match parse(&line, &topic) {
            Ok(record) => batch.add(record, lines.may_block()).await?,
            Err(message) => {
                let error = Error::message(format!("{}, line {number}: {message}", lines.name));
                return stopped(batch, &topic, error).await;
            }
        }
    }
    let count = batch.finish().await?;
    bar.finish_and_clear();
    let mut out = Out::new();
    if context.is_json() {
        out.json(&serde_json::json!({"topic": topic.as_str(), "records": count}))?;
    } else {
        out.line(&format!("put {count} records on {topic}"))?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}

/// What was before the bad line goes out all the same.
async fn stopped(batch: Batch<'_>, topic: &TopicName, error: Error) -> Result<Outcome, Error> {
    let count = batch.finish().await?;
    say(&format!("the {count} records before it are on {topic}"));
    Err(error)
}

/// Records on their way.
struct Batch<'a> {
    topics: &'a dyn Topics,
    records: Vec<Output>,
    bytes: usize,
    put: u64,
}

impl<'a> Batch<'a> {
    fn new(topics: &'a dyn Topics) -> Self {
        Self { topics, records: Vec::new(), bytes: 0, put: 0 }
    }

    /// Holds the record back only as long as more are there already.
    async fn add(&mut self, record: Output, is_last_for_now: bool) -> Result<(), Error> {
        self.bytes += record.size_bytes();
        self.records.push(record);
        if is_last_for_now || self.records.len() >= BATCH_RECORDS || self.bytes >= BATCH_BYTES {
            self.put().await?;
        }
        Ok(())
    }

    async fn put(&mut self) -> Result<(), Error> {
        let records = std::mem::take(&mut self.records);
        self.bytes = 0;
        self.put += records.len() as u64;
        if !records.is_empty() {
            self.topics.append(records).await?;
        }
        Ok(())
    }

    async fn finish(mut self) -> Result<u64, Error> {
        self.put().await?;
        Ok(self.put)
    }
}

fn parse(line: &[u8], topic: &TopicName) -> Result<Output, String> {
    let line: Line = serde_json::from_slice(line).map_err(|error| shape(&error))?;
    let key = match content("key", line.key, line.key_b64)? {
        Given::Some(key) => Some(key),
        Given::Null | Given::Absent => None,
    };
    let value = match content("value", line.value, line.value_b64)? {
        Given::Some(value) => Some(value),
        Given::Null => None,
        Given::Absent => {
            return Err("there is neither `value` nor `value_b64` (a tombstone has \"value\": null)".to_owned());
        }
    };
    let headers = match (line.headers, line.headers_b64) {
        (Some(_), Some(_)) => return Err("there are both `headers` and `headers_b64`".to_owned()),
        (Some(headers), None) => headers.into_iter().map(|(name, text)| (name, text.map(Bytes::from))).collect(),
        (None, Some(headers)) => decoded(headers)?,
        (None, None) => Headers::new(),
    };
    Ok(Output { topic: topic.clone(), key, value, headers })
}

/// The position alone: the message may quote a value that is a secret.
fn shape(error: &serde_json::Error) -> String {
    let wanted = "a line is {\"key\": text or null, \"value\": text or null, \"headers\"?: [[name, text]]}";
    if error.is_syntax() || error.is_eof() {
        return format!("this is no JSON: {error}; {wanted}");
    }
    format!("a field has another type than it should, before column {}; {wanted}", error.column())
}

fn content(name: &str, text: Given<String>, base64: Option<String>) -> Result<Given<Bytes>, String> {
    match (text, base64) {
        (Given::Absent, None) => Ok(Given::Absent),
        (Given::Absent, Some(base64)) => decode(&format!("{name}_b64"), &base64).map(Given::Some),
        (Given::Null, None) => Ok(Given::Null),
        (Given::Some(text), None) => Ok(Given::Some(text.into())),
        (_, Some(_)) => Err(format!("there are both `{name}` and `{name}_b64`")),
    }
}

fn decoded(headers: Vec<(String, Option<String>)>) -> Result<Headers, String> {
    let decoded = |(name, base64): (String, Option<String>)| {
        let value = base64.map(|base64| decode("headers_b64", &base64)).transpose()?;
        Ok((name, value))
    };
    headers.into_iter().map(decoded).collect()
}

fn decode(name: &str, base64: &str) -> Result<Bytes, String> {
    STANDARD.decode(base64).map(Bytes::from).map_err(|error| format!("`{name}` is no base64: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Output, String> {
        parse(line.as_bytes(), &"t".into())
    }

    #[test]
    fn text_base64_null_and_headers_are_taken() {
        let record = parsed(r#"{"case":1,"key":null,"value":"v","headers":[["a","b"],["c",null]]}"#).unwrap();
        assert_eq!((record.key, record.value.as_deref()), (None, Some(b"v".as_slice())));
        assert_eq!(record.headers, [("a".to_owned(), Some(Bytes::from("b"))), ("c".to_owned(), None)]);
        let record = parsed(r#"{"key_b64":"/w==","value":null,"headers_b64":[["a","/w=="]]}"#).unwrap();
        assert_eq!((record.key.as_deref(), record.value), (Some([0xff].as_slice()), None));
        assert_eq!(record.headers[0].1.as_deref(), Some([0xff].as_slice()));
    }

    #[test]
    fn bad_lines_are_told_without_their_values() {
        for (line, wrong) in [
            ("nonsense", "this is no JSON"),
            (r#"{"key":"k"}"#, "neither `value` nor `value_b64`"),
            (r#"{"value":"v","value_b64":""}"#, "both `value` and `value_b64`"),
            (r#"{"value":{"token":"sekret"}}"#, "another type"),
            (r#"{"value":["sekret"]}"#, "another type"),
            (r#"{"value_b64":"sekret!"}"#, "no base64"),
        ] {
            let error = parsed(line).unwrap_err();
            assert!(error.contains(wrong), "{line}: {error}");
            assert!(!error.contains("sekret"), "{error}");
        }
    }
}
