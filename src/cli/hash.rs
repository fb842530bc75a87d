use std::{io::Read, path::Path};

use crate::wiring::canonical_json;

use super::{
    Context, Error, Outcome,
    output::{Out, say},
};
use crate::domain::payload_hash::PayloadHash;

/// Prints the payload hash of JSON texts, as md5sum does
///
/// The hash is the MD5 of what JavaScript's JSON.stringify(JSON.parse(text)) gives. A file that is no JSON is told on
/// standard error, the others go on, and the exit code is 1.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  passflow hash pass.json\n  echo '{\"b\": 1.0}' | passflow hash\n  passflow hash --canonical pass.json"
)]
pub(super) struct Args {
    /// JSON files; standard input when absent or -
    files: Vec<String>,
    /// Print the bytes that are hashed instead, with nothing added
    #[arg(long)]
    canonical: bool,
}

#[derive(serde::Serialize)]
struct Line<'a> {
    hash: String,
    file: &'a str,
}

pub(super) fn execute(args: &Args, context: &Context) -> Result<Outcome, Error> {
    let mut out = Out::new();
    let mut outcome = Outcome::Done;
    let standard_input = ["-".to_owned()];
    let files = if args.files.is_empty() { &standard_input } else { args.files.as_slice() };
    for file in files {
        let canonical = read(file).and_then(|text| canonical_json(&text));
        match canonical {
            Err(message) => {
                out.flush()?;
                say(&format!("{file}: {message}"));
                outcome = Outcome::Not;
            }
            Ok(text) if args.canonical => out.bytes(&text)?,
            Ok(text) if context.is_json() => out.json(&Line { hash: PayloadHash::of(&text).to_string(), file })?,
            Ok(text) => out.line(&format!("{}  {file}", PayloadHash::of(&text)))?,
        }
    }
    out.flush()?;
    Ok(outcome)
}

fn read(file: &str) -> Result<Vec<u8>, String> {
    let read = if file == "-" {
        let mut text = Vec::new();
        std::io::stdin().read_to_end(&mut text).map(|_| text)
    } else {
        std::fs::read(Path::new(file))
    };
    read.map_err(|error| error.to_string())
}
