//! The rules of day passes, as the settings say them.

use jiff::{civil::Time, tz::TimeZone};

use super::{
    durations::{days, minutes},
    table::Table,
    units::parse_duration,
};
use crate::domain::day_pass::{DayPassRule, Ends, Matches, Pattern};

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
