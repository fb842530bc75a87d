//! How often what goes wrong: probabilities from 0 to 1, and times in milliseconds.

use std::time::Duration;

use fastrand::Rng;

/// A time between two bounds, both possible.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The shortest.
    pub min_ms: u64,
    /// The longest.
    pub max_ms: u64,
}

impl Span {
    /// Between these, in milliseconds.
    pub const fn ms(min_ms: u64, max_ms: u64) -> Self {
        Self { min_ms, max_ms }
    }

    /// A time of it.
    pub fn draw(self, rng: &mut Rng) -> Duration {
        Duration::from_millis(rng.u64(self.min_ms..=self.max_ms.max(self.min_ms)))
    }
}

/// What becomes of a process's calls. [`Odds::default`] is a world without faults and without latency.
#[derive(Clone, Debug, Default)]
pub struct Odds {
    /// Of calls to the topics, commits aside.
    pub topics: CallOdds,
    /// Of commits.
    pub commits: CommitOdds,
    /// Of what is read from the topics.
    pub consumer: ConsumerOdds,
    /// Of calls to the documents.
    pub documents: CallOdds,
    /// That an update which landed is answered with [`crate::ports::Written::No`].
    pub denied: f64,
    /// That records put outside any group are put twice.
    pub put_twice: f64,
    /// Of calls to the tokens.
    pub tokens: CallOdds,
    /// Of calls to the pass API.
    pub api: ApiOdds,
}

/// Of calls that either are done or not.
#[derive(Clone, Debug)]
pub struct CallOdds {
    /// Refused before anything was done ([`crate::ports::Failure::Down`]).
    pub down: f64,
    /// Done, unanswered.
    pub lost: f64,
    /// Unanswered, done after [`Self::late_by`]. Of a call with many things, each by itself: at once, late or never.
    pub late: f64,
    /// Unanswered, never done.
    pub never: f64,
    /// Of either way.
    pub latency: Span,
    /// How much later a late one is done.
    pub late_by: Span,
    /// After how long the caller gives up waiting. Some unanswered calls fail at once instead (a reset connection).
    pub patience: Span,
}

impl Default for CallOdds {
    fn default() -> Self {
        let (latency, late_by, patience) = (Span::ms(0, 0), Span::ms(1, 20_000), Span::ms(1_000, 5_000));
        Self { down: 0.0, lost: 0.0, late: 0.0, never: 0.0, latency, late_by, patience }
    }
}

/// Of commits. A commit first names its positions to the group, which holds them undecided, and then ends.
#[derive(Clone, Debug)]
pub struct CommitOdds {
    /// Failed before anything was done.
    pub down: f64,
    /// Failed; positions undecided for a while, then aborted.
    pub aborted: f64,
    /// Failed; positions undecided for a while, then committed.
    pub lost: f64,
    /// Failed; the positions arrive later yet, and are aborted after the transaction's time-out.
    pub late: f64,
    /// Of each step's either way.
    pub latency: Span,
    /// How long an undecided one stays so.
    pub undecided: Span,
    /// How much later a late one arrives.
    pub late_by: Span,
}

impl Default for CommitOdds {
    fn default() -> Self {
        let (latency, undecided, late_by) = (Span::ms(0, 0), Span::ms(1, 10_000), Span::ms(1, 20_000));
        Self { down: 0.0, aborted: 0.0, lost: 0.0, late: 0.0, latency, undecided, late_by }
    }
}

/// Of what a member reads.
#[derive(Clone, Debug)]
pub struct ConsumerOdds {
    /// That records on their way when a partition is started anew or revoked come nevertheless, as of their session.
    pub stale: f64,
    /// How much later those come.
    pub stale_by: Span,
    /// That [`crate::ports::Consumer::next`] fails once.
    pub error: f64,
    /// That the membership ends, as with clients that have lost their brokers for good.
    pub ended: f64,
    /// How long records are on their way.
    pub latency: Span,
    /// How much later a member learns of a rebalance.
    pub rebalance_latency: Span,
    /// The most records of one event.
    pub batch_max: usize,
    /// The most events on their way of one partition.
    pub prefetch: usize,
}

impl Default for ConsumerOdds {
    fn default() -> Self {
        let none = Span::ms(0, 0);
        Self {
            stale: 0.0,
            stale_by: none,
            error: 0.0,
            ended: 0.0,
            latency: none,
            rebalance_latency: none,
            batch_max: 16,
            prefetch: 2,
        }
    }
}

/// Of the pass API's answers.
#[derive(Clone, Debug, Default)]
pub struct ApiOdds {
    /// `connect_failed`.
    pub connect_failed: f64,
    /// `connection_lost` in the middle of the body.
    pub connection_lost: f64,
    /// No answer at all; `timed_out` after [`Self::timeout`].
    pub hang: f64,
    /// 500, 502 or 503 with a page of HTML.
    pub server_error: f64,
    /// 429 with `Retry-After`.
    pub too_many: f64,
    /// 200 with a page of HTML.
    pub html: f64,
    /// 200 whose body ends in the middle.
    pub truncated: f64,
    /// 200 with an envelope that carries errors.
    pub error_envelope: f64,
    /// 401 with code 50020, although the token is good.
    pub unauthorized: f64,
    /// Of history pages: a total that does not fit, a pass left out, or one repeated.
    pub uneven_pages: f64,
    /// Of either way.
    pub latency: Span,
    /// The caller's own bound; 30 s when 0.
    pub timeout: Span,
}

impl Odds {
    /// A rough world: everything goes wrong now and then, and takes its time.
    pub fn rough() -> Self {
        let call = |max_ms| CallOdds {
            down: 0.01,
            lost: 0.01,
            late: 0.01,
            never: 0.01,
            latency: Span::ms(0, max_ms),
            ..CallOdds::default()
        };
        let latency = Span::ms(0, 15);
        Self {
            topics: call(10),
            commits: CommitOdds { down: 0.02, aborted: 0.02, lost: 0.02, late: 0.02, latency, ..CommitOdds::default() },
            consumer: ConsumerOdds {
                stale: 0.5,
                stale_by: Span::ms(0, 3_000),
                error: 0.002,
                ended: 0.0,
                latency,
                rebalance_latency: Span::ms(0, 500),
                batch_max: 8,
                prefetch: 3,
            },
            documents: call(20),
            denied: 0.01,
            put_twice: 0.0,
            tokens: call(10),
            api: ApiOdds::rough(),
        }
    }
}

impl ApiOdds {
    /// Every fault now and then.
    pub fn rough() -> Self {
        Self {
            connect_failed: 0.01,
            connection_lost: 0.01,
            hang: 0.005,
            server_error: 0.01,
            too_many: 0.005,
            html: 0.005,
            truncated: 0.005,
            error_envelope: 0.005,
            unauthorized: 0.002,
            uneven_pages: 0.01,
            latency: Span::ms(5, 400),
            timeout: Span::ms(10_000, 10_000),
        }
    }
}
