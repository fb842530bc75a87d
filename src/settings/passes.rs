use std::time::Duration;

use jiff::tz::TimeZone;

use super::{
    day_pass,
    durations::{days, hours, mebibytes, millis, minutes, seconds},
    kind::REQUESTS_TOPIC,
    table::Table,
};
use crate::domain::day_pass::DayPassRule;

/// Settings of `passes`.
#[derive(Clone, Debug, PartialEq)]
pub struct Passes {
    /// Requests come from here.
    pub topic: String,
    /// Requests whose fetch failed for a passing reason wait here.
    pub retry_topic: String,
    /// Events go there.
    pub ticket_changed_topic: String,
    /// A document older than this is stale.
    pub freshness: Duration,
    /// ...less this, so that an hourly tick does not miss a document of 59 min 55 s.
    pub freshness_slack: Duration,
    /// Entries that a document's error log keeps.
    pub error_log_max: usize,
    /// How long a request waits in the retry topic.
    pub retry_delay: Duration,
    /// Requests of ticks that were put longer ago than this are skipped.
    pub tick_max_age: Duration,
    /// How often a request goes through the retry topic before it is a dead letter.
    pub retry_rounds: u32,
    /// How the passes are fetched.
    pub fetching: Fetching,
    /// What becomes of the lists of a user whose token is gone.
    pub on_token_removed: OnTokenRemoved,
    /// Product uuids whose passes get `free_ticket_status` 1.
    pub free_ticket_products: Vec<String>,
    /// When day passes end; the first rule that matches counts.
    pub day_pass_rules: Vec<DayPassRule>,
    /// The zone of times that the API gives without one.
    pub time_zone: TimeZone,
    /// What the status log holds.
    pub status_log: StatusLog,
    /// Where the documents are.
    pub collections: Collections,
    /// Entries of the two logs older than this are deleted; zero = never.
    pub log_ttl: Duration,
    /// How often a document is read again and decided anew when another writer was faster.
    pub cas_attempts: u32,
}

/// How the passes are fetched from the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetching {
    /// Passes asked for in a page of the history.
    pub history_per_page: u32,
    /// Pages of a history, at most.
    pub history_pages_max: u32,
    /// How often a history whose pages don't add up is read again.
    pub reread_max: u32,
    /// Bytes of one answer, at most.
    pub body_max: u64,
    /// Nesting of one answer, at most.
    pub depth_max: usize,
    /// Requests a second, of all instances together; 0 = no limit.
    pub requests_per_second: u32,
    /// Requests under way at once.
    pub max_in_flight: usize,
    /// Time to connect.
    pub connect_timeout: Duration,
    /// Time without a byte of the answer.
    pub read_timeout: Duration,
    /// Time for one request as a whole.
    pub request_timeout: Duration,
    /// Tries of a request before it goes to the retry topic.
    pub fetch_attempts: u32,
    /// The first pause before a request is tried again; it doubles, with jitter.
    pub fetch_backoff_min: Duration,
    /// The longest such pause.
    pub fetch_backoff_max: Duration,
    /// A `Retry-After` is obeyed up to this.
    pub retry_after_max: Duration,
    /// Failed requests in a row, whoever the user, that open the circuit.
    pub circuit_failures: usize,
}

/// What becomes of the lists of a user whose token is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnTokenRemoved {
    /// They stay.
    Keep,
    /// They are emptied, with `removed` events.
    Purge,
}

/// What the status log holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusLog {
    /// Every check.
    All,
    /// Checks that changed a status, and failed ones.
    Changes,
}

/// Where the documents are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collections {
    /// The database.
    pub database: String,
    /// One document a user.
    pub cache: String,
    /// One entry an event.
    pub tickets_log: String,
    /// One entry a status check.
    pub status_log: String,
}

impl Passes {
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        let passes = Self {
            topic: table.topic("topic", REQUESTS_TOPIC),
            retry_topic: table.topic("retry_topic", "bytemark.pass-requests.retry"),
            ticket_changed_topic: table.topic("ticket_changed_topic", "bytemark.ticket-changed"),
            freshness: table.duration("freshness", minutes(60), seconds(1)..=days(365)),
            freshness_slack: table.duration("freshness_slack", minutes(5), seconds(0)..=days(1)),
            error_log_max: table.number("error_log_max", "entries", 50, 0..=1000),
            retry_delay: table.duration("retry_delay", seconds(60), millis(0)..=days(1)),
            tick_max_age: table.duration("tick_max_age", minutes(60), seconds(1)..=days(365)),
            retry_rounds: table.number("retry_rounds", "rounds", 5, 0..=1000),
            fetching: Fetching::read(table),
            on_token_removed: table.one_of(
                "on_token_removed",
                OnTokenRemoved::Keep,
                &[("keep", OnTokenRemoved::Keep), ("purge", OnTokenRemoved::Purge)],
            ),
            free_ticket_products: table.texts("free_ticket_products"),
            day_pass_rules: day_pass::read_rules(table),
            time_zone: day_pass::read_zone(table, "time_zone").unwrap_or(TimeZone::UTC),
            status_log: table.one_of(
                "status_log",
                StatusLog::All,
                &[("all", StatusLog::All), ("changes", StatusLog::Changes)],
            ),
            collections: Collections::read(table),
            log_ttl: table.duration("log_ttl", days(90), seconds(0)..=days(3650)),
            cas_attempts: table.number("cas_attempts", "attempts", 10, 1..=1000),
        };
        passes.check_together(table);
        passes
    }

    fn check_together(&self, table: &mut Table<'_>) {
        if self.freshness_slack >= self.freshness {
            table.complain_of_all("`freshness_slack` must be less than `freshness`".to_owned());
        }
        if self.fetching.connect_timeout > self.fetching.request_timeout {
            table.complain_of_all("`connect_timeout` is greater than `request_timeout`".to_owned());
        }
        if self.fetching.fetch_backoff_min > self.fetching.fetch_backoff_max {
            table.complain_of_all("`fetch_backoff_min` is greater than `fetch_backoff_max`".to_owned());
        }
        let topics = [&self.topic, &self.retry_topic, &self.ticket_changed_topic];
        if topics[0] == topics[1] || topics[1] == topics[2] || topics[0] == topics[2] {
            table.complain_of_all("`topic`, `retry_topic` and `ticket_changed_topic` must differ".to_owned());
        }
    }
}

impl Fetching {
    fn read(table: &mut Table<'_>) -> Self {
        Self {
            history_per_page: table.number("history_per_page", "passes", 100, 1..=9999),
            history_pages_max: table.number("history_pages_max", "pages", 1000, 1..=100_000),
            reread_max: table.number("reread_max", "readings", 3, 0..=100),
            body_max: table.size("body_max", mebibytes(32), 1024..=mebibytes(1024)),
            depth_max: table.number("depth_max", "levels", 2000, 8..=4000),
            requests_per_second: table.number(
                "requests_per_second",
                "requests a second (0 = no limit)",
                0,
                0..=1_000_000,
            ),
            max_in_flight: table.number("max_in_flight", "requests", 64, 1..=10_000),
            connect_timeout: table.duration("connect_timeout", seconds(5), millis(10)..=minutes(5)),
            read_timeout: table.duration("read_timeout", seconds(15), millis(10)..=minutes(10)),
            request_timeout: table.duration("request_timeout", seconds(60), millis(10)..=hours(1)),
            fetch_attempts: table.number("fetch_attempts", "attempts", 3, 1..=100),
            fetch_backoff_min: table.duration("fetch_backoff_min", millis(200), millis(1)..=minutes(10)),
            fetch_backoff_max: table.duration("fetch_backoff_max", seconds(5), millis(1)..=hours(1)),
            retry_after_max: table.duration("retry_after_max", minutes(10), seconds(0)..=days(1)),
            circuit_failures: table.number("circuit_failures", "failures in a row", 20, 1..=100_000),
        }
    }
}

impl Collections {
    fn read(table: &mut Table<'_>) -> Self {
        Self {
            database: table.name("cache_database", "cache"),
            cache: table.name("cache_collection", "bytemark_tickets_cache"),
            tickets_log: table.name("tickets_log_collection", "bytemark_tickets_log"),
            status_log: table.name("status_log_collection", "bytemark_cache_status_check_log"),
        }
    }
}
