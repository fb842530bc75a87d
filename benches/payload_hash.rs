//! From the bytes of a response body to the hex hashes of its passes, held against one plain MD5 stream over the same bytes.
//!
//! The two are run in turns, and the median of each is taken. A plain MD5 waits for its own last step most of the time, so a
//! neighbour on the same core seems to slow ours far more than it; the last column therefore compares the
//! fastest twentieth of each, which comes closest to an idle machine.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use md5::{Digest as _, Md5};
use passflow::domain::envelope::Envelope;

/// Many short runs: most of them then fall between two interruptions.
const ROUNDS: usize = 401;
/// A run goes through bodies that all differ, as they do in life: a CPU learns one body's branches by heart.
const BYTES_A_RUN: usize = 256 << 10;
const DEPTH_MAX: usize = 2_000;

fn main() {
    println!("{:<14} {:>6} {:>10} {:>10} {:>6} {:>6}", "form", "passes", "md5 MB/s", "ours MB/s", "ratio", "idle");
    for count in [1, 2, 4, 6, 8, 20, 100] {
        let canonical = bodies(count);
        let loosened: Vec<String> = canonical.iter().map(|body| loosened(body)).collect();
        report("canonical", count, &canonical);
        report("non-canonical", count, &loosened);
    }
}

fn report(form: &str, count: usize, bodies: &[String]) {
    let (mut plain, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        plain.push(time(bodies, |body| plain_md5(body).len()));
        ours.push(time(bodies, |body| hex_hashes(body).len()));
    }
    let bytes: usize = bodies.iter().map(String::len).sum();
    let [(plain, plain_idle), (ours, ours_idle)] = [plain, ours].map(|times| speeds(times, bytes));
    let (ratio, idle) = (ours / plain, ours_idle / plain_idle);
    println!("{form:<14} {count:>6} {plain:>10.0} {ours:>10.0} {ratio:>6.2} {idle:>6.2}");
}

fn time(bodies: &[String], mut run: impl FnMut(&[u8]) -> usize) -> Duration {
    let start = Instant::now();
    for body in bodies {
        black_box(run(black_box(body.as_bytes())));
    }
    start.elapsed()
}

/// Megabytes a second, by the median time and by that which a twentieth of the runs kept.
fn speeds(mut times: Vec<Duration>, bytes: usize) -> (f64, f64) {
    times.sort_unstable();
    let speed = |time: Duration| bytes as f64 / time.as_secs_f64() / 1e6;
    (speed(times[times.len() / 2]), speed(times[times.len() / 20]))
}

fn plain_md5(body: &[u8]) -> String {
    let mut hex = String::new();
    for byte in Md5::digest(body) {
        write!(hex, "{byte:02x}").unwrap();
    }
    hex
}

fn hex_hashes(body: &[u8]) -> Vec<String> {
    let envelope = Envelope::parse(body, DEPTH_MAX).unwrap();
    let passes = envelope.passes.unwrap();
    passes.iter().map(|pass| pass.hash.to_string()).collect()
}

/// Bodies as Bytemark sends them, of passes of about 1.4 kB.
fn bodies(count: usize) -> Vec<String> {
    let mut random = Random(count as u64);
    let passes_in_all = (BYTES_A_RUN / 1_450).max(count);
    (0..passes_in_all / count).map(|_| body(&mut random, count)).collect()
}

/// A small generator (`SplitMix64`), so that each run measures the same bodies.
struct Random(u64);

impl Random {
    fn number(&mut self) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 31)) as usize >> 8
    }

    fn one_of<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        texts[self.number() % texts.len()]
    }
}

fn body(random: &mut Random, count: usize) -> String {
    let passes: Vec<String> = (0..count).map(|_| pass(random)).collect();
    format!(
        r#"{{"errors":[],"server_time":"2026-11-20T10:00:00Z","data":{{"passes":[{}],"page_count":1,"total_count":{count}}}}}"#,
        passes.join(",")
    )
}

fn pass(random: &mut Random) -> String {
    let number = random.number();
    format!(
        concat!(
            r#"{{"uuid":"0b6f7c1e-5a9d-4c37-9c3e-{id:012}","status":"{status}","expiration":{expiration},"#,
            r#""expiration_rule":{{"at_timezone":"America/Chicago","at_hour":2,"at_minute":59,"after_unit":"day","after_value":{days}}},"#,
            r#""first_use":{first_use},"allowed_uses":0,"uses_count":{uses},"local_uses":0,"serial":"SN-{serial}","#,
            r#""token":"c2VyaWFsLXRva2Vu{number}","time_created":"2026-10-02T14:11:05Z","time_modified":"2026-10-02T14:11:07Z","#,
            r#""order_time_purchased":"2026-10-02T14:11:05Z","order_item":{{"uuid":"6f1d0f5e-{serial}","price":{price},"tax":0.19,"currency":"USD","quantity":1}},"#,
            r#""pass_events":[{events}],"#,
            r#""issuer":{{"uuid":"9a1c","name":"{issuer}"}},"customer":{{"uuid":"77d0","email":{email}}},"#,
            r#""product_uuid":"f3f1b2aa-1111-4222-8333-944445555666","label_name":"{label}","label_short_name":"Day","#,
            r#""product_config":{{"theme":"blue","logo":"https://cdn.example.org/logos/day-pass.png","max_rides":0}},"#,
            r#""activation_restrictions":[],"filter_attributes":[{{"key":"zone","value":"1"}}],"rider_types":["{rider}"],"#,
            r#""barcode_validation":{{"enabled":true,"format":"aztec"}},"encrypted_payload":"{payload}","#,
            r#""payload_expiration":"2026-12-01T00:00:00Z","locked_to_device":{locked},"locked_to_device_expiration_time":null}}"#,
        ),
        id = number % 1_000_000_000_000,
        status = random.one_of(&["USABLE", "USING", "EXPIRED", "USES_GONE"]),
        expiration = random.one_of(&["null", r#""2027-01-31T05:59:59Z""#]),
        days = 1 + number % 30,
        first_use = random.one_of(&["null", r#""2026-10-03T07:40:51Z""#]),
        uses = random.one_of(&["0", "3", "12"]),
        serial = number % 10usize.pow(1 + (number % 9) as u32),
        number = number,
        price = random.one_of(&["2.5", "10", "1.75", "102.25"]),
        events = vec![EVENT; random.number() % 3].join(","),
        issuer = random.one_of(&["Metro", "Metro Transit Authority", "City of Springfield"]),
        email = random.one_of(&["null", r#""rider@example.org""#]),
        label = random.one_of(&["Day Pass \u{2013} Local Bus", "31 Days", "Single Ride (Reduced Fare)"]),
        rider = random.one_of(&["adult", "senior", "student"]),
        payload = "Zk3hQ9bLr0".repeat(18 + random.number() % 9),
        locked = random.one_of(&["true", "false"]),
    )
}

const EVENT: &str = r#"{"event_uuid":"a1b2c3d4-0001","duration_expiration":null,"duration_rule":{"after_unit":"hour","after_value":2},"weight":1}"#;

/// The same JSON the way other writers put it: indented, with fractions that are zero and needless escapes.
fn loosened(canonical: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(canonical).unwrap();
    serde_json::to_string_pretty(&value)
        .unwrap()
        .replace("\u{2013}", "\\u2013")
        .replace("https://", "https:\\/\\/")
        .replace("\"quantity\": 1", "\"quantity\": 1.0")
        .replace("\"price\": 2.5", "\"price\": 2.50")
        .replace("Local Bus", "L\\u006fcal Bus")
}
