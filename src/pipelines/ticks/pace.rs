//! How fast the requests are handled, so that a fan-out stays only a few seconds of work ahead: what is asked for on
//! demand must not wait behind a whole tick.

use std::time::Duration;

/// How often to look while the backlog is long, in ms.
pub(super) const LOOK_MS: i64 = 50;

/// Time over which the rate is taken.
const MEASURE_MS: i64 = 500;

/// The handled requests over time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    looked_ms: Option<i64>,
    backlog: u64,
    put: u64,
    /// Handled a second.
    rate: f64,
}

impl Pace {
    /// Takes the backlog of now into account.
    pub(super) fn look(&mut self, now_ms: i64, backlog: u64) -> Self {
        let Some(looked_ms) = self.looked_ms else {
            *self = Self { looked_ms: Some(now_ms), backlog, ..*self };
            return *self;
        };
        let elapsed_ms = now_ms - looked_ms;
        if elapsed_ms >= MEASURE_MS {
            let handled = (self.backlog + self.put).saturating_sub(backlog);
            #[expect(clippy::cast_precision_loss, reason = "a rate need not be exact")]
            let rate = handled as f64 * 1000.0 / elapsed_ms as f64;
            *self = Self { looked_ms: Some(now_ms), backlog, put: 0, rate: f64::midpoint(self.rate, rate) };
        }
        *self
    }

    /// Requests were put.
    pub(super) fn put(&mut self, requests: usize) {
        self.put += requests as u64;
    }

    /// The longest backlog behind which another page may be put.
    pub(super) fn allowed(&self, ahead: Duration, page: usize) -> u64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded by both sides")]
        let worth = (self.rate * ahead.as_secs_f64()).clamp(0.0, 1e15) as u64;
        // One page less, since that is what will be added.
        worth.saturating_sub(page as u64).max(page as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lets_through_what_a_few_seconds_of_handling_take() {
        let mut pace = Pace::default();
        let ahead = Duration::from_secs(5);
        assert_eq!(pace.look(0, 0).allowed(ahead, 100), 100);
        for second in 1..=20 {
            pace.put(1000);
            pace.look(second * 1000, 0);
        }
        let allowed = pace.allowed(ahead, 100);
        assert!((4800..=4900).contains(&allowed), "{allowed}");
    }

    #[test]
    fn when_nothing_is_handled_a_page_at_most_is_left_lying() {
        let mut pace = Pace::default();
        pace.look(0, 0);
        pace.put(100);
        assert_eq!(pace.look(10_000, 100).allowed(Duration::from_secs(5), 100), 100);
    }
}
