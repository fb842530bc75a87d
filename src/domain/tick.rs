//! A tick: it starts a fan-out of requests over all users.

use jiff::Timestamp;

use super::json::{self, Field, ObjectWriter, Slots};
use super::poison::{Code, Poison};
use super::request::TEXT_MAX;

/// One tick of the topic of ticks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Ticks of one id cause one fan-out.
    pub id: String,
    /// What is requested for each user.
    pub kind: Kind,
    /// The time that the tick stands for.
    pub scheduled_at: Timestamp,
}

/// What a tick requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A refresh of every user with a token whose document is stale.
    #[default]
    Refresh,
    /// A refresh of every user with a token who was never fetched.
    Backfill,
    /// A status check of every cached user.
    CheckStatus,
}

/// The record that a tick came in: what it does not tell itself is taken from there.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The record's key.
    pub key: Option<&'a [u8]>,
    /// Where it stands: `topic/partition/offset`.
    pub place: &'a str,
    /// Its time, in ms since 1970.
    pub timestamp_ms: i64,
}

impl Tick {
    /// The tick of `kind` for `scheduled_at`, to the second, with the id `KIND@SCHEDULED_TIME`: two tickers that put
    /// the same tick cause one fan-out.
    #[must_use]
    pub fn new(kind: Kind, scheduled_at: Timestamp) -> Self {
        let scheduled_at = Timestamp::from_second(scheduled_at.as_second()).unwrap_or(scheduled_at);
        Self { id: format!("{}@{scheduled_at:.0}", kind.as_str()), kind, scheduled_at }
    }

    /// Decodes a record's value; `{}` is enough. Unknown fields are ignored, null stands for a field left out.
    ///
    /// The id is `tick_id`; else `KIND@SCHEDULED_TIME` when the tick tells its time; else the record's key, if it is
    /// a text that may be an id; else the record's place. The time is `scheduled_at`, else the record's.
    ///
    /// # Errors
    /// [`Poison`] with `not_json` or `wrong_type`.
    pub fn decode(value: &[u8], record: Record<'_>) -> Result<Self, Poison> {
        let mut fields = Fields::default();
        json::read_object(json::object_text(value)?, &mut fields)?;
        let kind = json::one_of("`kind`", fields.kind, Kind::NAMED)?;
        let told_id = json::bounded_text("`tick_id`", fields.tick_id, TEXT_MAX)?.filter(|id| !id.is_empty());
        let told_time = json::timestamp("`scheduled_at`", fields.scheduled_at)?;
        let id = told_id.or_else(|| told_time.map(|time| Self::new(kind, time).id)).unwrap_or_else(|| record.id());
        let scheduled_at = match told_time {
            Some(time) => time,
            None => record.time()?,
        };
        Ok(Self { id, kind, scheduled_at })
    }

    /// The tick as compact JSON, its time in UTC to the second.
    #[must_use]
    pub fn encode(&self) -> String {
        ObjectWriter::new()
            .text("tick_id", &self.id)
            .text("kind", self.kind.as_str())
            .text("scheduled_at", &format!("{:.0}", self.scheduled_at))
            .finish()
    }
}

impl Kind {
    const NAMED: &[(&str, Self)] =
        &[("refresh", Self::Refresh), ("backfill", Self::Backfill), ("check-status", Self::CheckStatus)];

    /// The kind's name in a record.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refresh => "refresh",
            Self::Backfill => "backfill",
            Self::CheckStatus => "check-status",
        }
    }
}

impl Record<'_> {
    fn id(&self) -> String {
        self.key
            .and_then(|key| std::str::from_utf8(key).ok())
            .filter(|key| !key.is_empty() && key.chars().nth(TEXT_MAX).is_none())
            .unwrap_or(self.place)
            .to_owned()
    }

    fn time(&self) -> Result<Timestamp, Poison> {
        // Kafka's -1 stands for a record without a time.
        let known = Some(self.timestamp_ms).filter(|ms| *ms >= 0);
        known.and_then(|ms| Timestamp::from_millisecond(ms).ok()).ok_or_else(|| {
            let message = "neither the tick has a `scheduled_at` nor its record a time";
            Poison::new(Code::WrongType, message)
        })
    }
}

#[derive(Default)]
struct Fields<'a> {
    tick_id: Field<'a>,
    kind: Field<'a>,
    scheduled_at: Field<'a>,
}

impl<'a> Slots<'a> for Fields<'a> {
    fn slot(&mut self, key: &str) -> Option<&mut Field<'a>> {
        match key {
            "tick_id" => Some(&mut self.tick_id),
            "kind" => Some(&mut self.kind),
            "scheduled_at" => Some(&mut self.scheduled_at),
            _ => None,
        }
    }
}
