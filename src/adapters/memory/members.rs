//! The life of a group's members: joining, heartbeats, sessions that end, rebalances.

use std::{
    collections::BTreeSet,
    sync::{Arc, Weak},
};

use tokio::{
    sync::oneshot,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    chaos::Chaos,
    cluster::MemoryCluster,
    group::{Group, Member, Told, next},
    mailbox::{Mailbox, Notice},
};
use crate::{
    domain::record::{TopicName, TopicPartition},
    ports::{Dependency, Event, Ownership, Release},
};

impl MemoryCluster {
    /// Takes the consumer of `mailbox` into `group`, and keeps it there as long as it lives and runs.
    pub(super) fn enter(&self, group: &Arc<str>, topics: &BTreeSet<TopicName>, chaos: &Chaos, mailbox: &Arc<Mailbox>) {
        self.add_member(group, topics, chaos, mailbox);
        let heart = Heart {
            cluster: self.clone(),
            group: group.clone(),
            topics: topics.clone(),
            chaos: chaos.clone(),
            mailbox: Arc::downgrade(mailbox),
        };
        self.world().spawn(heart.run());
    }

    fn add_member(&self, group: &Arc<str>, topics: &BTreeSet<TopicName>, chaos: &Chaos, mailbox: &Arc<Mailbox>) {
        let id = {
            let mut state = self.state();
            for topic in topics {
                state.logs.ensure(topic);
            }
            next(&mut state.next_id)
        };
        mailbox.set_member(id);
        let member = Member {
            topics: topics.clone(),
            owned: BTreeSet::new(),
            seen: Instant::now(),
            mailbox: Arc::downgrade(mailbox),
            chaos: chaos.clone(),
        };
        self.world().note(chaos.name(), format_args!("joins {group} as member {id}"));
        self.change_group(group, |group| {
            group.members.insert(id, member);
            group.want_rebalance(None);
        });
        self.world().spawn(self.clone().watch_session(group.clone(), id));
    }

    /// Changes `group`, and goes on with its rebalance if that became possible.
    pub(super) fn change_group(&self, name: &Arc<str>, change: impl FnOnce(&mut Group)) {
        let told = {
            let mut state = self.state();
            let state = &mut *state;
            let group = state.groups.entry(name.clone()).or_default();
            change(group);
            let partitions_of = |topic: &TopicName| {
                let count = u32::try_from(state.logs.topic(topic).len()).unwrap_or(u32::MAX);
                (0..count).map(|partition| TopicPartition { topic: topic.clone(), partition }).collect()
            };
            group.rebalance(partitions_of, self.settings().rebalancing, &mut state.next_id)
        };
        for told in told {
            self.tell(name, told);
        }
        self.moved();
    }

    fn tell(&self, group: &Arc<str>, told: Told) {
        let Told { member, ownership, partitions, ticket } = told;
        let receiver = {
            let state = self.state();
            let member = state.groups.get(group).and_then(|group| group.members.get(&member));
            member.map(|member| (member.mailbox.clone(), member.chaos.clone()))
        };
        let Some((mailbox, chaos)) = receiver else { return };
        let names: Vec<String> = partitions.iter().map(ToString::to_string).collect();
        let what = if ticket.is_some() { "has to let go" } else { "gets" };
        self.world().note(chaos.name(), format_args!("member {member} of {group} {what} {}", names.join(" ")));
        let event = match ticket {
            None => Event::Assigned { ownership, partitions },
            Some(ticket) => {
                let (released, release) = oneshot::channel();
                self.world().spawn(self.clone().await_release(group.clone(), member, ticket, chaos.clone(), release));
                Event::Revoked { ownership, partitions, release: Release(Some(released)) }
            }
        };
        let latency = chaos.draw(|rng, odds| odds.consumer.rebalance_latency.draw(rng));
        if let Some(mailbox) = mailbox.upgrade() {
            mailbox.push(Instant::now() + latency, Notice::Event(event));
        }
    }

    /// Waits until a member lets go, within the bound of a rebalance; who takes longer is put out.
    async fn await_release(
        self,
        group: Arc<str>,
        member: u64,
        ticket: u64,
        chaos: Chaos,
        release: oneshot::Receiver<()>,
    ) {
        let let_go = async {
            drop(release.await);
            // A stopped process can't say that it lets go.
            chaos.running().await;
        };
        if timeout(self.settings().rebalance_timeout, let_go).await.is_ok() {
            return self.change_group(&group, |group| group.release(member, ticket));
        }
        let is_late = self.state().groups.get(&group).is_some_and(|group| group.is_releasing(member, ticket));
        if is_late {
            self.expel(&group, member, "did not let go in time");
        }
    }

    /// Puts a member out when its heartbeats have been missing for a session's time-out.
    async fn watch_session(self, group: Arc<str>, member: u64) {
        loop {
            let seen = self.state().groups.get(&group).and_then(|group| group.members.get(&member)).map(|m| m.seen);
            let Some(seen) = seen else { return };
            let ends = seen + self.settings().session_timeout;
            if ends <= Instant::now() {
                return self.expel(&group, member, "made no heartbeat");
            }
            sleep_until(ends).await;
        }
    }

    fn expel(&self, group: &Arc<str>, member: u64, why: &str) {
        self.world().note("coordinator", format_args!("puts member {member} out of {group}: it {why}"));
        self.change_group(group, |group| group.remove(member));
    }

    /// Takes the consumer of `mailbox` out of `group` at its own wish.
    pub(super) fn leave(&self, group: &Arc<str>, mailbox: &Mailbox) {
        let member = mailbox.member();
        self.world().note("coordinator", format_args!("member {member} leaves {group}"));
        self.change_group(group, |group| group.remove(member));
    }
}

/// A consumer's heartbeats.
struct Heart {
    cluster: MemoryCluster,
    group: Arc<str>,
    topics: BTreeSet<TopicName>,
    chaos: Chaos,
    mailbox: Weak<Mailbox>,
}

impl Heart {
    async fn run(self) {
        loop {
            sleep(self.cluster.settings().heartbeat_interval).await;
            self.chaos.running().await;
            let Some(mailbox) = self.mailbox.upgrade().filter(|mailbox| !mailbox.has_left()) else { return };
            if !self.beat(mailbox.member()) && !self.cluster.world().is_down(Dependency::Topics) {
                self.join_again(&mailbox);
            }
        }
    }

    /// Whether the group still knows the member. In an outage the coordinator's time stands still.
    fn beat(&self, member: u64) -> bool {
        let mut state = self.cluster.state();
        let member = state.groups.get_mut(&self.group).and_then(|group| group.members.get_mut(&member));
        member.map(|member| member.seen = Instant::now()).is_some()
    }

    fn join_again(&self, mailbox: &Arc<Mailbox>) {
        let ownership = Ownership(next(&mut self.cluster.state().next_id));
        mailbox.push(Instant::now(), Notice::Lost(ownership));
        self.cluster.add_member(&self.group, &self.topics, &self.chaos, mailbox);
    }
}
