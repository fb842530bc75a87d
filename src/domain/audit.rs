//! What auditors and support read: one entry an event, and one a check of a pass's status.

use serde::Deserialize;

use super::{
    cache::Pending,
    status_check::{Origin, Standing, USABLE, USING},
    ticket_changed::{Event, Kind, Side},
    user_id::UserId,
};

/// An entry of `bytemark_tickets_log`: an event, without the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketEntry {
    /// The event's: `user_id:seq`.
    pub id: String,
    /// The rider.
    pub user_id: UserId,
    /// When the change was written, ms since 1970.
    pub at_ms: i64,
    /// The pass.
    pub uuid: String,
    /// Its status, the last one when it was removed.
    pub status: String,
    /// What happened.
    pub change: Kind,
    /// As it was told before.
    pub before: Option<Side>,
    /// As it is now.
    pub after: Option<Side>,
}

#[derive(Deserialize)]
struct Value {
    pass_uuid: String,
    change: Kind,
    before: Option<Side>,
    after: Option<Side>,
}

impl TicketEntry {
    /// The entry of a stored event: always the same one.
    ///
    /// # Errors
    /// When the event's text is not that of an event.
    pub fn of(user_id: UserId, event: &Event) -> Result<Self, String> {
        let damaged =
            |error: &dyn std::fmt::Display| format!("the stored event {user_id}:{} is damaged: {error}", event.seq);
        let value: Value = serde_json::from_str(&event.value).map_err(|error| damaged(&error))?;
        let occurred_at: jiff::Timestamp = event.occurred_at.parse().map_err(|error| damaged(&error))?;
        let status = value.after.as_ref().or(value.before.as_ref()).map(|side| side.status.clone());
        Ok(Self {
            id: format!("{user_id}:{}", event.seq),
            user_id,
            at_ms: occurred_at.as_millisecond(),
            uuid: value.pass_uuid,
            status: status.unwrap_or_default(),
            change: value.change,
            before: value.before,
            after: value.after,
        })
    }

    /// The entries of all events of a stored change.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn of_all(user_id: UserId, pending: &Pending) -> Result<Vec<Self>, String> {
        pending.events.iter().map(|event| Self::of(user_id, event)).collect()
    }
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The pass is as it was stored, and its status is right now.
    Validated {
        /// The status it had, where it got another.
        was: Option<String>,
    },
    /// The stored payload is not what its hash says.
    Invalid(String),
    /// It could not be checked.
    Error(String),
}

impl Finding {
    /// Its name in the log.
    #[must_use]
    pub fn status(&self) -> &'static str {
        match self {
            Self::Validated { .. } => "validated",
            Self::Invalid(_) => "invalid",
            Self::Error(_) => "error",
        }
    }

    /// Whether something is to be told: a change or a failure.
    #[must_use]
    pub fn is_news(&self) -> bool {
        !matches!(self, Self::Validated { was: None })
    }

    /// What is wrong.
    #[must_use]
    pub fn details(&self) -> Option<&str> {
        match self {
            Self::Validated { .. } => None,
            Self::Invalid(details) | Self::Error(details) => Some(details),
        }
    }
}

/// An entry of `bytemark_cache_status_check_log`: a pass was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusEntry {
    /// `request id/user/pass`.
    pub id: String,
    /// The rider.
    pub user_id: UserId,
    /// The pass.
    pub pass_uuid: String,
    /// When, ms since 1970.
    pub at_ms: i64,
    /// What was found.
    pub finding: Finding,
    /// The status it has now.
    pub status: String,
    /// Its expiry, in ms since 1970, and where that comes from.
    pub expiry: Option<(i64, Origin)>,
    /// How long the check took, in microseconds.
    pub took_us: i64,
}

impl StatusEntry {
    /// Notes how the pass stands.
    #[must_use]
    pub fn standing(mut self, standing: &Standing) -> Self {
        self.expiry = standing.expiry.map(|(at, origin)| (at.as_millisecond(), origin));
        if let Some(becomes) = standing.becomes {
            let was = Some(std::mem::replace(&mut self.status, becomes.to_owned()));
            self.finding = Finding::Validated { was };
        }
        self
    }

    /// `USABLE to USING`; `None` when the status stayed.
    #[must_use]
    pub fn change(&self) -> Option<String> {
        match &self.finding {
            Finding::Validated { was: Some(was) } => Some(format!("{was} to {}", self.status)),
            _ => None,
        }
    }

    /// Whether the rider can travel with it.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        matches!(self.finding, Finding::Validated { .. }) && [USABLE, USING].contains(&self.status.as_str())
    }

    /// Whether its expiry has come.
    #[must_use]
    pub fn is_past(&self) -> bool {
        self.expiry.is_some_and(|(at_ms, _)| self.at_ms >= at_ms)
    }
}
