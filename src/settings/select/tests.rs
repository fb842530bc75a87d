use super::*;
use crate::settings::Names;

fn names(pipelines: &[Pipeline]) -> Vec<&str> {
    pipelines.iter().map(|pipeline| pipeline.name.as_str()).collect()
}

#[test]
fn without_a_folder_the_built_in_ones_are_used() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("pipelines");
    let all = all_pipelines(&missing).unwrap();
    assert_eq!(names(&all), ["token_changes", "ticks", "passes", "parking_events"]);
    let one = select_pipelines(&missing, &["passes".to_owned()]).unwrap();
    assert_eq!(names(&one), ["passes"]);
    let error = select_pipelines(&missing, &["pases".to_owned()]).unwrap_err().to_string();
    assert!(error.contains("pipeline pases: there is no such pipeline; did you mean `passes`?"), "{error}");
}

#[test]
fn a_folder_is_read_whole_or_by_name_or_path() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("ticks.toml", "");
    write("other.toml", "pipeline = \"passes\"\ntopic = \"mine\"\n");
    write("notes.txt", "nonsense");
    assert_eq!(names(&all_pipelines(folder.path()).unwrap()), ["other", "ticks"]);
    let path = folder.path().join("other.toml").display().to_string();
    let chosen = select_pipelines(folder.path(), &["ticks".to_owned(), path]).unwrap();
    assert_eq!(names(&chosen), ["ticks", "other"]);
    assert_eq!(Names::of(&chosen).requests, "mine");
    assert_eq!(Names::of(&chosen).parking, "parkmobile.responses");
    assert!(select_pipelines(folder.path(), &["passes".to_owned()]).is_err());
}

#[test]
fn problems_of_all_files_come_at_once_and_clashes_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("ticks.toml", "pge = 1\n");
    write("passes.toml", "freshness = 3\n");
    let error = all_pipelines(folder.path()).unwrap_err();
    assert_eq!(error.0.len(), 2, "{error}");
    write("ticks.toml", "group = \"one\"\n");
    write("passes.toml", "group = \"one\"\n");
    let error = all_pipelines(folder.path()).unwrap_err().to_string();
    assert!(error.contains("has the group `one`, as the pipeline passes has"), "{error}");
}

#[test]
fn an_empty_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = all_pipelines(folder.path()).unwrap_err().to_string();
    assert!(error.contains("holds no *.toml"), "{error}");
}
