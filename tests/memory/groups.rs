//! Who owns what, and when it goes to another.

use passflow::{
    adapters::memory::{Chaos, Misuse, Odds, Rebalancing, World},
    ports::{CommitError, Event},
};
use tokio::time::{Instant, sleep, timeout};

use crate::kit::{BASE_MS, GROUP, Member, cluster, describe, ms, partition, run, secs};

fn two() -> (Chaos, Chaos) {
    (Chaos::new("a", 1, Odds::default()), Chaos::new("b", 2, Odds::default()))
}

#[test]
fn a_newcomer_takes_one_partition_of_several_once_it_is_let_go() {
    run(async {
        let world = World::new(BASE_MS);
        let cluster = cluster(&world, 3, |_| {});
        let (a, b) = two();
        let mut first = Member::join(&cluster, &a).await;
        assert_eq!(first.settle(ms(10)).await, ["assigned 0,1,2"]);
        let mut second = Member::join(&cluster, &b).await;
        let (going, release) = first.next_revoked().await;
        assert_eq!(going, [partition(2)]);
        assert_eq!(second.settle(secs(5)).await, ["assigned "], "it waits for the release");
        // Still named by the old owner, under what the revocation gave.
        first.committer.commit(first.batch(&partition(2), 1, Vec::new())).await.unwrap();
        drop(release);
        assert_eq!(second.settle(secs(1)).await, ["assigned 2"]);
        assert_eq!(first.settle(secs(1)).await, ["assigned "], "the generation is another for it, too");
        assert_eq!(cluster.misuse(), Misuse::default());
    });
}

#[test]
fn an_eager_group_takes_all_and_gives_all() {
    run(async {
        let world = World::new(BASE_MS);
        let cluster = cluster(&world, 2, |settings| settings.rebalancing = Rebalancing::Eager);
        let (a, b) = two();
        let mut first = Member::join(&cluster, &a).await;
        assert_eq!(first.settle(ms(10)).await, ["assigned 0,1"]);
        let mut second = Member::join(&cluster, &b).await;
        assert_eq!(first.settle(ms(10)).await, ["revoked 0,1", "assigned 0"]);
        assert_eq!(second.settle(ms(10)).await, ["assigned 1"]);
    });
}

#[test]
fn a_frozen_member_loses_its_partitions_after_the_session_and_its_commits_are_refused() {
    run(async {
        let world = World::new(BASE_MS);
        let cluster = cluster(&world, 2, |_| {});
        let (a, b) = two();
        let mut zombie = Member::join(&cluster, &a).await;
        zombie.settle(ms(10)).await;
        a.freeze();
        let mut other = Member::join(&cluster, &b).await;
        assert_eq!(other.settle(secs(9)).await, ["assigned "]);
        assert_eq!(other.settle(secs(9)).await, ["assigned 0,1"]);
        let commit = zombie.committer.commit(zombie.batch(&partition(0), 7, Vec::new()));
        let committing = tokio::spawn(commit);
        sleep(secs(1)).await;
        assert!(!committing.is_finished(), "a frozen process gets no answer");
        a.thaw();
        let error = committing.await.unwrap().unwrap_err();
        assert!(matches!(error, CommitError::NotOwner(_)), "{error}");
        assert!(cluster.positions(GROUP).is_empty());
        // It learns of it by its next heartbeat, and joins again: nothing moves before the other lets go.
        assert_eq!(zombie.settle(secs(4)).await, ["revoked 1", "revoked 0", "assigned "]);
        assert_eq!(other.settle(secs(4)).await, ["revoked 1", "assigned "]);
        assert_eq!(zombie.settle(secs(4)).await, ["assigned 1"]);
    });
}

#[test]
fn a_killed_member_is_put_out_and_none_of_its_calls_returns() {
    run(async {
        let world = World::new(BASE_MS);
        let cluster = cluster(&world, 1, |_| {});
        let (a, b) = two();
        let mut dead = Member::join(&cluster, &a).await;
        dead.settle(ms(10)).await;
        let mut other = Member::join(&cluster, &b).await;
        a.kill();
        assert!(timeout(secs(100), dead.consumer.next()).await.is_err());
        assert!(timeout(secs(100), dead.committer.commit(dead.batch(&partition(0), 1, Vec::new()))).await.is_err());
        a.thaw();
        assert!(timeout(secs(100), dead.consumer.next()).await.is_err(), "dead stays dead");
        assert_eq!(other.settle(secs(1)).await.last().unwrap(), "assigned 0");
    });
}

#[test]
fn who_does_not_let_go_in_time_is_put_out() {
    run(async {
        let world = World::new(BASE_MS);
        let cluster = cluster(&world, 2, |settings| settings.rebalance_timeout = secs(5));
        let (a, b) = two();
        let mut slow = Member::join(&cluster, &a).await;
        slow.settle(ms(10)).await;
        let mut other = Member::join(&cluster, &b).await;
        let (_, release) = slow.next_revoked().await;
        let began = Instant::now();
        while other.owned.is_empty() {
            other.next().await.unwrap();
        }
        assert_eq!(began.elapsed().as_secs(), 5);
        assert_eq!(other.owned, [partition(0), partition(1)]);
        let refused = slow.committer.commit(slow.batch(&partition(0), 1, Vec::new())).await;
        assert!(matches!(refused, Err(CommitError::NotOwner(_))));
        drop(release);
    });
}

#[test]
fn a_partition_can_be_moved_between_members_that_stay() {
    run(async {
        let world = World::new(BASE_MS);
        let cluster = cluster(&world, 4, |_| {});
        let (a, b) = two();
        let mut first = Member::join(&cluster, &a).await;
        first.settle(ms(10)).await;
        let mut second = Member::join(&cluster, &b).await;
        for _ in 0..3 {
            first.settle(ms(10)).await;
            second.settle(ms(10)).await;
        }
        assert_eq!(first.owned, [partition(0), partition(1)]);
        cluster.move_partition(GROUP, &partition(0));
        for _ in 0..3 {
            first.settle(ms(10)).await;
            second.settle(ms(10)).await;
        }
        assert!(second.owned.contains(&partition(0)));
        assert_eq!((first.owned.len(), second.owned.len()), (2, 2));
    });
}

#[test]
fn a_member_that_names_what_it_has_lost_under_a_current_generation_succeeds_and_is_noted() {
    run(async {
        let world = World::new(BASE_MS);
        let cluster = cluster(&world, 2, |_| {});
        let (a, b) = two();
        let mut first = Member::join(&cluster, &a).await;
        first.settle(ms(10)).await;
        let mut second = Member::join(&cluster, &b).await;
        let stale = first.ownership;
        first.settle(ms(10)).await;
        second.settle(ms(10)).await;
        first.settle(ms(10)).await;
        let mut batch = first.batch(&partition(1), 9, Vec::new());
        batch.ownership = stale;
        assert!(matches!(first.committer.commit(batch).await, Err(CommitError::NotOwner(_))));
        assert_eq!(cluster.misuse().named_foreign_partition, 0);
        first.committer.commit(first.batch(&partition(1), 9, Vec::new())).await.unwrap();
        assert_eq!(cluster.misuse().named_foreign_partition, 1);
        assert_eq!(cluster.positions(GROUP)[&partition(1)].offset, 9);
    });
}

#[test]
fn leaving_hands_on_at_once_and_dropping_only_after_the_session() {
    run(async {
        let world = World::new(BASE_MS);
        let cluster = cluster(&world, 1, |_| {});
        let (a, b) = two();
        let mut first = Member::join(&cluster, &a).await;
        first.settle(ms(10)).await;
        let mut second = Member::join(&cluster, &b).await;
        first.consumer.leave().await;
        assert_eq!(second.settle(ms(10)).await, ["assigned ", "assigned 0"]);
        drop(second);
        let mut third = Member::join(&cluster, &a).await;
        let began = Instant::now();
        loop {
            match third.next().await.unwrap() {
                Event::Assigned { partitions, .. } if !partitions.is_empty() => break,
                event => assert_eq!(describe(&event), "assigned "),
            }
        }
        assert!((9..=10).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    });
}

#[test]
fn an_outage_puts_nobody_out_of_the_group() {
    run(async {
        let world = World::new(BASE_MS);
        let cluster = cluster(&world, 1, |_| {});
        let mut member = Member::join(&cluster, &Chaos::none()).await;
        member.settle(ms(10)).await;
        world.take_down(passflow::ports::Dependency::Topics, secs(60));
        let mut failures = 0;
        let down = timeout(secs(60), async {
            loop {
                assert!(member.next().await.is_err());
                failures += 1;
            }
        });
        assert!(down.await.is_err());
        assert!((59..=61).contains(&failures), "one a second: {failures}");
        assert!(member.next_within(secs(30)).await.is_none());
        assert_eq!(cluster.describe_group(GROUP), (1, 1));
    });
}
