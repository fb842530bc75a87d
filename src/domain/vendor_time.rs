//! Bytemark's times, whose format is not documented.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

/// Epoch numbers above this are milliseconds: as seconds they would lie after the year 5138.
const SECONDS_MAX: f64 = 1e11;

/// The instant that `text` names; `None` when it can't be understood.
///
/// Understood are RFC 3339, `YYYY-MM-DD HH:mm:ss[.ffffff]` (local time in `zone`) and epoch numbers in seconds or
/// milliseconds.
#[must_use]
pub fn vendor_time(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let text = text.trim_ascii();
    if let Ok(number) = text.parse::<f64>() {
        return Timestamp::from_microsecond(epoch_micros(number)?).ok();
    }
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(timestamp);
    }
    zone.to_timestamp(text.parse::<DateTime>().ok()?).ok()
}

/// `time_created` as microseconds since the Unix epoch, to sort by; `None` when it can't be understood.
#[must_use]
pub fn created_order_key(time_created: &str) -> Option<i64> {
    vendor_time(time_created, &TimeZone::UTC).map(Timestamp::as_microsecond)
}

fn epoch_micros(number: f64) -> Option<i64> {
    let micros_each = if number.abs() > SECONDS_MAX { 1e3 } else { 1e6 };
    let micros = (number * micros_each).round();
    let is_in_range = micros.abs() < 2f64.powi(53);
    #[expect(clippy::cast_possible_truncation, reason = "within 2^53, and whole")]
    is_in_range.then_some(micros as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MICROS_OF_SAME_INSTANT: i64 = 1_700_000_000_000_000;

    #[test]
    fn all_formats_of_an_instant_agree() {
        for text in [
            "2023-11-14T22:13:20Z",
            "2023-11-14T22:13:20+00:00",
            "2023-11-14T16:13:20.000-06:00",
            "2023-11-14t22:13:20z",
            "2023-11-14 22:13:20",
            "2023-11-14 22:13:20.000000",
            "2023-11-14T22:13:20",
            " 2023-11-14 22:13:20 ",
            "1700000000",
            "1700000000.0",
            "1700000000000",
        ] {
            assert_eq!(created_order_key(text), Some(MICROS_OF_SAME_INSTANT), "{text}");
        }
    }

    #[test]
    fn fractions_count() {
        for text in ["2023-11-14 22:13:20.25", "2023-11-14T22:13:20.250000Z", "1700000000.25"] {
            assert_eq!(created_order_key(text), Some(MICROS_OF_SAME_INSTANT + 250_000), "{text}");
        }
        assert_eq!(created_order_key("1700000000001"), Some(MICROS_OF_SAME_INSTANT + 1_000));
    }

    #[test]
    fn what_is_no_time_has_no_order() {
        for text in ["", "soon", "NaN", "inf", "1e300", "2023-13-14 22:13:20", "2023-11-14 25:00:00", "22:13:20", "{}"]
        {
            assert_eq!(created_order_key(text), None, "{text}");
        }
    }

    #[test]
    fn a_time_without_a_zone_is_local() {
        let chicago = TimeZone::get("America/Chicago").unwrap();
        let time = vendor_time("2023-11-14 16:13:20", &chicago).unwrap();
        assert_eq!(time.as_microsecond(), MICROS_OF_SAME_INSTANT);
    }
}
