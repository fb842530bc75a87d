use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use crate::{domain::user_id::UserId, settings::is_topic_name};

use super::Error;

/// Reads a user id of the command line.
pub(super) fn user_id(text: &str) -> Result<UserId, String> {
    let number: i64 = text.parse().map_err(|_| format!("{text:?} is no user id: a whole number from 1"))?;
    UserId::new(number).map_err(|error| error.to_string())
}

/// Reads a topic's name of the command line.
pub(super) fn topic_name(text: &str) -> Result<String, String> {
    if is_topic_name(text) {
        return Ok(text.to_owned());
    }
    Err("a topic's name is 1 to 249 of a-z, A-Z, 0-9, `.`, `_`, `-`".to_owned())
}

/// A file or standard input, line by line. A line without an end is held in memory up to [`LINE_MAX`].
pub(super) struct Lines {
    reader: BufReader<Box<dyn Read + Send>>,
    number: u64,
    /// What it is called in messages.
    pub(super) name: String,
    /// Its size in bytes, if that is known.
    pub(super) size: Option<u64>,
}

/// Bytes of a line, at most: Kafka's own limit of a record is far below.
const LINE_MAX: u64 = 256 << 20;
const BUFFER: usize = 1 << 20;

impl Lines {
    /// `None` and `-` are standard input.
    pub(super) fn open(path: Option<&Path>) -> Result<Self, Error> {
        let path = path.filter(|path| *path != Path::new("-"));
        let Some(path) = path else {
            return Ok(Self::of(Box::new(io::stdin()), "standard input".to_owned(), None));
        };
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| Error::message(format!("opening {name}: {error}")))?;
        let size = file.metadata().ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len());
        Ok(Self::of(Box::new(file), name, size))
    }

    fn of(source: Box<dyn Read + Send>, name: String, size: Option<u64>) -> Self {
        Self { reader: BufReader::with_capacity(BUFFER, source), number: 0, name, size }
    }

    /// The next line that is not blank, with its number from 1; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Vec<u8>)>, Error> {
        loop {
            let mut line = Vec::new();
            let mut limited = self.reader.by_ref().take(LINE_MAX);
            let read = limited.read_until(b'\n', &mut line).map_err(|error| self.error(&error.to_string()))?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            if read as u64 == LINE_MAX {
                return Err(self.error("the line is longer than 256 MiB"));
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Some((self.number, line)));
            }
        }
    }

    /// Whether the next line may have to be waited for.
    pub(super) fn may_block(&self) -> bool {
        self.reader.buffer().is_empty()
    }

    fn error(&self, message: &str) -> Error {
        Error::message(format!("reading {}, line {}: {message}", self.name, self.number + 1))
    }
}
