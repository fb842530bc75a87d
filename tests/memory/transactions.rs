//! Commits that fail, hang, arrive late, or nobody hears of.

use passflow::{
    adapters::memory::{Chaos, CommitOdds, MemoryCluster, Odds, Span, World},
    domain::record::{Record, TopicName},
    ports::{CommitError, Failure},
};
use tokio::time::{Instant, sleep};

use crate::kit::{BASE_MS, GROUP, Member, cluster, ms, output, partition, position, run, secs};

fn out(cluster: &MemoryCluster) -> Vec<Record> {
    cluster.records(&TopicName::from("out"))
}

fn commits(odds: CommitOdds) -> Odds {
    Odds { commits: odds, ..Odds::default() }
}

async fn member(world: &World, odds: Odds) -> (MemoryCluster, Chaos, Member) {
    let cluster = cluster(world, 2, |_| {});
    let chaos = Chaos::new("a", 7, odds);
    let mut member = Member::join(&cluster, &chaos).await;
    member.settle(ms(10)).await;
    (cluster, chaos, member)
}

#[test]
fn outputs_and_positions_become_visible_together_and_leave_a_marker() {
    run(async {
        let world = World::new(BASE_MS);
        let (cluster, _, member) = member(&world, Odds::default()).await;
        let outputs = vec![output("out", "1", "x"), output("out", "1", "y")];
        member.committer.commit(member.batch(&partition(0), 5, outputs.clone())).await.unwrap();
        member.committer.commit(member.batch(&partition(0), 6, outputs)).await.unwrap();
        let offsets: Vec<i64> = out(&cluster).iter().map(|record| record.source.offset).collect();
        assert_eq!(offsets, [0, 1, 3, 4]);
        assert_eq!(cluster.positions(GROUP)[&partition(0)], position(6));
        assert_eq!(cluster.commits().len(), 2);
    });
}

#[test]
fn a_commit_without_an_answer_that_was_done_is_seen_once_it_is_decided() {
    run(async {
        let world = World::new(BASE_MS);
        let odds = CommitOdds { lost: 1.0, undecided: Span::ms(8_000, 8_000), ..CommitOdds::default() };
        let (cluster, _, mut member) = member(&world, commits(odds)).await;
        let began = Instant::now();
        for offset in 1..9 {
            let batch = member.batch(&partition(0), offset, vec![output("out", "1", "x")]);
            let error = member.committer.commit(batch).await.unwrap_err();
            assert!(matches!(&error, CommitError::Failed(error) if error.kind == Failure::Unanswered), "{error}");
            let stable = member.consumer.committed(&[partition(0)]).await.unwrap();
            assert_eq!(stable, [position(offset)], "it waits until nothing is open");
            assert_eq!(i64::try_from(out(&cluster).len()), Ok(offset));
        }
        assert_eq!(began.elapsed(), secs(64));
    });
}

#[test]
fn an_aborted_commit_leaves_a_gap_and_nothing_else() {
    run(async {
        let world = World::new(BASE_MS);
        let odds = CommitOdds { aborted: 1.0, ..CommitOdds::default() };
        let (cluster, chaos, mut member) = member(&world, commits(odds)).await;
        let batch = member.batch(&partition(0), 3, vec![output("out", "1", "x")]);
        assert!(member.committer.commit(batch.clone()).await.is_err());
        assert_eq!(member.consumer.committed(&[partition(0)]).await.unwrap(), [position(0)]);
        chaos.set_odds(Odds::default());
        member.committer.commit(batch).await.unwrap();
        assert_eq!(out(&cluster)[0].source.offset, 2);
    });
}

#[test]
fn a_commit_that_was_never_sent_is_down_and_does_nothing() {
    run(async {
        let world = World::new(BASE_MS);
        let odds = CommitOdds { down: 1.0, ..CommitOdds::default() };
        let (cluster, _, member) = member(&world, commits(odds)).await;
        let error = member.committer.commit(member.batch(&partition(0), 3, Vec::new())).await.unwrap_err();
        assert!(matches!(error, CommitError::Failed(error) if error.kind == Failure::Down));
        sleep(secs(60)).await;
        assert!(cluster.commits().is_empty());
    });
}

#[test]
fn positions_that_arrive_late_hold_the_partition_until_the_time_out_and_are_aborted() {
    run(async {
        let world = World::new(BASE_MS);
        let odds = CommitOdds { late: 1.0, late_by: Span::ms(5_000, 5_000), ..CommitOdds::default() };
        let (cluster, chaos, mut member) = member(&world, commits(odds)).await;
        assert!(member.committer.commit(member.batch(&partition(0), 3, Vec::new())).await.is_err());
        chaos.set_odds(Odds::default());
        assert_eq!(member.consumer.committed(&[partition(0)]).await.unwrap(), [position(0)]);
        sleep(secs(6)).await;
        let began = Instant::now();
        assert_eq!(member.consumer.committed(&[partition(0)]).await.unwrap(), [position(0)]);
        assert_eq!(began.elapsed(), secs(9), "open for ten seconds");
        assert!(cluster.commits().is_empty());
    });
}

#[test]
fn a_late_end_is_not_fenced_and_the_next_owner_waits_for_it() {
    run(async {
        let world = World::new(BASE_MS);
        let odds = CommitOdds { lost: 1.0, undecided: Span::ms(9_000, 9_000), ..CommitOdds::default() };
        let (cluster, _, member) = member(&world, commits(odds)).await;
        let commit = member.committer.commit(member.batch(&partition(0), 4, Vec::new()));
        tokio::spawn(commit);
        sleep(ms(1)).await;
        member.consumer.leave().await;
        let mut next = Member::join(&cluster, &Chaos::none()).await;
        next.settle(ms(10)).await;
        assert_eq!(next.owned, [partition(0), partition(1)]);
        assert_eq!(next.consumer.committed(&[partition(1)]).await.unwrap(), [position(0)]);
        let began = Instant::now();
        assert_eq!(next.consumer.committed(&[partition(0)]).await.unwrap(), [position(4)]);
        assert!(began.elapsed() > secs(8));
    });
}

#[test]
fn a_process_stopped_in_the_middle_of_a_transaction_has_it_aborted() {
    run(async {
        let world = World::new(BASE_MS);
        let odds = CommitOdds { latency: Span::ms(100, 100), ..CommitOdds::default() };
        let (cluster, chaos, member) = member(&world, commits(odds)).await;
        let committing = tokio::spawn(member.committer.commit(member.batch(&partition(0), 4, Vec::new())));
        sleep(ms(150)).await;
        chaos.freeze();
        sleep(secs(9)).await;
        let watcher = Member::join(&cluster, &Chaos::none()).await;
        let mut consumer = watcher.consumer;
        assert_eq!(consumer.committed(&[partition(0)]).await.unwrap(), [position(0)]);
        chaos.thaw();
        assert!(matches!(committing.await.unwrap(), Err(CommitError::Failed(_))));
        assert!(cluster.commits().is_empty());
    });
}

#[test]
fn a_dropped_commit_goes_on_and_two_at_once_are_noted() {
    run(async {
        let world = World::new(BASE_MS);
        let odds = CommitOdds { latency: Span::ms(50, 50), ..CommitOdds::default() };
        let (cluster, _, member) = member(&world, commits(odds)).await;
        let commit = |offset| member.committer.commit(member.batch(&partition(0), offset, Vec::new()));
        assert!(tokio::time::timeout(ms(10), commit(1)).await.is_err());
        assert_eq!(cluster.misuse().overlapping_commits, 0);
        let (first, second) = tokio::join!(commit(2), commit(3));
        assert!(first.is_ok() && second.is_ok());
        assert_eq!(cluster.misuse().overlapping_commits, 1);
        assert_eq!(cluster.commits().len(), 3);
    });
}

#[test]
fn what_is_too_large_is_refused() {
    run(async {
        let world = World::new(BASE_MS);
        let (cluster, _, member) = member(&world, Odds::default()).await;
        let large = "x".repeat(1 << 20);
        let refused = member.committer.commit(member.batch(&partition(0), 1, vec![output("out", "1", &large)])).await;
        assert!(matches!(refused, Err(CommitError::Failed(error)) if error.kind == Failure::Refused));
        let mut batch = member.batch(&partition(0), 1, Vec::new());
        batch.positions[0].1.metadata = "m".repeat(4097);
        let refused = member.committer.commit(batch).await;
        assert!(matches!(refused, Err(CommitError::Failed(error)) if error.kind == Failure::Refused));
        assert!(cluster.commits().is_empty());
    });
}
