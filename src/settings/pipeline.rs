use std::path::Path;

use super::{
    engine::Engine,
    kind::{Kind, KindName},
    problem::Problems,
    table::Table,
};

/// One pipeline: its topics in and out, and its settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Pipeline {
    /// The file's stem; the built-in ones are named like their kind.
    pub name: String,
    /// The consumer group.
    pub group: String,
    /// How records are consumed.
    pub engine: Engine,
    /// What they mean.
    pub kind: Kind,
}

impl Pipeline {
    /// Reads a pipeline from `text`, which came from the file `place`; its stem is the pipeline's name, and its kind
    /// too unless the key `pipeline` names one.
    ///
    /// # Errors
    /// Every unknown key and bad value, with its line.
    pub fn parse(place: &str, text: &str) -> Result<Self, Problems> {
        let mut table = Table::parse(place, text)?;
        let pipeline = Self::read(place, &mut table);
        match pipeline {
            Some(pipeline) => table.finish(pipeline),
            None => Err(table.finish(()).err().unwrap_or_else(|| Problems::one(place, "no kind of pipeline"))),
        }
    }

    /// The topics that it reads or writes.
    pub fn topics(&self) -> Vec<&str> {
        let mut topics = self.kind.topics();
        topics.push(&self.engine.dead_letter_topic);
        topics
    }

    fn read(place: &str, table: &mut Table<'_>) -> Option<Self> {
        let name = Path::new(place).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let known = KindName::NAMED.map(|(name, _)| format!("\"{name}\"")).join(", ");
        let of_name = KindName::NAMED.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
        let kind = table
            .parsed("pipeline", &format!("a kind of pipeline: {known}"), |text| {
                KindName::NAMED.iter().find(|(known, _)| *known == text).map(|(_, kind)| *kind)
            })
            .or(of_name);
        let Some(kind) = kind else {
            table.forget_rest();
            table.complain_of_all(format!("`pipeline` must name the kind of pipeline: {known}"));
            return None;
        };
        Some(Self {
            group: table.name("group", &format!("passflow.{name}")),
            name,
            engine: Engine::read(table),
            kind: Kind::read(kind, table),
        })
    }
}

#[cfg(test)]
mod tests;
