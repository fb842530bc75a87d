//! `check-status`: what the time makes of the cached passes, without a fetch.
//!
//! The log is written first: a check that is made again because another writer was faster, or after a crash, puts its
//! entries in the place of the first ones. What it changes is told by the same compare-and-set as every change.

use std::time::Instant;

use jiff::Timestamp;

use super::{
    change::Draft,
    record::{Attempt, Handling, View},
};
use crate::{
    domain::{
        audit::{Finding, StatusEntry},
        cache::{Entry, List, PerList, Slot, Then},
        merge::Answers,
        payload_hash::hash_many,
        status_check::{EXPIRED, standing},
    },
    engine::handler::{Halt, Step},
    ports::Payloads,
};

/// What was found.
#[derive(Default)]
struct Checked {
    /// Lists with statuses that are due.
    lists: PerList<Option<Vec<Slot>>>,
    /// What goes into the log.
    entries: Vec<StatusEntry>,
    /// Passes that are not as they were stored.
    tampered: Vec<String>,
}

impl Handling<'_> {
    /// Checks all passes of the document.
    pub(super) async fn check(&self, view: &View, payloads: &Payloads) -> Result<Attempt, Halt> {
        let Checked { lists, entries, tampered } = self.look_at(view, payloads);
        // Not the record's fault, whatever is wrong with the log.
        self.passes.store.log_checks(entries).await.map_err(Halt::Down)?;
        let mut draft = Draft::unchanged(view.stream.clone());
        // A hash that is not the payload's must not be told: the refresh puts it right first.
        if tampered.iter().all(|pass_uuid| is_told(view, pass_uuid)) {
            draft.lists = lists;
            self.add_events(view, &mut draft, &Answers::default()).await?;
        }
        if !tampered.is_empty() {
            let message = format!("not as they were stored: {}", tampered.join(", "));
            self.keep(&mut draft, Some(Then::Restore { message }));
        }
        if draft.changes_nothing() {
            return self.touch_then(view, || Ok(Step::done("checked"))).await;
        }
        self.write_change(view, draft).await
    }

    fn look_at(&self, view: &View, payloads: &Payloads) -> Checked {
        let begun = Instant::now();
        let now_ms = self.passes.clock.now_ms();
        let mut checked = Checked::default();
        for list in List::BOTH {
            let of_list: Vec<_> = view.head.lists.of(list).iter().zip(payloads.of(list)).collect();
            let due = of_list.iter().filter(|(entry, _)| entry.status != EXPIRED);
            let texts: Vec<&[u8]> = due.map(|(_, payload)| payload.as_deref().unwrap_or_default()).collect();
            let mut hashes = hash_many(&texts).into_iter();
            let mut slots = Vec::with_capacity(of_list.len());
            let mut is_changed = false;
            for (index, (entry, payload)) in of_list.into_iter().enumerate() {
                slots.push(Slot::Keep(index));
                if entry.status == EXPIRED {
                    continue;
                }
                let is_stored = hashes.next() == Some(entry.payload_hash);
                let found = self.entry(entry, payload.as_deref(), is_stored, now_ms);
                if let (Finding::Validated { was: Some(_) }, Some(payload)) = (&found.finding, payload) {
                    slots[index] = Slot::Put(Entry { status: found.status.clone(), ..entry.clone() }, payload.clone());
                    is_changed = true;
                }
                if matches!(found.finding, Finding::Invalid(_)) {
                    checked.tampered.push(entry.pass_uuid.clone());
                }
                if counts(view, list, entry) && (self.passes.config.logs_all_checks || found.finding.is_news()) {
                    checked.entries.push(found);
                }
            }
            *checked.lists.of_mut(list) = is_changed.then_some(slots);
        }
        let took_us = i64::try_from(begun.elapsed().as_micros()).unwrap_or(i64::MAX);
        checked.entries.iter_mut().for_each(|entry| entry.took_us = took_us);
        checked
    }

    fn entry(&self, entry: &Entry, payload: Option<&[u8]>, is_stored: bool, now_ms: i64) -> StatusEntry {
        let request_id = self.request.request_id.as_deref().unwrap_or_default();
        let found = StatusEntry {
            id: format!("{request_id}/{}/{}", self.request.user_id, entry.pass_uuid),
            user_id: self.request.user_id,
            pass_uuid: entry.pass_uuid.clone(),
            at_ms: now_ms,
            finding: Finding::Validated { was: None },
            status: entry.status.clone(),
            expiry: None,
            took_us: 0,
        };
        let Some(payload) = payload.filter(|_| is_stored) else {
            let details = "the stored payload is not the one of payload_hash; a refresh is asked for".to_owned();
            return StatusEntry { finding: Finding::Invalid(details), ..found };
        };
        let now = Timestamp::from_millisecond(now_ms).unwrap_or_default();
        match standing(&entry.status, payload, now, &self.passes.config.status_rules) {
            Ok(standing) => found.standing(&standing),
            Err(details) => StatusEntry { finding: Finding::Error(details), ..found },
        }
    }
}

/// Whether the pass counts as it is in this list: one in both counts as in the history.
fn counts(view: &View, list: List, entry: &Entry) -> bool {
    list == List::Passes4 || !view.head.lists.passes4.iter().any(|other| other.pass_uuid == entry.pass_uuid)
}

/// Whether the hash that is stored is the one that was told last.
fn is_told(view: &View, pass_uuid: &str) -> bool {
    let told = view.stream.emitted.iter().find(|told| told.pass_uuid == pass_uuid);
    let stored = view.head.entry(pass_uuid);
    told.map(|told| told.payload_hash) == stored.map(|(_, entry)| entry.payload_hash)
}
