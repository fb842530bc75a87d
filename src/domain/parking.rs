//! `ParkMobile`'s responses as parking events: what a record says, and how the records of one event add up.
//!
//! An event is the sum of its records: each field has the value that the last record to carry it gave, so neither the
//! order in which records are written nor how often they are changes what comes out. Which of two records is the later
//! one, [`is_later`] says.

mod decode;
mod event;
mod merge;

use bytes::Bytes;

pub use self::{
    decode::{DEPTH_MAX, Rules, decode},
    event::StoredEvent,
    merge::{Change, Head, Origins, is_later},
};
use super::record::Source;

/// Names in a stored event that are passflow's or the database's own: a record's fields of these names are not kept.
pub const OWN_FIELDS: [&str; 5] = ["_id", "createdAt", "updatedAt", "__v", "stream"];

/// One record of an event, ready to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkingEvent {
    /// The event.
    pub id: String,
    /// Where the record lay, and when it was put there.
    pub source: Source,
    /// What it carries, by first appearance; no name twice.
    pub fields: Vec<Field>,
}

/// A field of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its value as `JSON.stringify` writes what JavaScript reads: no white space, each name of an object once.
    pub json: Bytes,
}

impl ParkingEvent {
    /// Bytes that its values take, roughly.
    pub fn size_bytes(&self) -> usize {
        self.fields.iter().map(|field| field.name.len() + field.json.len() + 16).sum()
    }
}

#[cfg(test)]
mod tests;
