//! How the records of one event add up.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashSet},
};

use serde::{Deserialize, Serialize};

use super::{Field, ParkingEvent};
use crate::domain::record::Source;

/// Whether `record` counts as later than `other`: behind it in its partition, else of a later time. Where times are
/// equal, the name of the topic, the partition and the offset decide, so that everybody decides alike.
///
/// Records of one event lie in one partition when the event's id is their key, and then the order is that of the
/// partition. Those that lie in several have no order but their times.
pub fn is_later(record: &Source, other: &Source) -> bool {
    if record.partition == other.partition && record.topic == other.topic {
        return record.offset > other.offset;
    }
    let times = record.timestamp_ms.cmp(&other.timestamp_ms);
    times.then_with(|| record.cmp(other)) == Ordering::Greater
}

/// Which records the values of a stored event came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origins {
    /// Of all fields that `others` does not name; none in an event that another program stored.
    #[serde(default, rename = "source", skip_serializing_if = "Option::is_none")]
    pub base: Option<Source>,
    /// Of those that came from another record.
    #[serde(default, rename = "fields", skip_serializing_if = "BTreeMap::is_empty")]
    pub others: BTreeMap<String, Source>,
}

/// What is known of a stored event, without its values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// How often passflow has written it; 0 when it never has.
    pub version: u64,
    /// The names of its fields.
    pub names: HashSet<String>,
    /// Where they came from.
    pub origins: Origins,
    /// The earliest record's time, in milliseconds since 1970; none when it is not there.
    pub created_at_ms: Option<i64>,
    /// The latest record's.
    pub updated_at_ms: Option<i64>,
}

/// A write to one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change<'e> {
    /// Fields with other values, or new ones.
    pub set: Vec<&'e Field>,
    /// One more than before.
    pub version: u64,
    /// Where the event's fields come from now.
    pub origins: Origins,
    /// The earliest record's time, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// The latest record's.
    pub updated_at_ms: i64,
}

impl Head {
    /// What `event` changes; `None` when the stored event has all of it, or what is later.
    pub fn merge<'e>(&self, event: &'e ParkingEvent) -> Option<Change<'e>> {
        let time_ms = event.source.timestamp_ms;
        let created_at_ms = self.created_at_ms.unwrap_or(time_ms).min(time_ms);
        let updated_at_ms = self.updated_at_ms.unwrap_or(time_ms).max(time_ms);
        let set: Vec<&Field> = event.fields.iter().filter(|field| self.is_old(&field.name, &event.source)).collect();
        let times = (Some(created_at_ms), Some(updated_at_ms));
        let has_passed = self.version > 0 && set.is_empty() && times == (self.created_at_ms, self.updated_at_ms);
        (!has_passed).then(|| Change {
            origins: self.origins_with(&set, &event.source),
            version: self.version + 1,
            set,
            created_at_ms,
            updated_at_ms,
        })
    }

    /// Whether the field is missing, or its value from a record before `source`.
    fn is_old(&self, name: &str, source: &Source) -> bool {
        let of_base = || self.origins.base.as_ref().filter(|_| self.names.contains(name));
        let origin = self.origins.others.get(name).or_else(of_base);
        origin.is_none_or(|origin| is_later(source, origin))
    }

    fn origins_with(&self, set: &[&Field], source: &Source) -> Origins {
        let mut origins = self.origins.clone();
        let is_all = || {
            let set: HashSet<&str> = set.iter().map(|field| field.name.as_str()).collect();
            self.names.iter().all(|name| set.contains(name.as_str()))
        };
        if is_all() {
            return Origins { base: Some(source.clone()), others: BTreeMap::new() };
        }
        origins.others.extend(set.iter().map(|field| (field.name.clone(), source.clone())));
        origins
    }
}
