//! What changed since it was last told: the difference between the emitted state and the lists as they will be.

use bytes::Bytes;

use super::{
    cache::{Entry, Head, List, PerList, Slot, Stream, Told},
    merge::Answers,
    ticket_changed::{Change, Side},
};

/// A pass as events see it: one in both lists counts as in the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The pass.
    pub pass_uuid: String,
    /// Where and how it is.
    pub side: Side,
    /// Its payload, where it is at hand; else it lies in the document.
    pub payload: Option<Bytes>,
}

/// The passes of the document as it will be with these new lists. Payloads come from the slots and from the answers.
pub fn view(head: &Head, lists: &PerList<Option<Vec<Slot>>>, answers: &Answers) -> Vec<Seen> {
    let mut seen: Vec<Seen> = Vec::new();
    for list in List::BOTH {
        for (entry, payload) in placed(head, list, lists.of(list).as_deref()) {
            let fresh =
                || answers.find(list, &entry.pass_uuid).filter(|fresh| fresh.payload_hash == entry.payload_hash);
            let payload = payload.cloned().or_else(|| fresh().map(|fresh| fresh.payload.clone()));
            let side = Side { list, status: entry.status.clone(), payload_hash: entry.payload_hash };
            let pass_uuid = entry.pass_uuid.clone();
            match seen.iter_mut().find(|earlier| earlier.pass_uuid == pass_uuid) {
                Some(earlier) => *earlier = Seen { pass_uuid, side, payload },
                None => seen.push(Seen { pass_uuid, side, payload }),
            }
        }
    }
    seen
}

fn placed<'a>(
    head: &'a Head,
    list: List,
    slots: Option<&'a [Slot]>,
) -> Box<dyn Iterator<Item = (&'a Entry, Option<&'a Bytes>)> + Send + 'a> {
    let old = head.lists.of(list);
    match slots {
        None => Box::new(old.iter().map(|entry| (entry, None))),
        Some(slots) => Box::new(slots.iter().filter_map(|slot| match slot {
            Slot::Keep(index) => old.get(*index).map(|entry| (entry, None)),
            Slot::Put(entry, payload) => Some((entry, Some(payload))),
        })),
    }
}

/// The changes that lead from what was told to `seen`: additions and updates in the lists' order, then removals.
pub fn changes(emitted: &[Told], seen: &[Seen]) -> Vec<Change> {
    let told = |pass_uuid: &str| emitted.iter().find(|told| told.pass_uuid == pass_uuid);
    let mut changes: Vec<Change> = Vec::new();
    for pass in seen {
        let before = told(&pass.pass_uuid).map(side_of);
        if before.as_ref() != Some(&pass.side) {
            changes.push(Change {
                pass_uuid: pass.pass_uuid.clone(),
                before,
                after: Some(pass.side.clone()),
                payload: pass.payload.clone(),
            });
        }
    }
    for told in emitted.iter().filter(|told| !seen.iter().any(|pass| pass.pass_uuid == told.pass_uuid)) {
        let before = Some(side_of(told));
        changes.push(Change { pass_uuid: told.pass_uuid.clone(), before, after: None, payload: None });
    }
    changes
}

/// Whether [`changes`] would find any, without making them.
pub fn is_told(head: &Head, emitted: &[Told]) -> bool {
    let mut passes = 0_usize;
    for (list, entry) in List::BOTH.into_iter().flat_map(|list| head.lists.of(list).iter().map(move |it| (list, it))) {
        if list == List::Passes && head.lists.passes4.iter().any(|other| other.pass_uuid == entry.pass_uuid) {
            continue;
        }
        passes += 1;
        let Some(told) = emitted.iter().find(|told| told.pass_uuid == entry.pass_uuid) else { return false };
        if told.list != list || told.status != entry.status || told.payload_hash != entry.payload_hash {
            return false;
        }
    }
    passes == emitted.len()
}

fn side_of(told: &Told) -> Side {
    Side { list: told.list, status: told.status.clone(), payload_hash: told.payload_hash }
}

impl Stream {
    /// The state of a document that only the old service has written so far: all its passes count as told.
    pub fn taking_over(head: &Head) -> Self {
        let mut stream = Self::default();
        stream.tell(&view(head, &PerList::default(), &Answers::default()), &[]);
        stream
    }

    /// Notes what the events so far add up to: `seen`, where the passes of `changes` were told by the events that end
    /// with the present `seq`, in this order.
    pub fn tell(&mut self, seen: &[Seen], changes: &[Change]) {
        let first = self.seq + 1 - changes.len() as u64;
        let told_before = std::mem::take(&mut self.emitted);
        let seq_of = |pass_uuid: &str| {
            let changed = changes.iter().position(|change| change.pass_uuid == pass_uuid);
            let kept = || told_before.iter().find(|told| told.pass_uuid == pass_uuid).map_or(0, |told| told.seq);
            changed.map_or_else(kept, |index| first + index as u64)
        };
        self.emitted = seen
            .iter()
            .map(|pass| Told {
                pass_uuid: pass.pass_uuid.clone(),
                list: pass.side.list,
                status: pass.side.status.clone(),
                payload_hash: pass.side.payload_hash,
                seq: seq_of(&pass.pass_uuid),
            })
            .collect();
    }
}
