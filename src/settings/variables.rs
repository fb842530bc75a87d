//! Variables of the environment that are meant for passflow.

use super::problem::{Problem, nearest};

/// What every one of them begins with.
pub(super) const PREFIX: &str = "PASSFLOW_";

/// Those that are settings.
const KNOWN: [&str; 8] = [
    "PASSFLOW_KAFKA_BROKERS",
    "PASSFLOW_KAFKA_TRANSACTIONS",
    "PASSFLOW_MONGODB_URI",
    "PASSFLOW_MYSQL_URL",
    "PASSFLOW_BYTEMARK_URL",
    "PASSFLOW_DATA_DIR",
    "PASSFLOW_HTTP_ADDR",
    "PASSFLOW_API_TOKEN",
];

/// Those of the project's own tests and scripts, which a shell may have exported; a prefix where it ends in `_`.
const OF_THE_PROJECT: [&str; 9] = [
    "PASSFLOW_CACHE",
    "PASSFLOW_CRASH_TEST_DIR",
    "PASSFLOW_KILLS",
    "PASSFLOW_LOG",
    "PASSFLOW_MONGO_MEMBERS",
    "PASSFLOW_SEED",
    "PASSFLOW_SEEDS",
    "PASSFLOW_SERVERS_",
    "PASSFLOW_TEST_",
];

/// A problem for each of the names that begins as passflow's variables do and is none: most likely it is misspelt.
pub fn unknown_variables(names: impl IntoIterator<Item = String>) -> Vec<Problem> {
    let is_own =
        |name: &str| OF_THE_PROJECT.iter().any(|own| name == *own || (own.ends_with('_') && name.starts_with(own)));
    let mut unknown: Vec<String> = names
        .into_iter()
        .filter(|name| name.starts_with(PREFIX) && !KNOWN.contains(&name.as_str()) && !is_own(name))
        .collect();
    unknown.sort();
    unknown.into_iter().map(problem).collect()
}

fn problem(name: String) -> Problem {
    // What all names share says nothing about which one is meant.
    let rest = |name: &'static str| name.strip_prefix(PREFIX).unwrap_or(name);
    let near = nearest(name.strip_prefix(PREFIX).unwrap_or(&name), KNOWN.map(rest));
    let near = near.replace("mean `", &format!("mean `{PREFIX}"));
    Problem { place: name, line: None, message: format!("unknown variable, ignored{near}") }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::settings::Connections;

    #[test]
    fn a_misspelt_variable_is_told_with_the_nearest_name() {
        let names = ["PASSFLOW_DATADIR", "PASSFLOW_ZZZ", "PASSFLOW_DATA_DIR", "PASSFLOW_TEST_KAFKA", "PATH"];
        let told: Vec<String> = unknown_variables(names.map(str::to_owned)).iter().map(Problem::to_string).collect();
        assert_eq!(
            told,
            [
                "PASSFLOW_DATADIR: unknown variable, ignored; did you mean `PASSFLOW_DATA_DIR`?",
                "PASSFLOW_ZZZ: unknown variable, ignored"
            ]
        );
    }

    #[test]
    fn every_variable_that_is_read_is_known() {
        let read = RefCell::new(Vec::new());
        let environment = |name: &str| {
            read.borrow_mut().push(name.to_owned());
            None
        };
        Connections::load(None, environment).unwrap();
        let mut read = read.into_inner();
        let mut known = KNOWN.map(str::to_owned).to_vec();
        read.sort();
        known.sort();
        assert_eq!(read, known);
    }
}
