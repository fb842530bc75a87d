//! Two tickers of one schedule, for when one of them is down: one fan-out.

use std::collections::BTreeSet;

use crate::process::{Bytemark, Place};

/// The one test that has to wait for a minute to be full: a schedule knows nothing shorter.
#[test]
fn two_tickers_make_one_fan_out() {
    let bytemark = Bytemark::still(5);
    let place = Place::new(Some(&bytemark.url), "");
    place.write("tokens.csv", &bytemark.tokens_csv(1..=5));
    place.run(&["tokens", "import", "tokens.csv"]).exits(0);
    let tick = || place.run(&["tick", "--every", "* * * * *", "--count", "1", "--output", "json"]).exits(0).stdout();
    let ids = std::thread::scope(|scope| {
        let tickers = [scope.spawn(tick), scope.spawn(tick)];
        tickers.map(|ticker| ticker.join().unwrap())
    });
    let fan_outs = BTreeSet::from(ids);
    assert_eq!(place.records("bytemark.ticks").len(), 2);
    place.run_until_end();
    let requests = place.values("bytemark.pass-requests");
    let of_ticks = requests.iter().filter(|request| request["reason"] == "tick").count();
    // Started on both sides of a full minute they are two ticks; else it is one.
    assert_eq!(of_ticks, 5 * fan_outs.len(), "{fan_outs:?}");
}
