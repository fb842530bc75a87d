//! How a freshly fetched list becomes the new array of the document.

use bytes::Bytes;

use super::{
    cache::{Entry, Head, List, PerList, Slot},
    payload_hash::PayloadHash,
    status_check::{Rules, standing},
};

/// A pass as the API gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fresh {
    /// The vendor's id.
    pub pass_uuid: String,
    /// Its status.
    pub status: String,
    /// The product, for `free_ticket_status`.
    pub product_uuid: Option<String>,
    /// `time_created` as something to sort by; `None` when it cannot be read.
    pub created: Option<i64>,
    /// The payload's canonical JSON text.
    pub payload: Bytes,
    /// MD5 of that text.
    pub payload_hash: PayloadHash,
}

/// The lists of one refresh; `None` where there was no complete, successful answer.
pub type Answers = PerList<Option<Vec<Fresh>>>;

/// What new entries need from outside.
pub struct Stamp<'a> {
    /// Unix seconds of the write.
    pub now_s: i64,
    /// Products whose new passes get `free_ticket_status` 1.
    pub free_products: &'a [String],
    /// How times mean a status.
    pub rules: &'a Rules,
    /// Whether a pass whose payload stayed the same is stored again.
    pub restores: bool,
    /// A new ObjectId for each call.
    pub new_id: &'a mut (dyn FnMut() -> String + Send),
}

impl Stamp<'_> {
    /// The status that a status check would give the pass now, so that it does not change back and forth. Where its
    /// times can't be understood, the vendor's.
    fn status_of(&self, fresh: &Fresh) -> String {
        let now = jiff::Timestamp::from_second(self.now_s).unwrap_or_default();
        let standing = standing(&fresh.status, &fresh.payload, now, self.rules).unwrap_or_default();
        standing.becomes.map_or_else(|| fresh.status.clone(), str::to_owned)
    }
}

/// Whether a pass that the document has would be in neither list. It may be on its way from one to the other, so it is
/// believed gone only after the history was read again later than the active list.
pub fn would_lose_a_pass(head: &Head, answers: &Answers) -> bool {
    List::BOTH.into_iter().any(|list| {
        head.lists.of(list).iter().any(|entry| !answers.has(&entry.pass_uuid) && answers.of(list).is_some())
    })
}

impl Answers {
    fn has(&self, pass_uuid: &str) -> bool {
        List::BOTH.into_iter().any(|list| self.find(list, pass_uuid).is_some())
    }

    /// The fresh form of a pass in `list`.
    pub fn find(&self, list: List, pass_uuid: &str) -> Option<&Fresh> {
        self.of(list).as_deref().into_iter().flatten().find(|fresh| fresh.pass_uuid == pass_uuid)
    }
}

/// The new array of `list`; `None` when it stays as it is. Entries of the same hash stay untouched, changed ones stay in
/// their place with their `_id`, those that are gone go, new ones are appended by `time_created`.
///
/// A pass that is in neither answer goes only if both lists were answered: the caller has then made sure that it is gone.
pub fn merge(head: &Head, list: List, answers: &Answers, stamp: &mut Stamp<'_>) -> Option<Vec<Slot>> {
    let fresh = answers.of(list).as_ref()?;
    let all_answered = answers.passes.is_some() && answers.passes4.is_some();
    let old = head.lists.of(list);
    let mut slots: Vec<Slot> = Vec::with_capacity(fresh.len());
    for (index, entry) in old.iter().enumerate() {
        match fresh.iter().find(|fresh| fresh.pass_uuid == entry.pass_uuid) {
            Some(same) if same.payload_hash == entry.payload_hash => slots.push(if stamp.restores {
                Slot::Put(entry.clone(), same.payload.clone())
            } else {
                Slot::Keep(index)
            }),
            Some(changed) => slots.push(Slot::Put(renewed(entry, changed, stamp), changed.payload.clone())),
            None if !all_answered && !answers.has(&entry.pass_uuid) => slots.push(Slot::Keep(index)),
            None => {}
        }
    }
    let mut new: Vec<&Fresh> =
        fresh.iter().filter(|fresh| !old.iter().any(|entry| entry.pass_uuid == fresh.pass_uuid)).collect();
    new.sort_by_key(|fresh| (fresh.created.is_none(), fresh.created));
    for fresh in new {
        slots.push(Slot::Put(arrived(head, list, fresh, stamp), fresh.payload.clone()));
    }
    let unchanged = slots.len() == old.len() && slots.iter().all(|slot| matches!(slot, Slot::Keep(_)));
    (!unchanged).then_some(slots)
}

/// A known pass with another payload.
fn renewed(entry: &Entry, fresh: &Fresh, stamp: &Stamp<'_>) -> Entry {
    Entry {
        timestamp: stamp.now_s,
        status: stamp.status_of(fresh),
        payload_hash: fresh.payload_hash,
        id: entry.id.clone(),
        pass_uuid: entry.pass_uuid.clone(),
        free_ticket_status: entry.free_ticket_status,
    }
}

/// A pass that is new in `list`: from the other list, or altogether.
fn arrived(head: &Head, list: List, fresh: &Fresh, stamp: &mut Stamp<'_>) -> Entry {
    let other = if list == List::Passes { List::Passes4 } else { List::Passes };
    if let Some(known) = head.lists.of(other).iter().find(|entry| entry.pass_uuid == fresh.pass_uuid) {
        let same = known.payload_hash == fresh.payload_hash;
        return if same { known.clone() } else { renewed(known, fresh, stamp) };
    }
    let is_free = fresh.product_uuid.as_ref().is_some_and(|product| stamp.free_products.contains(product));
    Entry {
        id: (stamp.new_id)(),
        pass_uuid: fresh.pass_uuid.clone(),
        timestamp: stamp.now_s,
        status: stamp.status_of(fresh),
        free_ticket_status: i32::from(is_free),
        payload_hash: fresh.payload_hash,
    }
}
