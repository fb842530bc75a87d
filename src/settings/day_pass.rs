use std::time::Duration;

use jiff::{civil::Time, tz::TimeZone};
use regex::Regex;

use super::{
    durations::{days, minutes},
    table::Table,
    units::parse_duration,
};

/// When passes of a kind of product end that carry no expiry of their own.
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

    pub(super) fn parse(text: &str) -> Result<Self, String> {
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

const DEFAULT_ZONE: &str = "America/Chicago";

pub(super) fn read_rules(table: &mut Table<'_>) -> Vec<DayPassRule> {
    table.tables("day_pass_rules", read_rule)
}

pub(super) fn read_zone(table: &mut Table<'_>, key: &'static str) -> Option<TimeZone> {
    table.parsed(key, "a zone of the IANA database, like \"America/Chicago\" or \"UTC\"", |name| {
        TimeZone::get(name).ok()
    })
}

fn read_rule(table: &mut Table<'_>) -> Option<DayPassRule> {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let product_uuid = table.parsed("product_uuid", "a product's uuid", text);
    let label = table.explained("label", "a regular expression", Pattern::parse);
    let after = table.parsed("after", "a duration like \"24h\", 1m to 366d", |text| {
        parse_duration(text).filter(|after| (minutes(1)..=days(366)).contains(after))
    });
    let end = table.parsed("service_day_end", "a local time like \"03:00\"", |text| text.parse::<Time>().ok());
    let zone = read_zone(table, "zone");
    let matches = match (product_uuid, label) {
        (Some(uuid), None) => Some(Matches::ProductUuid(uuid)),
        (None, Some(label)) => Some(Matches::Label(label)),
        _ => None,
    };
    let ends = match (after, end) {
        (Some(after), None) if zone.is_none() => Some(Ends::After(after)),
        (None, Some(time)) => {
            zone.or_else(|| TimeZone::get(DEFAULT_ZONE).ok()).map(|zone| Ends::ServiceDayEnd { time, zone })
        }
        _ => None,
    };
    if !table.is_well() {
        return None;
    }
    if matches.is_none() {
        table.complain_of_all("a rule takes either `product_uuid` or `label`".to_owned());
    }
    if ends.is_none() {
        table.complain_of_all(
            "a rule takes either `after` (a duration) or `service_day_end` (a time, with a `zone` if it is not America/Chicago)"
                .to_owned(),
        );
    }
    Some(DayPassRule { matches: matches?, ends: ends? })
}
