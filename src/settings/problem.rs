use std::fmt;

/// One thing that is wrong with a setting: where, what, and what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, or the environment variable.
    pub place: String,
    /// The line in the file, from 1.
    pub line: Option<usize>,
    /// What is wrong, and how to mend it. Never a secret's value.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.place, self.message),
            None => write!(f, "{}: {}", self.place, self.message),
        }
    }
}

/// Everything that is wrong with the settings, so that all of it can be mended at once. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl Problems {
    /// A single problem without a line.
    pub fn one(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self(vec![Problem { place: place.into(), line: None, message: message.into() }])
    }
}

/// `value` if there are no problems.
pub(super) fn all_or<T>(value: T, problems: Vec<Problem>) -> Result<T, Problems> {
    if problems.is_empty() { Ok(value) } else { Err(Problems(problems)) }
}

/// `; did you mean ...?` with the known name that is nearest to `name`, or nothing when none is near.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let near = known
        .into_iter()
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|(one, _), (other, _)| one.total_cmp(other));
    near.map_or_else(String::new, |(_, known)| format!("; did you mean `{known}`?"))
}
