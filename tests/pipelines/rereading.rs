//! What is not committed is read again, and its outputs leave once.

use passflow::adapters::memory::{CommitOdds, ConsumerOdds, Odds};

use super::{
    engine::{Rig, timed},
    kit::{Kit, run, secs, sleep},
};

#[test]
fn after_a_failed_commit_records_are_read_again_and_their_outputs_leave_once() {
    let failures = [
        CommitOdds { aborted: 1.0, ..CommitOdds::default() },
        CommitOdds { lost: 1.0, ..CommitOdds::default() },
        CommitOdds { down: 1.0, ..CommitOdds::default() },
    ];
    for commits in failures {
        run(async {
            let rig = Rig::usual(timed);
            rig.kit.settle_started().await;
            rig.kit.process.as_ref().unwrap().chaos.set_odds(Odds { commits: commits.clone(), ..Odds::default() });
            for number in 0..5 {
                rig.put("k", &number.to_string());
            }
            sleep(secs(30)).await;
            rig.kit.process.as_ref().unwrap().chaos.set_odds(Odds::default());
            sleep(secs(60)).await;
            rig.kit.settle().await;
            assert_eq!(rig.out(), ["0", "1", "2", "3", "4"], "{commits:?}");
            assert!(rig.kit.process.as_ref().unwrap().progress[0].snapshot().retaken > 0);
        });
    }
}

#[test]
fn a_membership_that_ends_is_joined_anew_and_loses_and_repeats_nothing() {
    run(async {
        let rig = Rig::usual(timed);
        rig.kit.settle_started().await;
        let consumer = ConsumerOdds { ended: 0.3, ..ConsumerOdds::default() };
        rig.kit.process.as_ref().unwrap().chaos.set_odds(Odds { consumer, ..Odds::default() });
        for number in 0..20 {
            rig.put("k", &number.to_string());
            sleep(secs(2)).await;
        }
        rig.kit.process.as_ref().unwrap().chaos.set_odds(Odds::default());
        rig.kit.settle().await;
        let (members, generation) = rig.kit.surroundings.cluster.describe_group("passflow.scripted");
        assert!(members == 1 && generation > 5, "{members} members, generation {generation}: it was joined anew");
        assert_eq!(rig.out(), (0..20).map(|number| number.to_string()).collect::<Vec<_>>());
    });
}

impl Kit {
    async fn settle_started(&self) {
        sleep(secs(1)).await;
    }
}
