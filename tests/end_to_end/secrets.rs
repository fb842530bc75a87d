//! No token in anything that is printed, however much is logged.

use passflow::simulator::{Endpoint, Fault};

use crate::process::{Bytemark, Place};

const USERS: u64 = 6;

#[test]
fn no_token_is_ever_printed() {
    let bytemark = Bytemark::still(USERS);
    let simulator = &bytemark.simulator;
    for user in 1..=USERS {
        simulator.set_token(user, Some(format!("sekret-{user}")));
    }
    for (user, fault) in [(1, Fault::Status500), (2, Fault::Html), (3, Fault::Truncated), (4, Fault::Reset)] {
        simulator.fail_next(user, Endpoint::Active, fault, 2);
    }
    let place = Place::new(Some(&bytemark.url), "fetch_attempts = 1").with("RUST_LOG", "trace");
    place.write("tokens.csv", &bytemark.tokens_csv(1..=USERS));
    // Bytemark takes this user's no more.
    simulator.set_token(5, Some("other".to_owned()));
    let broken =
        r#"{"key":"1","value":"{\"after\":{\"user_id\":-1,\"token\":\"sekret-7\"},\"op\":\"c\",\"before\":null}"}"#;
    let cut = r#"{"key":"1","value":"{\"after\":{\"user_id\":1,\"token\":\"sekret-8"}"#;
    let cdc_topic = "cdc.portal.bytemark_tokens";

    let mut printed = vec![
        place.run(&["tokens", "import", "tokens.csv"]).exits(0),
        place.run_with_input(&["tokens", "set", "1"], b"sekret-1").exits(0),
        place.run_with_input(&["produce", cdc_topic], format!("{broken}\n{cut}\n").as_bytes()).exits(0),
        place.run_until_end(),
    ];
    assert!(printed[3].stderr().contains("TRACE"), "much was to be logged");
    assert!(printed[3].stderr().contains("dead letter"), "the broken messages were to be told");
    assert_eq!(place.show(5)["resting"], true);
    printed.push(place.run(&["check"]).exits(0));
    for user in 1..=USERS {
        printed.push(place.run(&["show", &user.to_string()]));
        printed.push(place.run(&["show", &user.to_string(), "--output", "json"]));
    }
    for topic in [cdc_topic, "bytemark.pass-requests", "bytemark.pass-requests.retry", "bytemark.ticket-changed"] {
        for format in ["table", "jsonl", "csv"] {
            printed.push(place.run(&["replay", topic, "--format", format]));
        }
    }
    printed.push(place.run(&["replay", "passflow.dead-letters", "--format", "jsonl"]).exits(0));
    for ran in printed {
        for text in [ran.stdout(), ran.stderr()] {
            let place = text.find("sekret").map(|at| at.saturating_sub(200)..(at + 40).min(text.len()));
            assert!(place.is_none(), "{}", String::from_utf8_lossy(&text.as_bytes()[place.unwrap()]));
        }
    }
}
