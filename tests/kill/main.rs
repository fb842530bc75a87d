//! `passflow run`, killed again and again in the middle of its work: in the end nothing is lost, doubled or out of order.
//!
//! `PASSFLOW_KILLS=500` makes it a soak, `PASSFLOW_SEED=7` another story.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]
#![allow(dead_code, reason = "other targets use the rest of the kit")]

mod life;
#[path = "../process/mod.rs"]
mod process;
mod story;
mod work;

use passflow::{
    settings::{Connections, Names},
    wiring,
};

use self::{life::Lives, process::Place, work::Topics};

#[test]
fn nothing_is_lost_or_doubled_however_often_it_is_killed() {
    let bytemark = story::bytemark();
    let place = Place::new(Some(&bytemark.url), story::PASSES);
    let state = place.path().join("state").display().to_string();
    let connections = Connections::load(None, |name| (name == "PASSFLOW_DATA_DIR").then(|| state.clone())).unwrap();
    let names = Names::of(&[]);
    let store = bytemark.runtime.block_on(wiring::open_store(&connections, &names)).unwrap();
    let groups = ["token_changes", "ticks", "passes"].map(|name| format!("passflow.{name}"));
    let topics = Topics { store: &store, names: &names, groups: &groups, runtime: &bytemark.runtime };
    story::tell(Lives::new(&place, topics, &bytemark.simulator, story::seed()), story::kills(30));
}
