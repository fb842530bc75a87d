//! A request to bring one user's passes up to date, as it stands in the topic of pass-requests.
//!
//! `{"user_id": 42}` is enough; other services put such requests, too.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;

use super::json::{self, Field, ObjectWriter, Slots};
use super::poison::{Code, Poison};
use super::user_id::UserId;

/// What is to be done for one user, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassRequest {
    /// The user; the record's key is the same number in decimal.
    pub user_id: UserId,
    /// What is to be done.
    pub action: Action,
    /// On which condition a refresh fetches.
    pub when: When,
    /// What caused the request.
    pub reason: Reason,
    /// The tick that the request belongs to.
    pub tick_id: Option<String>,
    /// When the request was made.
    pub requested_at: Option<Timestamp>,
    /// The request's own id; without one it is `topic/partition/offset` of its first record.
    pub request_id: Option<String>,
    /// How many rounds through the retry topic it has gone.
    pub attempt: u32,
    /// It was caused by a row that a snapshot read, so the token is in the table already.
    pub snapshot: bool,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Action {
    /// Fetch the passes, if `when` says so.
    #[default]
    Refresh,
    /// Check the cached passes' status against the time, without a fetch.
    CheckStatus,
}

/// On which condition a refresh fetches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum When {
    /// In any case; wakes a resting user.
    #[default]
    Always,
    /// No document, or one that is older than it should be.
    IfStale,
    /// No document, or none ever fetched successfully.
    IfMissing,
    /// The user's token is not the one of the last successful refresh.
    IfNewToken,
}

/// What caused a request: one of passflow's own causes, or any text of at most [`TEXT_MAX`] characters.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Reason(Cow<'static, str>);

/// The longest reason, tick id and request id, in characters: they go into events, document ids and logs.
pub const TEXT_MAX: usize = 256;

impl PassRequest {
    /// A refresh of `user_id` in any case, asked for on demand.
    #[must_use]
    pub fn new(user_id: UserId) -> Self {
        Self {
            user_id,
            action: Action::Refresh,
            when: When::Always,
            reason: Reason::REQUEST,
            tick_id: None,
            requested_at: None,
            request_id: None,
            attempt: 0,
            snapshot: false,
        }
    }

    /// Decodes a record's value. Unknown fields are ignored, null stands for a field left out.
    ///
    /// # Errors
    /// [`Poison`] with `not_json`, `wrong_type` or `bad_user_id`.
    pub fn decode(value: &[u8]) -> Result<Self, Poison> {
        let mut fields = Fields::default();
        json::read_object(json::object_text(value)?, &mut fields)?;
        let [tick_id, request_id] = [
            json::bounded_text("`tick_id`", fields.tick_id, TEXT_MAX)?,
            json::bounded_text("`request_id`", fields.request_id, TEXT_MAX)?,
        ];
        Ok(Self {
            user_id: user_id(fields.user_id)?,
            action: json::one_of("`action`", fields.action, Action::NAMED)?,
            when: json::one_of("`when`", fields.when, When::NAMED)?,
            reason: json::bounded_text("`reason`", fields.reason, TEXT_MAX)?.map_or(Reason::REQUEST, Reason::from),
            tick_id,
            requested_at: json::timestamp("`requested_at`", fields.requested_at)?,
            request_id,
            attempt: attempt(fields.attempt)?,
            snapshot: json::flag("`snapshot`", fields.snapshot)?,
        })
    }

    /// The request as compact JSON; what is not known or has its default is left out, `when` and `reason` excepted.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut json = ObjectWriter::new().plain("user_id", self.user_id);
        if self.action != Action::default() {
            json = json.text("action", self.action.as_str());
        }
        json = json
            .text("when", self.when.as_str())
            .text("reason", self.reason.as_str())
            .text_if_some("tick_id", self.tick_id.as_deref());
        if let Some(requested_at) = self.requested_at {
            json = json.text("requested_at", &requested_at.to_string());
        }
        json = json.text_if_some("request_id", self.request_id.as_deref());
        if self.attempt > 0 {
            json = json.plain("attempt", self.attempt);
        }
        if self.snapshot {
            json = json.plain("snapshot", true);
        }
        json.finish()
    }
}

impl Action {
    const NAMED: &[(&str, Self)] = &[("refresh", Self::Refresh), ("check-status", Self::CheckStatus)];

    /// The action's name in a record.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refresh => "refresh",
            Self::CheckStatus => "check-status",
        }
    }
}

impl When {
    const NAMED: &[(&str, Self)] = &[
        ("always", Self::Always),
        ("if-stale", Self::IfStale),
        ("if-missing", Self::IfMissing),
        ("if-new-token", Self::IfNewToken),
    ];

    /// The condition's name in a record.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::IfStale => "if-stale",
            Self::IfMissing => "if-missing",
            Self::IfNewToken => "if-new-token",
        }
    }
}

impl Reason {
    /// A message of changes touched the user.
    pub const TOKEN_CHANGE: Self = Self(Cow::Borrowed("token-change"));
    /// A tick.
    pub const TICK: Self = Self(Cow::Borrowed("tick"));
    /// On demand; also what a request without a reason has.
    pub const REQUEST: Self = Self(Cow::Borrowed("request"));
    /// A status check found a pass that is not as it was stored: all passes are stored anew, changed or not.
    pub const TAMPERED: Self = Self(Cow::Borrowed("tampered"));

    /// The reason's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Reason {
    /// Cuts a text that is too long.
    fn from(mut text: String) -> Self {
        if let Some((end, _)) = text.char_indices().nth(TEXT_MAX) {
            text.truncate(end);
        }
        Self(Cow::Owned(text))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reason({:?})", self.0)
    }
}

fn user_id(field: Field<'_>) -> Result<UserId, Poison> {
    let Some(raw) = field else {
        let message = "the request has no `user_id`";
        return Err(Poison::new(Code::WrongType, message));
    };
    if !json::is_number(raw) {
        return Err(json::wrong_type("`user_id`", raw, "a number"));
    }
    let number = json::whole_number_of(raw);
    number.and_then(|number| UserId::new(number).ok()).ok_or_else(|| {
        let max = UserId::MAX;
        let message = format!("`user_id` is no whole number in 1..={max}");
        Poison::new(Code::BadUserId, message)
    })
}

fn attempt(field: Field<'_>) -> Result<u32, Poison> {
    let Some(raw) = json::present(field) else {
        return Ok(0);
    };
    json::whole_number_of(raw).and_then(|number| u32::try_from(number).ok()).ok_or_else(|| {
        let message = "`attempt` is no whole number in 0..=4294967295";
        Poison::new(Code::WrongType, message)
    })
}

#[derive(Default)]
struct Fields<'a> {
    user_id: Field<'a>,
    action: Field<'a>,
    when: Field<'a>,
    reason: Field<'a>,
    tick_id: Field<'a>,
    requested_at: Field<'a>,
    request_id: Field<'a>,
    attempt: Field<'a>,
    snapshot: Field<'a>,
}

impl<'a> Slots<'a> for Fields<'a> {
    fn slot(&mut self, key: &str) -> Option<&mut Field<'a>> {
        match key {
            "user_id" => Some(&mut self.user_id),
            "action" => Some(&mut self.action),
            "when" => Some(&mut self.when),
            "reason" => Some(&mut self.reason),
            "tick_id" => Some(&mut self.tick_id),
            "requested_at" => Some(&mut self.requested_at),
            "request_id" => Some(&mut self.request_id),
            "attempt" => Some(&mut self.attempt),
            "snapshot" => Some(&mut self.snapshot),
            _ => None,
        }
    }
}
