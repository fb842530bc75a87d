use serde::Serialize;

use crate::{
    settings::{Connections, Names, Pipeline, Problem, Problems},
    wiring::check::{self, Finding},
};

use super::{Context, Error, Outcome, output::Out};

/// Validates settings and pipelines, and tries every connection
///
/// A line each; what is wrong is told with how to mend it. Exit code 1 if anything is.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: passflow check --connections production.toml")]
pub(super) struct Args {
    /// Path of a pipeline file, or X for pipelines/X.toml; all when absent
    #[arg(value_name = "PIPELINE")]
    pipelines: Vec<String>,
}

#[derive(Serialize)]
struct Line<'a> {
    what: &'a str,
    ok: bool,
    message: &'a str,
}

pub(super) async fn execute(args: &Args, context: &Context) -> Result<Outcome, Error> {
    let mut report = Report { out: Out::new(), is_json: context.is_json(), is_all_well: true };
    let connections = report.read("connections", context.connections(), describe_connections)?;
    let pipelines = report.read("pipelines", context.pipelines(&args.pipelines), |found| describe_pipelines(found))?;
    if let (Some(connections), Some(pipelines)) = (&connections, &pipelines) {
        report.read("parts that the pipelines need", connections.check_parts(pipelines), |()| "all set".to_owned())?;
    }
    if let Some(connections) = &connections {
        report.read("console's address", connections.http_listener(), |listener| {
            let told = |addr| format!("{addr} may be used; health and metrics are served there");
            listener.as_ref().map_or_else(|| "off".to_owned(), |listener| told(listener.addr))
        })?;
        let pipelines = pipelines.unwrap_or_default();
        let names = context.names_for(&pipelines).unwrap_or_else(|_| Names::of(&pipelines));
        for finding in check::store(connections, &names, &pipelines).await {
            report.tell(&finding)?;
        }
        if let Some(url) = &connections.bytemark_url {
            report.tell(&check::bytemark(url).await)?;
        }
    }
    report.out.flush()?;
    Ok(if report.is_all_well { Outcome::Done } else { Outcome::Not })
}

fn describe_connections(connections: &Connections) -> String {
    let bytemark = connections.bytemark_url.as_deref().unwrap_or("not set");
    let token = if connections.api_token.is_some() { "set" } else { "not set" };
    let data =
        if connections.servers.is_any() { "servers".to_owned() } else { connections.data_dir.display().to_string() };
    format!("data in {data}, Bytemark {bytemark}, API token {token}")
}

fn describe_pipelines(pipelines: &[Pipeline]) -> String {
    let names: Vec<String> =
        pipelines.iter().map(|pipeline| format!("{} ({})", pipeline.name, pipeline.group)).collect();
    names.join(", ")
}

struct Report {
    out: Out,
    is_json: bool,
    is_all_well: bool,
}

impl Report {
    /// Tells how reading went, a line for each problem, and gives on what was read.
    fn read<T>(
        &mut self,
        what: &str,
        read: Result<T, Problems>,
        describe: impl FnOnce(&T) -> String,
    ) -> Result<Option<T>, Error> {
        match read {
            Ok(value) => {
                self.tell(&Finding::new(what, Ok(describe(&value))))?;
                Ok(Some(value))
            }
            Err(problems) => {
                for problem in problems.0.iter().map(Problem::to_string) {
                    self.tell(&Finding::new(what, Err(problem)))?;
                }
                Ok(None)
            }
        }
    }

    fn tell(&mut self, finding: &Finding) -> Result<(), Error> {
        let (ok, message) = match &finding.outcome {
            Ok(message) => (true, message),
            Err(message) => (false, message),
        };
        self.is_all_well &= ok;
        if self.is_json {
            return self.out.json(&Line { what: &finding.what, ok, message });
        }
        self.out.line(&format!("{} {}: {message}", if ok { "ok   " } else { "WRONG" }, finding.what))
    }
}
