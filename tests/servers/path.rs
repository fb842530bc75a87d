//! The way of a change: from the table to the event.

use crate::{
    process::{Bytemark, wait_until},
    world::World,
};

#[test]
fn changes_of_the_table_and_ticks_become_documents_and_events() {
    const USERS: u64 = 30;
    let world = World::new(Bytemark::still(USERS), "");
    world.put_tokens(USERS);
    let run = ["run", "--until-end", "--until-end-timeout", "60s"];
    world.place.run(&run).exits(0);
    assert_eq!(world.differences(USERS), [""; 0]);
    let told = world.place.records(&world.names.ticket_changed).len();

    // Nothing changed: nothing is told. Then a tick finds what changed without a message.
    let [one, other] = [3, 17];
    world.bytemark.simulator.add_pass(one);
    world.bytemark.simulator.add_pass(other);
    // Fresh only for a second in these settings.
    wait_until("documents that are stale", || world.place.show(one)["age_seconds"].as_u64() >= Some(2));
    world.place.run(&["tick"]).exits(0);
    world.place.run(&run).exits(0);
    assert_eq!(world.differences(USERS), [""; 0]);
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

/// Each pipeline in a process of its own: what its file does not name (the token table, here), its neighbours' do; and it
/// asks for no topics but its own.
#[test]
fn pipelines_run_alone_as_their_folder_names_things() {
    const USERS: u64 = 5;
    let world = World::new(Bytemark::still(USERS), "");
    world.place.run(&["check", "passes"]).exits(0);
    world.put_tokens(USERS);
    for pipeline in ["token_changes", "passes"] {
        world.place.run(&["run", "--until-end", "--until-end-timeout", "60s", pipeline]).exits(0);
    }
    assert_eq!(world.differences(USERS), [""; 0]);
    world.remove();
}
