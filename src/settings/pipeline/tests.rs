use super::*;
use crate::{
    domain::day_pass::{DayPassRule, Ends, Matches, Pattern},
    settings::BUILT_IN,
};

fn parse(place: &str, text: &str) -> Result<Pipeline, String> {
    Pipeline::parse(place, text).map_err(|problems| problems.to_string())
}

#[test]
fn the_built_in_files_hold_the_defaults_and_every_key() {
    for (place, text) in BUILT_IN {
        let mut table = Table::parse(place, text).unwrap();
        let pipeline = Pipeline::read(place, &mut table).unwrap();
        let written: Vec<&str> = text
            .lines()
            .filter_map(|line| line.split_once(" = ").map(|(key, _)| key))
            .filter(|key| key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
            .collect();
        for key in table.asked() {
            assert!(written.contains(key), "{place} lacks `{key}`");
        }
        assert_eq!(written.len(), table.asked().len(), "{place}: {written:?}");
        table.finish(()).unwrap();
        assert_eq!(pipeline, Pipeline::parse(place, "").unwrap(), "{place} differs from the defaults in the code");
        assert_eq!(pipeline.group, format!("passflow.{}", pipeline.name));
    }
}

#[test]
fn kind_and_group_can_be_named() {
    let pipeline = parse("x/second.toml", "pipeline = \"ticks\"\ngroup = \"g\"\npage = 7\n").unwrap();
    assert_eq!((pipeline.name.as_str(), pipeline.group.as_str()), ("second", "g"));
    let Kind::Ticks(ticks) = pipeline.kind else { panic!("{pipeline:?}") };
    assert_eq!(ticks.page, 7);
    let error = parse("x/second.toml", "page = 7\n").unwrap_err();
    assert!(error.contains("`pipeline` must name the kind of pipeline: \"token_changes\""), "{error}");
    assert!(!error.contains("unknown key"), "{error}");
    let error = parse("x/second.toml", "pipeline = \"passe\"\n").unwrap_err();
    assert!(error.contains("second.toml:1: `pipeline` = \"passe\" is refused"), "{error}");
}

#[test]
fn a_key_of_another_kind_is_unknown() {
    let error = parse("pipelines/ticks.toml", "max_age = \"10m\"\nfreshness = \"1h\"\n").unwrap_err();
    assert_eq!(error, "pipelines/ticks.toml:2: unknown key `freshness`");
}

#[test]
fn values_that_do_not_go_together_are_refused() {
    let error = parse("passes.toml", "freshness = \"5m\"\nretry_topic = \"bytemark.pass-requests\"\n").unwrap_err();
    assert!(error.contains("`freshness_slack` must be less than `freshness`"), "{error}");
    assert!(error.contains("must differ"), "{error}");
    let error = parse("ticks.toml", "probe_backoff_min = \"1m\"\n").unwrap_err();
    assert!(error.contains("`probe_backoff_min` is greater than `probe_backoff_max`"), "{error}");
}

fn rules(text: &str) -> Result<Vec<DayPassRule>, String> {
    match parse("passes.toml", text)?.kind {
        Kind::Passes(passes) => Ok(passes.day_pass_rules),
        other => panic!("{other:?}"),
    }
}

#[test]
fn day_pass_rules_are_read() {
    let rules = rules(
        r#"day_pass_rules = [
            { product_uuid = "p", after = "24h" },
            { label = "Day", service_day_end = "03:00" },
        ]"#,
    )
    .unwrap();
    assert_eq!(rules[0].matches, Matches::ProductUuid("p".to_owned()));
    assert_eq!(rules[0].ends, Ends::After(std::time::Duration::from_hours(24)));
    assert_eq!(rules[1].matches, Matches::Label(Pattern::parse("Day").unwrap()));
    let Matches::Label(label) = &rules[1].matches else { panic!("{rules:?}") };
    assert!(label.finds_in("7-Day Pass") && !label.finds_in("Ride"));
    let Ends::ServiceDayEnd { time, zone } = &rules[1].ends else { panic!("{rules:?}") };
    assert_eq!((time.hour(), zone.iana_name()), (3, Some("America/Chicago")));
}

#[test]
fn a_bad_day_pass_rule_is_told_with_its_line() {
    let error = rules("day_pass_rules = [\n{ label = \"x\", product_uuid = \"p\", after = \"24h\" },\n]").unwrap_err();
    assert_eq!(error, "passes.toml:2: a rule takes either `product_uuid` or `label`");
    let error = rules("day_pass_rules = [\n{ label = \"x\", aftr = \"24h\" },\n]").unwrap_err();
    assert!(error.contains("passes.toml:2: unknown key `aftr`; did you mean `after`?"), "{error}");
    let error = rules("day_pass_rules = [{ label = \"x\", service_day_end = \"3\", zone = \"Mars\" }]").unwrap_err();
    assert!(error.contains("`zone` = \"Mars\" is refused: it takes a zone"), "{error}");
    let error = rules("day_pass_rules = [\n\n{ label = \"(Day\", after = \"24h\" },\n]").unwrap_err();
    let expected = "passes.toml:3: `label` = \"(Day\" is refused: it takes a regular expression (unclosed group)";
    assert_eq!(error, expected);
    for label in ["\"\"", "7"] {
        let error = rules(&format!("day_pass_rules = [{{ label = {label}, after = \"24h\" }}]")).unwrap_err();
        assert!(error.starts_with("passes.toml:1: `label` = "), "{error}");
    }
    let error = parse("passes.toml", "time_zone = \"Mars\"").unwrap_err();
    assert!(error.contains("passes.toml:1: `time_zone` = \"Mars\" is refused: it takes a zone"), "{error}");
}
