use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, Error, Outcome, output::Out};

/// Prints shell completions
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: passflow completions bash > ~/.local/share/bash-completion/completions/passflow")]
pub(super) struct Args {
    /// Which shell
    shell: Shell,
}

pub(super) fn execute(args: &Args) -> Result<Outcome, Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "passflow", &mut script);
    let mut out = Out::new();
    out.bytes(&script)?;
    out.flush()?;
    Ok(Outcome::Done)
}
