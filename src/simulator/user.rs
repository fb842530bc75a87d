//! One user's two lists, and how they change by themselves as time steps by.

use fastrand::Rng;

use super::dice::{dice, mix, purpose, steps_until};
use super::pass::{Generated, MINUTE_MS, Pass, Status};
use super::pass_text::Keys;

/// What all users' lives have in common.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub seed: u64,
    /// Chance that something happens to a user in one step.
    pub change_rate: f64,
    /// Fewest and most passes at the start. A user never has more than twice the most.
    pub passes: (usize, usize),
    /// The time at which the simulation starts, in Unix milliseconds.
    pub start_ms: i64,
}

/// A pass in a list: made up from the seed, or put there word by word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Generated(Generated),
    Given(Box<Pass>),
}

impl Entry {
    pub fn text(&self, keys: Keys) -> String {
        match self {
            Self::Generated(pass) => pass.text(keys),
            Self::Given(pass) => pass.text.clone(),
        }
    }

    pub fn pass(&self) -> Pass {
        match self {
            Self::Generated(pass) => {
                Pass { uuid: pass.uuid(), status: pass.status.name().to_owned(), text: pass.text(Keys::Canonical) }
            }
            Self::Given(pass) => (**pass).clone(),
        }
    }

    pub fn has_uuid(&self, uuid: &str) -> bool {
        match self {
            Self::Generated(pass) => pass.uuid() == uuid,
            Self::Given(pass) => pass.uuid == uuid,
        }
    }

    pub fn generated(&mut self) -> Option<&mut Generated> {
        match self {
            Self::Generated(pass) => Some(pass),
            Self::Given(_) => None,
        }
    }

    fn expiration_ms(&self) -> Option<i64> {
        match self {
            Self::Generated(pass) => pass.expiration_ms,
            Self::Given(_) => None,
        }
    }
}

/// A user who has been looked at. About 1 kB with six passes.
#[derive(Clone, Debug)]
pub(super) struct User {
    id: u64,
    dice: Rng,
    /// Steps of the simulation that this user has lived through.
    lived: usize,
    /// The step at which something happens next.
    next: Option<usize>,
    next_index: u32,
    pub active: Vec<Entry>,
    pub history: Vec<Entry>,
    /// What a changed pass was before, to be taken back later.
    before: Option<Generated>,
    /// Whether passes change by hand only.
    pub scripted: bool,
    pub changes: u64,
}

impl User {
    /// The user as the seed has it at the start.
    pub fn derived(id: u64, rules: &Rules) -> Self {
        let mut dice = dice(&[rules.seed, purpose::USER, id]);
        let count = dice.usize(rules.passes.0..=rules.passes.1.max(rules.passes.0));
        let next = steps_until(rules.change_rate, &mut dice).map(|gap| gap - 1);
        let mut user = Self {
            id,
            dice,
            lived: 0,
            next,
            next_index: 0,
            active: Vec::with_capacity(count),
            history: Vec::new(),
            before: None,
            scripted: false,
            changes: 0,
        };
        for nth in 0..count {
            user.start_with(nth < count / 3, rules);
        }
        user
    }

    /// Passes that the user has at the start: old ones in the history, newer ones in the active list.
    fn start_with(&mut self, old: bool, rules: &Rules) {
        let days = if old { 230..400 } else { 1..60 };
        let created_ms = rules.start_ms - self.dice.i64(days) * 1_440 * MINUTE_MS;
        let mut pass = self.buy(created_ms, rules);
        match self.dice.u8(0..100) {
            _ if old => pass.expire(created_ms + 220 * 1_440 * MINUTE_MS),
            0..25 => {
                let minutes = self.dice.i64(1..pass.product().valid_min.min(1_440));
                pass.activate(rules.start_ms - minutes * MINUTE_MS);
            }
            25..33 => pass.status = Status::UsesGone,
            33..35 => pass.status = Status::Undocumented,
            _ => {}
        }
        let list = if old { &mut self.history } else { &mut self.active };
        list.push(Entry::Generated(pass));
    }

    fn buy(&mut self, now_ms: i64, rules: &Rules) -> Generated {
        let index = self.next_index;
        self.next_index += 1;
        Generated::bought(rules.seed, self.id, index, now_ms)
    }

    /// Lives through the steps at `times` (Unix milliseconds, not decreasing) that the user has not lived through yet.
    pub fn advance(&mut self, times: &[i64], rules: &Rules) {
        while self.lived < times.len() {
            let expiry = self.expiry_step(times);
            let step = self.next.unwrap_or(usize::MAX).min(expiry);
            let Some(now_ms) = times.get(step).copied().filter(|_| !self.scripted) else {
                self.lived = times.len();
                self.next = self.next.map(|next| next.max(self.lived));
                return;
            };
            self.lived = step;
            if expiry == step {
                self.expire_due(now_ms);
            }
            if self.next == Some(step) {
                self.happen(now_ms, rules);
                self.next = steps_until(rules.change_rate, &mut self.dice).map(|gap| step + gap);
            }
            self.lived = step + 1;
        }
    }

    /// The first step at which an active pass is past its expiration.
    fn expiry_step(&self, times: &[i64]) -> usize {
        let soonest = self.active.iter().filter_map(Entry::expiration_ms).min();
        soonest
            .map_or(usize::MAX, |expiration_ms| times.partition_point(|now_ms| *now_ms < expiration_ms).max(self.lived))
    }

    fn expire_due(&mut self, now_ms: i64) {
        let is_due = |entry: &Entry| entry.expiration_ms().is_some_and(|due_ms| due_ms <= now_ms);
        while let Some(at) = self.active.iter().position(is_due) {
            self.finish(at, now_ms);
        }
    }

    /// One thing out of a pass's life happens to one of the user's passes.
    fn happen(&mut self, now_ms: i64, rules: &Rules) {
        let draw = self.dice.u8(0..100);
        if self.active.is_empty() {
            return self.add(now_ms, rules);
        }
        let at = self.dice.usize(0..self.active.len());
        match draw {
            0..20 => self.activate_one(at, now_ms),
            20..48 => self.change_one(at, now_ms),
            48..68 => self.finish(at, now_ms),
            68..86 => self.add(now_ms, rules),
            86..98 => self.take_back(at, now_ms),
            _ => self.vanish(at),
        }
    }

    fn activate_one(&mut self, at: usize, now_ms: i64) {
        let is_usable = |entry: &Entry| matches!(entry, Entry::Generated(pass) if pass.status == Status::Usable);
        match self.active.iter().position(is_usable) {
            Some(usable) => self.edit(usable, |pass| pass.activate(now_ms)),
            None => self.change_one(at, now_ms),
        }
    }

    /// Changes an active pass, or now and then one of the history, and may remember how it was.
    fn change_one(&mut self, at: usize, now_ms: i64) {
        if self.dice.u8(0..10) == 0
            && let Some(pass) = self.history.first_mut().and_then(Entry::generated)
        {
            pass.change(now_ms);
            self.changes += 1;
            return;
        }
        if let Some(Entry::Generated(pass)) = self.active.get(at) {
            self.before = Some(*pass);
        }
        self.edit(at, |pass| pass.change(now_ms));
    }

    /// Makes a changed pass what it was before, to the letter.
    fn take_back(&mut self, at: usize, now_ms: i64) {
        let Some(before) = self.before.take() else {
            return self.change_one(at, now_ms);
        };
        let same = |entry: &Entry| matches!(entry, Entry::Generated(pass) if pass.index == before.index);
        match self.active.iter().position(same) {
            Some(changed) => self.edit(changed, |pass| *pass = before),
            None => self.change_one(at, now_ms),
        }
    }

    fn edit(&mut self, at: usize, change: impl FnOnce(&mut Generated)) {
        if let Some(pass) = self.active.get_mut(at).and_then(Entry::generated) {
            change(pass);
            self.changes += 1;
        }
    }

    /// Moves an active pass to the top of the history, as expired.
    pub fn finish(&mut self, at: usize, now_ms: i64) {
        let mut entry = self.active.remove(at);
        if let Some(pass) = entry.generated() {
            pass.expire(now_ms);
        }
        self.history.insert(0, entry);
        self.changes += 1;
    }

    /// A new pass; the oldest of the history goes when there are too many.
    fn add(&mut self, now_ms: i64, rules: &Rules) {
        if self.active.len() + self.history.len() >= (2 * rules.passes.1).max(1) {
            self.history.pop();
        }
        if self.active.len() < (2 * rules.passes.1).max(1) {
            self.add_new(now_ms, rules);
        }
    }

    /// Buys a pass, whatever the user has; returns its uuid.
    pub fn add_new(&mut self, now_ms: i64, rules: &Rules) -> String {
        let pass = self.buy(now_ms, rules);
        let newest_first = mix(&[rules.seed, self.id]).is_multiple_of(2);
        let at = if newest_first { 0 } else { self.active.len() };
        self.active.insert(at, Entry::Generated(pass));
        self.changes += 1;
        pass.uuid()
    }

    fn vanish(&mut self, at: usize) {
        self.active.remove(at);
        self.changes += 1;
    }
}
