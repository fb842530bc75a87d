//! One cache document with its payloads, and how an update changes it.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    domain::{
        cache::{Entry, Epoch, Head, List, LogEntry, PerList, Slot, Stream},
        object_id,
        payload_hash::PayloadHash,
        user_id::UserId,
    },
    ports::{Change, Payloads, Update, Write, Written},
};

/// A pass as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPass {
    /// All but the payload.
    pub entry: Entry,
    /// Canonical JSON text.
    pub payload: Bytes,
}

/// A whole cache document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The rider.
    pub user_id: UserId,
    /// The ObjectId, 24 hex digits.
    pub id: String,
    /// Unix seconds of the last complete refresh.
    pub timestamp: i64,
    /// mongoose's `__v`.
    pub document_version: Option<i64>,
    /// The lists.
    pub lists: PerList<Vec<StoredPass>>,
    /// The logs.
    pub logs: PerList<Vec<LogEntry>>,
    /// passflow's own state; `None` where only the old service has written.
    pub stream: Option<Stream>,
    /// The highest epoch that wrote it.
    pub fence: Epoch,
    /// What else stands in it, as JSON text. Nobody touches it.
    pub others: BTreeMap<String, String>,
}

/// Why an update is no update at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("the new version is {0}, one above {1:?} was due")]
    Version(u64, Option<u64>),
    #[error("a list keeps entry {0}, which it did not have")]
    NoSuchEntry(usize),
    #[error("not JSON: {0}")]
    NotJson(String),
}

impl Document {
    /// An empty one, as passflow creates it.
    pub fn empty(user_id: UserId, fence: Epoch) -> Self {
        Self { id: object_id::of_user(user_id), stream: Some(Stream::default()), fence, ..Self::foreign(user_id) }
    }

    /// An empty one, as the old service creates it.
    pub fn foreign(user_id: UserId) -> Self {
        Self {
            user_id,
            id: format!("{:024x}", user_id.get()),
            timestamp: 0,
            document_version: Some(0),
            lists: PerList::default(),
            logs: PerList::default(),
            stream: None,
            fence: Epoch::default(),
            others: BTreeMap::new(),
        }
    }

    /// What a reader without payloads sees.
    pub fn head(&self) -> Head {
        let entries = |passes: &[StoredPass]| passes.iter().map(|pass| pass.entry.clone()).collect();
        Head {
            user_id: self.user_id,
            id: self.id.clone(),
            timestamp: self.timestamp,
            document_version: self.document_version,
            lists: PerList { passes: entries(&self.lists.passes), passes4: entries(&self.lists.passes4) },
            stream: self.stream.clone(),
            fence: self.fence,
        }
    }

    /// The stored payloads.
    pub fn payloads(&self) -> Payloads {
        let of = |list| self.lists.of(list).iter().map(|pass| Some(pass.payload.clone())).collect();
        PerList { passes: of(List::Passes), passes4: of(List::Passes4) }
    }

    /// The stored payload of a pass.
    pub fn payload(&self, list: List, pass_uuid: &str) -> Option<&Bytes> {
        self.lists.of(list).iter().find(|pass| pass.entry.pass_uuid == pass_uuid).map(|pass| &pass.payload)
    }

    /// Its version; `None` where only the old service has written.
    pub fn version(&self) -> Option<u64> {
        self.stream.as_ref().map(|stream| stream.version)
    }

    /// Applies `update` if it fits what is here, and if the outcome is not larger than `max_bytes`.
    pub(super) fn apply(&mut self, update: &Update, max_bytes: usize) -> Result<Written, Malformed> {
        if !self.is_as_read(update) || self.fence > update.epoch {
            return Ok(Written::No);
        }
        let mut next = self.clone();
        next.fence = update.epoch;
        match &update.write {
            Write::Touch { timestamp, drop_committed } => {
                next.timestamp = timestamp.unwrap_or(next.timestamp);
                if let Some(stream) = &mut next.stream {
                    stream.version += u64::from(timestamp.is_some());
                    if let Some((partition, offset)) = drop_committed {
                        stream.drop_committed(partition, *offset);
                    }
                }
            }
            Write::Change(change) => {
                next.change(change)?;
                if next.json()?.len() > max_bytes {
                    return Ok(Written::TooLarge);
                }
            }
        }
        *self = next;
        Ok(Written::Yes)
    }

    fn is_as_read(&self, Update { read, write, .. }: &Update) -> bool {
        let now = self.head();
        let version = |head: &Head| head.stream.as_ref().map(|stream| stream.version);
        now.id == read.id
            && version(&now) == version(read)
            && now.document_version == read.document_version
            && (matches!(write, Write::Touch { .. }) || now.lists == read.lists)
    }

    fn change(&mut self, change: &Change) -> Result<(), Malformed> {
        let due = self.version();
        if change.stream.version != due.unwrap_or(0) + 1 {
            return Err(Malformed::Version(change.stream.version, due));
        }
        let mut grows = false;
        for list in List::BOTH {
            if let Some(slots) = change.lists.of(list) {
                let stored = self.lists.of_mut(list);
                *stored = slots.iter().map(|slot| fill(slot, stored)).collect::<Result<_, _>>()?;
                grows = true;
            }
            if let Some(entry) = change.logs.of(list) {
                let log = self.logs.of_mut(list);
                log.push(entry.clone());
                log.drain(..log.len().saturating_sub(change.log_max));
                grows = true;
            }
        }
        if grows {
            self.document_version = Some(self.document_version.unwrap_or(0) + 1);
        }
        self.timestamp = change.timestamp.unwrap_or(self.timestamp);
        self.stream = Some(change.stream.clone());
        Ok(())
    }

    /// The whole document as JSON text.
    pub(super) fn json(&self) -> Result<String, Malformed> {
        let text = Text {
            id: &self.id,
            user_id: self.user_id,
            timestamp: self.timestamp,
            passes: pass_texts(&self.lists.passes)?,
            passes4: pass_texts(&self.lists.passes4)?,
            passes_log: log_texts(&self.logs.passes)?,
            passes4_log: log_texts(&self.logs.passes4)?,
            document_version: self.document_version,
            stream: self.stream.as_ref().map(|stream| StreamText { stream, fence: self.fence }),
            others: self.others.iter().map(|(name, text)| Ok((name, raw(text)?))).collect::<Result<_, Malformed>>()?,
        };
        serde_json::to_string(&text).map_err(|error| Malformed::NotJson(error.to_string()))
    }
}

fn fill(slot: &Slot, stored: &[StoredPass]) -> Result<StoredPass, Malformed> {
    match slot {
        Slot::Keep(index) => stored.get(*index).cloned().ok_or(Malformed::NoSuchEntry(*index)),
        Slot::Put(entry, payload) => Ok(StoredPass { entry: entry.clone(), payload: payload.clone() }),
    }
}

/// A document as people see it: the published names in their published order.
#[derive(Serialize)]
struct Text<'a> {
    #[serde(rename = "_id")]
    id: &'a str,
    user_id: UserId,
    timestamp: i64,
    passes: Vec<PassText<'a>>,
    passes4: Vec<PassText<'a>>,
    #[serde(rename = "passesLog")]
    passes_log: Vec<LogText<'a>>,
    #[serde(rename = "passes4Log")]
    passes4_log: Vec<LogText<'a>>,
    #[serde(rename = "__v", skip_serializing_if = "Option::is_none")]
    document_version: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<StreamText<'a>>,
    #[serde(flatten)]
    others: BTreeMap<&'a String, &'a RawValue>,
}

#[derive(Serialize)]
struct PassText<'a> {
    pass_uuid: &'a str,
    timestamp: i64,
    status: &'a str,
    free_ticket_status: i32,
    payload: &'a RawValue,
    payload_hash: PayloadHash,
    #[serde(rename = "_id")]
    id: &'a str,
}

#[derive(Serialize)]
struct LogText<'a> {
    errors: &'a RawValue,
    server_time: &'a str,
    data: &'a RawValue,
    #[serde(rename = "_id")]
    id: &'a str,
}

#[derive(Serialize)]
struct StreamText<'a> {
    #[serde(flatten)]
    stream: &'a Stream,
    fence: Epoch,
}

fn pass_texts(passes: &[StoredPass]) -> Result<Vec<PassText<'_>>, Malformed> {
    passes
        .iter()
        .map(|StoredPass { entry, payload }| {
            Ok(PassText {
                pass_uuid: &entry.pass_uuid,
                timestamp: entry.timestamp,
                status: &entry.status,
                free_ticket_status: entry.free_ticket_status,
                payload: raw_bytes(payload)?,
                payload_hash: entry.payload_hash,
                id: &entry.id,
            })
        })
        .collect()
}

fn log_texts(log: &[LogEntry]) -> Result<Vec<LogText<'_>>, Malformed> {
    log.iter()
        .map(|entry| {
            let (errors, data) = (raw(&entry.errors)?, raw(&entry.data)?);
            Ok(LogText { errors, server_time: &entry.server_time, data, id: &entry.id })
        })
        .collect()
}

fn raw(text: &str) -> Result<&RawValue, Malformed> {
    serde_json::from_str(text).map_err(|error| Malformed::NotJson(error.to_string()))
}

fn raw_bytes(text: &[u8]) -> Result<&RawValue, Malformed> {
    serde_json::from_slice(text).map_err(|error| Malformed::NotJson(error.to_string()))
}
