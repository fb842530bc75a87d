//! The built binary as people use it: arguments, exit codes, what it prints where.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests may panic")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// A working directory of its own for the binary, without any settings of this machine.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_passflow"));
        command.args(args).current_dir(self.path()).env_clear().stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        Ran(self.command(args).output().unwrap())
    }

    fn run_with_input(&self, args: &[&str], input: &[u8]) -> Ran {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        Ran(child.wait_with_output().unwrap())
    }
}

struct Ran(Output);

impl Ran {
    fn stdout(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    fn stderr(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }

    #[track_caller]
    fn exits(self, code: i32) -> Self {
        assert_eq!(self.0.status.code(), Some(code), "stdout: {}\nstderr: {}", self.stdout(), self.stderr());
        self
    }

    fn lines(&self) -> Vec<Value> {
        self.stdout().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

const COMMANDS: [&[&str]; 15] = [
    &["demo"],
    &["run"],
    &["tick"],
    &["refresh"],
    &["show"],
    &["produce"],
    &["tokens", "import"],
    &["tokens", "set"],
    &["tokens", "delete"],
    &["replay"],
    &["topics", "describe"],
    &["check"],
    &["hash"],
    &["completions"],
    &["tokens"],
];

#[test]
fn every_command_has_help_with_an_example() {
    let place = Place::new();
    for command in COMMANDS {
        let help = place.run(&[command, &["--help"]].concat()).exits(0).stdout();
        assert!(help.contains("Example"), "{command:?}: {help}");
        assert!(help.contains(&format!("passflow {}", command[0])), "{command:?}: {help}");
    }
    let help = place.run(&["--help"]).exits(0).stdout();
    for command in COMMANDS {
        assert!(help.contains(&format!("\n  {}", command[0])), "{command:?} is not listed: {help}");
    }
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let place = Place::new();
    for args in [
        &[] as &[&str],
        &["fly"],
        &["show"],
        &["show", "0"],
        &["show", "9007199254740992"],
        &["refresh"],
        &["refresh", "42", "--when", "never"],
        &["replay", "t", "--from", "yesterday"],
        &["produce", "no topic!"],
        &["tick", "--every", "0 0 * * * *"],
        &["tick", "--count", "1"],
        &["run", "--until-end-timeout", "10"],
        &["completions", "cmd"],
        &["demo", "--users", "0"],
    ] {
        let ran = place.run(args).exits(2);
        assert_eq!(ran.stdout(), "", "{args:?}");
        assert!(!ran.stderr().is_empty(), "{args:?}");
    }
}

#[test]
fn completions_are_printed_for_each_shell() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = place.run(&["completions", shell]).exits(0).stdout();
        for word in ["passflow", "until-end-timeout", "canonical"] {
            assert!(script.contains(word), "{shell} lacks {word}");
        }
    }
}

#[test]
fn hashes_are_those_of_json_stringify() {
    let place = Place::new();
    place.write("a.json", "{ \"b\" : 1.0, \"2\": [\"\\u0041\\/\"], \"1\": 1e21 }");
    place.write("empty.json", "{}\n");
    place.write("bad.json", "{\"token\":\"sekret\",}");
    let ran = place.run(&["hash", "a.json", "empty.json"]).exits(0);
    // MD5 of {"1":1e+21,"2":["A/"],"b":1} and of {}.
    assert_eq!(
        ran.stdout(),
        "36d978209024edd737a6e887ecd5ed65  a.json\n99914b932bd37a50b983c5e7c90ae93b  empty.json\n"
    );
    let ran = place.run(&["hash", "--canonical", "a.json"]).exits(0);
    assert_eq!(ran.stdout(), r#"{"1":1e+21,"2":["A/"],"b":1}"#);
    let ran = place.run(&["hash", "bad.json", "missing.json", "empty.json"]).exits(1);
    assert_eq!(ran.stdout(), "99914b932bd37a50b983c5e7c90ae93b  empty.json\n");
    assert!(ran.stderr().contains("bad.json: this is no JSON") && ran.stderr().contains("missing.json: "));
    assert!(!ran.stderr().contains("sekret"));
    for args in [&["hash"] as &[&str], &["hash", "-"]] {
        let ran = place.run_with_input(args, b" {} ").exits(0);
        assert_eq!(ran.stdout(), "99914b932bd37a50b983c5e7c90ae93b  -\n");
    }
}

#[test]
fn unknown_keys_and_bad_values_are_refused_with_file_line_and_nearest() {
    let place = Place::new();
    place.write("pipelines/passes.toml", "\nfreshnes = \"60m\"\nretry_delay = \"60\"\n");
    place.write("c.toml", "bytemark_ur = \"http://x\"\n");
    let error = place.run(&["run", "--connections", "c.toml"]).exits(1).stderr();
    assert!(error.contains("pipelines/passes.toml:2: unknown key `freshnes`; did you mean `freshness`?"), "{error}");
    assert!(error.contains("passes.toml:3: `retry_delay` = \"60\" is refused: it takes a duration like"), "{error}");
    place.write("pipelines/passes.toml", "");
    let error = place.run(&["run", "--connections", "c.toml"]).exits(1).stderr();
    assert!(error.contains("c.toml:1: unknown key `bytemark_ur`; did you mean `bytemark_url`?"), "{error}");
    let error = place.run(&["run", "pasess"]).exits(1).stderr();
    assert!(error.contains("pipeline pasess: there is no such pipeline; did you mean `passes`?"), "{error}");
}

#[test]
fn what_is_missing_or_not_in_this_build_is_refused_by_name() {
    let place = Place::new();
    let error = place.run(&["run"]).exits(1).stderr();
    assert!(error.contains("PASSFLOW_BYTEMARK_URL: is not set, but passes need(s) the Bytemark API"), "{error}");
    let mut command = place.command(&["run", "ticks"]);
    let ran = Ran(command.env("PASSFLOW_KAFKA_BROKERS", "k:9092").output().unwrap()).exits(1);
    assert!(ran.stderr().contains("PASSFLOW_MYSQL_URL: is not set, but ticks need(s) the tokens"), "{}", ran.stderr());
    let mut command = place.command(&["topics", "create"]);
    let ran = Ran(command.env("PASSFLOW_MYSQL_URL", "mysql://u:sekret@h/portal").output().unwrap()).exits(1);
    assert!(ran.stderr().contains("PASSFLOW_KAFKA_BROKERS is not set") && !ran.stderr().contains("sekret"));
    let mut command = place.command(&["run", "ticks"]);
    let ran = Ran(command.env("PASSFLOW_HTTP_ADDR", "0.0.0.0:0").output().unwrap()).exits(1);
    assert!(ran.stderr().contains("PASSFLOW_API_TOKEN must be set"), "{}", ran.stderr());
}

#[test]
fn check_tells_a_line_each_and_how_to_mend_it() {
    let place = Place::new();
    let ran = place.run(&["check", "ticks"]).exits(0);
    assert!(ran.stdout().lines().all(|line| line.starts_with("ok ")), "{}", ran.stdout());
    let mut command = place.command(&["check", "--output", "json"]);
    // Port 1 of this machine: nobody listens there.
    command.env("PASSFLOW_BYTEMARK_URL", "http://127.0.0.1:1").env("PASSFLOW_API_TOKEN", "sekret");
    let ran = Ran(command.output().unwrap()).exits(1);
    assert!(!ran.stdout().contains("sekret"));
    let wrong: Vec<Value> = ran.lines().into_iter().filter(|line| line["ok"] == false).collect();
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert_eq!(wrong[0]["what"], "Bytemark at http://127.0.0.1:1");
    assert!(wrong[0]["message"].as_str().unwrap().contains("check PASSFLOW_BYTEMARK_URL"));
}

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

#[test]
fn tokens_are_imported_set_deleted_and_never_shown() {
    let place = Place::new();
    place.write("t.csv", "user_id,token\n1,sekret-1\n2,\n");
    place.run(&["tokens", "import", "t.csv"]).exits(0);
    place.run_with_input(&["tokens", "set", "3"], b"sekret-3\n").exits(0);
    let show = |user: &str, code| place.run(&["show", user, "--output", "json"]).exits(code).lines().remove(0);
    assert_eq!(
        show("1", 0).to_string(),
        r#"{"age_seconds":null,"document":null,"pending_events":0,"resting":false,"token":"present","user_id":1}"#
    );
    assert_eq!(show("2", 1)["token"], "absent");
    assert_eq!(show("3", 0)["token"], "present");
    place.run(&["tokens", "delete", "3"]).exits(0);
    assert_eq!(show("3", 1)["token"], "absent");
    assert!(place.run(&["tokens", "delete", "3"]).exits(1).stderr().contains("user 3 has no row"));
    assert!(place.run(&["tokens", "set", "4"]).exits(1).stderr().contains("holds no token"));

    let changes = place.run(&["replay", "cdc.portal.bytemark_tokens", "--output", "json"]).exits(0);
    assert!(!changes.stdout().contains("sekret"));
    let changes = changes.lines();
    let of = |user: i64, op: &str| {
        let is_it = |change: &&Value| {
            change["value"].as_str().is_some_and(|value| {
                let value: Value = serde_json::from_str(value).unwrap();
                let row = if op == "d" { &value["before"] } else { &value["after"] };
                value["op"] == op && row["user_id"] == user
            })
        };
        changes.iter().filter(is_it).count()
    };
    assert_eq!((of(1, "c"), of(2, "c"), of(3, "c"), of(3, "d")), (1, 1, 1, 1), "{changes:?}");
}

#[test]
fn a_bad_csv_file_is_refused_with_its_line() {
    let place = Place::new();
    place.write("t.csv", "user_id,token\n1,a\nx,sekret\n2,b\n");
    let error = place.run(&["tokens", "import", "t.csv"]).exits(1).stderr();
    assert!(error.contains("t.csv: line 3: the first column is no user id"), "{error}");
    assert!(!error.contains("sekret"));
    place.run(&["show", "1"]).exits(0);
    place.run(&["show", "2"]).exits(1);
    place.write("t.csv", "id,token\n1,a\n");
    assert!(place.run(&["tokens", "import", "t.csv"]).exits(1).stderr().contains("the first line must be"));
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
fn bad_values_are_refused_before_anything_is_done() {
    let place = Place::new();
    place.write("pipelines/passes.toml", "\nday_pass_rules = [{ label = \"(\", after = \"24h\" }]\n");
    let told = place.run(&["check"]).exits(1).stdout();
    assert!(told.contains("passes.toml:2: `label` = \"(\" is refused: it takes a regular expression (unclosed group)"));
    let place = Place::new();
    let mut command = place.command(&["run"]);
    let ran = Ran(command.env("PASSFLOW_BYTEMARK_URL", "http://[::1").output().unwrap()).exits(1);
    assert!(ran.stderr().contains("PASSFLOW_BYTEMARK_URL: this is no base URL (invalid IPv6"), "{}", ran.stderr());
    assert!(!place.path().join("data").exists());
}

#[test]
fn a_misspelt_variable_is_told() {
    let place = Place::new();
    let mut command = place.command(&["refresh", "42"]);
    let ran = Ran(command.env("PASSFLOW_DATADIR", "elsewhere").env("PASSFLOW_SEED", "1").output().unwrap()).exits(0);
    let warning = "PASSFLOW_DATADIR: unknown variable, ignored; did you mean `PASSFLOW_DATA_DIR`?";
    assert!(ran.stderr().contains(warning) && !ran.stderr().contains("PASSFLOW_SEED"), "{}", ran.stderr());
    assert_eq!(place.run(&["refresh", "42"]).exits(0).stderr(), "");
}

#[cfg(unix)]
#[test]
fn check_makes_the_data_directory_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.run(&["check", "ticks"]).exits(0);
    let mode = fs::metadata(place.path().join("data")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_store_that_cannot_be_made_is_told_with_what_to_do() {
    let place = Place::new();
    place.write("file", "");
    for args in [&["refresh", "42"] as &[&str], &["run", "ticks"]] {
        let mut command = place.command(args);
        let ran = Ran(command.env("PASSFLOW_DATA_DIR", "file/data").output().unwrap()).exits(1);
        assert!(ran.stderr().contains("file/data") && ran.stderr().contains("PASSFLOW_DATA_DIR"), "{}", ran.stderr());
    }
}

#[test]
fn help_promises_nothing_that_becomes_a_dead_letter() {
    let help = Place::new().run(&["tick", "--help"]).exits(0).stdout();
    assert!(!help.contains("passflow tick --kind check-status") && help.contains("Not handled by this"), "{help}");
}

#[test]
fn tokens_of_a_csv_file_are_trimmed_and_blank_ones_are_none() {
    let place = Place::new();
    place.write("t.csv", "user_id,token\n1, \n2,\" sekret-2\t\"\n 3 , sekret-3 \n");
    place.run(&["tokens", "import", "t.csv"]).exits(0);
    let stored = |user: &str| place.run(&["show", user, "--output", "json"]).lines().remove(0)["token"].clone();
    assert_eq!([stored("1"), stored("2"), stored("3")], ["absent", "present", "present"]);
    // Trimmed, they are what they already were.
    place.write("t.csv", "user_id,token\n1,\n2,sekret-2\n3,sekret-3\n");
    let again = place.run(&["tokens", "import", "t.csv", "--output", "json"]).exits(0).lines().remove(0);
    assert_eq!(again["unchanged"], 3, "{again}");
}

#[test]
fn columns_in_the_wrong_order_show_no_token() {
    let place = Place::new();
    place.write("t.csv", "user_id,token\n1,a\nSEKRET-TOKEN,2\n");
    let error = place.run(&["tokens", "import", "t.csv"]).exits(1).stderr();
    assert!(error.contains("t.csv: line 3: the first column is no user id: a whole number from 1"), "{error}");
    assert!(!error.contains("SEKRET"), "{error}");
}
