//! Lives of the process: work is given to it, and when it is in the middle of it, it is killed. Of several at once some
//! are frozen for longer than their session and thawed, as zombies, and some are asked to end.

use std::time::{Duration, Instant};

use fastrand::Rng;
use passflow::{
    domain::{
        request::PassRequest,
        tick::{Kind, Tick},
        token::Token,
        user_id::UserId,
    },
    simulator::Simulator,
    wiring::oracle::users_up_to,
};

use super::{
    process::{Place, Process},
    work::{SIGNS, Sign, Topics},
};

/// What becomes of an instance in the middle of its work.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Killed,
    Frozen,
    AskedToEnd,
}

/// Well above the session time-out that the tests set (2.5 s): the others have taken what the frozen one had.
const FROZEN_FOR: Duration = Duration::from_secs(4);

/// One life after the other.
pub struct Lives<'a> {
    pub place: &'a Place,
    pub topics: Topics<'a>,
    pub simulator: &'a Simulator,
    random: Rng,
    /// Those that run.
    pub instances: Vec<Option<Process>>,
    /// Those that were asked to end.
    leaving: Vec<Process>,
    /// One that stands still, and since when.
    frozen: Option<(usize, Instant)>,
    /// How long to wait for a sign of work.
    patience: Duration,
    pub kills: u64,
    pub freezes: u64,
    asked_to_end: u64,
    /// Kills that came just after the awaited work was seen.
    pub in_the_middle: u64,
    ticks: u64,
    requests: u64,
    new_tokens: u64,
}

impl<'a> Lives<'a> {
    pub fn new(place: &'a Place, topics: Topics<'a>, simulator: &'a Simulator, seed: u64) -> Self {
        Self {
            place,
            topics,
            simulator,
            random: Rng::with_seed(seed),
            instances: vec![None],
            leaving: Vec::new(),
            frozen: None,
            patience: Duration::from_secs(5),
            kills: 0,
            freezes: 0,
            asked_to_end: 0,
            in_the_middle: 0,
            ticks: 0,
            requests: 0,
            new_tokens: 0,
        }
    }

    /// With `count` instances at once, whose start and rebalances may take some time.
    pub fn of_instances(mut self, count: usize, patience: Duration) -> Self {
        (self.instances, self.patience) = ((0..count).map(|_| None).collect(), patience);
        self
    }

    pub fn story(&self) -> String {
        let count = |sign| self.topics.count(sign, self.simulator);
        format!(
            "{} kills, {} zombies, {} asked to end, {} of them just after work was seen; put {} ticks, {} requests, {} new tokens; \
             {} requests and {} of another round on the topics, {} events, {} records committed",
            self.kills,
            self.freezes,
            self.asked_to_end,
            self.in_the_middle,
            self.ticks,
            self.requests,
            self.new_tokens,
            count(Sign::Put(0)),
            count(Sign::Put(1)),
            count(Sign::Put(2)),
            count(Sign::Committed),
        )
    }

    pub fn import_tokens(&self) {
        let token = |user: UserId| Token::new(self.simulator.token_of(user.get().cast_unsigned())?);
        let rows = users_up_to(self.simulator.users()).map(|user| (user, token(user))).collect();
        self.topics.runtime.block_on(self.topics.store.token_admin.put(rows)).unwrap();
    }

    pub fn request_all(&mut self) {
        users_up_to(self.simulator.users()).for_each(|user| self.request(user));
    }

    /// One of the instances is killed, or something else becomes of it; the others go on.
    pub fn live_and_be_killed(&mut self) {
        self.thaw_when_due();
        for (number, instance) in self.instances.iter_mut().enumerate() {
            instance.get_or_insert_with(|| self.place.start_logging(&["run"], &format!("log-{number}")));
        }
        let is_at_work = self.random.u8(0..8) > 0 && self.wait_for_work();
        std::thread::sleep(Duration::from_micros(self.random.u64(0..40_000)));
        for instance in self.instances.iter_mut().flatten() {
            assert!(!instance.has_ended(), "it ended by itself: {}", instance.log());
        }
        let chosen = self.random.usize(..self.instances.len());
        if self.frozen.is_some_and(|(frozen, _)| frozen == chosen) {
            return;
        }
        match self.fate() {
            Fate::Killed => {
                self.end(chosen, Process::kill);
                self.kills += 1;
                self.in_the_middle += u64::from(is_at_work);
            }
            Fate::Frozen => {
                self.instances[chosen].iter().for_each(Process::freeze);
                self.frozen = Some((chosen, Instant::now()));
                self.freezes += 1;
            }
            Fate::AskedToEnd => {
                self.end(chosen, |process| {
                    process.terminate();
                    assert!(process.end_within(Duration::from_secs(60)).success(), "{}", process.log());
                });
                self.asked_to_end += 1;
            }
        }
    }

    /// For as long as `pace` work is given; then another instance joins, and the one before it is asked to end.
    pub fn one_joins_and_one_leaves(&mut self, pace: Duration) {
        let begin = Instant::now();
        while begin.elapsed() < pace {
            self.give_work();
            std::thread::sleep(Duration::from_millis(20));
        }
        self.asked_to_end += 1;
        let number = usize::try_from(self.asked_to_end).unwrap() % self.instances.len();
        let log = format!("log-{}", self.asked_to_end);
        let before = self.instances[number].replace(self.place.start_logging(&["run"], &log));
        before.iter().for_each(Process::terminate);
        self.leaving.extend(before);
    }

    /// Those that were asked to end have ended well.
    pub fn all_have_left(&mut self) {
        for mut process in self.leaving.drain(..) {
            assert!(process.end_within(Duration::from_secs(60)).success(), "{}", process.log());
            let log = process.log();
            assert!(!log.contains("panicked") && !log.contains("ERROR"), "{log}");
        }
    }

    fn fate(&mut self) -> Fate {
        if self.instances.len() == 1 {
            return Fate::Killed;
        }
        match self.random.u8(0..8) {
            0..3 if self.frozen.is_none() => Fate::Frozen,
            3 => Fate::AskedToEnd,
            _ => Fate::Killed,
        }
    }

    pub fn end(&mut self, number: usize, end: impl FnOnce(&mut Process)) {
        let Some(mut process) = self.instances[number].take() else { return };
        end(&mut process);
        let log = process.log();
        assert!(!log.contains("panicked") && !log.contains("ERROR"), "{log}");
    }

    fn thaw_when_due(&mut self) {
        let Some((number, _)) = self.frozen.filter(|(_, since)| since.elapsed() >= FROZEN_FOR) else { return };
        self.instances[number].iter().for_each(Process::thaw);
        self.frozen = None;
    }

    /// Kills those that still run.
    pub fn end_all(&mut self) {
        for number in 0..self.instances.len() {
            self.end(number, Process::kill);
        }
        self.frozen = None;
    }

    /// Gives work until there is a sign that some of it was done; whether there was one in time.
    pub fn wait_for_work(&mut self) -> bool {
        const WORK_EVERY: Duration = Duration::from_millis(100);
        let sign = SIGNS[self.random.usize(..SIGNS.len())];
        let begin = Instant::now();
        // A first sign is of what was left over; a later one of work in full swing.
        let mut signs_left = self.random.u8(1..=3);
        let mut count = self.topics.count(sign, self.simulator);
        let mut works = 0;
        while signs_left > 0 && begin.elapsed() < self.patience {
            if begin.elapsed() >= WORK_EVERY * works {
                self.give_work();
                works += 1;
            }
            let now = self.topics.count(sign, self.simulator);
            if now > count {
                (count, signs_left) = (now, signs_left - 1);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        signs_left == 0
    }

    pub fn give_work(&mut self) {
        let user = self.any_user();
        match self.random.u8(0..12) {
            0..2 => self.tick(),
            2..7 => self.request(user),
            7..10 => self.new_token(user, false),
            10 => self.new_token(user, true),
            _ => self.request_by_command(user),
        }
    }

    fn any_user(&mut self) -> UserId {
        let number = self.random.u64(1..=self.simulator.users());
        UserId::new(number.cast_signed()).unwrap()
    }

    fn tick(&mut self) {
        let tick = Tick::new(Kind::Refresh, jiff::Timestamp::now());
        self.topics.put(&self.topics.names.ticks, tick.id.clone(), tick.encode());
        self.ticks += 1;
    }

    fn request(&mut self, user: UserId) {
        self.topics.put(&self.topics.names.requests, user.to_string(), PassRequest::new(user).encode());
        self.requests += 1;
    }

    fn request_by_command(&mut self, user: UserId) {
        self.place.run(&["refresh", &user.to_string()]).exits(0);
        self.requests += 1;
    }

    /// Bytemark refuses the one before from now on.
    fn new_token(&mut self, user: UserId, delete_first: bool) {
        let token = format!("kill-token-{user}-{}", self.random.u64(..));
        self.simulator.set_token(user.get().cast_unsigned(), Some(token.clone()));
        let admin = &self.topics.store.token_admin;
        if delete_first {
            self.topics.runtime.block_on(admin.delete(user)).unwrap();
        }
        self.topics.runtime.block_on(admin.put(vec![(user, Token::new(token))])).unwrap();
        self.new_tokens += 1;
    }
}
