use std::{
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::wiring::demo::{self, Demo, FaultMix, Shown, Verdict};

use super::{Context, Error, Outcome, output::Out};

/// Runs everything against a simulated Bytemark, and checks the result
///
/// Simulated riders, token changes, ticks and requests go through the whole pipeline, embedded, over real HTTP with
/// latency and faults. Every change is printed as it is told. At the end cache and events are held against the
/// simulator's truth; exit code 1 if they differ. Its state is in `demo` under the data directory, and emptied at start.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: passflow demo --users 50 --seconds 30 --seed 7 --faults all")]
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
    /// What goes wrong at the simulated Bytemark
    #[arg(long, value_enum, default_value_t)]
    faults: FaultMix,
}

/// Changes printed a second; more are counted only.
const LINES_A_SECOND: u64 = 20;

pub(super) async fn execute(args: &Args, context: &Context) -> Result<Outcome, Error> {
    let connections = context.connections()?;
    let (users, seed, faults) = (args.users, args.seed, args.faults);
    let demo = Demo { connections, users, duration: Duration::from_secs(args.seconds), seed, faults };
    let printer = Arc::new(Printer { started: Instant::now(), second: AtomicU64::new(0), lines: AtomicU64::new(0) });
    let is_json = context.is_json();
    let verdict = demo::run(demo, move |shown| printer.print(shown, is_json)).await?;
    report(&verdict, is_json)?;
    Ok(if verdict.differences.is_empty() { Outcome::Done } else { Outcome::Not })
}

/// Prints changes, not too many at once for people to read.
struct Printer {
    started: Instant,
    second: AtomicU64,
    lines: AtomicU64,
}

impl Printer {
    fn print(&self, shown: &Shown, is_json: bool) {
        let line = if is_json {
            serde_json::to_string(shown).unwrap_or_default()
        } else if self.may_print() {
            line(shown)
        } else {
            return;
        };
        // Who looks no longer still wants the verdict's exit code.
        let _nobody_looks = writeln!(std::io::stdout(), "{line}");
    }

    fn may_print(&self) -> bool {
        let second = self.started.elapsed().as_secs();
        if self.second.swap(second, Ordering::Relaxed) != second {
            let lines = self.lines.swap(0, Ordering::Relaxed);
            if lines > LINES_A_SECOND {
                let _nobody_looks = writeln!(std::io::stdout(), "... and {} more", lines - LINES_A_SECOND);
            }
        }
        self.lines.fetch_add(1, Ordering::Relaxed) < LINES_A_SECOND
    }
}

fn line(shown: &Shown) -> String {
    let time = shown.occurred_at.get(11..23).unwrap_or_default();
    let pass = shown.pass_uuid.get(..8).unwrap_or(&shown.pass_uuid);
    let way = match (&shown.before, &shown.after) {
        (Some(before), Some(after)) if before == after => format!("{after} (payload)"),
        (Some(before), Some(after)) => format!("{before} -> {after}"),
        (None, Some(after)) => after.clone(),
        (Some(before), None) => format!("was {before}"),
        (None, None) => String::new(),
    };
    let reason = shown.reason.as_deref().unwrap_or("-");
    format!("{time}  {:<9} pass {pass}  {:<8} {way}  [{reason}]", shown.id, shown.change)
}

fn report(verdict: &Verdict, is_json: bool) -> Result<(), Error> {
    let mut out = Out::new();
    if is_json {
        out.json(verdict)?;
        return out.flush();
    }
    out.line("")?;
    out.line(&format!(
        "simulated  {} users, {} changes, {} requests, {} faults",
        verdict.users, verdict.changes_at_bytemark, verdict.requests, verdict.faults
    ))?;
    for (pipeline, outcomes) in &verdict.outcomes {
        let outcomes: Vec<String> = outcomes.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
        out.line(&format!("{pipeline:<14} {}", outcomes.join(", ")))?;
    }
    out.line(&format!(
        "told       {} events; cached {} passes; {} parking events",
        verdict.events, verdict.cached_passes, verdict.parking_events
    ))?;
    for difference in &verdict.differences {
        out.line(&format!("DIFFERS    {difference}"))?;
    }
    out.line(if verdict.differences.is_empty() {
        "verdict    cache = truth, events = cache, every seq without gap or repeat, parking events = responses"
    } else {
        "verdict    something differs; please report it with the seed"
    })?;
    out.flush()
}
