//! `ticket-changed`: one event for each pass that changed.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    cache::List,
    payload_hash::PayloadHash,
    record::{Headers, Output, TopicName},
    user_id::UserId,
};

/// What happened to the pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It was in neither list.
    Added,
    /// Its payload, status or list is another.
    Updated,
    /// It is in neither list any more.
    Removed,
}

impl Kind {
    /// Its name in the event and in the metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Updated => "updated",
            Self::Removed => "removed",
        }
    }
}

/// A pass on one side of a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// The list it is in; the history when it is in both.
    pub list: List,
    /// Its status.
    pub status: String,
    /// MD5 of its payload.
    pub payload_hash: PayloadHash,
}

/// Why the change was noticed. Absent fields are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// `refresh` or `check-status`.
    pub action: String,
    /// The request's reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The tick that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tick_id: Option<String>,
}

/// A change as the diff finds it, before it has a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The pass.
    pub pass_uuid: String,
    /// As it was last told; `None` = added.
    pub before: Option<Side>,
    /// As it is now; `None` = removed.
    pub after: Option<Side>,
    /// The payload's canonical JSON text; `None` when removed.
    pub payload: Option<Bytes>,
}

impl Change {
    /// What happened.
    pub fn kind(&self) -> Kind {
        match (&self.before, &self.after) {
            (None, _) => Kind::Added,
            (Some(_), Some(_)) => Kind::Updated,
            (Some(_), None) => Kind::Removed,
        }
    }
}

/// An event, ready to be given out as often as needed: always the same bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The user's change number, from 1.
    pub seq: u64,
    /// When the change was written, RFC 3339 with milliseconds.
    pub occurred_at: String,
    /// The record's value: JSON text.
    pub value: String,
    /// W3C trace context that the event carries on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// The fields that the value has beside the payload, in the order of the published form.
#[derive(Serialize)]
struct Fields<'a> {
    id: String,
    user_id: UserId,
    seq: u64,
    pass_uuid: &'a str,
    change: Kind,
    before: Option<&'a Side>,
    after: Option<&'a Side>,
}

impl Event {
    /// Gives `change` its number and writes its text. The payload goes in as it is, so that a reader can check its hash.
    ///
    /// # Errors
    /// When the payload is not UTF-8, which canonical JSON text always is.
    pub fn new(
        user: UserId,
        seq: u64,
        change: &Change,
        cause: &Cause,
        occurred_at: &str,
    ) -> Result<Self, serde_json::Error> {
        let fields = Fields {
            id: format!("{user}:{seq}"),
            user_id: user,
            seq,
            pass_uuid: &change.pass_uuid,
            change: change.kind(),
            before: change.before.as_ref(),
            after: change.after.as_ref(),
        };
        let mut value = serde_json::to_string(&fields)?;
        value.pop();
        value.push_str(",\"payload\":");
        match &change.payload {
            Some(payload) => value.push_str(std::str::from_utf8(payload).map_err(serde::de::Error::custom)?),
            None => value.push_str("null"),
        }
        value.push_str(",\"cause\":");
        value.push_str(&serde_json::to_string(cause)?);
        value.push_str(",\"occurred_at\":");
        value.push_str(&serde_json::to_string(occurred_at)?);
        value.push('}');
        Ok(Self { seq, occurred_at: occurred_at.to_owned(), value, traceparent: None })
    }

    /// The record that tells it: `CloudEvents` 1.0 in Kafka's binary mode, keyed by user.
    pub fn output(&self, topic: &TopicName, user: UserId) -> Output {
        let user = user.to_string();
        let header = |name: &str, value: String| (name.to_owned(), Some(Bytes::from(value)));
        let mut headers: Headers = vec![
            header("ce_specversion", "1.0".to_owned()),
            header("ce_id", format!("{user}:{}", self.seq)),
            header("ce_source", "/passflow".to_owned()),
            header("ce_type", "passflow.ticket-changed.v1".to_owned()),
            header("ce_subject", user.clone()),
            header("ce_time", self.occurred_at.clone()),
            header("content-type", "application/json".to_owned()),
        ];
        headers.extend(self.traceparent.clone().map(|trace| header("traceparent", trace)));
        Output {
            topic: topic.clone(),
            key: Some(Bytes::from(user)),
            value: Some(Bytes::from(self.value.clone())),
            headers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(status: &str) -> Side {
        Side { list: List::Passes, status: status.to_owned(), payload_hash: PayloadHash::of(b"{}") }
    }

    #[test]
    fn its_value_and_headers_are_the_published_form() {
        let change = Change {
            pass_uuid: "p\"1".to_owned(),
            before: Some(side("USABLE")),
            after: Some(side("USING")),
            payload: Some(Bytes::from_static(br#"{"b":1,"a":"\ud800"}"#)),
        };
        let cause = Cause { action: "refresh".to_owned(), reason: Some("tick".to_owned()), tick_id: None };
        let event = Event::new(UserId::new(42).unwrap(), 17, &change, &cause, "2026-11-20T10:00:00.000Z").unwrap();
        assert_eq!(
            event.value,
            r#"{"id":"42:17","user_id":42,"seq":17,"pass_uuid":"p\"1","change":"updated","before":{"list":"passes","status":"USABLE","payload_hash":"99914b932bd37a50b983c5e7c90ae93b"},"after":{"list":"passes","status":"USING","payload_hash":"99914b932bd37a50b983c5e7c90ae93b"},"payload":{"b":1,"a":"\ud800"},"cause":{"action":"refresh","reason":"tick"},"occurred_at":"2026-11-20T10:00:00.000Z"}"#
        );
        let output = event.output(&"t".into(), UserId::new(42).unwrap());
        let headers: Vec<String> = output
            .headers
            .iter()
            .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value.as_ref().unwrap())))
            .collect();
        assert_eq!(
            headers,
            [
                "ce_specversion=1.0",
                "ce_id=42:17",
                "ce_source=/passflow",
                "ce_type=passflow.ticket-changed.v1",
                "ce_subject=42",
                "ce_time=2026-11-20T10:00:00.000Z",
                "content-type=application/json"
            ]
        );
        assert_eq!(output.key.as_deref(), Some(b"42".as_slice()));
    }

    #[test]
    fn a_removed_pass_has_no_payload() {
        let change = Change { pass_uuid: "p".to_owned(), before: Some(side("USABLE")), after: None, payload: None };
        let event = Event::new(UserId::new(1).unwrap(), 1, &change, &Cause::default(), "t").unwrap();
        assert!(event.value.contains(r#""change":"removed","before":{"#));
        assert!(event.value.contains(r#""after":null,"payload":null,"#));
    }
}
