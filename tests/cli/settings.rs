//! Settings that are refused, and `check`.

use std::fs;

use serde_json::Value;

use super::kit::{Place, Ran};

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
