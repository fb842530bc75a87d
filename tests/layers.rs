//! Keeps the layers apart and the files small, by reading the sources.
//!
//! A finding names the file, the line and the rule. The lists of exceptions are ratchets: they may only shrink.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::{fs, path::Path};

/// The parts, what each may import of the others, and crates that it must do without.
const LAYERS: &[(&str, &[&str], &[&str])] = &[
    ("domain", &[], &["tokio", "tokio_util", "sqlx", "reqwest", "axum", "async_trait", "tracing"]),
    ("ports", &["domain"], DRIVERS),
    ("telemetry", &["domain"], DRIVERS),
    ("engine", &["domain", "ports", "telemetry"], DRIVERS),
    ("pipelines", &["domain", "ports", "engine", "telemetry"], DRIVERS),
    ("adapters", &["domain", "ports", "adapters"], &["axum", "clap"]),
    ("settings", &["domain"], DRIVERS),
    ("simulator", &[], &["sqlx", "reqwest", "clap", "rdkafka", "mongodb"]),
    ("console", &["domain", "ports", "engine", "settings"], &["sqlx", "reqwest", "clap", "rdkafka", "mongodb"]),
    (
        "wiring",
        &["domain", "ports", "engine", "pipelines", "adapters", "settings", "simulator", "telemetry", "console"],
        &[],
    ),
    ("cli", &["domain", "ports", "settings", "wiring"], &["sqlx", "reqwest", "axum", "rdkafka", "mongodb"]),
];
const DRIVERS: &[&str] = &["sqlx", "reqwest", "axum", "clap", "rdkafka", "mongodb"];

const FILE_LINES_MAX: usize = 300;
const FUNCTION_LINES_MAX: usize = 60;
/// Files that were longer when the rule came, with their length then.
const LONGER_FILES: &[(&str, usize)] = &[];

#[test]
fn sources_keep_the_rules() {
    let mut findings = Vec::new();
    for_each_source(Path::new("src"), &mut |path, text| findings.extend(findings_in(path, text)));
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

#[test]
fn each_rule_can_be_broken() {
    for (path, text, rule) in [
        ("src/domain/merge.rs", "use crate::ports::Clock;", "domain must not import ports"),
        ("src/domain/merge.rs", "use crate::{\n    ports::Clock,\n};", "domain must not import ports"),
        ("src/domain/merge.rs", "use tokio::sync::mpsc;", "domain must not use tokio"),
        ("src/ports/topics.rs", "fn row(row: sqlx::Row) {}", "ports must not use sqlx"),
        ("src/engine/take.rs", "use crate::pipelines::ticks;", "engine must not import pipelines"),
        (
            "src/pipelines/ticks/mod.rs",
            "use crate::{\n    ports::{\n        A,\n    },\n    adapters::memory,\n};",
            "pipelines must not import adapters",
        ),
        (
            "src/adapters/bytemark_http.rs",
            "use crate::adapters::sqlite_store;",
            "bytemark_http must not use sqlite_store",
        ),
        (
            "src/adapters/sqlite_tokens.rs",
            "use crate::adapters::sqlite_documents;",
            "sqlite_tokens must not use sqlite_documents",
        ),
        ("src/wiring/demo.rs", "crate::cli::main();", "wiring must not import cli"),
    ] {
        let findings = findings_in(path, text);
        assert!(findings.iter().any(|finding| finding.contains(rule)), "{rule}: {findings:?}");
    }
    let long = format!("fn long() {{\n{}}}\n", "    work();\n".repeat(FUNCTION_LINES_MAX));
    assert!(findings_in("src/a.rs", &long)[0].starts_with("src/a.rs:1: a function of 62 lines"));
    assert!(findings_in("src/a.rs", &"\n".repeat(301))[0].contains("301 lines"));
    let allowed = "//! crate::ports\nuse crate::{adapters::sqlite_store::Store, ports::Tokens};\n";
    assert_eq!(findings_in("src/adapters/sqlite_tokens.rs", allowed), Vec::<String>::new());
}

fn for_each_source(folder: &Path, visit: &mut impl FnMut(&str, &str)) {
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            for_each_source(&path, visit);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            visit(path.to_str().unwrap(), &fs::read_to_string(&path).unwrap());
        }
    }
}

fn findings_in(path: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let lines = text.lines().count();
    let lines_max = LONGER_FILES.iter().find(|(file, _)| *file == path).map_or(FILE_LINES_MAX, |(_, then)| *then);
    if lines > lines_max {
        findings.push(format!("{path}:1: {lines} lines, at most {lines_max}: split it"));
    }
    findings.extend(long_functions(path, text));
    // A unit test may borrow what the layer itself may not.
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let names: Vec<&str> = path.trim_end_matches(".rs").split('/').collect();
    let Some((layer, may_import, must_not_use)) = LAYERS.iter().find(|(layer, ..)| Some(layer) == names.get(1)) else {
        return findings;
    };
    for (line, import) in imports(code) {
        let mut parts = import.split("::");
        let (root, first, second) = (parts.next(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if root != Some("crate") {
            continue;
        }
        let is_part = LAYERS.iter().any(|(part, ..)| *part == first);
        if is_part && first != *layer && !may_import.contains(&first) {
            findings.push(format!("{path}:{line}: {layer} must not import {first}"));
        }
        let own = names.get(2).copied().unwrap_or_default();
        // A token's change and its record in the topic are one transaction of the embedded store.
        let shares_store = own.starts_with("sqlite_") && second == "sqlite_store"
            || (own, second) == ("sqlite_tokens", "sqlite_topics");
        if first == "adapters" && *layer == "adapters" && !second.is_empty() && second != own && !shares_store {
            findings.push(format!("{path}:{line}: {own} must not use {second}: adapters don't know each other"));
        }
    }
    for (number, line) in code.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
        for name in must_not_use.iter().filter(|name| uses_crate(line, name)) {
            findings.push(format!("{path}:{}: {layer} must not use {name}", number + 1));
        }
    }
    findings
}

fn uses_crate(line: &str, name: &str) -> bool {
    let path = format!("{name}::");
    line.match_indices(&path)
        .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'))
}

/// Every path that starts at `crate`, nested groups taken apart, with its line.
fn imports(code: &str) -> Vec<(usize, String)> {
    let lines: Vec<&str> = code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let code = lines.join(
        "
",
    );
    let mut imports = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            let line = code[..at].matches('\n').count() + 1;
            expand(&code[at..], line, &mut imports);
        }
    }
    imports
}

fn expand(text: &str, mut line: usize, imports: &mut Vec<(usize, String)>) {
    let mut prefixes: Vec<usize> = Vec::new();
    let mut path = String::new();
    for c in text.chars() {
        match c {
            '\n' => line += 1,
            ' ' => {}
            '{' if path.ends_with("::") => prefixes.push(path.len()),
            ',' | '}' if !prefixes.is_empty() => {
                imports.push((line, path.clone()));
                if c == '}' {
                    prefixes.pop();
                }
                path.truncate(prefixes.last().copied().unwrap_or_default());
                if prefixes.is_empty() {
                    return;
                }
            }
            _ if c.is_alphanumeric() || "_:*".contains(c) => path.push(c),
            _ => break,
        }
    }
    imports.push((line, path));
}

/// Functions as rustfmt writes them: from `fn` to the closing brace at the same indentation.
fn long_functions(path: &str, text: &str) -> Vec<String> {
    let mut open: Vec<(usize, String)> = Vec::new();
    let mut findings = Vec::new();
    for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line)) {
        let indentation = &line[..line.len() - line.trim_start().len()];
        let words = line.trim_start();
        let is_function = words.starts_with("fn ") || words.contains(" fn ");
        if is_function && !words.starts_with("//") && !words.ends_with(['}', ';', ',']) {
            open.push((number, format!("{indentation}}}")));
        } else if open.last().is_some_and(|(_, end)| end == line) {
            let (start, _) = open.pop().unwrap_or_default();
            let length = number - start + 1;
            if length > FUNCTION_LINES_MAX {
                findings.push(format!("{path}:{start}: a function of {length} lines, at most {FUNCTION_LINES_MAX}"));
            }
        }
    }
    findings
}
