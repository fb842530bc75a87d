//! A consumer group as its coordinator sees it: members, generations, who owns what, and who still has to let go.
//!
//! Pure: what the members are to be told is returned.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Weak,
};

use tokio::time::Instant;

use super::{balance::balance, chaos::Chaos, cluster::Rebalancing, mailbox::Mailbox, offsets::Offsets};
use crate::{
    domain::record::{TopicName, TopicPartition},
    ports::Ownership,
};

/// A member, as long as its session lasts.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) topics: BTreeSet<TopicName>,
    pub(super) owned: BTreeSet<TopicPartition>,
    pub(super) seen: Instant,
    pub(super) mailbox: Weak<Mailbox>,
    pub(super) chaos: Chaos,
}

/// One group.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) generation: u64,
    pub(super) members: BTreeMap<u64, Member>,
    pub(super) offsets: Offsets,
    releasing: BTreeMap<u64, Release>,
    /// What the members had before an eager rebalance took all.
    before: BTreeMap<u64, BTreeSet<TopicPartition>>,
    captured: BTreeMap<Ownership, Captured>,
    wanted: bool,
    restless: Option<TopicPartition>,
    /// Where all goes once what was asked for is let go, if nothing else happens.
    planned: Option<BTreeMap<u64, BTreeSet<TopicPartition>>>,
}

/// Partitions that a member was told to let go.
#[derive(Debug)]
struct Release {
    ticket: u64,
    going: BTreeSet<TopicPartition>,
}

/// The group's metadata of the moment at which a member was told what it owns.
#[derive(Clone, Copy, Debug)]
struct Captured {
    member: u64,
    generation: u64,
}

/// What a member is to be told.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) member: u64,
    pub(super) ownership: Ownership,
    pub(super) partitions: Vec<TopicPartition>,
    /// `Some` when these go: to be named when they are let go.
    pub(super) ticket: Option<u64>,
}

impl Group {
    /// Asks for a rebalance, of which `restless` may be the cause.
    pub(super) fn want_rebalance(&mut self, restless: Option<TopicPartition>) {
        self.wanted = true;
        self.planned = None;
        self.restless = restless.or(self.restless.take());
    }

    /// Takes a member out. Its partitions are free; its commits fail from now on.
    pub(super) fn remove(&mut self, member: u64) {
        if self.members.remove(&member).is_some() {
            self.releasing.remove(&member);
            self.before.remove(&member);
            self.captured.retain(|_, captured| captured.member != member);
            self.want_rebalance(None);
        }
    }

    /// A member has let go what it was told to.
    pub(super) fn release(&mut self, member: u64, ticket: u64) {
        let is_asked = self.releasing.get(&member).is_some_and(|release| release.ticket == ticket);
        let release = if is_asked { self.releasing.remove(&member) } else { None };
        if let (Some(release), Some(member)) = (release, self.members.get_mut(&member)) {
            member.owned.retain(|partition| !release.going.contains(partition));
        }
    }

    /// Whether the member has still to let go under `ticket`.
    pub(super) fn is_releasing(&self, member: u64, ticket: u64) -> bool {
        self.releasing.get(&member).is_some_and(|release| release.ticket == ticket)
    }

    /// Goes one step of a rebalance if one is wanted and nobody is waited for.
    pub(super) fn rebalance(
        &mut self,
        partitions_of: impl Fn(&TopicName) -> Vec<TopicPartition>,
        kind: Rebalancing,
        next_id: &mut u64,
    ) -> Vec<Told> {
        if !self.wanted || !self.releasing.is_empty() {
            return Vec::new();
        }
        if kind == Rebalancing::Eager && self.members.values().any(|member| !member.owned.is_empty()) {
            self.before = self.members.iter().map(|(id, member)| (*id, member.owned.clone())).collect();
            return self.hand_out(&BTreeMap::new(), next_id);
        }
        self.generation += 1;
        self.wanted = false;
        let target = self.planned.take().unwrap_or_else(|| self.target(partitions_of));
        let told = self.hand_out(&target, next_id);
        self.planned = self.wanted.then_some(target);
        told
    }

    /// Tells every member what it gets of `target`, and what it has to let go first.
    fn hand_out(&mut self, target: &BTreeMap<u64, BTreeSet<TopicPartition>>, next_id: &mut u64) -> Vec<Told> {
        let taken: BTreeSet<_> = self.members.values().flat_map(|member| member.owned.iter().cloned()).collect();
        let mut told = Vec::new();
        let ids: Vec<u64> = self.members.keys().copied().collect();
        for id in ids {
            let Some(member) = self.members.get_mut(&id) else { continue };
            let part = target.get(&id).cloned().unwrap_or_default();
            let going: BTreeSet<_> = member.owned.difference(&part).cloned().collect();
            let coming: Vec<_> = part.difference(&taken).cloned().collect();
            member.owned.extend(coming.iter().cloned());
            if !going.is_empty() {
                let (ownership, ticket) = (self.capture(id, next_id), next(next_id));
                let partitions = going.iter().cloned().collect();
                told.push(Told { member: id, ownership, partitions, ticket: Some(ticket) });
                self.releasing.insert(id, Release { ticket, going });
                self.wanted = true;
            }
            // A rebalance is told even where nothing comes: the generation is another.
            if !coming.is_empty() || !self.releasing.contains_key(&id) && !target.is_empty() {
                let ownership = self.capture(id, next_id);
                told.push(Told { member: id, ownership, partitions: coming, ticket: None });
            }
        }
        told
    }

    fn target(
        &mut self,
        partitions_of: impl Fn(&TopicName) -> Vec<TopicPartition>,
    ) -> BTreeMap<u64, BTreeSet<TopicPartition>> {
        let mut target: BTreeMap<u64, BTreeSet<TopicPartition>> =
            self.members.keys().map(|member| (*member, BTreeSet::new())).collect();
        let before = std::mem::take(&mut self.before);
        let restless = self.restless.take();
        let topics: BTreeSet<_> = self.members.values().flat_map(|member| member.topics.iter().cloned()).collect();
        for topic in topics {
            let readers = self.members.iter().filter(|(_, member)| member.topics.contains(&topic));
            let current = readers.map(|(id, member)| (*id, before.get(id).unwrap_or(&member.owned).clone())).collect();
            for (member, part) in balance(&partitions_of(&topic), &current, restless.as_ref()) {
                target.entry(member).or_default().extend(part);
            }
        }
        target
    }

    fn capture(&mut self, member: u64, next_id: &mut u64) -> Ownership {
        let ownership = Ownership(next(next_id));
        self.captured.insert(ownership, Captured { member, generation: self.generation });
        ownership
    }

    /// The member that a commit comes from, if the group takes it: known, and of this generation. As on a broker, what
    /// the commit names is not looked at.
    pub(super) fn admit(&self, ownership: Ownership) -> Result<u64, String> {
        let Some(captured) = self.captured.get(&ownership) else {
            return Err("the member is not known: its session has ended".to_owned());
        };
        if captured.generation != self.generation {
            return Err(format!("generation {} is past, now is {}", captured.generation, self.generation));
        }
        Ok(captured.member)
    }

    /// Whether `member` owns `partition`, or has still to let it go.
    pub(super) fn owns(&self, member: u64, partition: &TopicPartition) -> bool {
        self.members.get(&member).is_some_and(|member| member.owned.contains(partition))
    }
}

/// The next number of a count from 1.
pub(super) fn next(id: &mut u64) -> u64 {
    *id += 1;
    *id
}
