//! What becomes of a process's calls.

use std::time::Duration;

use passflow::{
    adapters::memory::{CallOdds, Chaos, MemoryDocuments, Odds, ProcessClock, Span, World},
    domain::cache::Epoch,
    ports::{Clock, Dependency, Documents, Failure, PortError},
};
use tokio::time::{Instant, sleep, timeout};

use crate::kit::{BASE_MS, ms, run, secs, user};

fn documents(odds: CallOdds) -> Odds {
    Odds { documents: odds, ..Odds::default() }
}

fn client(odds: CallOdds) -> (World, MemoryDocuments, Chaos) {
    let world = World::new(BASE_MS);
    let store = MemoryDocuments::new(&world);
    (world, store, Chaos::new("a", 11, documents(odds)))
}

fn kind<T>(answer: Result<T, PortError>) -> Option<Failure> {
    answer.err().map(|error| error.kind)
}

#[test]
fn each_fault_does_what_its_kind_says() {
    run(async {
        let none = CallOdds::default();
        let cases = [
            (CallOdds { down: 1.0, ..none.clone() }, Failure::Down, 0, 0),
            (CallOdds { lost: 1.0, ..none.clone() }, Failure::Unanswered, 1, 1),
            (CallOdds { late: 1.0, ..none.clone() }, Failure::Unanswered, 0, 1),
            (CallOdds { never: 1.0, ..none }, Failure::Unanswered, 0, 0),
        ];
        for (odds, failure, at_once, finally) in cases {
            let odds = CallOdds { late_by: Span::ms(10_000, 20_000), ..odds };
            let (_world, store, chaos) = client(odds);
            let answer = store.client(&chaos).create(&[(user(1), Epoch(1))]).await;
            assert_eq!(kind(answer), Some(failure));
            assert_eq!(store.all().len(), at_once, "{failure:?} at once");
            sleep(secs(30)).await;
            assert_eq!(store.all().len(), finally, "{failure:?} finally");
        }
    });
}

#[test]
fn a_late_call_with_many_things_lands_in_part() {
    run(async {
        let (_world, store, chaos) = client(CallOdds { late: 1.0, ..CallOdds::default() });
        let users: Vec<_> = (1..=60).map(|number| (user(number), Epoch(1))).collect();
        assert!(store.client(&chaos).create(&users).await.is_err());
        let early = store.all().len();
        sleep(secs(60)).await;
        let finally = store.all().len();
        assert!(0 < early && early < finally && finally < 60, "{early} then {finally}");
    });
}

#[test]
fn a_frozen_process_neither_asks_nor_hears() {
    run(async {
        let (_world, store, chaos) = client(CallOdds { latency: Span::ms(100, 100), ..CallOdds::default() });
        let create = |number| {
            let client = store.client(&chaos);
            tokio::spawn(async move { client.create(&[(user(number), Epoch(1))]).await })
        };
        let sent = create(1);
        sleep(ms(50)).await;
        chaos.freeze();
        let unsent = create(2);
        sleep(secs(10)).await;
        assert!(!sent.is_finished() && !unsent.is_finished());
        assert_eq!(store.all().len(), 1, "what was sent has arrived");
        chaos.thaw();
        sleep(ms(1)).await;
        assert!(sent.is_finished(), "its answer had come long ago");
        sleep(ms(250)).await;
        assert!(unsent.is_finished());
        assert_eq!(store.all().len(), 2);
    });
}

#[test]
fn what_a_killed_or_dropped_call_has_sent_still_lands() {
    run(async {
        let (_world, store, chaos) = client(CallOdds { latency: Span::ms(100, 100), ..CallOdds::default() });
        let client = store.client(&chaos);
        assert!(timeout(ms(10), client.create(&[(user(1), Epoch(1))])).await.is_err());
        chaos.kill();
        assert!(timeout(secs(10), client.create(&[(user(2), Epoch(1))])).await.is_err());
        let users: Vec<_> = store.all().iter().map(|document| document.user_id).collect();
        assert_eq!(users, [user(1)]);
    });
}

#[test]
fn an_outage_is_for_everyone_and_ends() {
    run(async {
        let (world, store, _) = client(CallOdds::default());
        world.take_down(Dependency::Documents, secs(5));
        for _ in 0..2 {
            assert_eq!(kind(store.client(&Chaos::none()).heads(&[]).await), Some(Failure::Down));
        }
        sleep(secs(5)).await;
        assert!(store.client(&Chaos::none()).heads(&[]).await.is_ok());
    });
}

#[test]
fn time_is_virtual_and_a_frozen_process_oversleeps() {
    run(async {
        let world = World::new(BASE_MS);
        let chaos = Chaos::none();
        let clock = ProcessClock::new(world.clock(), chaos.clone());
        clock.sleep(Duration::from_hours(1)).await;
        assert_eq!(clock.now_ms(), BASE_MS + 3_600_000);
        chaos.freeze();
        let began = Instant::now();
        let sleeping = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(secs(1)).await }
        });
        sleep(secs(9)).await;
        assert!(!sleeping.is_finished());
        chaos.thaw();
        sleeping.await.unwrap();
        assert_eq!(began.elapsed(), secs(9));
    });
}
