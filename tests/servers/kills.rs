//! Instances killed again and again in the middle of their work: in the end nothing is lost, doubled or out of order.

use std::time::Duration;

use crate::{life::Lives, story, work::Topics, world::World};

fn with_instances(count: usize, tell: impl FnOnce(Lives<'_>)) {
    let world = World::new(story::bytemark(), story::PASSES);
    let runtime = &world.bytemark.runtime;
    let topics = Topics { store: &world.store, names: &world.names, groups: &world.groups, runtime };
    let lives = Lives::new(&world.place, topics, &world.bytemark.simulator, story::seed());
    tell(lives.of_instances(count, Duration::from_secs(20)));
    world.remove();
}

#[test]
fn one_instance_killed_again_and_again_loses_and_doubles_nothing() {
    with_instances(1, |lives| story::tell(lives, story::kills(20)));
}

#[test]
fn of_three_instances_any_may_be_killed() {
    with_instances(3, |lives| story::tell(lives, story::kills(20)));
}

#[test]
fn instances_that_come_and_go_each_second_lose_and_double_nothing() {
    with_instances(3, |lives| story::tell_of_coming_and_going(lives, story::kills(15)));
}
