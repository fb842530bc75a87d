use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt};

use super::LogFormat;

/// Sends logs to standard error; `RUST_LOG` filters them, `info` by default.
pub(super) fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    let logs = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Fails only when a subscriber is set already, and then logs have a place to go.
    let _already_set = match format {
        LogFormat::Text => logs.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => logs.json().flatten_event(true).with_ansi(false).try_init(),
    };
}
