//! The place of a group while the requests' topic becomes another: partitions are added, or it is deleted and made anew.

use std::time::Duration;

use passflow::{
    domain::{partitioner::partition_of, request::PassRequest, user_id::UserId},
    wiring::oracle::users_up_to,
};
use rdkafka::{
    admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    config::ClientConfig,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
    producer::{BaseProducer, BaseRecord, Producer as _},
    topic_partition_list::{Offset, TopicPartitionList},
};

use crate::{
    life::Lives,
    process::{Bytemark, Process, wait_within},
    story,
    work::Topics,
    world::{World, server},
};

const PARTITIONS: u32 = 12;

fn client() -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", server("PASSFLOW_TEST_KAFKA"));
    config
}

impl World {
    fn admin(&self) -> AdminClient<DefaultClientContext> {
        // Its calls want a runtime.
        let _inside = self.bytemark.runtime.enter();
        client().create().unwrap()
    }

    fn grow_requests(&self, count: usize) {
        let (admin, topic) = (self.admin(), NewPartitions::new(&self.names.requests, count));
        let grown = self.bytemark.runtime.block_on(admin.create_partitions([&topic], &AdminOptions::new()));
        grown.unwrap().remove(0).unwrap();
    }

    fn make_requests_anew(&self) {
        let (admin, options, name) = (self.admin(), AdminOptions::new(), self.names.requests.as_str());
        self.bytemark.runtime.block_on(async {
            admin.delete_topics(&[name], &options).await.unwrap().remove(0).unwrap();
            let topic = NewTopic::new(name, PARTITIONS.cast_signed(), TopicReplication::Fixed(1));
            // The old one may be there for a while yet; nobody tells when it is gone.
            while admin.create_topics([&topic], &options).await.unwrap().remove(0).is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
    }

    /// Sets the group of `passes` back to the beginning of the requests, as an operator's tool does: without a text.
    fn set_back(&self) {
        let group = self.groups.iter().find(|group| group.contains("passes")).unwrap();
        let tool: BaseConsumer = client().set("group.id", group).create().unwrap();
        let mut beginning = TopicPartitionList::new();
        for partition in 0..PARTITIONS.cast_signed() {
            beginning.add_partition_offset(&self.names.requests, partition, Offset::Offset(0)).unwrap();
        }
        tool.commit(&beginning, CommitMode::Sync).unwrap();
    }

    fn run_until_end(&self) {
        self.place.run(&["run", "--until-end", "--until-end-timeout", "60s"]).exits(0);
    }

    fn events(&self) -> usize {
        self.place.records(&self.names.ticket_changed).len()
    }

    /// Requests of all users, as somebody puts them who knows of `partitions` partitions.
    fn request_all_by(&self, partitions: u32, users: u64) {
        let producer: BaseProducer = client().create().unwrap();
        for user in users_up_to(users) {
            let (key, value) = (user.to_string(), PassRequest::new(user).encode());
            let partition = partition_of(key.as_bytes(), partitions).cast_signed();
            let record = BaseRecord::to(&self.names.requests).key(&key).payload(&value).partition(partition);
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(Duration::from_secs(20)).unwrap();
    }

    fn add_a_pass_to_each(&self, users: u64) {
        for user in users_up_to(users).map(UserId::get) {
            self.bytemark.simulator.add_pass(user.cast_unsigned());
        }
    }
}

/// Twice, so that the second time comes before all is done that lay there at the first; and there are always some who put
/// requests by the first number.
#[test]
fn partitions_are_added_while_instances_are_killed() {
    let world = World::new(story::bytemark(), story::PASSES);
    let runtime = &world.bytemark.runtime;
    let topics = Topics { store: &world.store, names: &world.names, groups: &world.groups, runtime };
    let lives = Lives::new(&world.place, topics, &world.bytemark.simulator, story::seed());
    let mut left = vec![(4, 20), (3, 17)];
    story::tell_while(lives.of_instances(3, Duration::from_secs(20)), story::kills(10), |lives| {
        while let Some((kills, count)) = left.pop_if(|(kills, _)| *kills <= lives.kills) {
            println!("after {kills} kills: {count} partitions");
            world.request_all_by(PARTITIONS, story::USERS);
            world.grow_requests(count);
        }
        world.request_all_by(PARTITIONS, story::USERS / 4);
    });
    assert_eq!(left, []);
    world.remove();
}

#[test]
fn requests_deleted_and_made_anew_while_instances_run_go_on_from_the_first_record() {
    const USERS: u64 = 24;
    let world = World::new(Bytemark::still(USERS), "");
    world.put_tokens(USERS);
    let mut instances: Vec<Process> =
        ["one", "other"].iter().map(|log| world.place.start_logging(&["run"], log)).collect();
    let settled = || world.differences(USERS).is_empty();
    wait_within(Duration::from_secs(60), "the first passes", settled);
    // Far into the old topic.
    for _ in 0..3 {
        world.request_all_by(PARTITIONS, USERS);
    }
    world.add_a_pass_to_each(USERS);
    world.request_all_by(PARTITIONS, USERS);
    wait_within(Duration::from_secs(60), "the second passes", settled);

    world.make_requests_anew();
    world.add_a_pass_to_each(USERS);
    // One for each: they lie before the offsets that were read next in the old topic.
    world.request_all_by(PARTITIONS, USERS);
    wait_within(Duration::from_secs(120), "the third passes", settled);
    let told = world.events();

    for instance in &mut instances {
        assert!(!instance.has_ended(), "{}", instance.log());
        instance.terminate();
        assert!(instance.end_within(Duration::from_secs(60)).success(), "{}", instance.log());
    }
    let logs: String = instances.iter().map(Process::log).collect();
    assert!(logs.contains("made anew") && !logs.contains("panicked") && !logs.contains("ERROR"), "{logs}");
    // What is known of the new topic outlives a start, and nothing is told twice.
    world.run_until_end();
    assert_eq!(world.differences(USERS), [""; 0]);
    assert_eq!(world.events(), told);
    world.remove();
}

#[test]
fn a_group_that_is_set_back_handles_all_again_and_tells_only_what_is_new() {
    const USERS: u64 = 24;
    let world = World::new(Bytemark::still(USERS), "");
    world.put_tokens(USERS);
    world.run_until_end();
    world.add_a_pass_to_each(USERS);
    world.request_all_by(PARTITIONS, USERS);
    world.run_until_end();
    assert_eq!(world.differences(USERS), [""; 0]);
    let told = world.events();

    world.set_back();
    world.run_until_end();
    assert_eq!((world.events(), world.differences(USERS)), (told, Vec::new()));

    world.set_back();
    world.add_a_pass_to_each(USERS);
    world.run_until_end();
    let new = usize::try_from(USERS).unwrap();
    assert_eq!((world.events(), world.differences(USERS)), (told + new, Vec::new()));
    world.remove();
}
