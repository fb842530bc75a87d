//! The real way of a change: MariaDB's binlog, Debezium, Kafka.

use std::time::Duration;

use passflow::domain::user_id::UserId;

use crate::{
    process::{Bytemark, wait_within},
    world::World,
};

#[test]
fn a_row_of_the_table_becomes_an_event_by_debezium() {
    const USERS: u64 = 2;
    let world = World::new(Bytemark::still(USERS), "");
    world.follow_the_table();
    let mut run = world.place.start(&["run"]);
    for user in 1..=USERS {
        let token = world.bytemark.token(user);
        world.write_row(UserId::new(user.cast_signed()).unwrap(), Some(&token));
    }
    wait_within(Duration::from_secs(90), "documents and events", || world.differences(USERS).is_empty());

    // An update of the same row: the rider is asked for with the new token.
    world.bytemark.simulator.add_pass(1);
    world.bytemark.simulator.set_token(1, Some("another".to_owned()));
    world.write_row(UserId::new(1).unwrap(), Some("another"));
    wait_within(Duration::from_secs(90), "the new pass", || world.differences(USERS).is_empty());
    run.terminate();
    assert!(run.end_within(Duration::from_secs(60)).success(), "{}", run.log());
    world.remove();
}
