//! Hides tokens, passwords and card numbers in records that are shown to people.
//!
//! Only what can be understood is shown. Valid JSON is, byte for byte, but for the values of secret keys and for card
//! numbers; a text in it that is JSON again is masked the same way. A value that is no JSON is hidden as a whole, as
//! nobody can tell where a secret is in it. What no rule can find is a secret under a harmless name
//! (`{"note":"tok-1"}`), or one that is a record's whole key and looks like an id.

use std::borrow::Cow;

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

mod cards;
mod named;
mod scan;

pub(crate) use named::{mask_card, mask_named};

/// What stands in place of a secret value.
pub const MASK: &str = "***";

/// Headers that passflow itself puts on dead letters. Their texts never hold a secret.
const OWN_HEADERS: &str = "passflow.error.";

/// Characters of an id, at most.
const ID_MAX: usize = 200;

/// Which values are secret.
#[derive(Clone, Debug)]
pub struct Masking {
    secret_keys: Vec<String>,
}

/// What a key says about its value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Plain,
    Card,
    Secret,
}

impl Masking {
    /// Hides `token`, `password` and keys that end so, what else `token_column` names, and SQL statements, which may
    /// hold any of them.
    pub fn new(token_column: &str) -> Self {
        let mut secret_keys = vec![token_column.to_lowercase()];
        secret_keys.extend(["token", "password", "query", "sql"].map(str::to_owned));
        Self { secret_keys }
    }

    /// A record's value with its secrets masked; what is no JSON object, list, number or literal is hidden whole.
    pub fn mask_value<'a>(&self, value: &'a [u8]) -> Cow<'a, [u8]> {
        self.mask_alone(value, |_| false)
    }

    /// A record's key with its secrets masked. Most keys are ids: what is neither JSON nor a plain id is hidden whole.
    pub fn mask_key<'a>(&self, key: &'a [u8]) -> Cow<'a, [u8]> {
        self.mask_alone(key, |text| is_plain_id(text) && !self.mentions_secret(text))
    }

    /// A header's value with its secrets masked: mostly plain text, which is shown unless it names a secret.
    pub fn mask_header<'a>(&self, name: &str, value: &'a [u8]) -> Cow<'a, [u8]> {
        let Ok(text) = std::str::from_utf8(value) else { return into_bytes(hidden(value).into()) };
        if name.starts_with(OWN_HEADERS) {
            return into_bytes(cards::mask(text, false));
        }
        match self.meaning_of(name) {
            Meaning::Secret if !text.is_empty() => into_bytes(MASK.into()),
            meaning => into_bytes(self.mask_text(text, meaning == Meaning::Card)),
        }
    }

    /// A text that stands alone; `may_show` tells whether it may be shown although it is no JSON.
    fn mask_alone<'a>(&self, bytes: &'a [u8], may_show: impl Fn(&str) -> bool) -> Cow<'a, [u8]> {
        let Ok(text) = std::str::from_utf8(bytes) else { return into_bytes(hidden(bytes).into()) };
        if text.is_empty() || may_show(text) {
            return into_bytes(cards::mask(text, false));
        }
        if !is_json(text) {
            return into_bytes(hidden(bytes).into());
        }
        let Ok(inner) = serde_json::from_str::<String>(text) else {
            let is_text = text.trim_start().starts_with('"');
            return into_bytes(if is_text { quoted(&hidden(bytes)).into() } else { self.mask_json(text) });
        };
        let is_shown = inner.is_empty() || looks_like_json(&inner) || may_show(&inner);
        let masked = if is_shown { self.mask_text(&inner, false) } else { hidden(inner.as_bytes()).into() };
        into_bytes(if masked == inner { text.into() } else { quoted(&masked).into() })
    }

    /// A text within JSON, or a header's.
    fn mask_text<'a>(&self, text: &'a str, is_card_field: bool) -> Cow<'a, str> {
        if looks_like_json(text) {
            return if is_json(text) { self.mask_json(text) } else { hidden_within(text).into() };
        }
        if self.mentions_secret(text) { hidden_within(text).into() } else { cards::mask(text, is_card_field) }
    }

    /// `json`, which is valid, with its secrets masked.
    fn mask_json<'a>(&self, json: &'a str) -> Cow<'a, str> {
        let masked = scan::mask(self, json);
        if masked == json { Cow::Borrowed(json) } else { Cow::Owned(masked) }
    }

    fn meaning_of(&self, key: &str) -> Meaning {
        let key = key.trim().to_lowercase();
        if self.secret_keys.contains(&key) || key.ends_with("token") || key.ends_with("password") {
            return Meaning::Secret;
        }
        if key.contains("card") { Meaning::Card } else { Meaning::Plain }
    }

    /// Whether `text` seems to give a secret a value, as `token=...` and `Struct{token=...}` do.
    fn mentions_secret(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let is_value_next = |behind: &str| {
            behind.trim_start_matches(|c: char| c.is_whitespace() || "\"'`\\".contains(c)).starts_with(['=', ':'])
        };
        let mentions = |key: &String| {
            text.match_indices(key.as_str())
                .any(|(at, key)| is_value_next(text.get(at + key.len()..).unwrap_or_default()))
        };
        self.secret_keys.iter().any(mentions)
    }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

/// Whether `text` begins as objects, lists and strings do; a number or literal is no container of secrets.
fn looks_like_json(text: &str) -> bool {
    text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}').starts_with(['{', '[', '"'])
}

/// User ids, uuids, times, ids of ticks and of dead letters.
fn is_plain_id(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:@/+".contains(&byte);
    (1..=ID_MAX).contains(&text.len()) && text.bytes().all(is_plain)
}

/// What stands for a whole key, value or header. The length and the hash tell two of them apart.
fn hidden(bytes: &[u8]) -> String {
    let start = Sha256::digest(bytes).iter().take(4).fold(0_u32, |start, byte| start << 8 | u32::from(*byte));
    format!("{MASK} ({} bytes hidden, SHA-256 {start:08x}...)", bytes.len())
}

/// What stands for a text that is a part of something: it may be short, so a hash would tell too much.
fn hidden_within(text: &str) -> String {
    format!("{MASK} ({} bytes hidden)", text.len())
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn into_bytes(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

#[cfg(test)]
mod tests;
