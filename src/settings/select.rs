use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use super::{
    kind::KindName,
    pipeline::Pipeline,
    problem::{Problem, Problems, all_or, nearest},
};

/// The folder of the pipeline files, below the working directory.
pub const FOLDER: &str = "pipelines";

/// The pipeline files that are built in: the very ones in the project's `pipelines/`.
pub const BUILT_IN: [(&str, &str); 4] = [
    ("pipelines/token_changes.toml", include_str!("../../pipelines/token_changes.toml")),
    ("pipelines/ticks.toml", include_str!("../../pipelines/ticks.toml")),
    ("pipelines/passes.toml", include_str!("../../pipelines/passes.toml")),
    ("pipelines/parking_events.toml", include_str!("../../pipelines/parking_events.toml")),
];

/// The pipelines of the files in `folder`, by name; the built-in four when there is no such folder.
///
/// # Errors
/// When the folder holds no pipeline, or every problem of the files, or of two that clash.
pub fn all_pipelines(folder: &Path) -> Result<Vec<Pipeline>, Problems> {
    if !folder.is_dir() {
        return read_all(BUILT_IN.iter().map(|(place, text)| Pipeline::parse(place, text)));
    }
    let files = files_of(folder)?;
    if files.is_empty() {
        return Err(Problems::one(
            folder.display().to_string(),
            "the folder holds no *.toml: remove it to use the built-in pipelines",
        ));
    }
    read_all(files.iter().map(|file| read_file(file)))
}

/// The pipelines that `names` names: a path, or a bare name for a file of `folder` (or a built-in one when there is
/// no such folder); all when there are no names.
///
/// # Errors
/// As [`all_pipelines`], and when a name is unknown.
pub fn select_pipelines(folder: &Path, names: &[String]) -> Result<Vec<Pipeline>, Problems> {
    if names.is_empty() {
        return all_pipelines(folder);
    }
    read_all(names.iter().map(|name| read_named(folder, name)))
}

fn read_named(folder: &Path, name: &str) -> Result<Pipeline, Problems> {
    let is_bare = !name.contains(['/', std::path::MAIN_SEPARATOR]) && Path::new(name).extension().is_none();
    if !is_bare {
        return read_file(Path::new(name));
    }
    if folder.is_dir() {
        let file = folder.join(format!("{name}.toml"));
        return if file.is_file() { read_file(&file) } else { Err(unknown(name, &stems_of(folder)?)) };
    }
    let built_in = BUILT_IN.iter().find(|(place, _)| stem(Path::new(place)) == name);
    match built_in {
        Some((place, text)) => Pipeline::parse(place, text),
        None => Err(unknown(name, &KindName::NAMED.map(|(name, _)| name.to_owned()))),
    }
}

fn unknown(name: &str, known: &[String]) -> Problems {
    let message = format!(
        "there is no such pipeline{}; known are {}, and any path of a *.toml",
        nearest(name, known.iter().map(String::as_str)),
        known.join(", ")
    );
    Problems::one(format!("pipeline {name}"), message)
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn stems_of(folder: &Path) -> Result<Vec<String>, Problems> {
    Ok(files_of(folder)?.iter().map(|file| stem(file)).collect())
}

fn files_of(folder: &Path) -> Result<Vec<PathBuf>, Problems> {
    let unreadable =
        |error: std::io::Error| Problems::one(folder.display().to_string(), format!("can't list the folder: {error}"));
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read_file(path: &Path) -> Result<Pipeline, Problems> {
    let place = path.display().to_string();
    let text = fs::read_to_string(path)
        .map_err(|error| Problems::one(&place, format!("can't read the pipeline file: {error}")))?;
    Pipeline::parse(&place, &text)
}

fn read_all(read: impl Iterator<Item = Result<Pipeline, Problems>>) -> Result<Vec<Pipeline>, Problems> {
    let mut pipelines = Vec::new();
    let mut problems = Vec::new();
    for result in read {
        match result {
            Ok(pipeline) => pipelines.push(pipeline),
            Err(found) => problems.extend(found.0),
        }
    }
    problems.extend(clashes(&pipelines));
    all_or(pipelines, problems)
}

/// Two pipelines of one name or group would take each other's records.
fn clashes(pipelines: &[Pipeline]) -> Vec<Problem> {
    let mut groups: BTreeMap<&str, &str> = BTreeMap::new();
    let mut problems = Vec::new();
    for pipeline in pipelines {
        if let Some(other) = groups.insert(&pipeline.group, &pipeline.name) {
            let message = format!("has the group `{}`, as the pipeline {other} has; give each its own", pipeline.group);
            problems.push(Problem { place: format!("pipeline {}", pipeline.name), line: None, message });
        }
    }
    problems
}

#[cfg(test)]
mod tests;
