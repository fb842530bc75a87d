//! What a refresh costs when nothing changed, beside a bare loop that does the same requests and no more than it must.
//!
//! `cargo bench --bench refresh [-- USERS]`. The API is a simulator in a process of its own, so that the CPU time
//! measured here is the client's alone. Target: passflow takes at most twice the bare loop's CPU time.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a measurement stops at what it did not expect"
)]

mod api_process;
mod bare;
mod cpu;
mod own;

use std::time::Duration;

use api_process::ApiProcess;

/// Requests in flight at once.
const IN_FLIGHT: usize = 64;

/// Users refreshed in one run, unless the command line says otherwise.
const USERS: u64 = 20_000;

/// What a way of refreshing took.
struct Measured {
    users: u64,
    cpu: Duration,
    wall: Duration,
}

impl Measured {
    fn cpu_us_per_user(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.users as f64
    }

    fn print(&self, name: &str) {
        let users_per_second = self.users as f64 / self.wall.as_secs_f64();
        println!("{name:12} {:>8.1} us CPU per user {users_per_second:>9.0} users/s", self.cpu_us_per_user());
    }
}

fn main() {
    if let Some(users) = api_process::asked_to_serve() {
        return api_process::serve(users);
    }
    // `cargo bench` adds arguments of its own.
    let users = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(USERS);
    let api = ApiProcess::start(users);
    let bare = bare::measure(&api, users);
    bare.print("bare loop");
    let own = own::measure(&api, users);
    own.print("passflow");
    let ratio = own.cpu_us_per_user() / bare.cpu_us_per_user();
    println!("ratio        {ratio:>8.2} (target: at most 2.0)");
}
