use std::str::FromStr;

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

use crate::settings::units::parse_duration;

/// A place in a topic: an offset of each partition, or a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Point {
    /// The offset, of each partition.
    Offset(i64),
    /// Milliseconds since 1970.
    Time(i64),
}

impl FromStr for Point {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text, Timestamp::now())
    }
}

impl Point {
    fn parse(text: &str, now: Timestamp) -> Result<Self, String> {
        if let Ok(offset) = text.parse::<i64>()
            && offset >= 0
            && text.bytes().all(|byte| byte.is_ascii_digit())
        {
            return Ok(Self::Offset(offset));
        }
        let time = match text.strip_prefix('-') {
            Some(ago) => parse_duration(ago).and_then(|ago| now.checked_sub(ago).ok()),
            None => text.parse().ok().or_else(|| in_utc(text)),
        };
        let time =
            time.ok_or("write a time like 2026-11-20T10:00:00Z (no zone = UTC), -1h for an hour ago, or an offset")?;
        Ok(Self::Time(time.as_millisecond()))
    }
}

fn in_utc(text: &str) -> Option<Timestamp> {
    let time: DateTime = text.parse().ok()?;
    time.to_zoned(TimeZone::UTC).ok().map(|time| time.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> String {
        match Point::parse(text, "2026-11-20T10:00:00Z".parse().unwrap()).unwrap() {
            Point::Time(ms) => Timestamp::from_millisecond(ms).unwrap().to_string(),
            Point::Offset(offset) => panic!("{offset}"),
        }
    }

    #[test]
    fn times_ages_and_offsets_are_told_apart() {
        assert_eq!(time("2026-11-20T11:00:00+01:00"), "2026-11-20T10:00:00Z");
        assert_eq!(time("2026-11-20T10:00:00.5"), "2026-11-20T10:00:00.5Z");
        assert_eq!(time("2026-11-20 10:00"), "2026-11-20T10:00:00Z");
        assert_eq!(time("2026-11-20"), "2026-11-20T00:00:00Z");
        assert_eq!(time("-1h"), "2026-11-20T09:00:00Z");
        assert_eq!(Point::from_str("17"), Ok(Point::Offset(17)));
    }

    #[test]
    fn the_rest_is_refused() {
        for wrong in ["", "-", "-17", "+17", "1h", "-1 year", "yesterday", "2026-13-01T00:00:00Z"] {
            assert!(Point::from_str(wrong).is_err(), "{wrong:?}");
        }
    }
}
