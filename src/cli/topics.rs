use std::ops::Range;

use clap::Subcommand;
use serde::Serialize;

use crate::{
    domain::record::{TopicName, TopicPartition},
    settings::Names,
    wiring::{Store, TopicReport, plans},
};

use super::{
    Context, Error, Outcome,
    output::{Out, columns},
};

/// Makes the topics, or looks at them
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: passflow topics describe")]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Makes the topics that are missing, and tells how the others differ from what is documented; alters none
    #[command(after_help = "Example: passflow topics create")]
    Create,
    /// Lists topics, partitions, records, groups and their lag
    #[command(after_help = "Example: passflow topics describe --output json")]
    Describe,
}

#[derive(Serialize)]
struct Topic {
    #[serde(rename = "topic")]
    name: String,
    /// As documented for Kafka; the embedded store keeps everything.
    cleanup: Option<&'static str>,
    records: i64,
    partitions: Vec<Partition>,
}

#[derive(Serialize)]
struct Partition {
    #[serde(rename = "partition")]
    number: u32,
    first_offset: i64,
    end_offset: i64,
    groups: Vec<Group>,
}

#[derive(Serialize)]
struct Group {
    #[serde(rename = "group")]
    name: String,
    committed: i64,
    lag: i64,
}

pub(super) async fn execute(args: &Args, context: &Context) -> Result<Outcome, Error> {
    let store = context.store().await?;
    match args.action {
        Action::Create => create(&store, context).await,
        Action::Describe => describe_all(&store, context).await,
    }
}

#[derive(Serialize)]
struct Made<'a> {
    topic: &'a str,
    made: bool,
    /// What is other than documented.
    differences: &'a [String],
}

async fn create(store: &Store, context: &Context) -> Result<Outcome, Error> {
    let mut out = Out::new();
    for report in store.catalog.create().await? {
        let TopicReport { topic, made, differences } = &report;
        if context.is_json() {
            out.json(&Made { topic: topic.as_str(), made: *made, differences })?;
            continue;
        }
        out.line(&format!("{topic}: {}", if *made { "made" } else { "was there" }))?;
        for difference in differences {
            out.line(&format!("  differs: {difference}; left as it is"))?;
        }
    }
    out.flush()?;
    Ok(Outcome::Done)
}

async fn describe_all(store: &Store, context: &Context) -> Result<Outcome, Error> {
    let names = context.names()?;
    let mut out = Out::new();
    let mut rows = vec![
        ["TOPIC", "PARTITION", "FIRST", "END", "CLEAN-UP", "GROUP", "COMMITTED", "LAG"].map(str::to_owned).to_vec(),
    ];
    let committed = store.catalog.committed(&context.groups()?).await?;
    for name in store.catalog.topics().await? {
        let topic = describe(store, &name, &names, &committed).await?;
        if context.is_json() {
            out.json(&topic)?;
        } else {
            rows.extend(topic.rows());
        }
    }
    if !context.is_json() {
        for line in columns(&rows) {
            out.line(&line)?;
        }
    }
    out.flush()?;
    Ok(Outcome::Done)
}

async fn describe(
    store: &Store,
    name: &TopicName,
    names: &Names,
    committed: &[(String, TopicPartition, i64)],
) -> Result<Topic, Error> {
    let ranges = store.topics.partitions(name).await?;
    let mut partitions = Vec::with_capacity(ranges.len());
    for (number, range) in (0..).zip(&ranges) {
        let at = TopicPartition { topic: name.clone(), partition: number };
        let mut groups = Vec::new();
        for (group, _, offset) in committed.iter().filter(|(_, partition, _)| *partition == at) {
            let lag = lag(store, &at, *offset, range).await?;
            groups.push(Group { name: group.clone(), committed: *offset, lag });
        }
        partitions.push(Partition { number, first_offset: range.start, end_offset: range.end, groups });
    }
    Ok(Topic {
        name: name.to_string(),
        cleanup: plans(names).into_iter().find(|plan| plan.topic == *name).map(|plan| plan.cleanup),
        records: ranges.iter().map(|range| range.end - range.start).sum(),
        partitions,
    })
}

/// Offsets from the committed one to the end; none when no record lies there: ends of transactions have offsets, too.
async fn lag(store: &Store, at: &TopicPartition, committed: i64, range: &Range<i64>) -> Result<i64, Error> {
    const MAY_BE_ENDS_ALONE: i64 = 16;
    let lag = (range.end - committed.max(range.start)).max(0);
    let looks_small = (1..=MAY_BE_ENDS_ALONE).contains(&lag);
    let is_none = looks_small && store.topics.read(at, committed.max(range.start), 1).await?.is_empty();
    Ok(if is_none { 0 } else { lag })
}

impl Topic {
    fn rows(&self) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        for partition in &self.partitions {
            let of_partition = [
                self.name.clone(),
                partition.number.to_string(),
                partition.first_offset.to_string(),
                partition.end_offset.to_string(),
                self.cleanup.unwrap_or("-").to_owned(),
            ];
            if partition.groups.is_empty() {
                rows.push([of_partition.to_vec(), vec!["-".to_owned(); 3]].concat());
            }
            for group in &partition.groups {
                let of_group = vec![group.name.clone(), group.committed.to_string(), group.lag.to_string()];
                rows.push([of_partition.to_vec(), of_group].concat());
            }
        }
        rows
    }
}
