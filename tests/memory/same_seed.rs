//! The same seed gives the same run, another one another; and whatever happens, the broker's own promises hold.

use std::collections::BTreeMap;

use passflow::{
    adapters::memory::{Chaos, MemoryCluster, MemoryDocuments, Misuse, Odds, Rebalancing, World},
    domain::{
        cache::Epoch,
        record::{TopicName, TopicPartition},
    },
    ports::{Batch, CommitError, Documents, Event, Session, Topics},
};
use tokio::time::{Duration, sleep, timeout};

use crate::kit::{BASE_MS, GROUP, cluster, ms, output, partition, position, run, secs, topic};

/// How often records are put, and how many at once.
const STEPS: u64 = 60;
const BURST: u64 = 10;

/// What a process knows of a partition that it owns.
struct Place {
    session: Session,
    next: i64,
}

/// A process that copies each record of `in` to `out`, a batch a transaction, and joins anew after each error.
async fn copy(cluster: MemoryCluster, documents: MemoryDocuments, chaos: Chaos) {
    loop {
        drop(documents.client(&chaos).next_epoch(Epoch(0)).await);
        drop(copy_as_member(&cluster, &chaos).await);
        sleep(ms(100)).await;
    }
}

async fn copy_as_member(cluster: &MemoryCluster, chaos: &Chaos) -> Result<(), CommitError> {
    let joined = cluster.client(chaos).join(GROUP, &[topic()]).await?;
    let (mut consumer, committer) = (joined.consumer, joined.committer);
    let mut places: BTreeMap<TopicPartition, Place> = BTreeMap::new();
    let mut owned = None;
    loop {
        match consumer.next().await? {
            Event::Ended(error) => return Err(error.into()),
            Event::Assigned { ownership, partitions } => {
                owned = Some(ownership);
                for partition in partitions {
                    let next = consumer.committed(std::slice::from_ref(&partition)).await?[0].offset;
                    let session = consumer.start(&partition, next).await?;
                    places.insert(partition, Place { session, next });
                }
            }
            Event::Revoked { ownership, partitions, release } => {
                owned = Some(ownership);
                places.retain(|partition, _| !partitions.contains(partition));
                drop(release);
            }
            Event::Records { partition, session, records } => {
                let (Some(place), Some(ownership)) = (places.get_mut(&partition), owned) else { continue };
                if place.session != session {
                    continue;
                }
                assert!(records[0].source.offset >= place.next);
                place.next = records.last().unwrap().source.offset + 1;
                let text = |record: &passflow::domain::record::Record| {
                    String::from_utf8(record.value.as_ref().unwrap().to_vec()).unwrap()
                };
                let outputs = records.iter().map(|record| output("out", "k", &text(record))).collect();
                let positions = vec![(partition, position(place.next))];
                committer.commit(Batch { ownership, outputs, positions }).await?;
            }
            Event::End { .. } => {}
        }
    }
}

struct Outcome {
    log: Vec<String>,
    copied: Vec<String>,
    misuse: Misuse,
}

fn thaw(processes: &[(Chaos, tokio::task::JoinHandle<()>)]) {
    for (chaos, _) in processes {
        chaos.thaw();
    }
}

fn simulate(seed: u64) -> Outcome {
    run(async {
        let world = World::new(BASE_MS);
        let rebalancing = if seed.is_multiple_of(3) { Rebalancing::Eager } else { Rebalancing::Cooperative };
        let cluster = cluster(&world, 3, |settings| {
            settings.session_timeout = secs(4);
            settings.rebalancing = rebalancing;
        });
        let documents = MemoryDocuments::new(&world);
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut processes = Vec::new();
        let start = |number: u64, rng: &mut fastrand::Rng| {
            let chaos = Chaos::new(&format!("process {number}"), rng.u64(..), Odds::rough());
            (chaos.clone(), tokio::spawn(copy(cluster.clone(), documents.clone(), chaos)))
        };
        processes.extend((0..3).map(|number| start(number, &mut rng)));
        let producer = Chaos::none();
        for number in 0..STEPS {
            let record = |index: u64| output("in", &rng.u8(..).to_string(), &(number * BURST + index).to_string());
            let burst = (0..BURST).map(record).collect();
            cluster.client(&producer).append(burst).await.unwrap();
            let chosen = rng.usize(0..processes.len());
            match rng.u8(0..20) {
                0..4 => processes[chosen].0.freeze(),
                4..8 => cluster.move_partition(GROUP, &partition(rng.u32(0..3))),
                8 => {
                    let (chaos, task) = processes.remove(chosen);
                    chaos.kill();
                    task.abort();
                    processes.push(start(100 + number, &mut rng));
                }
                9..12 => thaw(&processes),
                _ => {}
            }
            sleep(Duration::from_millis(rng.u64(0..2_000))).await;
        }
        thaw(&processes);
        let done = timeout(secs(3600), async {
            while cluster.client(&producer).backlog(GROUP, &topic()).await.unwrap() > 0 {
                sleep(secs(1)).await;
            }
        });
        done.await.unwrap_or_else(|_| panic!("seed {seed} does not come to its end"));
        assert!(processes.iter().all(|(_, task)| !task.is_finished()), "seed {seed}: a process has panicked");
        let copied = cluster.records(&TopicName::from("out"));
        let copied = copied.iter().map(|record| String::from_utf8_lossy(record.value.as_ref().unwrap()).into_owned());
        Outcome { log: world.log(), copied: copied.collect(), misuse: cluster.misuse() }
    })
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let mut logs = Vec::new();
    for seed in 0..6 {
        let (first, again) = (simulate(seed).log, simulate(seed).log);
        assert!(first.len() > 200);
        let differs = first.iter().zip(&again).position(|(line, other)| line != other);
        assert_eq!(differs.map(|at| (&first[at], &again[at])), None, "seed {seed}");
        assert_eq!(first.len(), again.len());
        logs.push(first);
    }
    logs.dedup();
    assert_eq!(logs.len(), 6);
}

#[test]
fn whatever_happens_each_record_is_copied_once() {
    for seed in 0..40 {
        let Outcome { mut copied, misuse, .. } = simulate(seed);
        copied.sort_by_key(|number| number.parse::<u64>().unwrap());
        let expected: Vec<String> = (0..STEPS * BURST).map(|number| number.to_string()).collect();
        assert_eq!(copied, expected, "seed {seed}");
        assert_eq!(misuse, Misuse::default(), "seed {seed}");
    }
}
