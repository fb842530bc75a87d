use std::ops::Range;

use serde_json::Value;

use crate::{
    cli::{Error, point::Point},
    domain::{
        record::{Record, TopicPartition},
        user_id::UserId,
    },
    ports::Topics,
};

/// Which records are wanted.
pub(super) struct Filter {
    from: Option<Point>,
    to: Option<Point>,
    user: Option<UserId>,
}

impl Filter {
    pub(super) fn new(from: Option<Point>, to: Option<Point>, user: Option<UserId>) -> Self {
        Self { from, to, user }
    }

    /// The part of a partition that has to be read. Times of records need not ascend, so an end in time says nothing
    /// about offsets.
    pub(super) async fn offsets(
        &self,
        topics: &dyn Topics,
        partition: &TopicPartition,
        range: Range<i64>,
    ) -> Result<Range<i64>, Error> {
        let start = match self.from {
            None => range.start,
            Some(Point::Offset(offset)) => offset.max(range.start),
            Some(Point::Time(ms)) => topics.offset_at(partition, ms).await?.max(range.start),
        };
        let end = match self.to {
            Some(Point::Offset(offset)) => offset.min(range.end),
            _ => range.end,
        };
        Ok(start..end)
    }

    /// Whether the record is wanted, its offset aside.
    pub(super) fn takes(&self, record: &Record) -> bool {
        let time = record.source.timestamp_ms;
        let is_late_enough = !matches!(self.from, Some(Point::Time(from)) if time < from);
        let is_early_enough = !matches!(self.to, Some(Point::Time(to)) if time >= to);
        is_late_enough && is_early_enough && self.user.is_none_or(|user| concerns(record, user))
    }
}

/// Whether the key is the user's, or the value names the user anywhere.
fn concerns(record: &Record, user: UserId) -> bool {
    let decimal = user.to_string();
    if record.key.as_deref() == Some(decimal.as_bytes()) {
        return true;
    }
    let value = record.value.as_deref().and_then(|value| serde_json::from_slice::<Value>(value).ok());
    value.is_some_and(|value| names_user(&value, &decimal))
}

fn names_user(value: &Value, user: &str) -> bool {
    match value {
        Value::Object(fields) => {
            fields.iter().any(|(name, value)| (name == "user_id" && is_number(value, user)) || names_user(value, user))
        }
        Value::Array(items) => items.iter().any(|item| names_user(item, user)),
        _ => false,
    }
}

fn is_number(value: &Value, decimal: &str) -> bool {
    match value {
        Value::Number(number) => number.to_string() == decimal,
        Value::String(text) => text == decimal,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::domain::record::Source;

    fn record(key: &str, value: &'static str, timestamp_ms: i64) -> Record {
        Record {
            source: Source { topic: "t".into(), partition: 0, offset: 0, timestamp_ms },
            key: Some(Bytes::from(key.to_owned())),
            value: Some(Bytes::from_static(value.as_bytes())),
            headers: Vec::new(),
        }
    }

    #[test]
    fn times_are_from_inclusive_to_exclusive() {
        let filter = Filter::new(Some(Point::Time(10)), Some(Point::Time(20)), None);
        let takes = |ms| filter.takes(&record("k", "{}", ms));
        assert_eq!([takes(9), takes(10), takes(19), takes(20)], [false, true, true, false]);
    }

    #[test]
    fn a_user_is_found_in_key_and_value() {
        let filter = Filter::new(None, None, Some(UserId::new(42).unwrap()));
        assert!(filter.takes(&record("42", "nonsense", 0)));
        assert!(filter.takes(&record(r#"{"id":1}"#, r#"{"after":{"user_id":42}}"#, 0)));
        assert!(filter.takes(&record("1", r#"[{"user_id":"42"}]"#, 0)));
        assert!(!filter.takes(&record("421", r#"{"id":42,"user_id":421}"#, 0)));
    }
}
