//! A TOML table that is read key by key: every value is checked where it is asked for, and what nobody asked for is
//! an unknown key. All problems are collected, each with its line, so that one start shows all of them.

use std::{
    collections::BTreeMap,
    fmt::Display,
    ops::{Range, RangeInclusive},
    time::Duration,
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use self::value::{plain_text, shown, whole_number};
use super::{
    problem::{Problem, Problems, all_or, nearest},
    units::{format_duration, format_size, parse_duration, parse_size},
};

mod value;

/// A table of a file, being read.
#[derive(Debug)]
pub(super) struct Table<'a> {
    place: &'a str,
    text: &'a str,
    values: BTreeMap<String, (Range<usize>, Spanned<DeValue<'a>>)>,
    asked: Vec<&'static str>,
    problems: Vec<Problem>,
}

impl<'a> Table<'a> {
    /// Reads `text`, which came from `place`.
    pub(super) fn parse(place: &'a str, text: &'a str) -> Result<Self, Problems> {
        match DeTable::parse(text) {
            Ok(table) => Ok(Self::of(place, text, table.into_inner())),
            Err(error) => {
                let line = error.span().map(|span| line_of(text, span.start));
                let message = format!("this is no TOML: {}", error.message());
                Err(Problems(vec![Problem { place: place.to_owned(), line, message }]))
            }
        }
    }

    fn of(place: &'a str, text: &'a str, table: DeTable<'a>) -> Self {
        let values = table.into_iter().map(|(key, value)| (key.get_ref().to_string(), (key.span(), value))).collect();
        Self { place, text, values, asked: Vec::new(), problems: Vec::new() }
    }

    /// Takes the value of `key` out; `None` when it is not there. From now on the key is known.
    fn take(&mut self, key: &'static str) -> Option<Spanned<DeValue<'a>>> {
        self.asked.push(key);
        self.values.remove(key).map(|(_, value)| value)
    }

    fn complain(&mut self, at: Range<usize>, message: String) {
        let line = Some(line_of(self.text, at.start));
        self.problems.push(Problem { place: self.place.to_owned(), line, message });
    }

    /// Adds a problem that concerns several keys, at the line of none.
    pub(super) fn complain_of_all(&mut self, message: String) {
        self.problems.push(Problem { place: self.place.to_owned(), line: None, message });
    }

    /// Whether all values were taken so far.
    pub(super) fn is_well(&self) -> bool {
        self.problems.is_empty()
    }

    /// Leaves unknown keys alone: nobody can tell which keys are known.
    pub(super) fn forget_rest(&mut self) {
        self.values.clear();
    }

    /// The value of `key` as `read` takes it; `default` when the key is absent or its value is refused.
    fn checked<T>(
        &mut self,
        key: &'static str,
        default: T,
        expected: &str,
        read: impl FnOnce(&DeValue<'a>) -> Option<T>,
    ) -> T {
        let Some(value) = self.take(key) else { return default };
        read(value.get_ref()).unwrap_or_else(|| {
            let message = format!("`{key}` = {} is refused: it takes {expected}", shown(value.get_ref()));
            self.complain(value.span(), message);
            default
        })
    }

    /// A duration within `range`.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        default: Duration,
        range: RangeInclusive<Duration>,
    ) -> Duration {
        let (from, to) = (format_duration(*range.start()), format_duration(*range.end()));
        let expected = format!("a duration like \"{}\" (ms, s, m, h, d), {from} to {to}", format_duration(default));
        self.checked(key, default, &expected, |value| {
            parse_duration(value.as_str()?).filter(|duration| range.contains(duration))
        })
    }

    /// A size in bytes within `range`.
    pub(super) fn size(&mut self, key: &'static str, default: u64, range: RangeInclusive<u64>) -> u64 {
        let (from, to) = (format_size(*range.start()), format_size(*range.end()));
        let expected = format!("a size like \"{}\" (B, KiB, MiB, GiB), {from} to {to}", format_size(default));
        self.checked(key, default, &expected, |value| parse_size(value.as_str()?).filter(|size| range.contains(size)))
    }

    /// A whole number of `unit` within `range`.
    pub(super) fn number<N>(&mut self, key: &'static str, unit: &str, default: N, range: RangeInclusive<N>) -> N
    where
        N: TryFrom<i64> + PartialOrd + Display + Copy,
    {
        let expected = format!("a whole number of {unit}, {} to {}", range.start(), range.end());
        self.checked(key, default, &expected, |value| {
            N::try_from(whole_number(value)?).ok().filter(|number| range.contains(number))
        })
    }

    /// One of the values that have a name.
    pub(super) fn one_of<T: Copy>(&mut self, key: &'static str, default: T, named: &[(&str, T)]) -> T {
        let known: Vec<String> = named.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let expected = format!("one of {}", known.join(", "));
        self.checked(key, default, &expected, |value| {
            let text = value.as_str()?;
            named.iter().find(|(name, _)| *name == text).map(|(_, value)| *value)
        })
    }

    /// A text that `is_valid` accepts; `expected` says which those are.
    pub(super) fn text(
        &mut self,
        key: &'static str,
        default: &str,
        expected: &str,
        is_valid: impl FnOnce(&str) -> bool,
    ) -> String {
        self.checked(key, default.to_owned(), expected, |value| {
            value.as_str().filter(|text| is_valid(text)).map(str::to_owned)
        })
    }

    /// A text that `read` turns into a value, if the key is there; `expected` says what it takes.
    pub(super) fn parsed<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        self.checked(key, None, expected, |value| read(value.as_str()?).map(Some))
    }

    /// As [`Table::parsed`], and `read` says why it refuses a text.
    pub(super) fn explained<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.take(key)?;
        let why = match value.get_ref().as_str().map(read) {
            Some(Ok(value)) => return Some(value),
            Some(Err(why)) => format!(" ({why})"),
            None => String::new(),
        };
        self.complain(
            value.span(),
            format!("`{key}` = {} is refused: it takes {expected}{why}", shown(value.get_ref())),
        );
        None
    }

    /// A topic's name, as Kafka allows it.
    pub(super) fn topic(&mut self, key: &'static str, default: &str) -> String {
        self.text(key, default, "a topic's name: 1 to 249 of a-z, A-Z, 0-9, `.`, `_`, `-`", is_topic_name)
    }

    /// A name of a database, collection, table or column.
    pub(super) fn name(&mut self, key: &'static str, default: &str) -> String {
        self.text(key, default, "a name of 1 to 120 characters, without white space, `$`, quotes and NUL", is_name)
    }

    /// A list of texts, none of them empty.
    pub(super) fn texts(&mut self, key: &'static str) -> Vec<String> {
        self.checked(key, Vec::new(), "a list of texts, like [\"a\", \"b\"]", |value| {
            let texts = value.as_array()?.iter();
            texts.map(|text| text.get_ref().as_str().filter(|text| !text.is_empty()).map(str::to_owned)).collect()
        })
    }

    /// A text as it stands, with its place for a later complaint; `None` when absent or no text. Its value is never
    /// shown: it may be a secret.
    pub(super) fn secret_text(&mut self, key: &'static str) -> Option<(String, usize)> {
        let value = self.take(key)?;
        let text = value.get_ref().as_str().map(str::to_owned);
        if text.is_none() {
            self.complain(value.span(), format!("`{key}` takes a text in quotes"));
        }
        text.map(|text| (text, line_of(self.text, value.span().start)))
    }

    /// Reads each table of the list at `key`.
    pub(super) fn tables<T>(&mut self, key: &'static str, mut read: impl FnMut(&mut Table<'a>) -> Option<T>) -> Vec<T> {
        let Some(value) = self.take(key) else { return Vec::new() };
        let span = value.span();
        let DeValue::Array(items) = value.into_inner() else {
            self.complain(span, format!("`{key}` takes a list of tables, like [{{ ... }}]"));
            return Vec::new();
        };
        let mut found = Vec::new();
        for item in items {
            let span = item.span();
            let DeValue::Table(table) = item.into_inner() else {
                self.complain(span, format!("an item of `{key}` is no table: write {{ ... }}"));
                continue;
            };
            let mut table = Self::of(self.place, self.text, table);
            found.extend(read(&mut table));
            for mut problem in table.close() {
                problem.line = problem.line.or(Some(line_of(self.text, span.start)));
                self.problems.push(problem);
            }
        }
        found
    }

    /// The entries of the table at `key` whose names are free, with values as text and their lines.
    pub(super) fn free_table(&mut self, key: &'static str) -> Vec<(String, String, usize)> {
        let Some(value) = self.take(key) else { return Vec::new() };
        let span = value.span();
        let DeValue::Table(table) = value.into_inner() else {
            self.complain(span, format!("`{key}` takes a table: write [{key}] and a line for each property"));
            return Vec::new();
        };
        let mut entries = Vec::new();
        for (name, value) in table {
            match plain_text(value.get_ref()) {
                Some(text) => {
                    entries.push((name.get_ref().to_string(), text, line_of(self.text, name.span().start)));
                }
                None => self.complain(
                    value.span(),
                    format!(
                        "`{}` in [{key}] takes a text, a number or a boolean; quote names with dots",
                        name.get_ref()
                    ),
                ),
            }
        }
        entries
    }

    /// All problems; keys that nobody asked for are among them.
    fn close(mut self) -> Vec<Problem> {
        let unknown: Vec<(String, Range<usize>)> =
            std::mem::take(&mut self.values).into_iter().map(|(key, (span, _))| (key, span)).collect();
        for (key, span) in unknown {
            let message = format!("unknown key `{key}`{}", nearest(&key, self.asked.iter().copied()));
            self.complain(span, message);
        }
        self.problems.sort_by_key(|problem| problem.line);
        self.problems
    }

    /// `value` if nothing was wrong, else all problems.
    pub(super) fn finish<T>(self, value: T) -> Result<T, Problems> {
        all_or(value, self.close())
    }

    /// The keys asked for so far.
    #[cfg(test)]
    pub(super) fn asked(&self) -> &[&'static str] {
        &self.asked
    }
}

/// Whether Kafka takes `name` as a topic's.
pub fn is_topic_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=249).contains(&name.len()) && name != "." && name != ".." && name.bytes().all(is_plain)
}

fn is_name(name: &str) -> bool {
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && !"$\"'`\\/".contains(c);
    (1..=120).contains(&name.len()) && name.chars().all(is_plain)
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests;
