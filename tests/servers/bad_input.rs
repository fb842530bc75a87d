//! What must not stop the rest: poisoned records in the middle of each topic, and requests of clients that put them
//! elsewhere than their keys belong.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use passflow::{
    domain::{
        record::{Output, TopicName},
        request::PassRequest,
        tick::{Kind, Tick},
        user_id::UserId,
    },
    wiring::oracle::users_up_to,
};
use rdkafka::{
    TopicPartitionList,
    admin::AdminOptions,
    config::ClientConfig,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
    producer::{BaseProducer, BaseRecord, Producer as _},
    topic_partition_list::Offset,
};

use crate::{
    process::{Bytemark, wait_within},
    world::{World, admin_of_topics, server},
};

const USERS: u64 = 24;
const RUN: [&str; 4] = ["run", "--until-end", "--until-end-timeout", "60s"];

impl World {
    pub fn append(&self, topic: &str, key: &str, value: &str) {
        let (key, value) = (Some(Bytes::from(key.to_owned())), Some(Bytes::from(value.to_owned())));
        let output = Output { topic: TopicName::from(topic), key, value, headers: Vec::new() };
        self.bytemark.runtime.block_on(self.store.topics.append(vec![output])).unwrap();
    }

    pub fn request(&self, user: UserId) {
        self.append(&self.names.requests, &user.to_string(), &PassRequest::new(user).encode());
    }

    /// What `kafka-consumer-groups.sh --reset-offsets --to-earliest` does: the group goes on at the first record.
    fn skip_what_was_cut(&self, topic: &TopicName) {
        let mut config = ClientConfig::new();
        let group = self.groups.iter().find(|group| group.ends_with(".passes")).unwrap();
        config.set("bootstrap.servers", server("PASSFLOW_TEST_KAFKA")).set("group.id", group);
        let tool: BaseConsumer = config.create().unwrap();
        let mut first = TopicPartitionList::new();
        let ranges = self.bytemark.runtime.block_on(self.store.topics.partitions(topic)).unwrap();
        for (partition, range) in (0..).zip(ranges) {
            first.add_partition_offset(topic.as_str(), partition, Offset::Offset(range.start)).unwrap();
        }
        // The group takes it once its last member is gone.
        wait_within(Duration::from_secs(60), "the group to be empty", || tool.commit(&first, CommitMode::Sync).is_ok());
    }

    /// Dead letters by code.
    pub fn letters(&self) -> BTreeMap<String, usize> {
        let mut codes = BTreeMap::new();
        for letter in self.place.records(&self.names.dead_letters) {
            let headers = letter["headers"].as_array().unwrap();
            let code = headers.iter().find(|header| header[0] == "passflow.error.code").unwrap();
            *codes.entry(code[1].as_str().unwrap().to_owned()).or_default() += 1;
        }
        codes
    }
}

#[test]
fn a_poisoned_record_in_the_middle_of_each_topic_costs_itself_alone() {
    let world = World::new(Bytemark::still(USERS), "");
    let half = USERS / 2;
    world.put_tokens(half);
    let names = &world.names;
    world.append(&names.token_changes, r#"{"user_id":1}"#, r#"{"op":"u","after":{"user_id":"#);
    world.append(&names.token_changes, r#"{"user_id":2}"#, r#"{"op":"what?","after":{"user_id":2,"token":"x"}}"#);
    for poison in ["no json", "[]", r#"{"user_id":-1}"#] {
        world.append(&names.requests, "3", poison);
    }
    world.append(&names.retry, "4", "{");
    world.append(&names.ticks, "t", r#"{"kind":"no such kind"}"#);
    world.put_tokens(USERS);
    let tick = Tick::new(Kind::Refresh, jiff::Timestamp::now());
    world.append(&names.ticks, &tick.id, &tick.encode());
    users_up_to(USERS).for_each(|user| world.request(user));

    world.place.run(&RUN).exits(0);
    assert_eq!(world.differences(USERS), ["7 dead letters, none was due"]);
    let letters = world.letters();
    // Once told, they are never told again.
    world.place.run(&RUN).exits(0);
    assert_eq!(world.letters(), letters);
    world.remove();
}

#[test]
fn records_that_were_cut_off_before_they_were_handled_end_the_run_with_what_to_do() {
    let world = World::new(Bytemark::still(USERS), "");
    world.put_tokens(USERS);
    world.place.run(&RUN).exits(0);
    users_up_to(USERS).for_each(|user| world.request(user));
    let topic = TopicName::from(world.names.requests.as_str());
    world.bytemark.runtime.block_on(async {
        let mut cut = TopicPartitionList::new();
        for (partition, range) in (0..).zip(world.store.topics.partitions(&topic).await.unwrap()) {
            cut.add_partition_offset(topic.as_str(), partition, Offset::Offset(range.end)).unwrap();
        }
        admin_of_topics().delete_records(&cut, &AdminOptions::new()).await.unwrap();
    });

    // Also when it was to run for ever: the other pipelines are drained, and the process does not live on without one.
    let mut run = world.place.start(&["run"]);
    let status = run.end_within(Duration::from_secs(60));
    let told = run.log();
    assert_eq!(status.code(), Some(1), "{told}");
    assert!(told.contains(topic.as_str()) && told.contains("kafka-consumer-groups.sh --reset-offsets"), "{told}");
    let drained = told.lines().filter(|line| line.contains("draining")).count();
    assert_eq!(drained, 2, "{told}");

    // Done as told, it goes on.
    world.skip_what_was_cut(&topic);
    users_up_to(USERS).for_each(|user| world.request(user));
    world.place.run(&RUN).exits(0);
    assert_eq!(world.differences(USERS), [""; 0]);
    world.remove();
}

#[test]
fn requests_that_lie_elsewhere_than_their_keys_belong_are_put_right() {
    let world = World::new(Bytemark::still(USERS), "");
    world.put_tokens(USERS);
    world.place.run(&RUN).exits(0);
    let told = world.place.records(&world.names.ticket_changed).len();

    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", server("PASSFLOW_TEST_KAFKA"));
    let producer: BaseProducer = config.create().unwrap();
    for user in users_up_to(USERS) {
        world.bytemark.simulator.add_pass(user.get().cast_unsigned());
        let (key, value) = (user.to_string(), PassRequest::new(user).encode());
        let record: BaseRecord<'_, str, str> =
            BaseRecord::to(&world.names.requests).payload(value.as_str()).partition(5);
        // Another partitioner, no key at all, and somebody else's key.
        let record = match user.get() % 3 {
            0 => record.key(key.as_str()),
            1 => record,
            _ => record.key("7"),
        };
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(Duration::from_secs(20)).unwrap();

    world.place.run(&RUN).exits(0);
    assert_eq!(world.differences(USERS), [""; 0]);
    assert_eq!(world.place.records(&world.names.ticket_changed).len(), told + usize::try_from(USERS).unwrap());
    assert_eq!(world.letters(), BTreeMap::new());
    world.remove();
}
