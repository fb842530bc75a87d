//! Seeded chance: every draw comes from the seed and from what it is for, so that it depends on neither time nor order.

use std::ops::RangeInclusive;
use std::time::Duration;

use fastrand::Rng;

/// What a draw is for, so that draws for one user do not echo each other.
pub(super) mod purpose {
    pub const USER: u64 = 1;
    pub const TOKEN: u64 = 2;
    pub const UUID_HIGH: u64 = 3;
    pub const UUID_LOW: u64 = 4;
    pub const CONSTANTS: u64 = 5;
    pub const PAYLOAD: u64 = 6;
    pub const HABIT: u64 = 7;
    pub const REQUEST: u64 = 8;
    pub const DRESS: u64 = 9;
}

/// One well-spread number of several (the finaliser of splitmix64, chained).
pub(super) fn mix(parts: &[u64]) -> u64 {
    parts.iter().fold(0x9e37_79b9_7f4a_7c15, |state, part| spread(state ^ *part))
}

fn spread(number: u64) -> u64 {
    let mut spread = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    spread = (spread ^ (spread >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    spread = (spread ^ (spread >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    spread ^ (spread >> 31)
}

/// A generator for one purpose.
pub(super) fn dice(parts: &[u64]) -> Rng {
    Rng::with_seed(mix(parts))
}

/// A draw as a place in a list of `length`.
pub(super) fn below(draw: u64, length: usize) -> usize {
    usize::try_from(draw % length.max(1) as u64).unwrap_or(0)
}

/// Steps until the next thing that happens with chance `rate` in each step: at least 1, `None` for never.
pub(super) fn steps_until(rate: f64, dice: &mut Rng) -> Option<usize> {
    if rate <= 0.0 {
        return None;
    }
    if rate >= 1.0 {
        return Some(1);
    }
    let gap = (1.0 - dice.f64()).ln() / (1.0 - rate).ln();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 1e9")]
    let steps = gap.min(1e9) as usize;
    Some(1 + steps)
}

/// A duration within `range`, to the microsecond.
pub(super) fn duration(range: &RangeInclusive<Duration>, dice: &mut Rng) -> Duration {
    let low = u64::try_from(range.start().as_micros()).unwrap_or(u64::MAX);
    let high = u64::try_from(range.end().as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(dice.u64(low..=high.max(low)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixing_depends_on_every_part_and_on_their_order() {
        assert_eq!(mix(&[1, 2]), mix(&[1, 2]));
        assert_ne!(mix(&[1, 2]), mix(&[2, 1]));
        assert_ne!(mix(&[1, 2]), mix(&[1, 2, 0]));
    }

    #[test]
    fn the_mean_gap_is_one_over_the_rate() {
        let mut dice = dice(&[1]);
        let gaps: usize = (0..10_000).filter_map(|_| steps_until(0.1, &mut dice)).sum();
        assert!((95_000..105_000).contains(&gaps), "{gaps}");
        assert_eq!(steps_until(0.0, &mut dice), None);
        assert_eq!(steps_until(1.0, &mut dice), Some(1));
    }
}
