//! Changing a user's passes by hand, so that a test can tell a story of its own.

use super::Simulator;
use super::faults::Fault;
use super::pass::Pass;
use super::user::{Entry, User};
use super::world::{Endpoint, Truth};

/// In light mode passes cannot be changed by hand: these have no effect on what is served.
impl Simulator {
    /// Gives the user exactly these passes; from now on they change by hand only.
    pub fn script(&self, user: u64, truth: Truth) {
        let entries = |passes: Vec<Pass>| passes.into_iter().map(|pass| Entry::Given(Box::new(pass))).collect();
        let mut world = self.world();
        let user = world.user(user);
        user.active = entries(truth.passes);
        user.history = entries(truth.passes4);
        user.scripted = true;
        user.changes += 1;
    }

    /// Lets the user's passes, as they are, change by hand only from now on.
    pub fn hold_still(&self, user: u64) {
        self.world().user(user).scripted = true;
    }

    /// Buys the user a made-up pass; returns its uuid.
    pub fn add_pass(&self, user: u64) -> String {
        self.world().add_new(user)
    }

    /// Puts a pass into a list: in place of the one with its uuid there, else at the end.
    pub fn put_pass(&self, user: u64, list: Endpoint, pass: Pass) {
        let mut world = self.world();
        let user = world.user(user);
        let passes = match list {
            Endpoint::Active => &mut user.active,
            Endpoint::History => &mut user.history,
        };
        let at = passes.iter().position(|entry| entry.has_uuid(&pass.uuid));
        let entry = Entry::Given(Box::new(pass));
        match at.and_then(|at| passes.get_mut(at)) {
            Some(place) => *place = entry,
            None => passes.push(entry),
        }
        user.changes += 1;
    }

    /// Gives a made-up pass of either list one more use and a new payload. False if there is no such pass.
    pub fn change_pass(&self, user: u64, uuid: &str) -> bool {
        let mut world = self.world();
        let now_ms = world.now_ms();
        let user = world.user(user);
        let mut entries = user.active.iter_mut().chain(&mut user.history);
        let pass = entries.find(|entry| entry.has_uuid(uuid)).and_then(Entry::generated);
        let is_found = pass.map(|pass| pass.change(now_ms)).is_some();
        user.changes += u64::from(is_found);
        is_found
    }

    /// Activates a made-up pass of the active list: USING from now. False if there is no such pass.
    pub fn activate(&self, user: u64, uuid: &str) -> bool {
        let mut world = self.world();
        let now_ms = world.now_ms();
        let user = world.user(user);
        let mut entries = user.active.iter_mut();
        let pass = entries.find(|entry| entry.has_uuid(uuid)).and_then(Entry::generated);
        let is_found = pass.map(|pass| pass.activate(now_ms)).is_some();
        user.changes += u64::from(is_found);
        is_found
    }

    /// Moves a pass from the active list to the top of the history; a made-up one expires by it, one that was put
    /// there stays as it is. False if there is no such pass.
    pub fn move_to_history(&self, user: u64, uuid: &str) -> bool {
        let mut world = self.world();
        let now_ms = world.now_ms();
        let user = world.user(user);
        let at = user.active.iter().position(|entry| entry.has_uuid(uuid));
        at.map(|at| user.finish(at, now_ms)).is_some()
    }

    /// Takes a pass out of both lists. False if there is no such pass.
    pub fn remove_pass(&self, user: u64, uuid: &str) -> bool {
        let mut world = self.world();
        let user = world.user(user);
        let before = passes_of(user);
        user.active.retain(|entry| !entry.has_uuid(uuid));
        user.history.retain(|entry| !entry.has_uuid(uuid));
        let is_found = passes_of(user) < before;
        user.changes += u64::from(is_found);
        is_found
    }

    /// Lets the user's next `times` requests for this list go wrong in this way, before any chance is taken.
    pub fn fail_next(&self, user: u64, list: Endpoint, fault: Fault, times: usize) {
        let mut switches = self.switches_mut();
        let due = switches.due.entry((user, list)).or_default();
        due.extend(std::iter::repeat_n(fault, times));
    }
}

fn passes_of(user: &User) -> usize {
    user.active.len() + user.history.len()
}
