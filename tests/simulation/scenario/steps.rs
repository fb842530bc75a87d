//! What happens in a step.

use std::time::Duration;

use bytes::Bytes;
use passflow::{
    adapters::memory::{Gate, Pass},
    domain::{
        cache::List,
        record::{Output, TopicPartition},
        user_id::UserId,
    },
    ports::Dependency,
};

use super::{BASE_MS, NEWER_ROW, PARTITIONS, Scenario};
use crate::{
    foreign,
    process::{CDC, Process, REQUESTS, TICKS},
};

impl Scenario {
    /// Something happens, then some time passes.
    pub(super) async fn step(&mut self) {
        match self.random.u8(0..100) {
            0..32 => {
                let user = self.user();
                self.change_truth_of(user);
            }
            32..64 => self.request(),
            64..69 => self.tick(),
            69..71 => self.tick_and_kill().await,
            71..76 => self.change_token(),
            76..80 => self.foreign_write(),
            80..86 => self.freeze_or_thaw(),
            86..92 => self.kill_and_start(),
            92..95 => self.move_a_partition(),
            95..97 => self.outage(),
            97 if self.changes_places => self.change_place().await,
            _ => self.start_or_stop().await,
        }
        let pause_ms = if self.random.u8(..) < 200 { self.random.u64(0..300) } else { self.random.u64(0..8_000) };
        tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        self.processes.iter_mut().for_each(Process::assert_running);
    }

    fn user(&mut self) -> UserId {
        self.users[self.random.usize(..self.users.len())]
    }

    pub(super) fn change_truth_of(&mut self, user: UserId) {
        self.counts.changes += 1;
        // Few revisions, so that a pass often changes and changes back.
        self.revision = self.random.u64(0..4);
        let uuid = format!("pass-{}", self.random.u8(0..4));
        let status = ["USABLE", "USING", "EXPIRED"][self.random.usize(..3)];
        let kind = self.random.u8(0..10);
        let revision = self.revision;
        let first_use_ms = BASE_MS + 20_000 * i64::try_from(revision).unwrap();
        if kind == 9 {
            return self.surroundings.api.expire_after_next_read(user, &uuid);
        }
        self.surroundings.api.change(user, |truth| match kind {
            0..5 => {
                let list =
                    if truth.lists.passes4.iter().any(|pass| pass.uuid == uuid) { List::Passes4 } else { List::Passes };
                let pass = Pass::new(&uuid, status, revision);
                truth.put(
                    list,
                    if revision.is_multiple_of(2) { pass } else { pass.timed(first_use_ms, first_use_ms + 30_000) },
                );
            }
            5..8 => drop(truth.move_to_history(&uuid)),
            _ => truth.remove(&uuid),
        });
    }

    pub(super) fn request(&mut self) {
        let user = self.user();
        self.counts.requests += 1;
        let when = ["always", "always", "if-stale", "if-missing"][self.random.usize(..4)];
        let action = if self.random.u8(..) < 60 { "check-status" } else { "refresh" };
        let value = format!(r#"{{"user_id":{user},"action":"{action}","when":"{when}"}}"#);
        // Now and then a client that knows nothing of keys.
        let key = (self.random.u8(..) > 20).then(|| Bytes::from(user.to_string()));
        match key {
            // Or one that knows an older number of partitions.
            Some(key) if self.partitions > PARTITIONS && self.random.u8(..) < 80 => self.put_astray(key, value),
            key => self.put(REQUESTS, key, value),
        }
    }

    fn tick(&mut self) {
        let (id, kind) = (self.random.u8(0..20), ["refresh", "refresh", "check-status"][self.random.usize(..3)]);
        self.put(TICKS, None, format!(r#"{{"tick_id":"{kind}-{id}","kind":"{kind}"}}"#));
    }

    /// A process dies while it fans out.
    async fn tick_and_kill(&mut self) {
        self.tick();
        tokio::time::sleep(Duration::from_millis(self.random.u64(0..200))).await;
        self.kill_and_start();
    }

    /// A user has an old row and perhaps a newer one; each is set, emptied or deleted, and the vendor may have enough of
    /// all tokens so far.
    fn change_token(&mut self) {
        let user = self.user();
        let key = user.get() + if self.random.bool() { 0 } else { NEWER_ROW };
        let row = |token: &str| format!(r#"{{"id":{key},"user_id":{user},"token":"{token}"}}"#);
        let (before, after, op) = match self.random.u8(0..8) {
            0 => {
                self.surroundings.tokens.delete_row(key);
                (row("x"), "null".to_owned(), "d")
            }
            1 => {
                self.surroundings.tokens.set_row(key, user, "");
                (row("x"), row(""), "u")
            }
            luck => {
                if luck == 2 {
                    self.surroundings.api.refuse(user);
                }
                let token = format!("token-{user}-{}", self.random.u8(0..3));
                self.surroundings.tokens.set_row(key, user, &token);
                self.surroundings.api.admit(user, &token);
                (row("x"), row(&token), "u")
            }
        };
        let source = r#"{"db":"portal","table":"bytemark_tokens","snapshot":"false"}"#;
        let value = format!(r#"{{"before":{before},"after":{after},"source":{source},"op":"{op}"}}"#);
        self.put(CDC, Some(Bytes::from(format!(r#"{{"id":{key}}}"#))), value);
    }

    fn foreign_write(&mut self) {
        let user = self.user();
        self.counts.foreign_writes += 1;
        foreign::write(&mut self.random, &self.surroundings, user);
    }

    pub(super) fn put(&self, topic: &str, key: Option<Bytes>, value: String) {
        self.surroundings.cluster.put(vec![output(topic, key, value)]);
    }

    fn freeze_or_thaw(&mut self) {
        let Some(index) = self.any_process() else { return };
        let chaos = &self.processes[index].chaos;
        if chaos.gate() == Gate::Frozen {
            chaos.thaw();
        } else {
            chaos.freeze();
            self.counts.freezes += 1;
        }
    }

    fn kill_and_start(&mut self) {
        let Some(index) = self.any_process() else { return };
        self.processes.swap_remove(index).kill();
        self.counts.kills += 1;
        self.start_process();
    }

    async fn start_or_stop(&mut self) {
        if self.processes.len() < 3 && self.random.bool() {
            return self.start_process();
        }
        let Some(index) = self.any_process().filter(|_| self.processes.len() > 1) else { return };
        if self.processes[index].chaos.gate() == Gate::Running {
            self.processes.swap_remove(index).stop().await;
        }
    }

    fn move_a_partition(&mut self) {
        self.counts.rebalances += 1;
        let partition = TopicPartition { topic: REQUESTS.into(), partition: self.random.u32(0..self.partitions) };
        self.surroundings.cluster.move_partition("passflow.passes", &partition);
    }

    fn outage(&mut self) {
        self.counts.outages += 1;
        let dependency = [Dependency::Documents, Dependency::Tokens, Dependency::Bytemark, Dependency::Topics]
            [self.random.usize(..4)];
        self.surroundings.world.take_down(dependency, Duration::from_millis(self.random.u64(100..20_000)));
    }

    fn any_process(&mut self) -> Option<usize> {
        (!self.processes.is_empty()).then(|| self.random.usize(..self.processes.len()))
    }
}

pub(super) fn output(topic: &str, key: Option<Bytes>, value: String) -> Output {
    Output { topic: topic.into(), key, value: Some(Bytes::from(value)), headers: Vec::new() }
}
