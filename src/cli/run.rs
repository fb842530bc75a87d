use std::time::Duration;

use crate::{
    settings::units::parse_duration,
    wiring::{self, Ended, Run},
};

use super::{Context, Error, Outcome};

/// Runs pipelines until SIGTERM or SIGINT
///
/// Without a name, all of `pipelines/` run (the built-in ones when there is no such folder). At a signal what is in
/// flight is finished and committed within a bound.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  passflow run\n  passflow run passes\n  passflow run --until-end token_changes passes"
)]
pub(super) struct Args {
    /// Stop when all that stood in the topics at the start, and all that followed from it, is handled
    #[arg(long)]
    until_end: bool,
    /// With --until-end: fail when a dependency stays down longer than this
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration)]
    until_end_timeout: Duration,
    /// Path of a pipeline file, or X for pipelines/X.toml
    #[arg(value_name = "PIPELINE")]
    pipelines: Vec<String>,
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "write a whole number with ms, s, m, h or d, like 10m".to_owned())
}

pub(super) async fn execute(args: &Args, context: &Context) -> Result<Outcome, Error> {
    let pipelines = context.pipelines(&args.pipelines)?;
    let connections = context.connections()?;
    connections.check_parts(&pipelines)?;
    let run = Run {
        http: connections.http_listener()?,
        names: context.names_for(&pipelines)?,
        connections,
        pipelines,
        until_end: args.until_end.then_some(args.until_end_timeout),
    };
    Ok(match wiring::run(run).await? {
        Ended::Well => Outcome::Done,
        Ended::Badly => Outcome::Not,
    })
}
