//! What must hold when everything has come to rest, whatever happened on the way.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use passflow::{
    adapters::memory::Misuse,
    domain::{
        cache::{Head, List, Stream},
        payload_hash::PayloadHash,
        ticket_changed::{Kind, Side},
        user_id::UserId,
    },
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::process::{DEAD_LETTERS, Surroundings, TICKET_CHANGED};

#[derive(Deserialize)]
struct Told {
    id: String,
    user_id: UserId,
    seq: u64,
    pass_uuid: String,
    change: Kind,
    before: Option<Side>,
    after: Option<Side>,
    payload: Option<Box<RawValue>>,
}

/// Each user's passes, as the events add up to them.
type Fold = BTreeMap<UserId, (u64, BTreeMap<String, Side>)>;

/// Checks every guarantee; the error says what is broken. Gives the number of events.
pub fn check(surroundings: &Surroundings, users: &[UserId]) -> Result<usize, String> {
    if surroundings.cluster.misuse() != Misuse::default() {
        return Err(format!("a member misused the group: {:?}", surroundings.cluster.misuse()));
    }
    if let Some(letter) = surroundings.cluster.records(&DEAD_LETTERS.into()).first() {
        return Err(format!("a dead letter: {letter:?}"));
    }
    let records = surroundings.cluster.records(&TICKET_CHANGED.into());
    let mut ids = BTreeSet::new();
    let mut fold: Fold = users.iter().map(|user| (*user, (0, taken_over(surroundings, *user)))).collect();
    for record in &records {
        let value = record.value.as_deref().unwrap_or_default();
        let told: Told = serde_json::from_slice(value).map_err(|error| format!("{error}: {record:?}"))?;
        ids.insert(told.id.clone());
        tell(&mut fold, told)?;
    }
    // One entry of the log an event, and none without.
    let logged: BTreeSet<String> = surroundings.audit.tickets().into_keys().collect();
    if logged != ids {
        return Err(format!("logged and told differ: {:?}", logged.symmetric_difference(&ids)));
    }
    for user in users {
        let told = fold.remove(user).unwrap_or_default();
        check_user(surroundings, *user, &told)?;
    }
    Ok(records.len())
}

/// The passes that passflow found in a document of the old service when it wrote it first: they are told by nobody.
fn taken_over(surroundings: &Surroundings, user: UserId) -> BTreeMap<String, Side> {
    let mut before: Option<Arc<Head>> = None;
    for write in surroundings.documents.history().into_iter().filter(|write| write.user == user) {
        let Some(after) = write.after else { continue };
        if after.stream.is_some() {
            break;
        }
        before = Some(after);
    }
    let Some(head) = before else { return BTreeMap::new() };
    let told = Stream::taking_over(&head).emitted.into_iter();
    told.map(|told| (told.pass_uuid, Side { list: told.list, status: told.status, payload_hash: told.payload_hash }))
        .collect()
}

fn tell(fold: &mut Fold, told: Told) -> Result<(), String> {
    let (seq, passes) = fold.entry(told.user_id).or_default();
    let id = &told.id;
    if told.seq != *seq + 1 || *id != format!("{}:{}", told.user_id, told.seq) {
        return Err(format!("{id}: seq {} after {seq}", told.seq));
    }
    *seq = told.seq;
    let before = passes.get(&told.pass_uuid);
    if before != told.before.as_ref() {
        return Err(format!("{id}: before is {:?}, but {before:?} was told", told.before));
    }
    let kind_fits = match told.change {
        Kind::Added => told.before.is_none() && told.after.is_some(),
        Kind::Updated => told.before.is_some() && told.after.is_some() && told.before != told.after,
        Kind::Removed => told.before.is_some() && told.after.is_none(),
    };
    if !kind_fits {
        return Err(format!("{id}: {:?} from {:?} to {:?}", told.change, told.before, told.after));
    }
    let hash = told.payload.as_ref().map(|payload| PayloadHash::of(payload.get().as_bytes()));
    if hash != told.after.as_ref().map(|after| after.payload_hash) {
        return Err(format!("{id}: the payload's hash is {hash:?}"));
    }
    match told.after {
        Some(after) => drop(passes.insert(told.pass_uuid, after)),
        None => drop(passes.remove(&told.pass_uuid)),
    }
    Ok(())
}

fn check_user(
    surroundings: &Surroundings,
    user: UserId,
    (seq, told): &(u64, BTreeMap<String, Side>),
) -> Result<(), String> {
    let Some(document) = surroundings.documents.get(user) else {
        return if *seq == 0 { Ok(()) } else { Err(format!("user {user}: events but no document")) };
    };
    let truth = surroundings.api.truth(user);
    let mut cached = BTreeMap::new();
    for list in List::BOTH {
        let mut stored: Vec<_> = document
            .lists
            .of(list)
            .iter()
            .map(|pass| (pass.entry.pass_uuid.as_str(), String::from_utf8_lossy(&pass.payload)))
            .collect();
        let mut real: Vec<_> =
            truth.lists.of(list).iter().map(|pass| (pass.uuid.as_str(), pass.payload.as_str().into())).collect();
        stored.sort_unstable();
        real.sort_unstable();
        if stored != real {
            return Err(format!("user {user}: {} is {stored:?}, the API has {real:?}", list.name()));
        }
        for pass in document.lists.of(list) {
            let entry = &pass.entry;
            let side = Side { list, status: entry.status.clone(), payload_hash: entry.payload_hash };
            cached.insert(entry.pass_uuid.clone(), side);
        }
    }
    if cached != *told {
        return Err(format!("user {user}: cached {cached:?}, told {told:?}"));
    }
    let stored_seq = document.stream.as_ref().map_or(0, |stream| stream.seq);
    if stored_seq == *seq { Ok(()) } else { Err(format!("user {user}: seq {stored_seq} stored, {seq} told")) }
}
