//! The command line: one file a command.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand, ValueEnum};

mod check;
mod completions;
mod context;
mod demo;
mod error;
mod hash;
mod input;
mod logging;
mod output;
mod point;
mod produce;
mod progress;
mod refresh;
mod replay;
mod run;
mod show;
mod tick;
mod tokens;
mod topics;

use self::{context::Context, error::Error};
use crate::settings::unknown_variables;

/// Keeps riders' transit passes fresh, and tells every change exactly once.
#[derive(Debug, Parser)]
#[command(name = "passflow", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "Settings come from PASSFLOW_* variables, --connections FILE and pipelines/*.toml.\n\n\
    Exit codes: 0 done; 1 failed, differs, or not found; 2 usage.\n\n\
    Example: passflow demo --users 50 --seconds 30")]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, clap::Args)]
struct Global {
    /// TOML file of connections; `PASSFLOW_*` variables win over it
    #[arg(long, global = true, value_name = "FILE")]
    connections: Option<PathBuf>,
    /// Form of the logs on standard error; `RUST_LOG` filters them
    #[arg(long, global = true, value_enum, default_value_t)]
    log_format: LogFormat,
    /// Form of what is printed on standard output
    #[arg(long, global = true, value_enum, default_value_t)]
    output: OutputFormat,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    #[default]
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum OutputFormat {
    #[default]
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Args),
    Run(run::Args),
    Tick(Box<tick::Args>),
    Refresh(refresh::Args),
    Show(show::Args),
    Produce(produce::Args),
    Tokens(tokens::Args),
    Replay(replay::Args),
    Topics(topics::Args),
    Check(check::Args),
    Hash(hash::Args),
    Completions(completions::Args),
}

/// How a command ended that could do its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Done.
    Done,
    /// Something failed, differs or was not found; it has been told.
    Not,
}

/// Parses the arguments, runs the command and gives its exit code: 0 done; 1 failed, differs or not found; 2 usage.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(cli.global.log_format);
    warn_of_unknown_variables();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return told(&Error::Message(format!("can't start the runtime: {error}"))),
    };
    let outcome = runtime.block_on(execute(cli));
    // A blocked reader of standard input must not hold up the end.
    runtime.shutdown_background();
    match outcome {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Not) => ExitCode::FAILURE,
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => told(&error),
    }
}

/// A misspelt variable would be silently left out else; an error it is not, for others may have variables of that name.
fn warn_of_unknown_variables() {
    let names = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
    for problem in unknown_variables(names) {
        tracing::warn!("{problem}");
    }
}

fn told(error: &Error) -> ExitCode {
    output::say(&format!("error: {error}"));
    ExitCode::FAILURE
}

async fn execute(cli: Cli) -> Result<Outcome, Error> {
    let context = Context::new(&cli.global);
    match cli.command {
        Command::Demo(args) => demo::execute(&args, &context).await,
        Command::Run(args) => run::execute(&args, &context).await,
        Command::Tick(args) => tick::execute(&args, &context).await,
        Command::Refresh(args) => refresh::execute(&args, &context).await,
        Command::Show(args) => show::execute(&args, &context).await,
        Command::Produce(args) => produce::execute(&args, &context).await,
        Command::Tokens(args) => tokens::execute(&args, &context).await,
        Command::Replay(args) => replay::execute(&args, &context).await,
        Command::Topics(args) => topics::execute(&args, &context).await,
        Command::Check(args) => check::execute(&args, &context).await,
        Command::Hash(args) => hash::execute(&args, &context),
        Command::Completions(args) => completions::execute(&args),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        super::Cli::command().debug_assert();
    }
}
