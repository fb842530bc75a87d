//! Records that are too large for their topics.

use bytes::Bytes;
use passflow::{
    adapters::memory::{CommitOdds, Odds, Pass},
    domain::{cache::List, record::Output},
    ports::Dependency,
};

use super::kit::{CDC, Kit, REQUESTS, RETRY, TICKET_CHANGED, TICKS, header, output, run, secs, sleep, status};

fn large(bytes: usize) -> Pass {
    let payload = format!(r#"{{"uuid":"large","status":"USABLE","text":"{}"}}"#, "x".repeat(bytes));
    Pass { uuid: "large".to_owned(), status: "USABLE".to_owned(), payload }
}

impl Kit {
    /// From now on the pipelines know that `topic` takes so much.
    fn limit(&self, topic: &str, bytes: usize) {
        self.setup.sizes.learn(&topic.into(), bytes);
    }

    fn odds(&self, odds: Odds) {
        self.process.as_ref().unwrap().chaos.set_odds(odds);
    }
}

#[test]
fn a_change_with_an_event_that_would_be_too_large_is_not_made() {
    run(async {
        let mut kit = Kit::with_users(1);
        kit.limit(TICKET_CHANGED, 2_000);
        kit.put_pass(1, List::Passes, large(5_000));
        kit.put_pass(1, List::Passes, Pass::new("small", "USABLE", 1));
        kit.start();
        kit.refresh(1).await;
        assert_eq!(kit.codes(), ["record_too_large"]);
        assert!(kit.events().is_empty() && kit.uuids(1, List::Passes).is_empty());
        assert_eq!(kit.document(1).timestamp, 0);

        kit.limit(TICKET_CHANGED, 10_000);
        kit.refresh(1).await;
        assert_eq!(kit.changes().len(), 2);
        assert_eq!(kit.codes().len(), 1);
    });
}

#[test]
fn what_is_stored_waits_until_its_topic_takes_it_and_others_go_on() {
    run(async {
        let mut kit = Kit::with_users(2);
        kit.put_pass(1, List::Passes, large(5_000));
        kit.put_pass(2, List::Passes, Pass::new("small", "USABLE", 1));
        kit.start();
        sleep(secs(1)).await;
        kit.odds(Odds { commits: CommitOdds { aborted: 1.0, ..CommitOdds::default() }, ..Odds::default() });
        kit.request(1, "");
        sleep(secs(5)).await;
        assert_eq!(kit.uuids(1, List::Passes), ["large"], "it is stored");
        kit.limit(TICKET_CHANGED, 2_000);
        kit.odds(Odds::default());
        kit.request(2, "");
        sleep(secs(120)).await;
        assert_eq!(kit.changes(), ["added small"]);
        let waiting_for = kit.process.as_ref().unwrap().progress[2].snapshot().waiting_for;
        assert_eq!(waiting_for.map(|(dependency, _)| dependency), Some(Dependency::Topics));

        kit.limit(TICKET_CHANGED, 10_000);
        kit.settle().await;
        let mut changes = kit.changes();
        changes.sort();
        assert_eq!(changes, ["added large", "added small"]);
        assert!(kit.codes().is_empty());
    });
}

#[test]
fn requests_that_would_be_too_large_are_dead_letters_of_what_they_came_from() {
    run(async {
        let mut kit = Kit::with_users(2);
        kit.limit(REQUESTS, 450);
        kit.start();
        let tick = "t".repeat(250);
        kit.put(TICKS, &tick, &format!(r#"{{"tick_id":"{tick}"}}"#));
        // Its headers go with it to where it belongs.
        let headers = vec![("note".to_owned(), Some(Bytes::from("x".repeat(500))))];
        kit.put_output(Output { headers, key: None, ..output("", r#"{"user_id":1}"#) });
        kit.change(2, "c");
        kit.settle().await;
        assert_eq!(kit.codes(), ["record_too_large", "record_too_large"]);
        assert!(kit.letters().iter().all(|(_, letter)| header(letter, "passflow.error.stage") == "emit"));
        assert!(kit.document(2).timestamp > 0, "what is smaller goes on");
    });
}

#[test]
fn a_change_of_the_table_whose_request_would_be_too_large_is_a_dead_letter() {
    run(async {
        let mut kit = Kit::with_users(1);
        kit.limit(REQUESTS, 100);
        kit.start();
        kit.change(1, "c");
        kit.settle().await;
        let (code, letter) = kit.letters().remove(0);
        assert_eq!((code.as_str(), header(&letter, "passflow.error.topic").as_str()), ("record_too_large", CDC));
    });
}

#[test]
fn a_failed_fetch_that_can_not_wait_in_the_retry_topic_is_a_dead_letter() {
    run(async {
        let mut kit = Kit::with_users(1);
        kit.limit(RETRY, 100);
        kit.script(|_, _| Some(status(500)));
        kit.start();
        kit.refresh(1).await;
        assert_eq!(kit.codes(), ["record_too_large"]);
        assert!(kit.records(RETRY).is_empty());
    });
}

#[test]
fn a_dead_letter_fits_its_topic_whatever_is_large_in_its_record() {
    run(async {
        let mut kit = Kit::new();
        let room = passflow::engine::dead_letter::DeadLetters::ROOM_BYTES;
        kit.limit("passflow.dead-letters", room);
        kit.start();
        let large = || Bytes::from("x".repeat(100_000));
        let plain = || output("7", "no json");
        let headers = vec![("h".to_owned(), Some(large())), ("passflow.error.code".to_owned(), Some(large()))];
        kit.put_output(Output { headers, ..plain() });
        kit.put_output(Output { key: Some(large()), ..plain() });
        kit.put_output(Output { value: Some(large()), ..plain() });
        kit.put_output(Output { key: Some(large()), value: Some(large()), ..plain() });
        kit.settle().await;
        let letters = kit.letters();
        assert_eq!(letters.len(), 4);
        for (code, letter) in letters {
            assert_eq!(code, "not_json");
            assert!(letter.size_bytes() <= room, "{} bytes", letter.size_bytes());
            assert_eq!(header(&letter, "passflow.error.value_md5").len(), 32);
            assert!(letter.value.unwrap().starts_with(b"x") || !letter.key.unwrap().is_empty());
        }
    });
}
