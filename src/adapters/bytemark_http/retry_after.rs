//! `Retry-After`: seconds, or a date in any of HTTP's three forms (RFC 9110, 10.2.3).

use std::time::{Duration, UNIX_EPOCH};

/// How long to stay away; a date that is past means not at all. `None` when it can't be read.
pub(super) fn parse(text: &str, now_ms: i64) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    let now = Duration::from_millis(u64::try_from(now_ms).ok()?);
    Some(date.saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_read_and_nothing_else() {
        let now_ms = 784_111_770_500;
        for (text, expected_ms) in [
            ("120", Some(120_000)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(6_500)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(6_500)),
            ("Sun Nov  6 08:49:37 1994", Some(6_500)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
        ] {
            assert_eq!(parse(text, now_ms), expected_ms.map(Duration::from_millis), "{text:?}");
        }
        assert_eq!(parse("99999999999999999999999", now_ms), Some(Duration::from_secs(u64::MAX)));
    }
}
