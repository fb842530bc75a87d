//! What is put on topics, and what is told of it: `produce`, `replay`, `tick`, `refresh` and `topics describe`.

use std::process::Stdio;

use serde_json::Value;

use super::kit::{Place, Ran};

#[test]
fn replay_gives_what_produce_takes() {
    let place = Place::new();
    place.write(
        "in.jsonl",
        concat!(
            r#"{"case":"x","key":"42","value":"{\"user_id\":42}","headers":[["a","b"],["n",null]]}"#,
            "\n\n",
            r#"{"key":null,"value":null}"#,
            "\n",
            r#"{"key_b64":"/w==","value_b64":"AP8=","headers_b64":[["h","/w=="]]}"#,
        ),
    );
    let ran = place.run(&["produce", "one", "in.jsonl"]).exits(0);
    assert_eq!(ran.stdout(), "put 3 records on one\n");
    let first = place.run(&["replay", "one", "--format", "jsonl", "--reveal"]).exits(0);
    place.run_with_input(&["produce", "two"], first.stdout().as_bytes()).exits(0);
    let second = place.run(&["replay", "two", "--output", "json", "--reveal"]).exits(0);
    let contents = |ran: &Ran| {
        let mut lines = ran.lines();
        for line in &mut lines {
            for place in ["topic", "timestamp", "partition", "offset"] {
                assert!(line.as_object_mut().unwrap().remove(place).is_some());
            }
        }
        lines.sort_by_key(Value::to_string);
        lines
    };
    assert_eq!(contents(&first), contents(&second));
    assert_eq!(contents(&first).len(), 3);
    let of_user = place.run(&["replay", "one", "--user", "42"]).exits(0).stdout();
    assert!(of_user.lines().count() == 1 && of_user.contains("{\"user_id\":42}"), "{of_user}");
    assert_eq!(place.run(&["replay", "one", "--from", "1000"]).exits(0).stdout(), "");
    assert_eq!(place.run(&["replay", "one", "--to", "2020-01-01"]).exits(0).stdout(), "");
    assert_eq!(place.run(&["replay", "one", "--from", "-1h"]).exits(0).stdout().lines().count(), 3);
    assert!(place.run(&["replay", "three"]).exits(1).stderr().contains("no topic three"));
}

#[test]
fn produce_stops_at_the_first_bad_line_and_what_was_before_stays() {
    let place = Place::new();
    let lines =
        b"{\"key\":\"1\",\"value\":\"a\"}\n{\"key\":\"1\",\"value\":\"b\"}\n\n{\"key\":\"1\"}\n{\"value\":\"c\"}\n";
    let error = place.run_with_input(&["produce", "t"], lines).exits(1).stderr();
    assert!(error.contains("standard input, line 4: there is neither `value` nor `value_b64`"), "{error}");
    assert_eq!(place.run(&["replay", "t", "--reveal"]).exits(0).stdout().lines().count(), 2);
}

#[test]
fn replay_masks_secrets_unless_told_to_reveal() {
    let place = Place::new();
    let line = br#"{"key":"{\"id\":1}","value":"{\"after\":{\"user_id\":1,\"token\":\"sekret\",\"card\":\"4111-1111-1111-1111\"},\"op\":\"c\"}"}"#;
    place.run_with_input(&["produce", "cdc.portal.bytemark_tokens"], line).exits(0);
    for format in ["table", "jsonl"] {
        let args = ["replay", "cdc.portal.bytemark_tokens", "--format", format];
        let masked = place.run(&args).exits(0).stdout();
        assert!(masked.contains("***") && masked.contains("411111******1111"), "{masked}");
        assert!(!masked.contains("sekret") && !masked.contains("4111-1111"), "{masked}");
        let revealed = place.run(&[&args[..], &["--reveal"]].concat()).exits(0).stdout();
        assert!(revealed.contains("sekret") && revealed.contains("4111-1111-1111-1111"), "{revealed}");
    }
}

#[test]
fn replay_shows_no_secret_of_what_it_cannot_read() {
    let place = Place::new();
    let values = [
        r#""{\"after\":{\"token\":\"SEKRET\"}}""#,
        r#"{"payload":"{\"token\":\"SEKRET\"}"}"#,
        "{'after': {'token': 'SEKRET'}}",
        r#"{after: {token: "SEKRET"}}"#,
        r#"{"card":"4111.1111.1111.1111"}"#,
        r#"{"card":"4111  1111  1111  1111"}"#,
    ];
    let mut lines: Vec<String> =
        values.iter().map(|value| serde_json::json!({ "key": "token=SEKRET", "value": value }).to_string()).collect();
    lines.push(serde_json::json!({ "key": "42", "value": "{}", "headers": [["row", "token=SEKRET"]] }).to_string());
    place.run_with_input(&["produce", "passflow.dead-letters"], lines.join("\n").as_bytes()).exits(0);
    for format in ["table", "jsonl"] {
        let args = ["replay", "passflow.dead-letters", "--format", format];
        let masked = place.run(&args).exits(0).stdout();
        assert_eq!(masked.lines().count(), lines.len());
        assert!(
            !masked.contains("SEKRET") && !masked.contains("1111.1111") && !masked.contains("1111  1111"),
            "{masked}"
        );
        let revealed = place.run(&[&args[..], &["--reveal"]].concat()).exits(0).stdout();
        assert!(revealed.contains("SEKRET") && revealed.contains("4111.1111.1111.1111"), "{revealed}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let place = Place::new();
    let line = |number: u32| format!("{{\"key\":\"{number}\",\"value\":\"{number:0>200}\"}}");
    let lines = (0..5000).map(line).collect::<Vec<_>>().join("\n");
    place.run_with_input(&["produce", "t"], lines.as_bytes()).exits(0);
    let mut command = place.command(&["replay", "t"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ran = Ran(child.wait_with_output().unwrap()).exits(0);
    assert_eq!(ran.stderr(), "");
}

#[test]
fn ticks_and_requests_are_put_on_their_topics() {
    let place = Place::new();
    place.write("pipelines/ticks.toml", "topic = \"my.ticks\"\n");
    let tick = &place.run(&["tick", "--kind", "backfill", "--output", "json"]).exits(0).lines()[0];
    let id = format!("backfill@{}", tick["scheduled_at"].as_str().unwrap());
    assert_eq!(tick["tick_id"], id.as_str());
    let put = place.run(&["replay", "my.ticks", "--output", "json"]).exits(0).lines();
    assert_eq!((put.len(), put[0]["key"].as_str()), (1, Some(id.as_str())));
    assert_eq!(serde_json::from_str::<Value>(put[0]["value"].as_str().unwrap()).unwrap(), *tick);

    place.run(&["refresh", "42", "43", "--when", "if-stale"]).exits(0);
    let put = place.run(&["replay", "bytemark.pass-requests", "--user", "43", "--output", "json"]).exits(0).lines();
    assert_eq!((put.len(), put[0]["key"].as_str()), (1, Some("43")));
    let request: Value = serde_json::from_str(put[0]["value"].as_str().unwrap()).unwrap();
    assert_eq!((&request["user_id"], &request["when"]), (&43.into(), &"if-stale".into()));
}

#[test]
fn topics_are_described() {
    let place = Place::new();
    place.run(&["refresh", "42"]).exits(0);
    let topics = place.run(&["topics", "describe", "--output", "json"]).exits(0).lines();
    let requests = topics.iter().find(|topic| topic["topic"] == "bytemark.pass-requests").unwrap();
    assert_eq!((&requests["records"], &requests["cleanup"]), (&1.into(), &"delete".into()));
    assert_eq!(requests["partitions"].as_array().unwrap().len(), 12);
    let text = place.run(&["topics", "describe"]).exits(0).stdout();
    let rows = text.lines().filter(|line| line.starts_with("bytemark.pass-requests ")).count();
    assert!(text.starts_with("TOPIC ") && rows == 12, "{text}");
}
