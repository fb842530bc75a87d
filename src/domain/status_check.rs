//! What a pass's status has to be at an instant, by its `first_use`, its expiry and the rules of day passes.

use std::borrow::Cow;

use jiff::{Timestamp, tz::TimeZone};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{day_pass::DayPassRule, vendor_time::vendor_time};

/// Bought, not yet used.
pub const USABLE: &str = "USABLE";
/// In use.
pub const USING: &str = "USING";
/// Its time is over.
pub const EXPIRED: &str = "EXPIRED";

/// How times are read, and what ends passes without an expiry.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The first that fits counts.
    pub day_passes: Vec<DayPassRule>,
    /// The zone of times that carry none.
    pub zone: TimeZone,
}

impl Default for Rules {
    fn default() -> Self {
        Self { day_passes: Vec::new(), zone: TimeZone::UTC }
    }
}

/// Where an expiry comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `payload.expiration`.
    Payload,
    /// A day-pass rule, counted from `payload.first_use`.
    DayPassRule,
}

impl Origin {
    /// Its name in the log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Payload => "payload.expiration",
            Self::DayPassRule => "day_pass_rule",
        }
    }
}

/// How a pass stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The status that it has to get; `None` when the one it has is right, or not passflow's to judge.
    pub becomes: Option<&'static str>,
    /// When it ends, as far as that is known.
    pub expiry: Option<(Timestamp, Origin)>,
}

/// The few fields of a payload that count.
#[derive(Default, Deserialize)]
struct Payload<'a> {
    #[serde(borrow, default)]
    first_use: Option<&'a RawValue>,
    #[serde(borrow, default)]
    expiration: Option<&'a RawValue>,
    #[serde(borrow, default)]
    product_uuid: Option<&'a RawValue>,
    #[serde(borrow, default)]
    label_name: Option<&'a RawValue>,
}

/// How a pass with this stored status and this payload (JSON text) stands at `now`.
///
/// USABLE with a `first_use` becomes USING, or EXPIRED when past its expiry; USING past its expiry EXPIRED; USABLE past
/// `expiration` EXPIRED. Past means that `now` is at the expiry or later; a `first_use` in the future is none yet. Other
/// statuses are left.
///
/// # Errors
/// What in the payload can't be understood.
pub fn standing(status: &str, payload: &[u8], now: Timestamp, rules: &Rules) -> Result<Standing, String> {
    let payload: Payload<'_> =
        serde_json::from_slice(payload).map_err(|error| format!("the payload can't be read: {error}"))?;
    let first_use = time("first_use", payload.first_use, rules)?.filter(|first_use| *first_use <= now);
    let own_expiry = time("expiration", payload.expiration, rules)?;
    let expiry = match own_expiry {
        Some(at) => Some((at, Origin::Payload)),
        None => first_use.and_then(|first_use| payload.day_pass_end(first_use, rules)),
    };
    let is_past = expiry.is_some_and(|(at, _)| now >= at);
    let becomes = match status {
        USABLE | USING if is_past => Some(EXPIRED),
        USABLE if first_use.is_some() => Some(USING),
        _ => None,
    };
    Ok(Standing { becomes, expiry })
}

impl Payload<'_> {
    fn day_pass_end(&self, first_use: Timestamp, rules: &Rules) -> Option<(Timestamp, Origin)> {
        if rules.day_passes.is_empty() {
            return None;
        }
        let (product_uuid, label_name) = (text(self.product_uuid), text(self.label_name));
        let rule =
            rules.day_passes.iter().find(|rule| rule.matches.fit(product_uuid.as_deref(), label_name.as_deref()))?;
        Some((rule.ends.of(first_use)?, Origin::DayPassRule))
    }
}

/// A time in any of the vendor's formats; null and an empty text are none.
fn time(name: &str, value: Option<&RawValue>, rules: &Rules) -> Result<Option<Timestamp>, String> {
    let Some(json) = value.map(RawValue::get).filter(|json| *json != "null") else { return Ok(None) };
    let text = text(value).unwrap_or(Cow::Borrowed(json));
    if text.trim_ascii().is_empty() {
        return Ok(None);
    }
    vendor_time(&text, &rules.zone).map(Some).ok_or_else(|| format!("{name} is no time: {}", shown(json)))
}

fn text(value: Option<&RawValue>) -> Option<Cow<'_, str>> {
    value.and_then(|value| serde_json::from_str(value.get()).ok())
}

/// The beginning of a value, for people.
fn shown(json: &str) -> String {
    const SHOWN_MAX: usize = 60;
    let shown: String = json.chars().take(SHOWN_MAX).collect();
    if shown.len() < json.len() { format!("{shown}...") } else { shown }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::day_pass::{Ends, Matches, Pattern};

    const NOW: &str = "2026-07-01T12:00:00Z";

    fn at(payload: &str, status: &str, rules: &Rules) -> Option<&'static str> {
        standing(status, payload.as_bytes(), NOW.parse().unwrap(), rules).unwrap().becomes
    }

    #[test]
    fn the_table_of_the_rules() {
        let (before, after) = (r#""2026-07-01T11:59:59Z""#, r#""2026-07-01T12:00:01Z""#);
        let now = format!("{NOW:?}");
        for (status, first_use, expiration, becomes) in [
            (USABLE, "null", "null", None),
            (USABLE, "null", after, None),
            (USABLE, "null", before, Some(EXPIRED)),
            (USABLE, "null", &now, Some(EXPIRED)),
            (USABLE, before, "null", Some(USING)),
            (USABLE, &now, "null", Some(USING)),
            (USABLE, after, "null", None),
            (USABLE, before, after, Some(USING)),
            (USABLE, before, before, Some(EXPIRED)),
            (USABLE, after, before, Some(EXPIRED)),
            (USABLE, "\"\"", "\"\"", None),
            (USING, before, after, None),
            (USING, "null", "null", None),
            (USING, before, before, Some(EXPIRED)),
            (USING, "null", &now, Some(EXPIRED)),
            (EXPIRED, before, after, None),
            ("USES_GONE", before, before, None),
            ("", before, before, None),
            ("usable", before, before, None),
        ] {
            let payload = format!(r#"{{"first_use":{first_use},"expiration":{expiration},"x":{{"first_use":1}}}}"#);
            assert_eq!(at(&payload, status, &Rules::default()), becomes, "{status} {payload}");
        }
        assert_eq!(at("{}", USABLE, &Rules::default()), None);
        assert_eq!(at(r#"{"first_use":1700000000}"#, USABLE, &Rules::default()), Some(USING));
        assert_eq!(at(r#"{"first_use":1700000000000.5}"#, USABLE, &Rules::default()), Some(USING));
    }

    #[test]
    fn a_rule_ends_what_has_no_expiry_of_its_own() {
        let day = |hours| Ends::After(Duration::from_hours(hours));
        let label = Matches::Label(Pattern::parse("(?i)day pass").unwrap());
        let rules = Rules {
            day_passes: vec![
                DayPassRule { matches: Matches::ProductUuid("p1".to_owned()), ends: day(1) },
                DayPassRule { matches: label, ends: day(24) },
            ],
            ..Rules::default()
        };
        let pass = |first_use: &str, rest: &str| format!(r#"{{"first_use":"{first_use}",{rest}}}"#);
        let two_hours_ago = "2026-07-01 10:00:00";
        assert_eq!(at(&pass(two_hours_ago, r#""product_uuid":"p1""#), USING, &rules), Some(EXPIRED));
        assert_eq!(at(&pass(two_hours_ago, r#""label_name":"1-Day Pass""#), USABLE, &rules), Some(USING));
        assert_eq!(at(&pass("2026-06-30 12:00:00", r#""label_name":"1-DAY PASS""#), USABLE, &rules), Some(EXPIRED));
        assert_eq!(at(&pass("2026-06-30 12:00:00", r#""label_name":"Week""#), USABLE, &rules), Some(USING));
        // The first that fits counts, and the vendor's own expiry before it.
        let both = r#""product_uuid":"p1","label_name":"day pass""#;
        assert_eq!(at(&pass(two_hours_ago, both), USING, &rules), Some(EXPIRED));
        let own = r#""product_uuid":"p1","expiration":"2026-07-02 00:00:00""#;
        assert_eq!(at(&pass(two_hours_ago, own), USING, &rules), None);
        // Not used yet: nothing counts from anything.
        let unused = r#"{"first_use":"2026-07-02 00:00:00","product_uuid":"p1"}"#;
        let standing = standing(USING, unused.as_bytes(), NOW.parse().unwrap(), &rules).unwrap();
        assert_eq!(standing, Standing::default());
    }

    #[test]
    fn what_is_no_time_is_told() {
        for (payload, message) in [
            (r#"{"first_use":"soon"}"#, "first_use is no time: \"soon\""),
            (r#"{"expiration":{"at":1}}"#, "expiration is no time: {\"at\":1}"),
            (r#"{"expiration":true}"#, "expiration is no time: true"),
            ("[", "the payload can't be read: "),
        ] {
            let error = standing(USABLE, payload.as_bytes(), NOW.parse().unwrap(), &Rules::default()).unwrap_err();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
