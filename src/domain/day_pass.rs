//! When passes end that carry no expiry of their own.

use std::time::Duration;

use jiff::{
    Timestamp, ToSpan as _,
    civil::{Date, Time},
    tz::{AmbiguousOffset, TimeZone},
};
use regex::Regex;

/// When passes of a kind of product end.
#[derive(Clone, Debug, PartialEq)]
pub struct DayPassRule {
    /// Which passes.
    pub matches: Matches,
    /// When they end.
    pub ends: Ends,
}

/// Which passes a rule is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matches {
    /// Those of this product.
    ProductUuid(String),
    /// Those whose `label_name` this regular expression finds something in.
    Label(Pattern),
}

impl Matches {
    /// Whether a pass with this product and this label is meant.
    #[must_use]
    pub fn fit(&self, product_uuid: Option<&str>, label_name: Option<&str>) -> bool {
        match self {
            Self::ProductUuid(uuid) => product_uuid == Some(uuid),
            Self::Label(pattern) => label_name.is_some_and(|label| pattern.finds_in(label)),
        }
    }
}

/// A regular expression that compiles. Two are equal when their texts are.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// Whether it finds something in `text`.
    pub fn finds_in(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// The expression.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Compiles it.
    ///
    /// # Errors
    /// What is wrong with it, in a few words.
    pub fn parse(text: &str) -> Result<Self, String> {
        // Syntax errors come as a drawing over several lines, the last of which says what is wrong.
        let in_words = |error: regex::Error| {
            let drawing = error.to_string();
            drawing.lines().next_back().unwrap_or_default().trim_start_matches("error: ").to_owned()
        };
        if text.is_empty() {
            return Err("an empty one finds something everywhere".to_owned());
        }
        Regex::new(text).map(Self).map_err(in_words)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

/// When a day pass ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Ends {
    /// So long after its first use.
    After(Duration),
    /// At the end of the operating day that it was first used on.
    ServiceDayEnd {
        /// The local time at which an operating day ends.
        time: Time,
        /// The zone of that time.
        zone: TimeZone,
    },
}

impl Ends {
    /// The end of a pass that was first used at `first_use`; `None` beyond the times that can be told.
    #[must_use]
    pub fn of(&self, first_use: Timestamp) -> Option<Timestamp> {
        match self {
            Self::After(duration) => first_use.checked_add(*duration).ok(),
            Self::ServiceDayEnd { time, zone } => {
                let today = first_use.to_zoned(zone.clone()).date();
                let ends_today = day_end(today, *time, zone).filter(|end| *end > first_use);
                ends_today.or_else(|| day_end(today.checked_add(1.day()).ok()?, *time, zone))
            }
        }
    }
}

/// The instant at which the local time is `time` on `date`: the first after the gap when the clocks jump over it, the
/// earlier when they pass it twice.
fn day_end(date: Date, time: Time, zone: &TimeZone) -> Option<Timestamp> {
    let local = date.to_datetime(time);
    match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).ok(),
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(local).ok(),
        AmbiguousOffset::Gap { after, .. } => {
            // By the clock that is put forward it would lie just before the jump.
            let before_jump = after.to_timestamp(local).ok()?;
            zone.following(before_jump).next().map(|transition| transition.timestamp())
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::{Zoned, civil::time};

    use super::*;

    fn chicago() -> TimeZone {
        TimeZone::get("America/Chicago").unwrap()
    }

    fn end(first_use: &str, at: Time) -> String {
        let first_use: Timestamp = first_use.parse::<Zoned>().unwrap().timestamp();
        let ends = Ends::ServiceDayEnd { time: at, zone: chicago() };
        ends.of(first_use).unwrap().to_zoned(chicago()).strftime("%F %T %Z").to_string()
    }

    #[test]
    fn an_operating_day_ends_in_the_night() {
        let three = time(3, 0, 0, 0);
        assert_eq!(end("2026-07-01T12:00[America/Chicago]", three), "2026-07-02 03:00:00 CDT");
        assert_eq!(end("2026-07-01T02:59[America/Chicago]", three), "2026-07-01 03:00:00 CDT");
        assert_eq!(end("2026-07-01T03:00[America/Chicago]", three), "2026-07-02 03:00:00 CDT");
        assert_eq!(end("2026-12-31T23:00[America/Chicago]", three), "2027-01-01 03:00:00 CST");
    }

    #[test]
    fn a_time_that_the_clocks_jump_over_is_the_first_instant_after() {
        // On 8 March 2026 there is no time between 2:00 and 3:00.
        for at in [time(2, 0, 0, 0), time(2, 30, 0, 0), time(2, 59, 59, 0), time(3, 0, 0, 0)] {
            assert_eq!(end("2026-03-07T12:00[America/Chicago]", at), "2026-03-08 03:00:00 CDT", "{at}");
        }
        assert_eq!(end("2026-03-08T03:00[America/Chicago]", time(2, 30, 0, 0)), "2026-03-09 02:30:00 CDT");
        assert_eq!(end("2026-03-07T12:00[America/Chicago]", time(1, 59, 0, 0)), "2026-03-08 01:59:00 CST");
    }

    #[test]
    fn a_time_that_comes_twice_is_the_earlier() {
        // On 1 November 2026 the hour from 1:00 comes twice.
        assert_eq!(end("2026-10-31T12:00[America/Chicago]", time(1, 30, 0, 0)), "2026-11-01 01:30:00 CDT");
        // First used between the two: the next day's.
        assert_eq!(end("2026-11-01T01:45-05:00[America/Chicago]", time(1, 30, 0, 0)), "2026-11-02 01:30:00 CST");
        assert_eq!(end("2026-11-01T01:15-06:00[America/Chicago]", time(1, 30, 0, 0)), "2026-11-02 01:30:00 CST");
        assert_eq!(end("2026-10-31T12:00[America/Chicago]", time(2, 0, 0, 0)), "2026-11-01 02:00:00 CST");
    }

    #[test]
    fn a_duration_is_counted_in_hours_not_in_days() {
        let first_use: Timestamp = "2026-03-07T12:00[America/Chicago]".parse::<Zoned>().unwrap().timestamp();
        let day = Ends::After(Duration::from_hours(24));
        assert_eq!(day.of(first_use).unwrap().to_zoned(chicago()).hour(), 13);
        assert_eq!(day.of(Timestamp::MAX), None);
    }

    /// Walks through each minute of a year, with both jumps of its clocks, and counts operating days by looking at the
    /// local clock alone: a day has ended at the first minute at which the clock of its date is at the end or past it.
    #[test]
    fn each_minute_of_a_year_has_the_end_that_a_clock_on_the_wall_shows() {
        for (zone, at) in [
            ("America/Chicago", time(3, 0, 0, 0)),
            ("America/Chicago", time(2, 30, 0, 0)),
            ("America/Chicago", time(1, 30, 0, 0)),
            ("America/Chicago", time(0, 0, 0, 0)),
            ("Australia/Lord_Howe", time(2, 15, 0, 0)),
            ("America/Santiago", time(0, 30, 0, 0)),
            ("Africa/Casablanca", time(2, 30, 0, 0)),
            ("UTC", time(4, 59, 0, 0)),
        ] {
            let zone = TimeZone::get(zone).unwrap();
            let rule = Ends::ServiceDayEnd { time: at, zone: zone.clone() };
            let begin: Timestamp = "2026-01-01T12:00Z".parse().unwrap();
            let minute = |number: i64| begin.checked_add(jiff::SignedDuration::from_mins(number)).unwrap();
            const MINUTES: i64 = 366 * 24 * 60;
            // From the last to the first: the next end is known when a minute is looked at.
            let ends = wall_clock_ends(&zone, at, begin, MINUTES + 2 * 24 * 60);
            let mut next = ends.len();
            for number in (0..MINUTES).rev() {
                let now = minute(number);
                while next > 0 && ends[next - 1] > now {
                    next -= 1;
                }
                assert_eq!(rule.of(now), Some(ends[next]), "{} in {zone:?}", now.to_zoned(zone.clone()));
            }
        }
    }

    fn wall_clock_ends(zone: &TimeZone, at: Time, begin: Timestamp, minutes: i64) -> Vec<Timestamp> {
        let mut ended: Option<Date> = None;
        let mut ends = Vec::new();
        for number in 0..minutes {
            let now = begin.checked_add(jiff::SignedDuration::from_mins(number)).unwrap();
            let local = now.to_zoned(zone.clone());
            // A day whose end the clocks jumped over at midnight has ended, too.
            let of = if local.time() >= at { local.date() } else { local.date().yesterday().unwrap() };
            if ended.is_some_and(|ended| of > ended) {
                ends.push(now);
            }
            ended = ended.max(Some(of));
        }
        ends
    }
}
