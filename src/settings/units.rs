//! Durations like `"60s"` and sizes like `"64MiB"`.

use std::time::Duration;

const DURATION_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
const SIZE_UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Reads a duration: a whole number and `ms`, `s`, `m`, `h` or `d`; a bare `0` is none at all.
pub fn parse_duration(text: &str) -> Option<Duration> {
    parse(text, &DURATION_UNITS).map(Duration::from_millis)
}

/// Reads a size in bytes: a whole number and `B`, `KiB`, `MiB` or `GiB`.
pub fn parse_size(text: &str) -> Option<u64> {
    parse(text, &SIZE_UNITS)
}

/// Writes a duration in the greatest unit that takes it whole, so that [`parse_duration`] reads it back.
pub fn format_duration(duration: Duration) -> String {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if ms == 0 { "0s".to_owned() } else { format(ms, &DURATION_UNITS) }
}

/// Writes a size in the greatest unit that takes it whole, so that [`parse_size`] reads it back.
pub fn format_size(bytes: u64) -> String {
    format(bytes, &SIZE_UNITS)
}

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits_end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits_end)?;
    let number: u64 = number.parse().ok()?;
    if unit.is_empty() {
        return (number == 0).then_some(0);
    }
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.checked_mul(*factor)
}

fn format(amount: u64, units: &[(&str, u64)]) -> String {
    let whole = units.iter().find(|(_, factor)| amount > 0 && amount.is_multiple_of(*factor));
    let (unit, factor) = whole.or(units.last()).copied().unwrap_or(("", 1));
    format!("{}{unit}", amount / factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        for (text, ms) in [("500ms", 500), ("60s", 60_000), ("5m", 300_000), ("1h", 3_600_000), ("90d", 7_776_000_000)]
        {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(ms)), "{text}");
        }
        assert_eq!(parse_duration("0"), Some(Duration::ZERO));
        assert_eq!(parse_duration("10 s"), Some(Duration::from_secs(10)));
        assert_eq!(format_duration(Duration::from_hours(1)), "1h");
        assert_eq!(format_duration(Duration::from_millis(1500)), "1500ms");
        assert_eq!(format_duration(Duration::ZERO), "0s");
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "60", "s", "-1s", "1.5s", "60 sec", "1h30m", "99999999999999999999s", "999999999999999999d"] {
            assert_eq!(parse_duration(text), None, "{text:?}");
        }
    }

    #[test]
    fn sizes_are_read_and_written() {
        for (text, bytes) in [("64MiB", 64 << 20), ("1KiB", 1024), ("2GiB", 2 << 30), ("17B", 17), ("0", 0)] {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        for text in ["64MB", "64", "64 mib", "MiB", "99999999999GiB"] {
            assert_eq!(parse_size(text), None, "{text:?}");
        }
        assert_eq!(format_size(32 << 20), "32MiB");
        assert_eq!(format_size(1500), "1500B");
        assert_eq!(format_size(0), "0B");
    }
}
