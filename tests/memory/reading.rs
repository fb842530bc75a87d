//! What a member reads: ends, gaps, pauses, sessions; and what anybody can read.

use passflow::{
    adapters::memory::{Chaos, ConsumerOdds, MemoryCluster, Odds, Span, World},
    ports::{Event, Failure, Session, Topics},
};
use tokio::time::sleep;

use crate::kit::{BASE_MS, GROUP, Member, cluster, describe, ms, output, partition, position, run, secs, topic};

fn one_by_one(stale: f64) -> Odds {
    let consumer = ConsumerOdds { stale, batch_max: 1, prefetch: 3, ..ConsumerOdds::default() };
    Odds { consumer, ..Odds::default() }
}

async fn member(world: &World, odds: Odds) -> (MemoryCluster, Member) {
    let cluster = cluster(world, 1, |_| {});
    let mut member = Member::join(&cluster, &Chaos::new("a", 3, odds)).await;
    member.settle(ms(10)).await;
    (cluster, member)
}

fn put(cluster: &MemoryCluster, count: usize) {
    cluster.put((0..count).map(|number| output("in", "1", &number.to_string())).collect());
}

fn session_of(event: &Event) -> Session {
    match event {
        Event::Records { session, .. } | Event::End { session, .. } => *session,
        event => panic!("{}", describe(event)),
    }
}

#[test]
fn an_assigned_partition_is_silent_until_it_is_started_and_tells_its_end_behind_markers() {
    run(async {
        let world = World::new(BASE_MS);
        let (cluster, mut member) = member(&world, Odds::default()).await;
        put(&cluster, 2);
        assert!(member.settle(secs(5)).await.is_empty());
        member.consumer.start(&partition(0), 1).await.unwrap();
        assert_eq!(member.settle(secs(1)).await, ["records 0@1", "end 0@2"]);
        member.committer.commit(member.batch(&partition(0), 2, vec![output("in", "1", "z")])).await.unwrap();
        assert_eq!(member.settle(secs(1)).await, ["records 0@2", "end 0@4"]);
        let refused = member.consumer.start(&partition(7), 0).await.unwrap_err();
        assert_eq!(refused.kind, Failure::Refused);
    });
}

#[test]
fn records_on_their_way_come_under_the_old_session_after_a_start() {
    run(async {
        let world = World::new(BASE_MS);
        let (cluster, mut member) = member(&world, one_by_one(1.0)).await;
        put(&cluster, 5);
        let old = member.consumer.start(&partition(0), 0).await.unwrap();
        assert_eq!(session_of(&member.next().await.unwrap()), old);
        let new = member.consumer.start(&partition(0), 0).await.unwrap();
        assert_ne!(old, new);
        let mut offsets = (Vec::new(), Vec::new());
        while let Some(event) = member.next_within(ms(10)).await {
            let Event::Records { session, records, .. } = event else { continue };
            let of_session = if session == old { &mut offsets.0 } else { &mut offsets.1 };
            of_session.extend(records.iter().map(|record| record.source.offset));
        }
        assert_eq!(offsets, (vec![1, 2], vec![0, 1, 2, 3, 4]));
    });
}

#[test]
fn without_stale_records_a_start_forgets_them() {
    run(async {
        let world = World::new(BASE_MS);
        let (cluster, mut member) = member(&world, one_by_one(0.0)).await;
        put(&cluster, 3);
        member.consumer.start(&partition(0), 0).await.unwrap();
        member.next().await.unwrap();
        member.consumer.start(&partition(0), 2).await.unwrap();
        assert_eq!(member.settle(ms(10)).await, ["records 0@2", "end 0@3"]);
    });
}

#[test]
fn a_paused_partition_delivers_what_is_on_its_way_and_no_more() {
    run(async {
        let world = World::new(BASE_MS);
        let (cluster, mut member) = member(&world, one_by_one(0.0)).await;
        put(&cluster, 9);
        member.consumer.start(&partition(0), 0).await.unwrap();
        member.next().await.unwrap();
        member.consumer.set_paused(&partition(0), true);
        assert_eq!(member.settle(secs(60)).await, ["records 0@1", "records 0@2"]);
        member.consumer.set_paused(&partition(0), false);
        assert_eq!(member.settle(secs(1)).await.len(), 7);
    });
}

#[test]
fn dropping_next_loses_nothing() {
    run(async {
        let world = World::new(BASE_MS);
        let mut odds = one_by_one(0.0);
        odds.consumer.latency = Span::ms(0, 40);
        let (cluster, mut member) = member(&world, odds).await;
        put(&cluster, 50);
        member.consumer.start(&partition(0), 0).await.unwrap();
        let mut seen = Vec::new();
        while seen.len() < 50 {
            match member.next_within(ms(3)).await {
                Some(Event::Records { records, .. }) => seen.extend(records.iter().map(|record| record.source.offset)),
                Some(event) => panic!("{}", describe(&event)),
                None => {}
            }
        }
        assert_eq!(seen, (0..50).collect::<Vec<i64>>());
    });
}

#[test]
fn anybody_can_read_find_and_count() {
    run(async {
        let world = World::new(BASE_MS);
        let cluster = cluster(&world, 2, |_| {});
        let client = cluster.client(&Chaos::none());
        assert!(client.partitions(&topic()).await.unwrap().is_empty());
        assert_eq!(client.backlog(GROUP, &topic()).await.unwrap(), 0);
        client.append(vec![output("in", "1", "a"), output("in", "1", "b")]).await.unwrap();
        sleep(secs(1)).await;
        client.append(vec![output("in", "1", "c")]).await.unwrap();
        let of_key = cluster.records(&topic())[0].source.topic_partition();
        let bounds = client.partitions(&topic()).await.unwrap();
        assert_eq!(bounds[of_key.partition as usize], 0..3);
        assert_eq!(bounds[1 - of_key.partition as usize], 0..0);
        assert_eq!(client.offset_at(&of_key, BASE_MS).await.unwrap(), 0);
        assert_eq!(client.offset_at(&of_key, BASE_MS + 1).await.unwrap(), 2);
        assert_eq!(client.offset_at(&of_key, BASE_MS + 1001).await.unwrap(), 3);
        assert_eq!(client.read(&of_key, 1, 1).await.unwrap()[0].value.as_deref(), Some(b"b".as_slice()));
        assert!(client.read(&of_key, 3, 9).await.unwrap().is_empty());
        assert_eq!(client.backlog(GROUP, &topic()).await.unwrap(), 3);
        cluster.set_position(GROUP, of_key, position(2));
        assert_eq!(client.backlog(GROUP, &topic()).await.unwrap(), 1);
    });
}

#[test]
fn where_nothing_was_committed_the_position_is_the_first_offset() {
    run(async {
        let world = World::new(BASE_MS);
        let (cluster, mut member) = member(&world, Odds::default()).await;
        put(&cluster, 4);
        cluster.truncate(&partition(0), 3);
        assert_eq!(member.consumer.committed(&[partition(0)]).await.unwrap(), [position(3)]);
        member.consumer.start(&partition(0), 0).await.unwrap();
        assert_eq!(member.settle(ms(10)).await, ["records 0@3", "end 0@4"]);
    });
}

#[test]
fn more_partitions_are_given_out_and_a_topic_made_anew_starts_again() {
    run(async {
        let world = World::new(BASE_MS);
        let (cluster, mut member) = member(&world, Odds::default()).await;
        cluster.grow(&topic(), 3);
        assert_eq!(member.settle(ms(10)).await, ["assigned 1,2"]);
        member.committer.commit(member.batch(&partition(0), 4, Vec::new())).await.unwrap();
        cluster.delete(&topic());
        assert!(cluster.positions(GROUP).is_empty());
        put(&cluster, 1);
        assert_eq!(cluster.records(&topic())[0].source.offset, 0);
    });
}

#[test]
fn records_can_be_put_twice_or_in_part() {
    run(async {
        let world = World::new(BASE_MS);
        let cluster = cluster(&world, 1, |_| {});
        let twice = Chaos::new("twice", 1, Odds { put_twice: 1.0, ..Odds::default() });
        cluster.client(&twice).append(vec![output("in", "1", "a")]).await.unwrap();
        assert_eq!(cluster.records(&topic()).len(), 2);
        let mut odds = Odds::default();
        odds.topics.down = 0.5;
        let flaky = cluster.client(&Chaos::new("flaky", 5, odds));
        let mut partly = 0;
        for _ in 0..50 {
            let before = cluster.records(&topic()).len();
            let put = flaky.append(vec![output("in", "1", "a"), output("in", "1", "b")]).await;
            let added = cluster.records(&topic()).len() - before;
            match put {
                Ok(()) => assert_eq!(added, 2),
                Err(error) if error.kind == Failure::Down => assert_eq!(added, 0),
                Err(_) => partly += added,
            }
        }
        assert!(partly > 0);
    });
}
