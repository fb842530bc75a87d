//! passflow on Kafka, MongoDB and MariaDB: what a refresh costs, how soon a change is told, how fast a tick fans out.
//!
//! `cargo bench --bench servers -- refresh|changes|fan-out [USERS]`, with the servers up:
//! `scripts/servers up kafka mongo mysql connect; eval "$(scripts/servers env)"`. Measured is the real binary in a process
//! of its own, beside servers and API on the same machine. Targets stand in docs/performance.md.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    dead_code,
    reason = "a measurement stops at what it did not expect"
)]

#[path = "../refresh/api_process.rs"]
mod api_process;
mod bare;
mod binary;
mod changes;
mod fan_out;
mod ground;
mod latencies;
mod refresh;

fn main() {
    if let Some(users) = api_process::asked_to_serve() {
        return api_process::serve(users);
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let users = arguments.iter().find_map(|argument| argument.parse().ok());
    let asked = |name: &str| arguments.iter().any(|argument| argument == name);
    let _already = rustls::crypto::ring::default_provider().install_default();
    if asked("refresh") {
        refresh::measure(users.unwrap_or(20_000));
    } else if asked("changes") {
        changes::measure(users.unwrap_or(1_000_000));
    } else if asked("fan-out") {
        users.map_or_else(|| vec![100_000, 1_000_000], |users| vec![users]).into_iter().for_each(fan_out::measure);
    } else {
        println!("servers: say which: refresh, changes or fan-out");
    }
}
