//! How a simulated Bytemark is set up.

use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::Timestamp;

use super::faults::Faults;
use super::page::PageStyle;

/// What is simulated.
#[derive(Clone, Debug)]
pub struct Config {
    /// Everything that is left to chance follows from it.
    pub seed: u64,
    /// Users `1..=users` exist, each with a token.
    pub users: u64,
    /// Passes of a user at the start, both lists together; a user never gets more than twice the most.
    pub passes_per_user: RangeInclusive<usize>,
    /// Chance that something happens to a user's passes in one step of time; 0 = they change by hand only.
    pub change_rate: f64,
    /// When the simulation starts.
    pub start: Timestamp,
    /// What goes wrong.
    pub faults: Faults,
    /// How long an answer takes, half of it before the passes are read and half after.
    pub latency: RangeInclusive<Duration>,
    /// The greatest page of the history; a greater `per_page` is cut down to it.
    pub history_per_page_max: usize,
    /// The greatest page of the active list; a greater `limit` is cut down to it.
    pub active_limit_max: usize,
    /// The forms in which the history says how many pages there are; each user has one of them.
    pub page_styles: Vec<PageStyle>,
    /// Share of answers (0 to 1) written otherwise than `JSON.stringify` would, with the same meaning.
    pub careless: f64,
    /// How an unknown token is refused.
    pub denial: Denial,
    /// Whether users are individuals.
    pub mode: Mode,
}

impl Default for Config {
    /// A hundred users with lively passes, no latency and no faults.
    fn default() -> Self {
        Self {
            seed: 1,
            users: 100,
            passes_per_user: 3..=8,
            change_rate: 0.05,
            start: Timestamp::constant(1_795_168_800, 0),
            faults: Faults::none(),
            latency: Duration::ZERO..=Duration::ZERO,
            history_per_page_max: 100,
            active_limit_max: 9999,
            page_styles: PageStyle::ALL.to_vec(),
            careless: 0.2,
            denial: Denial::Status401,
            mode: Mode::Full,
        }
    }
}

/// How an unknown token is refused; which one the real API uses is not documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// HTTP 401.
    Status401,
    /// HTTP 403.
    Status403,
    /// HTTP 200 with error code 50020 (session expired) in the envelope.
    Code50020,
}

/// Whether users are individuals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Each user has passes of their own, which change; about 1 kB a user that was looked at.
    Full,
    /// Each user has one of a few fixed sets of four active and two past passes, ready made: nothing to make or to
    /// keep for a user, for benchmarks with very many. Passes change only by [`turn`](super::Simulator::turn).
    Light,
}
