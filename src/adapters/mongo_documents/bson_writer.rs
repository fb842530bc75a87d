//! Writes BSON straight from canonical JSON text, without a tree: what is stored but once is built but once.
//!
//! The types are those of [`super::json_to_bson`], and so is what replaces what BSON can't hold. The text must be as
//! `JSON.stringify` writes it: no white space, each name of an object once.

mod reader;

use self::reader::Reader;
use super::json_to_bson::NotJson;

const DOUBLE: u8 = 0x01;
const STRING: u8 = 0x02;
const DOCUMENT: u8 = 0x03;
const ARRAY: u8 = 0x04;
const BOOLEAN: u8 = 0x08;
const DATE: u8 = 0x09;
const NULL: u8 = 0x0a;
const INT32: u8 = 0x10;

/// A document that is being written.
#[derive(Debug, Default)]
pub(super) struct BsonWriter {
    bytes: Vec<u8>,
}

/// Where an open document or array began.
#[must_use]
pub(super) struct Open(usize);

impl BsonWriter {
    /// The bytes of the documents that were closed.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets what was written since it had this length.
    pub(super) fn truncate(&mut self, length: usize) {
        self.bytes.truncate(length);
    }

    /// Begins a document that is no element of another.
    pub(super) fn open(&mut self) -> Open {
        let start = self.bytes.len();
        self.bytes.extend([0; 4]);
        Open(start)
    }

    pub(super) fn close(&mut self, open: Open) {
        self.bytes.push(0);
        // Nobody takes a document as large as that: the size is looked at before it is sent.
        let length = i32::try_from(self.bytes.len() - open.0).unwrap_or(i32::MAX);
        if let Some(place) = self.bytes.get_mut(open.0..open.0 + 4) {
            place.copy_from_slice(&length.to_le_bytes());
        }
    }

    pub(super) fn open_document(&mut self, key: &str) -> Open {
        self.element(DOCUMENT, key);
        self.open()
    }

    pub(super) fn open_array(&mut self, key: &str) -> Open {
        self.element(ARRAY, key);
        self.open()
    }

    pub(super) fn text(&mut self, key: &str, text: &str) {
        self.element(STRING, key);
        self.string(text);
    }

    pub(super) fn boolean(&mut self, key: &str, value: bool) {
        self.element(BOOLEAN, key);
        self.bytes.push(u8::from(value));
    }

    pub(super) fn null(&mut self, key: &str) {
        self.element(NULL, key);
    }

    pub(super) fn date(&mut self, key: &str, timestamp_ms: i64) {
        self.element(DATE, key);
        self.bytes.extend(timestamp_ms.to_le_bytes());
    }

    /// A whole number as mongoose stores it. Exact up to 2^53, which none of ours passes.
    pub(super) fn number(&mut self, key: &str, number: i64) {
        let kind_at = self.bytes.len();
        self.element(0, key);
        let kind = self.whole(number);
        self.set_kind(kind_at, kind);
    }

    /// The value in `json`. Whether BSON can't hold all of it: then something stands in place.
    pub(super) fn json(&mut self, key: &str, json: &str) -> Result<bool, NotJson> {
        let kind_at = self.bytes.len();
        self.element(0, key);
        let (kind, lossy) = Reader::new(json, self).only_value()?;
        self.set_kind(kind_at, kind);
        Ok(lossy || key.contains('\0'))
    }

    fn element(&mut self, kind: u8, key: &str) {
        self.bytes.push(kind);
        self.key(key);
    }

    fn key(&mut self, key: &str) {
        if key.as_bytes().contains(&0) {
            self.bytes.extend_from_slice(key.replace('\0', "\u{fffd}").as_bytes());
        } else {
            self.bytes.extend_from_slice(key.as_bytes());
        }
        self.bytes.push(0);
    }

    fn set_kind(&mut self, at: usize, kind: u8) {
        if let Some(place) = self.bytes.get_mut(at) {
            *place = kind;
        }
    }

    fn string(&mut self, text: &str) {
        let length = i32::try_from(text.len() + 1).unwrap_or(i32::MAX);
        self.bytes.extend(length.to_le_bytes());
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(0);
    }

    fn whole(&mut self, number: i64) -> u8 {
        if let Ok(small) = i32::try_from(number) {
            self.bytes.extend(small.to_le_bytes());
            return INT32;
        }
        self.double(number as f64)
    }

    fn double(&mut self, number: f64) -> u8 {
        self.bytes.extend(number.to_le_bytes());
        DOUBLE
    }
}

#[cfg(test)]
mod tests;
