//! How soon a change of a token in MariaDB is told: from its change record's arrival on the topic to the event seen by a
//! `read_committed` reader. The API's two answers, about a millisecond each here, are part of it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rdkafka::{
    Message as _, Timestamp,
    consumer::{BaseConsumer, Consumer as _},
};

use crate::{
    api_process::ApiProcess,
    ground::{Ground, kafka_config},
    latencies::Latencies,
};

const IDLE_CHANGES: u64 = 300;
const LOADED_SECONDS: u64 = 20;
const LOADED_PER_SECOND: u64 = 500;
const SLICE: Duration = Duration::from_millis(50);

/// Times in ms since 1970, of each user.
type Times = Arc<Mutex<HashMap<u64, f64>>>;

/// `tick_users` more have tokens, for the tick that runs beside.
pub fn measure(tick_users: u64) {
    let loaded = LOADED_SECONDS * LOADED_PER_SECOND;
    let users = 2 * (IDLE_CHANGES + loaded);
    let api = ApiProcess::start(users + tick_users);
    // An hour's tick spread over its hour.
    let ground = Ground::new(&api.base_url, "spread = \"50m\"\n");
    ground.runtime.block_on(async {
        for first in (1..=tick_users).step_by(5000) {
            let last = tick_users.min(first + 4999);
            let rows: Vec<_> = (first..=last).map(|user| (users + user, token(&api, users + user))).collect();
            ground.insert(&rows).await;
        }
    });
    let run = ground.binary(&["run"]);
    // The connector says nothing of rows that were there before it.
    ground.follow_the_table();
    let watch = Watch::start(&ground);
    let mut next = 1;
    let mut batch = |count: u64| {
        next += count;
        next - count..next
    };
    // What opens connections and fills caches is not measured.
    slowly(&ground, &api, batch(20));
    watch.wait_for(20);
    watch.take();
    slowly(&ground, &api, batch(IDLE_CHANGES - 20));
    watch.wait_for(IDLE_CHANGES - 20);
    watch.take().print("one at a time");
    steadily(&ground, &api, batch(loaded));
    watch.wait_for(loaded);
    watch.take().print("500 a second");
    ground.binary(&["tick"]).wait();
    std::thread::sleep(Duration::from_secs(5));
    slowly(&ground, &api, batch(IDLE_CHANGES));
    watch.wait_for(IDLE_CHANGES);
    watch.take().print("one at a time, beside a tick");
    steadily(&ground, &api, batch(loaded));
    watch.wait_for(loaded);
    watch.take().print("500 a second, beside a tick");
    println!("memory {:.1} MB at most", run.peak_mb());
    watch.stop();
    drop(run);
    ground.remove();
}

fn token(api: &ApiProcess, user: u64) -> String {
    api.simulator.token_of(user).expect("a token")
}

fn slowly(ground: &Ground, api: &ApiProcess, users: std::ops::Range<u64>) {
    for user in users {
        ground.runtime.block_on(ground.insert(&[(user, token(api, user))]));
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn steadily(ground: &Ground, api: &ApiProcess, users: std::ops::Range<u64>) {
    let mut due = Instant::now();
    let users: Vec<u64> = users.collect();
    let slice = usize::try_from(LOADED_PER_SECOND / 20).expect("a small number");
    for slice in users.chunks(slice) {
        let rows: Vec<_> = slice.iter().map(|user| (*user, token(api, *user))).collect();
        ground.runtime.block_on(ground.insert(&rows));
        due += SLICE;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}

/// Notes when each user's change arrived and when its event could be read.
struct Watch {
    arrived: Times,
    told: Times,
    done: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Watch {
    fn start(ground: &Ground) -> Self {
        let (arrived, told) = (Times::default(), Times::default());
        let done = Arc::new(AtomicBool::new(false));
        let changes = reader(ground, &ground.names.token_changes);
        let events = reader(ground, &ground.names.ticket_changed);
        let threads = vec![
            follow(changes, Arc::clone(&done), Arc::clone(&arrived), |value, put_ms| {
                let user = value["after"]["user_id"].as_u64();
                user.or_else(|| value["payload"]["after"]["user_id"].as_u64()).map(|user| (user, put_ms))
            }),
            follow(events, Arc::clone(&done), Arc::clone(&told), |value, _| {
                value["user_id"].as_u64().map(|user| (user, now_ms()))
            }),
        ];
        Self { arrived, told, done, threads }
    }

    fn wait_for(&self, users: u64) {
        let deadline = Instant::now() + Duration::from_mins(2);
        while (self.told.lock().unwrap().len() as u64) < users {
            assert!(Instant::now() < deadline, "{} of {users} told", self.told.lock().unwrap().len());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn take(&self) -> Latencies {
        let arrived = std::mem::take(&mut *self.arrived.lock().unwrap());
        let told = std::mem::take(&mut *self.told.lock().unwrap());
        Latencies::new(told.into_iter().filter_map(|(user, at)| Some(at - arrived.get(&user)?)).collect())
    }

    fn stop(self) {
        self.done.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().expect("a reader"));
    }
}

fn reader(ground: &Ground, topic: &str) -> BaseConsumer {
    let consumer: BaseConsumer = kafka_config()
        .set("group.id", format!("{}.watch", ground.id))
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_committed")
        // The default holds an answer back for half a second when a partition has nothing.
        .set("fetch.wait.max.ms", "5")
        .create()
        .expect("a consumer");
    let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(10)).expect("its partitions");
    let mut partitions = rdkafka::TopicPartitionList::new();
    for partition in metadata.topics()[0].partitions() {
        partitions.add_partition_offset(topic, partition.id(), rdkafka::Offset::Beginning).expect("an offset");
    }
    consumer.assign(&partitions).expect("an assignment");
    consumer
}

fn follow(
    consumer: BaseConsumer,
    done: Arc<AtomicBool>,
    times: Times,
    read: impl Fn(&serde_json::Value, f64) -> Option<(u64, f64)> + Send + 'static,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        while !done.load(Ordering::Relaxed) {
            let Some(record) = consumer.poll(Duration::from_millis(100)) else { continue };
            let record = record.expect("a record");
            let Some(value) = record.payload().and_then(|value| serde_json::from_slice(value).ok()) else { continue };
            let Timestamp::CreateTime(put_ms) = record.timestamp() else { panic!("a topic with its producer's time") };
            if let Some((user, at)) = read(&value, put_ms as f64) {
                times.lock().unwrap().entry(user).or_insert(at);
            }
        }
    })
}

fn now_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs_f64() * 1000.0
}
