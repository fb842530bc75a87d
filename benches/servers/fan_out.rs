//! A tick over very many users, with a group that has always handled all requests at once.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
};

use crate::ground::{Ground, kafka_config};

pub fn measure(users: u64) {
    // No request is fetched here, so there is no API.
    let ground = Ground::new("http://127.0.0.1:9", "");
    let rows: Vec<_> = (1..=users).map(|user| (user, format!("token-{user}"))).collect();
    ground.runtime.block_on(ground.insert(&rows));
    drop(rows);
    ground.binary(&["tick"]).wait();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| handle_at_once(&ground, &done));
        let run = ground.binary(&["run", "ticks"]);
        let first = wait_for(&ground, 1);
        let cpu = run.cpu();
        let last = wait_for(&ground, users);
        let wall = last - first;
        println!(
            "{users:>8} users: {:>9.0} requests/s (target: at least 100,000), {:>5.1} us CPU a request, {:>5.1} MB at \
             most (target: 64)",
            users as f64 / wall.as_secs_f64(),
            run.cpu().saturating_sub(cpu).as_secs_f64() * 1e6 / users as f64,
            run.peak_mb(),
        );
        done.store(true, Ordering::Relaxed);
    });
    ground.remove();
}

/// When so many requests lay in the topic, transactions' own records left out of account.
fn wait_for(ground: &Ground, requests: u64) -> Instant {
    let topic = ground.names.requests.as_str().into();
    loop {
        let partitions = ground.runtime.block_on(ground.store.topics.partitions(&topic)).expect("partitions");
        let put: i64 = partitions.iter().map(|offsets| offsets.end - offsets.start).sum();
        if put.cast_unsigned() >= requests {
            return Instant::now();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Commits the ends of all partitions for the group of `passes`, again and again.
fn handle_at_once(ground: &Ground, done: &AtomicBool) {
    let group = format!("{}.passes", ground.id);
    let consumer: BaseConsumer = kafka_config().set("group.id", group).create().expect("a consumer");
    let topic = ground.names.requests.as_str();
    while !done.load(Ordering::Relaxed) {
        let mut ends = TopicPartitionList::new();
        for partition in 0..12 {
            let (_, end) = consumer.fetch_watermarks(topic, partition, Duration::from_secs(10)).expect("an end");
            ends.add_partition_offset(topic, partition, Offset::Offset(end)).expect("an offset");
        }
        consumer.commit(&ends, CommitMode::Sync).expect("a commit");
    }
}
