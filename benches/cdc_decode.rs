//! How many messages of changes a second one core decodes and turns into pass-requests.
//!
//! `cargo bench --bench cdc_decode`; the target is 200,000 a second for the plain form.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement stops at what it did not expect"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use passflow::domain::request::{PassRequest, Reason, When};
use passflow::domain::token_change::{TableNames, TokenChange, decode};

const CAPTURES: [(&str, &str); 4] = [
    ("plain", include_str!("../tests/data/cdc/plain.jsonl")),
    ("schemas", include_str!("../tests/data/cdc/schemas.jsonl")),
    ("flat-rewrite", include_str!("../tests/data/cdc/flat-rewrite.jsonl")),
    ("extras", include_str!("../tests/data/cdc/extras.jsonl")),
];

const MEASURED: Duration = Duration::from_secs(2);

#[derive(serde::Deserialize)]
struct Capture {
    key: Option<String>,
    value: Option<String>,
}

fn main() {
    let table = TableNames::new("portal", "bytemark_tokens");
    for (name, lines) in CAPTURES {
        let captures: Vec<Capture> =
            lines.lines().map(|line| serde_json::from_str(line).expect("a captured message")).collect();
        let mut requests = 0_usize;
        measure(&format!("{name}: decode"), &captures, |capture| {
            black_box(decoded(capture, &table));
        });
        measure(&format!("{name}: decode and encode"), &captures, |capture| {
            requests += encode_requests(decoded(capture, &table));
        });
        black_box(requests);
    }
}

fn decoded(capture: &Capture, table: &TableNames) -> TokenChange {
    let key = capture.key.as_deref().map(str::as_bytes);
    let value = capture.value.as_deref().map(str::as_bytes);
    decode(key, black_box(value), table).expect("a captured message decodes")
}

fn encode_requests(change: TokenChange) -> usize {
    let TokenChange::Touched { users, snapshot, .. } = change else {
        return 0;
    };
    let requests = users.iter().map(|user| PassRequest {
        when: When::IfNewToken,
        reason: Reason::TOKEN_CHANGE,
        requested_at: jiff::Timestamp::from_second(1_795_256_366).ok(),
        request_id: Some("cdc.portal.bytemark_tokens/0/123456".to_owned()),
        snapshot,
        ..PassRequest::new(user)
    });
    requests.map(|request| black_box(request.encode()).len().min(1)).sum()
}

fn measure(name: &str, captures: &[Capture], mut handle: impl FnMut(&Capture)) {
    let bytes_a_round: usize = captures.iter().map(|capture| capture.value.as_ref().map_or(0, String::len)).sum();
    let start = Instant::now();
    let mut rounds = 0_u32;
    while start.elapsed() < MEASURED {
        for _ in 0..100 {
            captures.iter().for_each(&mut handle);
        }
        rounds += 100;
    }
    let seconds = start.elapsed().as_secs_f64();
    let messages = f64::from(rounds) * captures.len() as f64;
    let megabytes = f64::from(rounds) * bytes_a_round as f64 / 1e6;
    println!("{name:32} {:>9.0} messages/s {:>7.0} MB/s", messages / seconds, megabytes / seconds);
}
