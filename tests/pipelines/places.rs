//! The place of a group: partitions that are added while requests flow, and topics that are deleted and made anew.

use passflow::{
    adapters::memory::{Chaos, ClusterSettings, CommitOdds, MemoryCluster, Odds, Pass},
    domain::{
        cache::List,
        partitioner::partition_of,
        record::{Position, TopicPartition},
    },
    ports::Dependency,
};

use super::kit::{Kit, Process, REQUESTS, run, secs, sleep, user};

const BEFORE: u32 = 12;
const AFTER: u32 = 16;

/// Users whose requests belong elsewhere with more partitions.
fn movers() -> impl Iterator<Item = i64> {
    (1..).filter(|number| home(*number, BEFORE) != home(*number, AFTER))
}

fn home(user: i64, partitions: u32) -> u32 {
    partition_of(user.to_string().as_bytes(), partitions)
}

fn no_commits() -> Odds {
    Odds { commits: CommitOdds { aborted: 1.0, ..CommitOdds::default() }, ..Odds::default() }
}

impl Kit {
    fn set_odds(&self, odds: Odds) {
        self.process.as_ref().unwrap().chaos.set_odds(odds);
    }

    fn grow(&self) {
        self.surroundings.cluster.grow(&REQUESTS.into(), AFTER);
    }

    fn delete_requests(&self) {
        self.surroundings.cluster.delete(&REQUESTS.into());
    }

    /// Sets the group's position in the requests of `user` as an operator's tool does: without a text.
    fn set_position(&self, user: i64, offset: i64) {
        let partition = TopicPartition { topic: REQUESTS.into(), partition: home(user, BEFORE) };
        let position = Position { offset, metadata: String::new() };
        self.surroundings.cluster.set_position("passflow.passes", partition, position);
    }

    fn seqs(&self) -> Vec<u64> {
        self.events().iter().map(|event| event["seq"].as_u64().unwrap()).collect()
    }

    /// A request is handled and its change stored, and the process is killed before it could commit.
    async fn store_a_change_and_die(&mut self, user: i64, uuid: &str) {
        let before =
            self.surroundings.documents.get(super::kit::user(user)).map(|document| document.lists.passes.len());
        self.set_odds(no_commits());
        self.put_pass(user, List::Passes, Pass::new(uuid, "USABLE", 1));
        self.request(user, "");
        sleep(secs(5)).await;
        let after = self.document(user).lists.passes.len();
        assert!(before.unwrap_or(0) < after, "the change is stored");
        self.kill();
    }
}

#[test]
fn partitions_are_added_while_requests_flow() {
    const USERS: i64 = 40;
    run(async {
        let mut kit = Kit::with_users(USERS);
        kit.start();
        kit.settle().await;
        (1..=USERS).for_each(|number| kit.request(number, ""));
        kit.grow();
        (1..=USERS).for_each(|number| kit.request(number, ""));
        kit.settle().await;
        assert!((1..=USERS).all(|number| kit.document(number).timestamp > 0));
        assert_eq!(kit.process.as_ref().unwrap().progress[2].snapshot().partitions.len(), 16 + 3, "all are read");
        let moved = movers().take_while(|number| *number <= USERS).count();
        assert!(moved > 5);
        let put = kit.records(REQUESTS).len();
        assert!(put <= 80 + moved, "{put}: what lies where it belonged before is put back at most once");
        assert!(kit.letters().is_empty());
    });
}

#[test]
fn what_the_former_partition_owes_is_told_before_the_next_change() {
    run(async {
        for mover in movers().take(8) {
            let mut kit = Kit::with_users(mover);
            kit.start();
            kit.settle().await;
            kit.store_a_change_and_die(mover, "a").await;
            kit.grow();
            kit.put_pass(mover, List::Passes, Pass::new("b", "USABLE", 1));
            kit.request(mover, "");
            kit.start();
            kit.settle().await;
            assert_eq!(kit.changes(), ["added a", "added b"]);
            assert_eq!(kit.seqs(), [1, 2]);
            assert_eq!(kit.records(REQUESTS).len(), 2, "the first request is done: it is not put back");
        }
    });
}

/// The owner of the former partition stands still for longer than a request waits in its place.
#[test]
fn a_request_that_waited_for_long_is_put_back_behind_the_others() {
    run(async {
        let mover = movers().next().unwrap();
        let mut kit = Kit::with_users(mover);
        let settings =
            ClusterSettings { session_timeout: secs(60), rebalance_timeout: secs(1), ..ClusterSettings::default() };
        kit.surroundings.cluster = MemoryCluster::new(&kit.surroundings.world, settings);
        kit.start();
        kit.settle().await;
        kit.set_odds(no_commits());
        kit.put_pass(mover, List::Passes, Pass::new("a", "USABLE", 1));
        kit.request(mover, "");
        sleep(secs(3)).await;
        let standing_still = kit.process.take().unwrap();
        standing_still.chaos.freeze();
        // More partitions, whose owner is another: what is there goes nowhere, as nobody is asked to let go.
        kit.grow();
        kit.process = Some(Process::start(&kit.surroundings, Chaos::none(), 2, &kit.setup));
        sleep(secs(15)).await;
        kit.put_pass(mover, List::Passes, Pass::new("b", "USABLE", 1));
        kit.request(mover, "");
        sleep(secs(40)).await;
        let early = kit.changes();
        assert!(early.is_empty() || early[0] == "added a", "{early:?}");
        sleep(secs(300)).await;
        assert_eq!(kit.changes(), ["added a", "added b"]);
        assert_eq!(kit.seqs(), [1, 2]);
        standing_still.kill();
    });
}

#[test]
fn a_mark_of_a_deleted_topic_says_nothing_of_the_next_one() {
    run(async {
        let mut kit = Kit::with_a_pass().await;
        for _ in 0..5 {
            kit.refresh(1).await;
        }
        kit.process.take().unwrap().stop().await;
        kit.delete_requests();
        kit.start();
        sleep(secs(1)).await;
        kit.store_a_change_and_die(1, "b").await;
        kit.start();
        kit.settle().await;
        assert_eq!(kit.changes(), ["added a", "added b"]);
        assert_eq!(kit.seqs(), [1, 2]);
    });
}

#[test]
fn what_a_deleted_topic_owes_is_told_once_by_the_next_one() {
    run(async {
        let mut kit = Kit::with_a_pass().await;
        kit.store_a_change_and_die(1, "b").await;
        kit.delete_requests();
        kit.start();
        // The new topic comes further than the old one, by others' requests: what is owed does not count as told.
        for _ in 0..4 {
            kit.request(1 + 12 * 1000, "");
        }
        kit.settle().await;
        assert_eq!(kit.changes(), ["added a"]);
        kit.put_pass(1, List::Passes, Pass::new("c", "USABLE", 1));
        kit.refresh(1).await;
        assert_eq!(kit.changes(), ["added a", "added b", "added c"], "the request came again after what was owed");
        assert_eq!(kit.seqs(), [1, 2, 3]);
    });
}

#[test]
fn a_topic_deleted_and_made_anew_is_read_from_its_first_record() {
    run(async {
        let kit = Kit::with_a_pass().await;
        for _ in 0..5 {
            kit.refresh(1).await;
        }
        // What was told before stays told, by its own name.
        kit.put_pass(1, List::Passes, Pass::new("b", "USABLE", 1));
        kit.refresh(1).await;
        kit.delete_requests();
        kit.put_pass(1, List::Passes, Pass::new("c", "USABLE", 1));
        for _ in 0..9 {
            kit.request(1, "");
        }
        kit.settle().await;
        assert_eq!(kit.changes(), ["added a", "added b", "added c"]);
        assert_eq!(kit.seqs(), [1, 2, 3]);
        let positions = kit.surroundings.cluster.positions("passflow.passes");
        let place = positions.iter().find(|(partition, position)| {
            partition.topic.as_str() == REQUESTS && partition.partition == home(1, BEFORE) && position.offset > 0
        });
        assert_eq!(place.unwrap().1.metadata, "#1.2 ", "the position is that of the new topic");
        let changed = kit.outcome("passes", "changed") + kit.outcome("passes", "unchanged");
        assert!(changed >= 7 + 9, "{changed}: all nine were handled, those before the old position, too");
    });
}

#[test]
fn what_was_told_stays_told_when_a_group_is_set_back_and_what_is_found_then_outlives_a_crash() {
    run(async {
        let mut kit = Kit::with_a_pass().await;
        for _ in 0..5 {
            kit.refresh(1).await;
        }
        kit.process.take().unwrap().stop().await;
        kit.set_position(1, 0);
        kit.put_pass(1, List::Passes, Pass::new("b", "USABLE", 1));
        // The partition is taken meanwhile, and from then on no commit succeeds.
        kit.surroundings.world.take_down(Dependency::Bytemark, secs(10));
        kit.start();
        sleep(secs(5)).await;
        kit.set_odds(no_commits());
        sleep(secs(20)).await;
        assert_eq!((kit.document(1).lists.passes.len(), kit.changes()), (2, vec!["added a".to_owned()]));
        kit.kill();
        kit.start();
        kit.settle().await;
        assert_eq!(kit.changes(), ["added a", "added b"]);
        assert_eq!(kit.seqs(), [1, 2]);
    });
}

/// A former version kept all under the topic's bare name, and committed positions without a text.
#[test]
fn what_a_former_version_left_is_told_once() {
    run(async {
        let mut kit = Kit::with_users(2);
        // Its marks are none that count here: they were behind when it was killed.
        let group = std::mem::replace(&mut kit.setup.passes.group, "former".to_owned());
        kit.put_pass(1, List::Passes, Pass::new("a", "USABLE", 1));
        kit.start();
        kit.refresh(1).await;
        kit.store_a_change_and_die(2, "b").await;
        assert_eq!(kit.changes(), ["added a"]);
        for (partition, position) in kit.surroundings.cluster.positions("passflow.passes") {
            let position = Position { metadata: String::new(), ..position };
            kit.surroundings.cluster.set_position("passflow.passes", partition, position);
        }
        for number in [1, 2] {
            kit.surroundings.documents.write_foreign(user(number), |document| {
                let stream = document.as_mut().unwrap().stream.as_mut().unwrap();
                assert_eq!(stream.pending.len(), 1, "one told, the other not");
                stream.pending.iter_mut().for_each(|pending| pending.source.topic = REQUESTS.into());
            });
        }
        kit.setup.passes.group = group;
        kit.start();
        kit.settle().await;
        kit.put_pass(1, List::Passes, Pass::new("c", "USABLE", 1));
        kit.refresh(1).await;
        let (mut changes, mut seqs) = (kit.changes(), kit.seqs());
        changes.sort_unstable();
        seqs.sort_unstable();
        assert_eq!((changes, seqs), (["added a", "added b", "added c"].map(ToOwned::to_owned).to_vec(), vec![1, 1, 2]));
    });
}
