//! The `passflow` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    passflow::cli::main()
}
