//! The simulator in process: pages, moving passes, light users, and the freeze.

use crate::answers::{ask, parsed, passes_in, stepped, values};
use jiff::Timestamp;
use passflow::simulator::answer::{Answer, Delivery, Request};
use passflow::simulator::{Config, Endpoint, Fault, Faults, Mode, Outage, PageStyle, Simulator};

#[test]
fn pages_add_up_in_every_style() {
    for style in PageStyle::ALL {
        let config =
            Config { passes_per_user: 20..=30, history_per_page_max: 3, page_styles: vec![style], ..Config::default() };
        let simulator = stepped(config, 20);
        for user in 1..=10 {
            let truth = simulator.truth(user);
            let mut passes = Vec::new();
            for page in 1.. {
                let part = passes_in(&ask(&simulator, user, Endpoint::History, page, 50));
                assert!(part.len() <= 3);
                if part.is_empty() {
                    break;
                }
                passes.extend(part);
            }
            assert_eq!(passes, values(&truth.passes4), "{style:?}");
            assert!(passes.len() > 3);
        }
    }
}

#[test]
fn pages_that_do_not_add_up_repeat_a_pass_or_tell_a_wrong_total() {
    let config = Config {
        change_rate: 0.0,
        passes_per_user: 15..=15,
        page_styles: vec![PageStyle::Counts],
        ..Config::default()
    };
    let simulator = Simulator::new(config);
    let page = |number| parsed(&ask(&simulator, 1, Endpoint::History, number, 2).body)["data"].clone();
    let (first, second) = (page(1), page(2));
    simulator.fail_next(1, Endpoint::History, Fault::RepeatedPass, 2);
    assert_eq!(page(1), first);
    let shifted = page(2);
    assert_eq!(shifted["passes"][0], first["passes"][1]);
    assert_eq!(shifted["passes"][1], second["passes"][0]);
    simulator.set_faults(Faults::only(Fault::WrongTotal, 1.0));
    assert_eq!((first["total_count"].as_f64(), page(1)["total_count"].as_f64()), (Some(5.0), Some(6.0)));
}

#[test]
fn a_pass_that_moves_between_two_readings_is_in_neither() {
    let simulator = Simulator::new(Config { change_rate: 0.0, ..Config::default() });
    let uuid = simulator.add_pass(1);
    let has = |answer: &Answer| passes_in(answer).iter().any(|pass| pass["uuid"] == uuid.as_str());
    let history = ask(&simulator, 1, Endpoint::History, 1, 100);
    assert!(simulator.move_to_history(1, &uuid));
    let active = ask(&simulator, 1, Endpoint::Active, 1, 100);
    assert!(!has(&history) && !has(&active));
    let truth = simulator.truth(1);
    assert_eq!(truth.passes4[0].uuid, uuid);
    assert_eq!(truth.passes4[0].status, "EXPIRED");
    assert!(has(&ask(&simulator, 1, Endpoint::History, 1, 100)));
    assert!(!simulator.move_to_history(1, &uuid));
}

#[test]
fn light_users_cost_nothing_and_serve_their_truth() {
    let simulator = Simulator::new(Config { mode: Mode::Light, users: 200_000, ..Config::default() });
    for user in (1..=200_000).step_by(9_999) {
        for turned in [false, true] {
            let truth = simulator.truth(user);
            let (active, history) =
                (ask(&simulator, user, Endpoint::Active, 1, 9), ask(&simulator, user, Endpoint::History, 1, 9));
            assert_eq!(passes_in(&active), values(&truth.passes), "turned: {turned}");
            assert_eq!(passes_in(&history), values(&truth.passes4));
            assert_eq!(passes_in(&ask(&simulator, user, Endpoint::History, 2, 9)).len(), 0);
            simulator.turn();
        }
    }
}

#[test]
fn a_frozen_simulator_neither_changes_nor_fails() {
    let simulator = stepped(Config { change_rate: 1.0, faults: Faults::all(1.0), ..Config::default() }, 5);
    simulator.fail_next(1, Endpoint::Active, Fault::Html, 1);
    simulator.set_all_down(Some(Outage::Reset));
    let truth = simulator.truth(1);
    simulator.freeze();
    simulator.step(Timestamp::MAX);
    assert_eq!(simulator.truth(1), truth);
    let answers = (0..100).map(|nth| ask(&simulator, 1 + nth, Endpoint::Active, 1, 1));
    assert!(answers.into_iter().all(|answer| answer.status == 200 && answer.delivery == Delivery::Whole));
}

#[test]
fn a_part_of_the_active_list_tells_of_more() {
    let simulator = Simulator::new(Config { passes_per_user: 12..=12, change_rate: 0.0, ..Config::default() });
    for user in 1..=20 {
        let truth = simulator.truth(user).passes;
        assert!(truth.len() > 2);
        let page = |page, limit| {
            let token = simulator.token_of(user);
            simulator.answer(Request { endpoint: Endpoint::Active, token, per_page: Some(limit), page })
        };
        assert_eq!(passes_in(&page(1, truth.len())), values(&truth));
        assert_eq!(parsed(&page(1, 9999).body)["data"].as_object().unwrap().len(), 1);
        let all: Vec<_> = (1..=truth.len()).flat_map(|number| passes_in(&page(number, 1))).collect();
        assert_eq!(all, values(&truth));
        let told = parsed(&page(1, 1).body)["data"].clone();
        let next = &told["pagination"]["next"];
        assert!(told["total_count"] == truth.len() as f64 || *next == true || next.is_string(), "{told}");
        assert!(next.as_str().is_none_or(|next| next == "/passes?limit=1&page=2"), "{next}");
    }
}
