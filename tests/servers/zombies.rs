//! Instances that stand still and do not know what they have lost, and those that lose a part of what they have.

use std::{collections::BTreeMap, time::Duration};

use rdkafka::{
    config::ClientConfig,
    consumer::{BaseConsumer, Consumer as _},
};

use crate::{
    life::Lives,
    process::{Process, wait_within},
    story,
    work::{Sign, Topics},
    world::{World, server},
};

const BOUND: Duration = Duration::from_secs(60);

impl Lives<'_> {
    /// The only instance stands still in the middle of its work for longer than its session. Another one, started
    /// meanwhile, takes what it had and works on it; then both run, and the first is asked to end.
    fn one_stands_in_for_a_zombie(&mut self) {
        let (this, next) = (format!("log-{}", self.freezes), format!("log-{}", self.freezes + 1));
        self.instances[0].get_or_insert_with(|| self.place.start_logging(&["run"], &this));
        let is_at_work = self.wait_for_work();
        self.instances[0].iter().for_each(Process::freeze);
        self.freezes += 1;
        self.in_the_middle += u64::from(is_at_work);
        let next = self.place.start_logging(&["run"], &next);
        // Only the new one can commit, and not before the other one's session is over.
        self.wait_for_commits();
        self.instances[0].iter().for_each(Process::thaw);
        self.wait_for_commits();
        self.end(0, |process| {
            process.terminate();
            assert!(process.end_within(BOUND).success(), "{}", process.log());
        });
        self.instances[0] = Some(next);
    }

    /// Gives work until some of it is committed.
    fn wait_for_commits(&mut self) {
        let before = self.topics.count(Sign::Committed, self.simulator);
        wait_within(BOUND, "commits", || {
            self.give_work();
            self.topics.count(Sign::Committed, self.simulator) > before + 10
        });
    }

    /// One more instance runs; then all have their share of the partitions of `group`, by member.
    fn one_more(&mut self, group: &str) -> BTreeMap<String, usize> {
        let log = format!("log-{}", self.instances.len());
        self.instances.push(Some(self.place.start_logging(&["run"], &log)));
        let mut shares = BTreeMap::new();
        wait_within(BOUND, "all partitions to be shared", || {
            self.give_work();
            shares = shares_of(group);
            shares.len() == self.instances.len() && shares.values().sum::<usize>() == PARTITIONS
        });
        shares
    }
}

/// Of `pass-requests` and its retry topic.
const PARTITIONS: usize = 12 + 3;

/// How many partitions each member has; empty while the group rebalances.
fn shares_of(group: &str) -> BTreeMap<String, usize> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", server("PASSFLOW_TEST_KAFKA"));
    let client: BaseConsumer = config.create().unwrap();
    let groups = client.fetch_group_list(Some(group), Duration::from_secs(10)).unwrap();
    let Some(found) = groups.groups().iter().find(|found| found.name() == group && found.state() == "Stable") else {
        return BTreeMap::new();
    };
    let members = found.members().iter();
    members.map(|member| (member.id().to_owned(), partitions_in(member.assignment().unwrap_or_default()))).collect()
}

/// Of the consumers' protocol: a version, then topics with their partitions.
fn partitions_in(assignment: &[u8]) -> usize {
    let number = |at: usize, bytes: usize| {
        assignment[at..at + bytes].iter().fold(0_usize, |number, byte| number << 8 | usize::from(*byte))
    };
    if assignment.len() < 6 {
        return 0;
    }
    let (mut at, mut count) = (6, 0);
    for _topic in 0..number(2, 4) {
        at += 2 + number(at, 2);
        let partitions = number(at, 4);
        at += 4 + 4 * partitions;
        count += partitions;
    }
    count
}

fn tell(story: impl FnOnce(&mut Lives<'_>, &str)) {
    let world = World::new(story::bytemark(), story::PASSES);
    let runtime = &world.bytemark.runtime;
    let topics = Topics { store: &world.store, names: &world.names, groups: &world.groups, runtime };
    let lives = Lives::new(&world.place, topics, &world.bytemark.simulator, story::seed());
    let mut lives = lives.of_instances(1, Duration::from_secs(20));
    lives.import_tokens();
    let group = world.groups.iter().find(|group| group.ends_with(".passes")).unwrap();
    story(&mut lives, group);
    story::settle(&mut lives);
    world.remove();
}

#[test]
fn an_instance_that_stood_still_while_another_took_its_work_does_no_harm() {
    tell(|lives, _| {
        for _ in 0..story::kills(20).div_ceil(10) {
            lives.one_stands_in_for_a_zombie();
        }
    });
}

#[test]
fn members_that_lose_one_partition_of_several_go_on_with_the_rest() {
    tell(|lives, group| {
        lives.instances.clear();
        let mut before = BTreeMap::new();
        let mut lost_one = 0;
        // At the sixth, members of three have one less.
        for _ in 0..6 {
            let shares = lives.one_more(group);
            let lost = |(member, had): (&String, &usize)| shares.get(member).is_some_and(|has| has + 1 == *had);
            lost_one = before.iter().filter(|member| lost(*member)).count();
            println!("{:?}", shares.values().collect::<Vec<_>>());
            before = shares;
        }
        assert!(lost_one > 1, "{lost_one} members lost one partition");
        // The last one is killed in the middle, and what it had goes back.
        lives.wait_for_work();
        lives.end(5, Process::kill);
        lives.kills += 1;
        lives.wait_for_commits();
    });
}
