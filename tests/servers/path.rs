//! The way of a change: from the table to the event.

use std::collections::BTreeMap;

use passflow::{
    domain::{token::Token, user_id::UserId},
    wiring::oracle::{Truth, users_up_to},
};

use crate::{process::Bytemark, world::World};

fn token(world: &World, user: UserId) -> Option<Token> {
    Token::new(world.bytemark.token(user.get().cast_unsigned()))
}

fn verdict(world: &World, users: u64) -> Vec<String> {
    let truth = Truth { store: &world.store, simulator: &world.bytemark.simulator, names: &world.names, users };
    world.bytemark.runtime.block_on(truth.verdict(BTreeMap::new())).unwrap().differences
}

#[test]
fn changes_of_the_table_and_ticks_become_documents_and_events() {
    const USERS: u64 = 30;
    let world = World::new(Bytemark::still(USERS), "");
    let rows = users_up_to(USERS).map(|user| (user, token(&world, user))).collect();
    world.bytemark.runtime.block_on(world.store.token_admin.put(rows)).unwrap();
    let run = ["run", "--until-end", "--until-end-timeout", "60s"];
    world.place.run(&run).exits(0);
    assert_eq!(verdict(&world, USERS), [""; 0]);
    let told = world.place.records(&world.names.ticket_changed).len();

    // Nothing changed: nothing is told. Then a tick finds what changed without a message.
    let [one, other] = [3, 17];
    world.bytemark.simulator.add_pass(one);
    world.bytemark.simulator.add_pass(other);
    // Fresh only for a second in these settings.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    world.place.run(&["tick"]).exits(0);
    world.place.run(&run).exits(0);
    assert_eq!(verdict(&world, USERS), [""; 0]);
    assert_eq!(world.place.records(&world.names.ticket_changed).len(), told + 2);

    let shown = world.place.show(one);
    assert_eq!(shown["pending_events"], 0);
    let described = world.place.run(&["topics", "describe", "--output", "json"]).exits(0).lines();
    let lag = |topic: &serde_json::Value| -> i64 {
        let groups = topic["partitions"].as_array().unwrap().iter().flat_map(|it| it["groups"].as_array().unwrap());
        groups.map(|group| group["lag"].as_i64().unwrap()).sum()
    };
    assert!(described.iter().all(|topic| lag(topic) < 16), "{described:?}");
    let checked = world.place.run(&["check"]).exits(0).stdout();
    assert!(checked.contains("Kafka") && checked.contains("MongoDB") && checked.contains("MySQL"), "{checked}");
    world.remove();
}
