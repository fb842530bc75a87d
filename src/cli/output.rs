use std::io::{self, BufWriter, StdoutLock, Write};

use serde::Serialize;

use super::Error;

/// Standard output, buffered. A reader that goes away is an error, never a panic.
pub(super) struct Out(BufWriter<StdoutLock<'static>>);

impl Out {
    pub(super) fn new() -> Self {
        Self(BufWriter::new(io::stdout().lock()))
    }

    pub(super) fn line(&mut self, text: &str) -> Result<(), Error> {
        writeln!(self.0, "{text}").map_err(Error::Output)
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.0.write_all(bytes).map_err(Error::Output)
    }

    /// One line of JSON.
    pub(super) fn json(&mut self, value: &impl Serialize) -> Result<(), Error> {
        let text = serde_json::to_string(value).map_err(|error| Error::Output(error.into()))?;
        self.line(&text)
    }

    /// What is buffered goes out. To be called at the end: a drop would lose an error.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
        self.0.flush().map_err(Error::Output)
    }
}

/// A line on standard error for people; a closed standard error is nobody's loss.
pub(super) fn say(text: &str) {
    let _nobody_listens = writeln!(io::stderr(), "{text}");
}

/// Rows as aligned columns, the last one ragged.
pub(super) fn columns(rows: &[Vec<String>]) -> Vec<String> {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width_of = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width_of).collect();
    rows.iter()
        .map(|row| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [vec!["a".to_owned(), "long".to_owned()], vec!["längst".to_owned(), "x".to_owned(), "y".to_owned()]];
        assert_eq!(columns(&rows), ["a       long", "längst  x     y"]);
        assert_eq!(columns(&[]), [""; 0]);
    }
}
