use std::time::Duration;

use super::{
    durations::{days, hours, millis, minutes, seconds},
    passes::Passes,
    table::Table,
};

/// What a pipeline does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KindName {
    /// Changes of the token table to requests.
    TokenChanges,
    /// Ticks to requests for all users.
    Ticks,
    /// Requests to the cache and its events.
    Passes,
    /// `ParkMobile` responses to parking events.
    ParkingEvents,
}

impl KindName {
    /// All, by name.
    pub const NAMED: [(&'static str, Self); 4] = [
        ("token_changes", Self::TokenChanges),
        ("ticks", Self::Ticks),
        ("passes", Self::Passes),
        ("parking_events", Self::ParkingEvents),
    ];

    /// The name in a pipeline file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TokenChanges => "token_changes",
            Self::Ticks => "ticks",
            Self::Passes => "passes",
            Self::ParkingEvents => "parking_events",
        }
    }
}

/// What a pipeline does, with the settings of that kind alone.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Changes of the token table to requests.
    TokenChanges(TokenChanges),
    /// Ticks to requests for all users.
    Ticks(Ticks),
    /// Requests to the cache and its events.
    Passes(Box<Passes>),
    /// `ParkMobile` responses to parking events.
    ParkingEvents(ParkingEvents),
}

/// Settings of `token_changes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenChanges {
    /// Changes come from here.
    pub topic: String,
    /// Requests go there.
    pub requests_topic: String,
    /// The database that holds the table, as change messages name it.
    pub database: String,
    /// The table.
    pub table: String,
    /// Its column with the user id.
    pub user_id_column: String,
    /// Its column with the token.
    pub token_column: String,
    /// Before the fields that a connector adds to a flattened row; empty = it adds none.
    pub flattened_prefix: String,
}

/// Settings of `ticks`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticks {
    /// Ticks come from here.
    pub topic: String,
    /// Requests go there.
    pub requests_topic: String,
    /// The group that handles the requests: the fan-out stays little ahead of it.
    pub requests_group: String,
    /// Older ticks are skipped.
    pub max_age: Duration,
    /// The requests of one tick are spread over this time.
    pub spread: Duration,
    /// How much work the fan-out may lie ahead of the requests' handling.
    pub ahead: Duration,
    /// Users read at once.
    pub page: usize,
}

/// Settings of `parking_events`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkingEvents {
    /// Responses come from here.
    pub topic: String,
    /// The database of the events.
    pub database: String,
    /// The collection of the events.
    pub collection: String,
    /// Events older than this are deleted; zero = never.
    pub ttl: Duration,
}

impl Kind {
    pub(super) fn read(name: KindName, table: &mut Table<'_>) -> Self {
        match name {
            KindName::TokenChanges => Self::TokenChanges(TokenChanges::read(table)),
            KindName::Ticks => Self::Ticks(Ticks::read(table)),
            KindName::Passes => Self::Passes(Box::new(Passes::read(table))),
            KindName::ParkingEvents => Self::ParkingEvents(ParkingEvents::read(table)),
        }
    }

    /// Which kind it is.
    pub fn name(&self) -> KindName {
        match self {
            Self::TokenChanges(_) => KindName::TokenChanges,
            Self::Ticks(_) => KindName::Ticks,
            Self::Passes(_) => KindName::Passes,
            Self::ParkingEvents(_) => KindName::ParkingEvents,
        }
    }

    /// The topics that it reads or writes, dead letters aside.
    pub(super) fn topics(&self) -> Vec<&str> {
        match self {
            Self::TokenChanges(settings) => vec![&settings.topic, &settings.requests_topic],
            Self::Ticks(settings) => vec![&settings.topic, &settings.requests_topic],
            Self::Passes(settings) => vec![&settings.topic, &settings.retry_topic, &settings.ticket_changed_topic],
            Self::ParkingEvents(settings) => vec![&settings.topic],
        }
    }

    /// The topic that it reads.
    pub fn topic(&self) -> &str {
        match self {
            Self::TokenChanges(settings) => &settings.topic,
            Self::Ticks(settings) => &settings.topic,
            Self::Passes(settings) => &settings.topic,
            Self::ParkingEvents(settings) => &settings.topic,
        }
    }
}

pub(super) const REQUESTS_TOPIC: &str = "bytemark.pass-requests";

impl TokenChanges {
    fn read(table: &mut Table<'_>) -> Self {
        Self {
            topic: table.topic("topic", "cdc.portal.bytemark_tokens"),
            requests_topic: table.topic("requests_topic", REQUESTS_TOPIC),
            database: table.name("database", "portal"),
            table: table.name("table", "bytemark_tokens"),
            user_id_column: table.name("user_id_column", "user_id"),
            token_column: table.name("token_column", "token"),
            flattened_prefix: table.text("flattened_prefix", "__", "a text of at most 20 characters", |prefix| {
                prefix.len() <= 20 && !prefix.contains(char::is_control)
            }),
        }
    }
}

impl Ticks {
    fn read(table: &mut Table<'_>) -> Self {
        Self {
            topic: table.topic("topic", "bytemark.ticks"),
            requests_topic: table.topic("requests_topic", REQUESTS_TOPIC),
            requests_group: table.name("requests_group", "passflow.passes"),
            max_age: table.duration("max_age", minutes(60), seconds(1)..=days(30)),
            spread: table.duration("spread", seconds(0), seconds(0)..=days(1)),
            ahead: table.duration("ahead", seconds(5), millis(100)..=hours(1)),
            page: table.number("page", "users", 5000, 1..=100_000),
        }
    }
}

impl ParkingEvents {
    fn read(table: &mut Table<'_>) -> Self {
        Self {
            topic: table.topic("topic", "parkmobile.responses"),
            database: table.name("database", "dataset"),
            collection: table.name("collection", "pm_parking_events"),
            ttl: table.duration("ttl", days(90), seconds(0)..=days(3650)),
        }
    }
}
