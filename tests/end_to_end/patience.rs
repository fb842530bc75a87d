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
