//! How much memory `passflow run` takes while a tick over very many users goes through it.
//!
//! `cargo bench --bench memory [-- large | USERS...]`. Each size is a run of its own of the real binary on a fresh store:
//! tokens imported, one tick, `run --until-end`. The API is the simulator in a process of its own. Target: at most 64 MB
//! at 200,000 users, and no more than at 20,000. `large` is 200 new riders whose lists have a megabyte each.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    dead_code,
    reason = "a measurement stops at what it did not expect"
)]

#[path = "../refresh/api_process.rs"]
mod api_process;
mod large;

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use api_process::ApiProcess;

const SIZES: [u64; 2] = [20_000, 200_000];

fn main() {
    if let Some(users) = api_process::asked_to_serve() {
        return api_process::serve(users);
    }
    if large::is_asked_to_serve() {
        return large::serve();
    }
    if std::env::args().any(|argument| argument == "large") {
        return print_large();
    }
    let asked: Vec<u64> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if asked.is_empty() { SIZES.to_vec() } else { asked };
    for users in sizes {
        let (peak_kib, wall) = measure(users);
        let peak_mb = peak_kib as f64 * 1024.0 / 1e6;
        println!("{users:>8} users: {peak_mb:>6.1} MB peak, {:>7.1} s (target: at most 64 MB)", wall.as_secs_f64());
    }
}

/// New riders of `large`.
const LARGE_USERS: u64 = 200;

fn print_large() {
    let api = large::LargeBodies::start();
    let (peak_kib, wall) = measure_at(&api.base_url, (1..=LARGE_USERS).map(|user| (user, format!("token-{user}"))));
    let peak_mb = peak_kib as f64 * 1024.0 / 1e6;
    println!("{LARGE_USERS:>8} riders of 2 x 1 MB: {peak_mb:>6.1} MB peak, {:>7.1} s", wall.as_secs_f64());
}

/// Peak resident memory in KiB of `run` over one tick of so many users.
fn measure(users: u64) -> (u64, Duration) {
    let api = ApiProcess::start(users);
    measure_at(&api.base_url, (1..=users).map(|user| (user, api.simulator.token_of(user).unwrap())))
}

fn measure_at(base_url: &str, tokens: impl Iterator<Item = (u64, String)>) -> (u64, Duration) {
    let dir = tempfile::tempdir().expect("a folder");
    let mut rows = "user_id,token\n".to_owned();
    for (user, token) in tokens {
        writeln!(rows, "{user},{token}").unwrap();
    }
    let csv = dir.path().join("tokens.csv");
    fs::write(&csv, rows).expect("a file of tokens");
    let csv = csv.to_string_lossy().into_owned();
    assert!(passflow(dir.path(), base_url, &["tokens", "import", &csv]).status().expect("an import").success());
    assert!(passflow(dir.path(), base_url, &["tick"]).status().expect("a tick").success());
    let started = Instant::now();
    // Without `token_changes`: the import's changes would cause the same refreshes, and the tick alone is measured.
    let mut run = passflow(dir.path(), base_url, &["run", "--until-end", "ticks", "passes"]).spawn().expect("a run");
    let mut peak_kib = 0;
    let status = loop {
        peak_kib = peak_kib.max(peak_of(run.id()).unwrap_or(0));
        if let Some(status) = run.try_wait().expect("its state") {
            break status;
        }
        // The peak only grows, so looking now and then is enough.
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success(), "{status}");
    (peak_kib, started.elapsed())
}

fn passflow(data_dir: &Path, base_url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_passflow"));
    command.args(arguments).stdout(Stdio::null()).current_dir(data_dir);
    command.env("PASSFLOW_DATA_DIR", data_dir).env("PASSFLOW_BYTEMARK_URL", base_url);
    command.env("PASSFLOW_HTTP_ADDR", "off").env("RUST_LOG", "warn");
    command
}

/// `VmHWM`: the highest resident size so far, in KiB.
fn peak_of(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
