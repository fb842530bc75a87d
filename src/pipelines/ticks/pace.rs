//! How fast the requests are handled, so that a fan-out stays only a few seconds of work ahead: what is asked for on
//! demand must not wait behind a whole tick.

use std::time::Duration;

/// How often to look while the backlog is long, in ms.
pub(super) const LOOK_MS: i64 = 50;

/// Time over which the rate is taken.
const MEASURE_MS: i64 = 500;

/// Users of a page when nothing is known of the rate.
const PAGE_MIN: usize = 500;

/// The longest a look counts: what others put in between is not known.
const LOOK_LASTS_MS: i64 = 500;

/// The handled requests over time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    looked: Option<Look>,
    measured: Option<Look>,
    /// Handled a second.
    rate: f64,
}

/// The backlog at a moment, and what was put since.
#[derive(Clone, Copy, Debug, Default)]
struct Look {
    at_ms: i64,
    backlog: u64,
    put: u64,
}

impl Pace {
    /// The most that the backlog can be by what was put since the last look; `None` when that was too long ago. To look
    /// costs several questions to the brokers, as much as a page.
    pub(super) fn backlog_at_most(&self, now_ms: i64) -> Option<u64> {
        let look = self.looked.filter(|look| (0..LOOK_LASTS_MS).contains(&(now_ms - look.at_ms)))?;
        Some(look.backlog + look.put)
    }

    /// Takes the backlog of now into account.
    pub(super) fn look(&mut self, now_ms: i64, backlog: u64) {
        let now = Look { at_ms: now_ms, backlog, put: 0 };
        self.looked = Some(now);
        let Some(before) = self.measured else {
            self.measured = Some(now);
            return;
        };
        let elapsed_ms = now_ms - before.at_ms;
        if elapsed_ms >= MEASURE_MS {
            let handled = (before.backlog + before.put).saturating_sub(backlog);
            #[expect(clippy::cast_precision_loss, reason = "a rate need not be exact")]
            let rate = handled as f64 * 1000.0 / elapsed_ms as f64;
            *self = Self { looked: Some(now), measured: Some(now), rate: f64::midpoint(self.rate, rate) };
        }
    }

    /// Requests were put.
    pub(super) fn put(&mut self, requests: usize) {
        for look in [&mut self.looked, &mut self.measured].into_iter().flatten() {
            look.put += requests as u64;
        }
    }

    /// Users of a page: at most `page`, and at most a quarter of what may lie ahead, once the rate is known to be more.
    pub(super) fn page(&self, ahead: Duration, page: usize) -> usize {
        usize::try_from(self.worth(ahead) / 4).unwrap_or(page).clamp(page.min(PAGE_MIN), page)
    }

    /// The longest backlog behind which another page may be put.
    pub(super) fn allowed(&self, ahead: Duration, page: usize) -> u64 {
        // One page less, since that is what will be added.
        self.worth(ahead).saturating_sub(page as u64).max(page as u64)
    }

    fn worth(&self, ahead: Duration) -> u64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded by both sides")]
        let worth = (self.rate * ahead.as_secs_f64()).clamp(0.0, 1e15) as u64;
        worth
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AHEAD: Duration = Duration::from_secs(5);

    /// As many requests a second, each handled at once, for some seconds.
    fn at_rate(requests: usize) -> Pace {
        let mut pace = Pace::default();
        pace.look(0, 0);
        for second in 1..=20 {
            pace.put(requests);
            pace.look(second * 1000, 0);
        }
        pace
    }

    #[test]
    fn it_lets_through_what_a_few_seconds_of_handling_take() {
        assert_eq!(Pace::default().allowed(AHEAD, 100), 100);
        let allowed = at_rate(1000).allowed(AHEAD, 100);
        assert!((4800..=4900).contains(&allowed), "{allowed}");
    }

    #[test]
    fn when_nothing_is_handled_a_page_at_most_is_left_lying() {
        let mut pace = Pace::default();
        pace.look(0, 0);
        pace.put(100);
        pace.look(10_000, 100);
        assert_eq!(pace.allowed(AHEAD, 100), 100);
    }

    #[test]
    fn pages_grow_with_the_rate_up_to_what_is_set() {
        let pages = [0, 100, 1000, 100_000].map(|requests| at_rate(requests).page(AHEAD, 5000));
        assert!(matches!(pages, [500, 500, 1200..=1250, 5000]), "{pages:?}");
        assert_eq!(Pace::default().page(AHEAD, 3), 3);
    }

    #[test]
    fn a_look_lasts_for_a_while_and_counts_what_is_put() {
        let mut pace = Pace::default();
        assert_eq!(pace.backlog_at_most(0), None);
        pace.look(1000, 70);
        pace.put(30);
        assert_eq!(
            [1000, 1499, 1500, 999].map(|now_ms| pace.backlog_at_most(now_ms)),
            [Some(100), Some(100), None, None]
        );
    }
}
