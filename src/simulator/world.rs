//! The truth: users, their passes, and the time. No I/O and no clock; the same seed and the same steps give the same world.

use std::collections::HashMap;

use jiff::Timestamp;

use super::pass::Pass;
use super::user::{Entry, Rules, User};

/// What a user's two lists hold, in the order in which the API lists them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    /// The active list (`/passes`).
    pub passes: Vec<Pass>,
    /// The history (`/v4.0/passes?status=EXPIRED`).
    pub passes4: Vec<Pass>,
}

/// One of the API's two lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `GET /passes`.
    Active,
    /// `GET /v4.0/passes?status=EXPIRED`.
    History,
}

/// All users who have been looked at, and the steps so far.
///
/// A user who was never asked for costs nothing: lives are lived when somebody looks, step for step as they would have been.
pub(super) struct World {
    rules: Rules,
    users: HashMap<u64, User>,
    /// When each step was, in Unix milliseconds; never decreasing.
    times: Vec<i64>,
    frozen: bool,
    /// How often each list of each user was asked for.
    requests: HashMap<u64, [u64; 2]>,
}

impl World {
    pub fn new(rules: Rules) -> Self {
        Self { rules, users: HashMap::new(), times: Vec::new(), frozen: false, requests: HashMap::new() }
    }

    /// The time of the last step, in Unix milliseconds.
    pub fn now_ms(&self) -> i64 {
        self.times.last().copied().unwrap_or(self.rules.start_ms)
    }

    /// One step of time; nothing when frozen. Time never goes back.
    pub fn step(&mut self, now: Timestamp) {
        if !self.frozen {
            self.times.push(now.as_millisecond().max(self.now_ms()));
        }
    }

    pub fn freeze(&mut self) {
        self.frozen = true;
    }

    /// The user as of the last step.
    pub fn user(&mut self, id: u64) -> &mut User {
        let user = self.users.entry(id).or_insert_with(|| User::derived(id, &self.rules));
        user.advance(&self.times, &self.rules);
        user
    }

    pub fn truth(&mut self, id: u64) -> Truth {
        let user = self.user(id);
        Truth {
            passes: user.active.iter().map(Entry::pass).collect(),
            passes4: user.history.iter().map(Entry::pass).collect(),
        }
    }

    /// Buys a pass for the user; returns its uuid.
    pub fn add_new(&mut self, id: u64) -> String {
        let now_ms = self.now_ms();
        let rules = self.rules.clone();
        self.user(id).add_new(now_ms, &rules)
    }

    /// Changes that have happened to the users looked at so far.
    pub fn changes(&mut self) -> u64 {
        let changes_of = |user: &mut User| {
            user.advance(&self.times, &self.rules);
            user.changes
        };
        self.users.values_mut().map(changes_of).sum()
    }

    /// Counts a request; returns how many of this kind there were before.
    pub fn count_request(&mut self, id: u64, endpoint: Endpoint) -> u64 {
        let [active, history] = self.requests.entry(id).or_default();
        let count = match endpoint {
            Endpoint::Active => active,
            Endpoint::History => history,
        };
        *count += 1;
        *count - 1
    }

    /// Requests for each list of a user: active, history.
    pub fn requests(&self, id: u64) -> [u64; 2] {
        self.requests.get(&id).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(change_rate: f64) -> Rules {
        Rules { seed: 3, change_rate, passes: (3, 8), start_ms: 1_795_168_800_000 }
    }

    fn stepped(world: &mut World, steps: i64, step_ms: i64) {
        for _ in 0..steps {
            let next_ms = world.now_ms() + step_ms;
            world.step(Timestamp::from_millisecond(next_ms).unwrap());
        }
    }

    #[test]
    fn a_life_does_not_depend_on_who_looks_when() {
        let mut watched = World::new(rules(0.2));
        for _ in 0..200 {
            stepped(&mut watched, 1, 1_000);
            watched.truth(5);
        }
        let mut unwatched = World::new(rules(0.2));
        stepped(&mut unwatched, 200, 1_000);
        assert_eq!(watched.truth(5), unwatched.truth(5));
        assert_eq!(watched.changes(), unwatched.changes());
        assert!(watched.changes() > 10);
    }

    #[test]
    fn every_kind_of_change_happens() {
        let mut world = World::new(rules(0.5));
        let mut seen = [false; 6];
        let mut before = world.truth(1);
        for _ in 0..1_000 {
            stepped(&mut world, 1, 1_000);
            let after = world.truth(1);
            for (kind, happened) in kinds(&before, &after).into_iter().enumerate() {
                seen[kind] |= happened;
            }
            before = after;
        }
        assert_eq!(seen, [true; 6]);
    }

    /// Added, changed, activated, moved, vanished, history changed.
    fn kinds(before: &Truth, after: &Truth) -> [bool; 6] {
        let find = |list: &[Pass], uuid: &str| list.iter().find(|pass| pass.uuid == uuid).cloned();
        let pairs = || before.passes.iter().map(|pass| (pass, find(&after.passes, &pass.uuid)));
        let kept = || pairs().filter_map(|(old, new)| Some((old, new?)));
        let gone = || pairs().filter(|(_, new)| new.is_none()).map(|(old, _)| old);
        let old_history = |pass: &Pass| find(&before.passes4, &pass.uuid);
        [
            after.passes.len() > before.passes.len(),
            kept().any(|(old, new)| old.text != new.text && old.status == new.status),
            kept().any(|(old, new)| old.status == "USABLE" && new.status == "USING"),
            gone().any(|old| find(&after.passes4, &old.uuid).is_some()),
            gone().any(|old| find(&after.passes4, &old.uuid).is_none()),
            after.passes4.iter().any(|new| old_history(new).is_some_and(|old| old.text != new.text)),
        ]
    }

    #[test]
    fn some_changes_are_taken_back_to_the_letter() {
        let mut world = World::new(rules(1.0));
        let mut texts: Vec<Vec<String>> = Vec::new();
        for _ in 0..400 {
            stepped(&mut world, 1, 1_000);
            texts.push(world.truth(2).passes.into_iter().map(|pass| pass.text).collect());
        }
        let reverted = texts.windows(3).any(|three| three[0] == three[2] && three[0] != three[1]);
        assert!(reverted);
    }

    #[test]
    fn a_pass_past_its_expiration_moves_to_the_history() {
        let mut world = World::new(rules(0.0));
        let active_before: usize = (1..=50).map(|user| world.truth(user).passes.len()).sum();
        stepped(&mut world, 1, 86_400_000 * 40);
        let truths: Vec<Truth> = (1..=50).map(|user| world.truth(user)).collect();
        let active_after: usize = truths.iter().map(|truth| truth.passes.len()).sum();
        assert!(active_after < active_before);
        let using = truths.iter().flat_map(|truth| &truth.passes).filter(|pass| pass.status == "USING");
        assert_eq!(using.count(), 0);
    }

    #[test]
    fn lists_stay_bounded() {
        let mut world = World::new(rules(1.0));
        stepped(&mut world, 5_000, 1_000);
        for user in 1..=20 {
            let truth = world.truth(user);
            assert!(truth.passes.len() + truth.passes4.len() <= 17, "user {user}");
        }
    }

    #[test]
    fn a_frozen_world_stays_as_it_is() {
        let mut world = World::new(rules(1.0));
        stepped(&mut world, 10, 1_000);
        let before = world.truth(1);
        world.freeze();
        stepped(&mut world, 10, 1_000);
        assert_eq!(world.truth(1), before);
    }
}
