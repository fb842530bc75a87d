//! Every row of the vectors made with Node: canonical text, hash and refusals.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use passflow::domain::js_json::{Error, Scanner, canonicalize};
use passflow::domain::payload_hash::{PayloadHash, hash_many};
use serde::Deserialize;

/// Deeper than the deepest vector.
const DEPTH_MAX: usize = 20_000;

#[derive(Deserialize)]
struct Row {
    name: String,
    input_b64: String,
    expected_b64: Option<String>,
    md5: Option<String>,
    #[serde(default)]
    error: bool,
}

fn rows() -> Vec<Row> {
    let packed = include_bytes!("data/js_stringify.jsonl.gz");
    let mut lines = String::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut lines).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The same through the scanner, as an element of an array between others.
fn scanned_as_element(input: &[u8]) -> Result<Vec<u8>, Error> {
    let input = String::from_utf8_lossy(input.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(input));
    let text = format!("[ 1.0,{input} ,{{ }}]");
    let mut scanner = Scanner::new(&text, DEPTH_MAX + 1);
    scanner.enter()?;
    assert!(scanner.next_element()?);
    assert_eq!(scanner.value()?.text(), "1");
    assert!(scanner.next_element()?);
    let canonical = scanner.value()?.text().into_owned().into_bytes();
    assert!(scanner.next_element()?);
    assert_eq!(scanner.value()?.text(), "{}");
    assert!(!scanner.next_element()?);
    scanner.finish()?;
    Ok(canonical)
}

#[test]
fn canonical_text_and_hash_are_nodes() {
    let rows = rows();
    assert_eq!(rows.len(), 3_498);
    let mut failures = Vec::new();
    let mut texts = Vec::new();
    let mut hashes = Vec::new();
    for row in &rows {
        let input = STANDARD.decode(&row.input_b64).unwrap();
        let canonical = canonicalize(&input, DEPTH_MAX);
        if row.error {
            if canonical.is_ok() {
                failures.push(format!("{}: accepted", row.name));
            }
            continue;
        }
        let expected = STANDARD.decode(row.expected_b64.as_ref().unwrap()).unwrap();
        if canonical.as_deref() != Ok(&expected[..]) {
            failures.push(format!("{}: canonicalize gave {canonical:?}", row.name));
        }
        if scanned_as_element(&input).as_deref() != Ok(&expected[..]) {
            failures.push(format!("{}: scanner", row.name));
        }
        assert!(
            matches!(canonicalize(&expected, DEPTH_MAX), Ok(std::borrow::Cow::Borrowed(same)) if same == expected),
            "{}: the expected text is canonical, so it is borrowed",
            row.name
        );
        assert_eq!(PayloadHash::of(&expected).to_string(), *row.md5.as_ref().unwrap());
        texts.push(expected);
        hashes.push(row.md5.clone().unwrap());
    }
    assert!(failures.is_empty(), "{} failures: {:#?}", failures.len(), &failures[..failures.len().min(20)]);

    let texts: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
    let side_by_side: Vec<String> = hash_many(&texts).iter().map(PayloadHash::to_string).collect();
    assert_eq!(side_by_side, hashes);
}
