//! The simulator in process: the same seed tells the same story, and what it serves is what it calls the truth.

use std::fmt::Write as _;

use crate::answers::{ask, parsed, passes_in, stepped, values};
use jiff::Timestamp;
use md5::{Digest, Md5};
use passflow::simulator::answer::Answer;
use passflow::simulator::{Config, Endpoint, Faults, Pass, Truth};

fn md5_of(text: &str) -> String {
    let digest: [u8; 16] = Md5::digest(text).into();
    format!("{:032x}", u128::from_be_bytes(digest))
}

#[test]
fn one_seed_tells_one_story() {
    let story = |seed| {
        let config = Config { seed, change_rate: 0.3, faults: Faults::all(0.3), ..Config::default() };
        let simulator = stepped(config, 50);
        let answers: Vec<Answer> = (0..20).map(|nth| ask(&simulator, 1 + nth % 4, Endpoint::Active, 1, 10)).collect();
        let truths: Vec<Truth> = (1..=20).map(|user| simulator.truth(user)).collect();
        (answers, truths, simulator.token_of(1))
    };
    assert!(story(1) == story(1));
    let (one, two) = (story(1), story(2));
    assert!(one.0 != two.0 && one.1 != two.1 && one.2 != two.2);
}

#[test]
fn what_is_served_is_the_truth_however_it_is_written() {
    for careless in [0.0, 1.0] {
        let simulator = stepped(Config { careless, ..Config::default() }, 30);
        for user in 1..=30 {
            let truth = simulator.truth(user);
            let active = ask(&simulator, user, Endpoint::Active, 1, 100);
            let history = ask(&simulator, user, Endpoint::History, 1, 100);
            assert_eq!(passes_in(&active), values(&truth.passes));
            assert_eq!(passes_in(&history), values(&truth.passes4));
            let is_verbatim = |pass: &Pass| String::from_utf8_lossy(&active.body).contains(&pass.text);
            assert_eq!(truth.passes.iter().any(is_verbatim), careless == 0.0 && !truth.passes.is_empty());
            assert!(truth.passes.iter().all(|pass| parsed(pass.text.as_bytes())["status"] == pass.status.as_str()));
        }
    }
}

/// The file was made with Node.js from carelessly written answers: `md5(JSON.stringify(pass))` for each pass of
/// `JSON.parse(body).data.passes`, a line each of user, list, uuid and hash.
#[test]
fn the_truth_is_what_node_makes_of_careless_answers() {
    let simulator = stepped(Config { careless: 1.0, change_rate: 0.2, ..Config::default() }, 40);
    let mut lines = String::new();
    for user in 1..=12 {
        let truth = simulator.truth(user);
        for (list, passes) in [("passes", &truth.passes), ("passes4", &truth.passes4)] {
            for pass in passes {
                writeln!(lines, "{user} {list} {} {}", pass.uuid, md5_of(&pass.text)).unwrap();
            }
        }
        if let Ok(folder) = std::env::var("SIMULATOR_DUMP") {
            for (list, endpoint) in [("passes", Endpoint::Active), ("passes4", Endpoint::History)] {
                let body = ask(&simulator, user, endpoint, 1, 100).body;
                std::fs::write(format!("{folder}/{user:02}.{list}.json"), body).unwrap();
            }
        }
    }
    assert_eq!(lines, include_str!("../data/simulator_node_hashes.txt"));
}

#[test]
fn a_scripted_user_changes_by_hand_only() {
    let simulator = stepped(Config { change_rate: 1.0, ..Config::default() }, 3);
    let pass = |text: &str| Pass { uuid: "a".to_owned(), status: "USING".to_owned(), text: text.to_owned() };
    let truth = Truth { passes: vec![pass(r#"{"uuid":"a","x":1}"#)], passes4: Vec::new() };
    simulator.script(5, truth.clone());
    simulator.step(Timestamp::MAX);
    assert_eq!(simulator.truth(5), truth);
    simulator.put_pass(5, Endpoint::Active, pass(r#"{"uuid":"a","x":2}"#));
    assert_eq!(simulator.truth(5).passes, [pass(r#"{"uuid":"a","x":2}"#)]);
    let uuid = simulator.add_pass(5);
    let before = simulator.truth(5);
    assert!(simulator.activate(5, &uuid) && simulator.change_pass(5, &uuid));
    let after = simulator.truth(5);
    let of = |truth: &Truth| truth.passes.iter().find(|pass| pass.uuid == uuid).unwrap().clone();
    assert_eq!((of(&before).status.as_str(), of(&after).status.as_str()), ("USABLE", "USING"));
    assert!(simulator.remove_pass(5, &uuid) && !simulator.remove_pass(5, &uuid));
    assert_eq!(simulator.truth(5).passes.len(), 1);
}
