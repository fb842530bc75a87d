use std::time::Duration;

use crate::wiring::{self, Demo, Ended};

use super::{Context, Error, Outcome};

/// Runs everything against a simulated Bytemark, and checks the result
///
/// Simulated riders, `ParkMobile`, token changes and ticks go through the whole pipeline, embedded, with the console on.
/// At the end cache and events are held against the simulator's truth; exit code 1 if they differ. Its state is in
/// `demo` under the data directory, and emptied at start.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: passflow demo --users 50 --seconds 30 --seed 7")]
pub(super) struct Args {
    /// Simulated riders
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    users: u64,
    /// How long changes come, in seconds
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// What all chance follows from
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(super) async fn execute(args: &Args, context: &Context) -> Result<Outcome, Error> {
    let connections = context.connections()?;
    let demo = Demo {
        http: connections.http_listener()?,
        connections,
        users: args.users,
        duration: Duration::from_secs(args.seconds),
        seed: args.seed,
    };
    Ok(match wiring::demo(demo).await? {
        Ended::Well => Outcome::Done,
        Ended::Badly => Outcome::Not,
    })
}
