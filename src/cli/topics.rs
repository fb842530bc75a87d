use clap::Subcommand;
use serde::Serialize;

use crate::{
    domain::record::{TopicName, TopicPartition},
    settings::Names,
    wiring::Store,
};

use super::{
    Context, Error, Outcome,
    output::{Out, columns},
};

/// Looks at the topics
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: passflow topics describe")]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
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
    let Action::Describe = args.action;
    let names = context.names()?;
    let store = context.store().await?;
    let mut out = Out::new();
    let mut rows = vec![
        ["TOPIC", "PARTITION", "FIRST", "END", "CLEAN-UP", "GROUP", "COMMITTED", "LAG"].map(str::to_owned).to_vec(),
    ];
    let committed = store.catalog.committed().await?;
    for name in store.catalog.topics().await? {
        let topic = describe(&store, &name, &names, &committed).await?;
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
    let partitions: Vec<Partition> = (0..)
        .zip(&ranges)
        .map(|(partition, range)| {
            let of_partition = committed.iter().filter(|(_, at, _)| at.topic == *name && at.partition == partition);
            let groups = of_partition.map(|(group, _, offset)| Group {
                name: group.clone(),
                committed: *offset,
                lag: (range.end - (*offset).max(range.start)).max(0),
            });
            Partition { number: partition, first_offset: range.start, end_offset: range.end, groups: groups.collect() }
        })
        .collect();
    Ok(Topic {
        name: name.to_string(),
        cleanup: documented_cleanup(name.as_str(), names),
        records: ranges.iter().map(|range| range.end - range.start).sum(),
        partitions,
    })
}

/// What the topic is documented to have, and what `topics create` gives it on Kafka.
fn documented_cleanup(topic: &str, names: &Names) -> Option<&'static str> {
    let state = format!("{}.state", names.dead_letters);
    if topic == names.token_changes || topic == state {
        return Some("compact");
    }
    if topic == names.ticket_changed || topic == names.dead_letters {
        return Some("delete (long)");
    }
    [&names.ticks, &names.requests, &names.retry, &names.parking].contains(&&topic.to_owned()).then_some("delete")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_cleanup_follows_the_settings_names() {
        let mut names = Names::of(&[]);
        names.ticks = "mine".to_owned();
        assert_eq!(documented_cleanup("mine", &names), Some("delete"));
        assert_eq!(documented_cleanup("bytemark.ticks", &names), None);
        assert_eq!(documented_cleanup("cdc.portal.bytemark_tokens", &names), Some("compact"));
        assert_eq!(documented_cleanup("passflow.dead-letters.state", &names), Some("compact"));
        assert_eq!(documented_cleanup("passflow.dead-letters", &names), Some("delete (long)"));
    }
}
