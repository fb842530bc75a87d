//! `passflow check` names, in a line, the server that cannot be used. (`tests/outages` has it while real ones are down.)

use std::net::TcpListener;

use serde_json::Value;

use crate::{
    process::{Bytemark, wait_until},
    world::{World, server},
};

/// What `check` says is wrong, with this variable set to something else.
fn wrong_with(world: &World, variable: &str, value: &str) -> Vec<Value> {
    let output = world.place.command(&["check", "--output", "json"]).env(variable, value).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(!told.contains("hunter2") && !log.contains("hunter2"), "{told}\n{log}");
    let lines = told.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.filter(|line: &Value| line["ok"] == false).collect()
}

#[test]
fn each_server_that_does_not_answer_is_told_in_a_line() {
    let world = World::new(Bytemark::still(1), "");
    // Nothing answers there once the listener is gone.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let cases = [
        ("PASSFLOW_KAFKA_BROKERS", nobody.to_string(), "Kafka"),
        ("PASSFLOW_MONGODB_URI", format!("mongodb://rider:hunter2@{nobody}/?replicaSet=rs0"), "MongoDB"),
        ("PASSFLOW_MYSQL_URL", format!("mysql://rider:hunter2@{nobody}/portal"), "MySQL"),
    ];
    for (variable, value, what) in cases {
        let wrong = wrong_with(&world, variable, &value);
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        let (told, message) = (wrong[0]["what"].as_str().unwrap(), wrong[0]["message"].as_str().unwrap());
        println!("{told}: {message}");
        assert!(told.contains(what) && !message.contains('\n'), "{wrong:?}");
        let all = format!("{told}: {message}");
        assert!(all.contains(&nobody.to_string()) && message.contains(variable), "where, and what to look at: {all}");
    }
    world.remove();
}

#[test]
fn a_server_that_refuses_the_password_or_has_not_what_is_needed_is_told_in_a_line() {
    let world = World::new(Bytemark::still(1), "");
    let mysql = server("PASSFLOW_TEST_MYSQL");
    let (_, place) = mysql.rsplit_once('@').unwrap();
    let wrong = wrong_with(&world, "PASSFLOW_MYSQL_URL", &format!("mysql://passflow:hunter2@{place}"));
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(wrong[0]["message"].as_str().unwrap().to_lowercase().contains("access denied"), "{wrong:?}");

    let missing = world.names.ticket_changed.clone();
    world.delete_topic(&missing);
    let mut checked = String::new();
    // A broker hears of it a moment later.
    wait_until("the topic to be gone", || {
        let ran = world.place.run(&["check"]);
        checked = ran.stdout();
        ran.0.status.code() == Some(1)
    });
    let wrong: Vec<&str> = checked.lines().filter(|line| line.starts_with("WRONG")).collect();
    assert!(wrong.len() == 1 && wrong[0].contains(&missing) && wrong[0].contains("topics create"), "{checked}");
    world.place.run(&["topics", "create"]).exits(0);
    world.place.run(&["check"]).exits(0);
    world.remove();
}
