//! Serves a simulated Bytemark, so that every command can be tried without the real one.
//!
//! `cargo run --example bytemark_simulator -- --users 50 --tokens tokens.csv`, then
//! `PASSFLOW_BYTEMARK_URL=http://127.0.0.1:9090 passflow run`, until Ctrl-C.

use std::{fmt::Write as _, fs, io, path::PathBuf, sync::Arc, time::Duration};

use clap::Parser;
use passflow::simulator::{Config, Simulator, http};
use tokio::net::TcpListener;

/// Serves a simulated Bytemark until Ctrl-C
#[derive(Debug, Parser)]
struct Args {
    /// Riders, 1 to N
    #[arg(long, default_value_t = 50)]
    users: u64,
    /// What all chance follows from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Port on the loopback address
    #[arg(long, default_value_t = 9090)]
    port: u16,
    /// Where to write the riders' tokens, as `passflow tokens import` reads them
    #[arg(long, default_value = "tokens.csv")]
    tokens: PathBuf,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let args = Args::parse();
    let config = Config { users: args.users, seed: args.seed, start: jiff::Timestamp::now(), ..Config::default() };
    let simulator = Arc::new(Simulator::new(config));
    fs::write(&args.tokens, tokens_csv(&simulator))?;
    let listener = TcpListener::bind(("127.0.0.1", args.port)).await?;
    println!(
        "http://{} serves {} riders; their tokens are in {}",
        listener.local_addr()?,
        args.users,
        args.tokens.display()
    );
    let interrupted = async || _ = tokio::signal::ctrl_c().await;
    let life = simulator.run(Duration::from_secs(1), interrupted());
    let (served, ()) = tokio::join!(http::serve(simulator.clone(), listener, interrupted()), life);
    served
}

fn tokens_csv(simulator: &Simulator) -> String {
    let mut csv = "user_id,token\n".to_owned();
    for user in 1..=simulator.users() {
        let token = simulator.token_of(user).unwrap_or_default();
        // Writing to a text can't fail.
        _ = writeln!(csv, "{user},{token}");
    }
    csv
}
