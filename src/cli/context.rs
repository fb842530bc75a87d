use std::path::PathBuf;

use crate::{
    settings::{Connections, FOLDER, KindName, Names, Pipeline, Problems, all_pipelines, select_pipelines},
    wiring::{self, Store},
};

use super::{Error, Global, OutputFormat};

/// Settings, read when a command asks for them: some need none.
pub(super) struct Context {
    connections_file: Option<PathBuf>,
    output: OutputFormat,
    pipelines_folder: PathBuf,
}

impl Context {
    pub(super) fn new(global: &Global) -> Self {
        Self { connections_file: global.connections.clone(), output: global.output, pipelines_folder: FOLDER.into() }
    }

    /// Whether JSON is to be printed.
    pub(super) fn is_json(&self) -> bool {
        self.output == OutputFormat::Json
    }

    pub(super) fn connections(&self) -> Result<Connections, Problems> {
        Connections::load(self.connections_file.as_deref(), |name| std::env::var(name).ok())
    }

    /// The pipelines that `names` names; all when it is empty.
    pub(super) fn pipelines(&self, names: &[String]) -> Result<Vec<Pipeline>, Problems> {
        select_pipelines(&self.pipelines_folder, names)
    }

    /// The topics, as all pipelines name them.
    pub(super) fn names(&self) -> Result<Names, Problems> {
        Ok(Names::of(&all_pipelines(&self.pipelines_folder)?))
    }

    /// The same for `chosen` ones: what they do not name, as the token table, their neighbours do.
    pub(super) fn names_for(&self, chosen: &[Pipeline]) -> Result<Names, Problems> {
        let mut pipelines = chosen.to_vec();
        pipelines.extend(all_pipelines(&self.pipelines_folder)?);
        Ok(Names::of(&pipelines))
    }

    /// The consumer groups of all pipelines.
    pub(super) fn groups(&self) -> Result<Vec<String>, Problems> {
        Ok(all_pipelines(&self.pipelines_folder)?.into_iter().map(|pipeline| pipeline.group).collect())
    }

    /// The consumer groups of the pipelines that write documents.
    pub(super) fn passes_groups(&self) -> Result<Vec<String>, Problems> {
        let pipelines = all_pipelines(&self.pipelines_folder)?.into_iter();
        let of_passes = pipelines.filter(|pipeline| pipeline.kind.name() == KindName::Passes);
        Ok(of_passes.map(|pipeline| pipeline.group).collect())
    }

    pub(super) async fn store(&self) -> Result<Store, Error> {
        Ok(wiring::open_store(&self.connections()?, &self.names()?).await?)
    }
}
