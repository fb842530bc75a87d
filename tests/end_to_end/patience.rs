//! `run --until-end`: it waits for what can still be done, and gives up on what stays down; nothing is lost by it.

use passflow::simulator::{Endpoint, Fault, Outage};

use crate::process::{Bytemark, Place};

const DEAD_LETTERS: &str = "passflow.dead-letters";

#[test]
fn the_end_waits_for_retry_rounds() {
    let bytemark = Bytemark::still(5);
    let place = Place::new(Some(&bytemark.url), "fetch_attempts = 1");
    bytemark.simulator.fail_next(1, Endpoint::Active, Fault::Status500, 2);
    place.run_with_input(&["tokens", "set", "1"], bytemark.token(1).as_bytes()).exits(0);
    place.run_until_end();
    assert_eq!(bytemark.simulator.requests_of(1)[0], 3);
    assert_eq!(place.records("bytemark.pass-requests.retry").len(), 2);
    assert_eq!(place.records(DEAD_LETTERS).len(), 0);
    let truth = bytemark.simulator.truth(1);
    assert_eq!(place.show(1)["document"]["passes"].as_array().unwrap().len(), truth.passes.len());
}

#[test]
fn a_bytemark_that_stays_down_is_given_up_and_a_later_run_finishes() {
    let bytemark = Bytemark::still(20);
    let place = Place::new(Some(&bytemark.url), "fetch_attempts = 1\ncircuit_failures = 5");
    place.write("tokens.csv", &bytemark.tokens_csv(1..=20));
    place.run(&["tokens", "import", "tokens.csv"]).exits(0);
    for outage in [Outage::Status(503), Outage::Reset] {
        bytemark.simulator.set_all_down(Some(outage));
        let told = place.run(&["run", "--until-end", "--until-end-timeout", "1s"]).exits(1).stderr();
        assert!(told.contains("gave up waiting") && told.contains("bytemark"), "{told}");
    }
    bytemark.simulator.set_all_down(None);
    place.run_until_end();
    for user in 1..=20 {
        let (shown, truth) = (place.show(user), bytemark.simulator.truth(user));
        let cached = |list: &str| shown["document"][list].as_array().unwrap().len();
        assert_eq!((cached("passes"), cached("passes4")), (truth.passes.len(), truth.passes4.len()), "user {user}");
    }
    assert_eq!(place.records(DEAD_LETTERS).len(), 0);
}

/// Runs one statement on the place's store.
fn sql(bytemark: &Bytemark, place: &Place, statement: &'static str) {
    let path = place.path().join("state/passflow.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    bytemark.runtime.block_on(async {
        let mut store = sqlx::ConnectOptions::connect(&options).await.unwrap();
        sqlx::query(statement).execute(&mut store).await.unwrap();
    });
}

#[test]
fn a_document_that_cannot_be_read_costs_its_own_request_alone() {
    let bytemark = Bytemark::still(9);
    let place = Place::new(Some(&bytemark.url), "fetch_attempts = 1");
    place.write("tokens.csv", &bytemark.tokens_csv(1..=9));
    place.run(&["tokens", "import", "tokens.csv"]).exits(0);
    place.run_until_end();
    sql(&bytemark, &place, "UPDATE cache_heads SET entries = x'7f' WHERE user_id = 4");
    let before: Vec<_> = (1..=9).map(|user| bytemark.simulator.requests_of(user)[0]).collect();
    for user in 1..=9 {
        place.run(&["refresh", &user.to_string()]).exits(0);
    }
    place.run_until_end();
    let letters = place.records(DEAD_LETTERS);
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert!(
        letters[0].to_string().contains("write_failed") && letters[0].to_string().contains("user 4"),
        "{letters:?}"
    );
    for (user, before) in (1..=9).zip(before) {
        let asked = bytemark.simulator.requests_of(user)[0] > before;
        assert_eq!(asked, user != 4, "user {user}");
    }
}

#[test]
fn records_gone_by_age_before_they_were_read_are_passed_over_in_all_partitions() {
    let bytemark = Bytemark::still(30);
    let place = Place::new(Some(&bytemark.url), "fetch_attempts = 1");
    place.write("tokens.csv", &bytemark.tokens_csv(1..=30));
    place.run(&["tokens", "import", "tokens.csv"]).exits(0);
    sql(&bytemark, &place, "DELETE FROM record_batches");
    sql(&bytemark, &place, "UPDATE partitions SET first_offset = next_offset");
    place.run(&["run", "--until-end", "--until-end-timeout", "20s"]).exits(0);
}
