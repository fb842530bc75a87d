//! A walk as support would do it: a pass is activated, its status goes its way at the right instants, and each step is
//! logged and told.

use std::time::Duration;

use futures::TryStreamExt as _;
use mongodb::bson::{Document, doc};
use passflow::simulator::{Endpoint, Pass, Truth};
use serde_json::json;

use crate::{
    process::{Bytemark, wait_within},
    world::{World, server},
};

const BOUND: Duration = Duration::from_secs(60);

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn log(world: &World, collection: &str) -> Vec<Document> {
    world.bytemark.runtime.block_on(async {
        let client = mongodb::Client::with_uri_str(server("PASSFLOW_TEST_MONGODB")).await.unwrap();
        let log = client.database(&world.names.cache_database).collection::<Document>(collection);
        log.find(doc! {}).sort(doc! {"timestamp": 1, "_id": 1}).await.unwrap().try_collect().await.unwrap()
    })
}

#[test]
fn an_activated_pass_is_in_use_and_then_expired_at_its_instants() {
    let world = World::new(Bytemark::still(1), "day_pass_rules = [{ product_uuid = \"day\", after = \"1m\" }]\n");
    world.bytemark.simulator.script(1, Truth::default());
    world.put_tokens(1);
    let (first_use, expiry) = (now_ms() + 4_000, now_ms() + 8_000);
    let put = |uuid: &str, first_use: i64, expiration: Option<i64>| {
        let value = json!({
            "expiration": expiration, "first_use": first_use, "product_uuid": "day", "status": "USABLE", "uuid": uuid,
        });
        let pass = Pass { uuid: uuid.to_owned(), status: "USABLE".to_owned(), text: value.to_string() };
        world.bytemark.simulator.put_pass(1, Endpoint::Active, pass);
    };
    put("walk", first_use, Some(expiry));
    // By its rule it ends with the other one.
    put("day", expiry - 60_000, None);
    let run = world.place.start(&["run"]);
    let status = |uuid: &str| {
        let shown = world.place.show(1);
        let passes = shown["document"]["passes"].as_array().cloned().unwrap_or_default();
        let pass = passes.iter().find(|pass| pass["pass_uuid"] == uuid);
        pass.map(|pass| pass["status"].as_str().unwrap().to_owned()).unwrap_or_default()
    };
    wait_within(BOUND, "the first refresh", || !status("walk").is_empty());
    wait_within(BOUND, "both to expire", || {
        world.place.run(&["tick", "--kind", "check-status"]).exits(0);
        status("walk") == "EXPIRED" && status("day") == "EXPIRED"
    });
    // What has expired is not looked at again.
    let logged = log(&world, &world.names.status_log).len();
    world.place.run(&["tick", "--kind", "check-status"]).exits(0);
    drop(run);
    world.place.run_until_end().exits(0);
    let checks = log(&world, &world.names.status_log);
    assert_eq!(checks.len(), logged);

    let of = |uuid: &'static str| checks.iter().filter(move |check| check.get_str("cache_key").unwrap() == uuid);
    for check in of("walk") {
        let at = check.get_datetime("timestamp").unwrap().timestamp_millis();
        let due = if at >= expiry {
            "EXPIRED"
        } else if at >= first_use {
            "USING"
        } else {
            "USABLE"
        };
        let result = check.get_document("validation_result").unwrap();
        assert_eq!(result.get_str("current_status").unwrap(), due, "{check}");
        assert_eq!(result.get_datetime("expires_at").unwrap().timestamp_millis(), expiry);
        assert_eq!(check.get_str("status").unwrap(), "validated");
    }
    let changes = |uuid: &'static str| -> Vec<String> {
        of(uuid).filter_map(|check| Some(check.get_str("pass_status_change").ok()?.to_owned())).collect()
    };
    assert_eq!(changes("walk"), ["USABLE to USING", "USING to EXPIRED"]);
    // The refresh that stored it knew that it is in use.
    assert_eq!(changes("day"), ["USING to EXPIRED"]);

    let events = world.place.values(&world.names.ticket_changed);
    let tickets = log(&world, &world.names.tickets_log);
    assert_eq!((events.len(), tickets.len()), (5, 5));
    for event in &events {
        let ticket = tickets.iter().find(|ticket| event["id"] == ticket.get_str("_id").unwrap()).expect("an entry");
        assert_eq!(event["after"]["status"], ticket.get_str("status").unwrap());
        assert_eq!(event["change"], ticket.get_str("change").unwrap());
        let action = if event["change"] == "added" { "refresh" } else { "check-status" };
        assert_eq!(event["cause"]["action"], action);
    }
    world.remove();
}
