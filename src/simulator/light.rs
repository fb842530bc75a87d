//! Ready-made answers for very many users: a few fixed sets of passes, shared.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use jiff::Timestamp;

use super::json_text::array;
use super::page::{EnvelopeStyle, HISTORY_QUERY, Page, PageStyle, active_data, envelope};
use super::pass::Pass;
use super::user::{Entry, Rules, User};
use super::world::{Endpoint, Truth};

/// Different sets of passes.
const SHAPES: u64 = 16;
const ACTIVE: usize = 4;
const HISTORY: usize = 2;

/// One set of passes, and the answers that show it.
struct Shape {
    active: Bytes,
    history: Bytes,
    past_the_end: Bytes,
    truth: Truth,
}

/// All sets, in two versions: the same passes (`uuid`), but each with another payload.
pub(super) struct Light {
    versions: [Vec<Shape>; 2],
    turns: AtomicUsize,
}

impl Light {
    pub fn new(rules: &Rules) -> Self {
        let passes = (ACTIVE + HISTORY, ACTIVE + HISTORY);
        let rules = Rules { change_rate: 0.0, passes, ..rules.clone() };
        let version = |changes| (0..SHAPES).map(|shape| Shape::new(shape, changes, &rules)).collect();
        Self { versions: [version(0), version(1)], turns: AtomicUsize::new(0) }
    }

    /// Changes every pass of every user; the next time, changes them back.
    pub fn turn(&self) {
        self.turns.fetch_add(1, Relaxed);
    }

    fn shape(&self, user: u64) -> Option<&Shape> {
        let version = &self.versions[self.turns.load(Relaxed) % 2];
        version.get((user % SHAPES) as usize)
    }

    /// The body for this user; any first page holds the whole history, whatever its size.
    pub fn body(&self, user: u64, endpoint: Endpoint, page: usize) -> Bytes {
        let Some(shape) = self.shape(user) else {
            return Bytes::new();
        };
        match (endpoint, page) {
            (Endpoint::Active, _) => shape.active.clone(),
            (Endpoint::History, 0 | 1) => shape.history.clone(),
            (Endpoint::History, _) => shape.past_the_end.clone(),
        }
    }

    pub fn truth(&self, user: u64) -> Truth {
        self.shape(user).map(|shape| shape.truth.clone()).unwrap_or_default()
    }
}

impl Shape {
    fn new(shape: u64, changes: u32, rules: &Rules) -> Self {
        let mut user = User::derived(shape, rules);
        let entries = user.active.iter_mut().chain(&mut user.history);
        for pass in entries.filter_map(Entry::generated) {
            (0..changes).for_each(|_| pass.change(rules.start_ms));
        }
        let passes: Vec<Pass> = user.active.iter().map(Entry::pass).collect();
        let passes4: Vec<Pass> = user.history.iter().map(Entry::pass).collect();
        let server_time = Timestamp::from_millisecond(rules.start_ms).unwrap_or_default().to_string();
        let whole = |data: &str| Bytes::from(envelope(&server_time, data, EnvelopeStyle::Documented));
        let history = |number, passes: &[Pass]| {
            let page = Page { number, size: 100, total: HISTORY, query: HISTORY_QUERY };
            whole(&page.data(&texts(passes), PageStyle::PathOrNull, HISTORY))
        };
        Self {
            active: whole(&active_data(&texts(&passes))),
            history: history(1, &passes4),
            past_the_end: history(2, &[]),
            truth: Truth { passes, passes4 },
        }
    }
}

fn texts(passes: &[Pass]) -> String {
    array(passes.iter().map(|pass| &pass.text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_user_has_four_active_and_two_past_passes_which_turn() {
        let rules = Rules { seed: 1, change_rate: 1.0, passes: (1, 1), start_ms: 1_795_168_800_000 };
        let light = Light::new(&rules);
        for user in 1..=32 {
            let before = light.truth(user);
            assert_eq!((before.passes.len(), before.passes4.len()), (ACTIVE, HISTORY));
            light.turn();
            let after = light.truth(user);
            assert!(
                before.passes.iter().zip(&after.passes).all(|(old, new)| old.uuid == new.uuid && old.text != new.text)
            );
            light.turn();
            assert_eq!(light.truth(user), before);
        }
    }
}
