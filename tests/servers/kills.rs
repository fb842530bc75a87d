//! Instances killed again and again in the middle of their work: in the end nothing is lost, doubled or out of order.

use std::time::Duration;

use crate::{
    life::{Lives, Topics},
    story,
    world::World,
};

fn kill_again_and_again(instances: usize) {
    let world = World::new(story::bytemark(), story::PASSES);
    let runtime = &world.bytemark.runtime;
    let topics = Topics { store: &world.store, names: &world.names, groups: &world.groups, runtime };
    let lives = Lives::new(&world.place, topics, &world.bytemark.simulator, story::seed());
    story::tell(lives.of_instances(instances, Duration::from_secs(20)), story::kills(10));
    world.remove();
}

#[test]
fn one_instance_killed_again_and_again_loses_and_doubles_nothing() {
    kill_again_and_again(1);
}

#[test]
fn of_three_instances_any_may_be_killed() {
    kill_again_and_again(3);
}
