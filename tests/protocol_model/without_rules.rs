//! The protocol without one of its rules: each test expects a guarantee to break, and tells how.
//!
//! In the stories N is the new owner and Z the one before it, which goes on without knowing; r0
//! and r1 are the first records. The document holds A, and the API has changed to B.

use std::collections::BTreeSet;

use stateright::{Checker, HasDiscoveries, Model};

use crate::BASE;
use crate::protocol::{LOST, OLDER_VIEW, OUT_OF_ORDER, Protocol};
use crate::rules::{Bounds, Rules};

/// No commits fail, so that traces end with a plain one.
const COMMITS_SUCCEED: Bounds = Bounds { failed_commits: 0, ..BASE };

/// Expects that `guarantee` breaks without the rules that `take_away` switches off.
fn assert_breaks(guarantee: &'static str, bounds: Bounds, take_away: impl Fn(&mut Rules)) {
    let mut rules = Rules::ALL;
    take_away(&mut rules);
    // One thread: breadth first gives the shortest trace, and always the same one.
    let checker = Protocol { rules, bounds }
        .checker()
        .threads(1)
        .finish_when(HasDiscoveries::AnyOf(BTreeSet::from([guarantee])))
        .spawn_bfs()
        .join();
    let Some(path) = checker.discovery(guarantee) else {
        panic!("no counterexample to {guarantee:?} in {} states", checker.unique_state_count());
    };
    let actions = path.into_actions();
    println!("{guarantee:?} breaks in {} steps: {actions:?}", actions.len());
}

/// N's fetch for r0 fails; N commits it. Z's write for r0 lands late: its event is never told.
#[test]
fn without_fence() {
    assert_breaks(LOST, COMMITS_SUCCEED, |rules| rules.fence = false);
}

/// Z takes an epoch after N did, so its write passes N's fence after N has decided r0.
#[test]
fn without_prove() {
    assert_breaks(LOST, COMMITS_SUCCEED, |rules| rules.prove = false);
}

/// Z has sent r0's offset to its transaction; N reads the old position and proves it; then Z's
/// transaction is committed. N stores r0's change under an offset that is committed already.
#[test]
fn without_stable_position() {
    assert_breaks(LOST, COMMITS_SUCCEED, |rules| rules.stable_position = false);
}

/// A commit fails while r1's write is under way. The owner reads again under the same epoch, r1's
/// fetch fails, and no touch is due, as the document has this epoch. r1 is committed, then the
/// write lands.
#[test]
fn without_new_ownership_after_failed_commit() {
    assert_breaks(LOST, BASE, |rules| {
        rules.new_ownership_after_failed_commit = false;
    });
}

/// Z stays in the group, learns the new generation, and commits a partition that N has.
#[test]
fn without_own_what_you_name() {
    assert_breaks(LOST, COMMITS_SUCCEED, |rules| {
        rules.own_what_you_name = false;
    });
}

/// The answer to r0's write is lost, but it landed. The next fetch finds nothing new, and r0 is
/// committed without its event.
#[test]
fn without_replay() {
    assert_breaks(LOST, COMMITS_SUCCEED, |rules| rules.replay = false);
}

/// A write that saw B is left without an answer; one that saw A again lands; then the first one
/// lands.
#[test]
fn without_compare_and_set_of_changes() {
    let bounds = Bounds { api_changes: 2, ..COMMITS_SUCCEED };
    assert_breaks(OLDER_VIEW, bounds, |rules| rules.change_is_cas = false);
}

/// r0's write of B is left without an answer. The API reverts, and r0, decided anew, finds nothing
/// new. The write lands, then the timestamp, which does not notice: r0 is committed without the
/// event of the change that is now stored under it. Z's write instead of a lost one does the same.
#[test]
fn without_compare_and_set_of_timestamps() {
    let bounds = Bounds { api_changes: 2, ..COMMITS_SUCCEED };
    assert_breaks(LOST, bounds, |rules| rules.timestamp_is_cas = false);
}

/// N fetches B. The API reverts, Z fetches A, finds nothing new and moves the timestamp. N's write
/// still finds the version that it read, and puts the older B over the newer A. No event is lost.
#[test]
fn without_a_new_version_for_each_timestamp() {
    let bounds = Bounds { api_changes: 2, ..COMMITS_SUCCEED };
    assert_breaks(OLDER_VIEW, bounds, |rules| rules.timestamp_bumps = false);
}

/// N reads the document at r0, and its fetch fails. Z's write for r0 lands, then N's touch, which
/// does not notice. N commits r0 without the event.
#[test]
fn without_compare_and_set_of_touches() {
    assert_breaks(LOST, COMMITS_SUCCEED, |rules| rules.touch_is_cas = false);
}

/// r0's write is left without an answer, the next fetch fails, r0 is committed, the write lands.
#[test]
fn without_seal() {
    assert_breaks(LOST, COMMITS_SUCCEED, |rules| rules.seal = false);
}

/// N's fetch for r0 fails, so nothing shows that N was there. Z's write for r0 lands.
#[test]
fn without_touch() {
    assert_breaks(LOST, COMMITS_SUCCEED, |rules| rules.touch = false);
}

/// Z changed the document at r1. N takes r1's entry over at r0. N's read at r1 is stale and still
/// shows r1's entry: it is given out twice. Without stale reads nothing breaks: an owner that
/// only gives out again does no harm to the one that writes. A touch first makes the read prove
/// itself, as it filters on the version.
#[test]
fn without_adopt() {
    let bounds = Bounds { stale_reads: 1, ..COMMITS_SUCCEED };
    assert_breaks(OUT_OF_ORDER, bounds, |rules| rules.adopt = false);
}

/// Z changed the document at r1 (`seq` 1). N finds another change at r0 (`seq` 2) and tells it
/// first.
#[test]
fn without_take_over() {
    let bounds = Bounds { api_changes: 2, ..COMMITS_SUCCEED };
    assert_breaks(OUT_OF_ORDER, bounds, |rules| rules.take_over = false);
}

/// The insert for r0 is left without an answer; the next fetch fails, and there is no document
/// that could carry a fence or a new version. r0 is committed, the insert lands.
#[test]
fn without_create() {
    assert_breaks(LOST, COMMITS_SUCCEED, |rules| rules.create = false);
}

/// The write at r1 drops r0's entry, which is finished but not committed. After a crash nobody
/// knows r0's event.
#[test]
fn without_knowing_what_is_committed() {
    assert_breaks(LOST, COMMITS_SUCCEED, |rules| {
        rules.drop_only_committed = false;
    });
}
