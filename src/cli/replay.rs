use std::ops::Range;

use clap::ValueEnum;
use indicatif::ProgressBar;

use crate::{
    domain::{
        masking::Masking,
        record::{Record, TopicName, TopicPartition},
        user_id::UserId,
    },
    ports::Topics,
    settings::Names,
};

use self::{
    filter::Filter,
    format::{Jsonl, table_line},
};
use super::{
    Context, Error, Outcome,
    input::{topic_name, user_id},
    output::Out,
    point::Point,
    progress,
};

mod filter;
mod format;

/// Reads a topic again, up to its present end
///
/// Committed records alone are read, partition by partition, and no consumer group is touched. Tokens, passwords and
/// card numbers are masked unless --reveal, and what is no JSON is hidden whole. A T is a time in RFC 3339 (no zone =
/// UTC), an age like -1h, or an offset.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  passflow replay bytemark.ticket-changed --from -1h --user 42\n  passflow replay cdc.portal.bytemark_tokens --format jsonl --reveal > changes.jsonl"
)]
pub(super) struct Args {
    /// Which topic
    #[arg(value_parser = topic_name)]
    topic: String,
    /// Where to begin, inclusive
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    from: Option<Point>,
    /// Where to end, exclusive
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    to: Option<Point>,
    /// Only records of this user
    #[arg(long, value_name = "ID", value_parser = user_id)]
    user: Option<UserId>,
    /// Form of the records; jsonl is what `produce` takes [default: table, with --output json jsonl]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Show tokens, passwords and card numbers
    #[arg(long)]
    reveal: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Jsonl,
}

/// Records read at once: few enough that large ones don't fill the memory.
const PAGE: usize = 64;

pub(super) async fn execute(args: &Args, context: &Context) -> Result<Outcome, Error> {
    let names = context.names()?;
    let store = context.store().await?;
    let topic = TopicName::from(args.topic.as_str());
    let ranges = store.topics.partitions(&topic).await?;
    if ranges.is_empty() {
        return Err(Error::message(format!(
            "there is no topic {topic}; `passflow topics describe` lists those there are"
        )));
    }
    let mut replay = Replay {
        topics: store.topics.as_ref(),
        filter: Filter::new(args.from, args.to, args.user),
        printer: Printer::new(args, context, &names),
        bar: progress::bar(Some(ranges.iter().map(length).sum()), "reading"),
    };
    for (partition, range) in (0..).zip(ranges) {
        let partition = TopicPartition { topic: topic.clone(), partition };
        replay.partition(&partition, range).await?;
    }
    replay.bar.finish_and_clear();
    replay.printer.out.flush()?;
    Ok(Outcome::Done)
}

fn length(range: &Range<i64>) -> u64 {
    u64::try_from(range.end - range.start).unwrap_or(0)
}

struct Replay<'a> {
    topics: &'a dyn Topics,
    filter: Filter,
    printer: Printer,
    bar: ProgressBar,
}

impl Replay<'_> {
    async fn partition(&mut self, partition: &TopicPartition, range: Range<i64>) -> Result<(), Error> {
        let Range { start, end } = self.filter.offsets(self.topics, partition, range).await?;
        let mut next = start;
        while next < end {
            let records = self.topics.read(partition, next, PAGE).await?;
            let Some(last) = records.last() else { break };
            let read_to = last.source.offset + 1;
            for record in records.iter().filter(|record| record.source.offset < end) {
                if self.filter.takes(record) {
                    self.printer.print(record)?;
                }
            }
            self.bar.inc(length(&(next..read_to)));
            next = read_to;
        }
        Ok(())
    }
}

struct Printer {
    out: Out,
    format: Format,
    /// `None`: all is shown.
    masking: Option<Masking>,
}

impl Printer {
    fn new(args: &Args, context: &Context, names: &Names) -> Self {
        let default = if context.is_json() { Format::Jsonl } else { Format::Table };
        // These hold no secret, and a pass has fields of its own with such names, which are published whole.
        let harmless = [&names.ticket_changed, &names.requests, &names.retry, &names.ticks];
        let is_masked = !args.reveal && !harmless.contains(&&args.topic);
        Self {
            out: Out::new(),
            format: args.format.unwrap_or(default),
            masking: is_masked.then(|| Masking::new(&names.token_column)),
        }
    }

    fn print(&mut self, record: &Record) -> Result<(), Error> {
        match self.format {
            Format::Jsonl => self.out.json(&Jsonl::new(record, self.masking.as_ref())),
            Format::Table => self.out.line(&table_line(record, self.masking.as_ref())),
        }
    }
}
