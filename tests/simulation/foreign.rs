//! The old service, which still writes the same documents in its own way.

use bytes::Bytes;
use fastrand::Rng;
use passflow::{
    adapters::memory::{Pass, StoredPass},
    domain::{
        cache::{Entry, List},
        payload_hash::PayloadHash,
        user_id::UserId,
    },
};

use super::process::Surroundings;

/// One write of a document that it may or may not know.
pub fn write(random: &mut Rng, surroundings: &Surroundings, user: UserId) {
    if random.bool() {
        return assign(random, surroundings, user);
    }
    let list = if random.bool() { List::Passes } else { List::Passes4 };
    let status = ["USABLE", "USING", "EXPIRED"][random.usize(..3)];
    surroundings.documents.set_status_foreign(user, list, &format!("pass-{}", random.u8(0..4)), status);
}

/// Both lists as the API had them at some time, perhaps long ago.
pub fn assign(random: &mut Rng, surroundings: &Surroundings, user: UserId) {
    let truths = surroundings.api.truths(user);
    let Some(truth) = (!truths.is_empty()).then(|| &truths[random.usize(..truths.len())]) else { return };
    for list in List::BOTH {
        let passes = truth.lists.of(list).iter().map(|pass| stored(random, pass)).collect();
        surroundings.documents.assign_foreign(user, list, passes);
    }
}

fn stored(random: &mut Rng, pass: &Pass) -> StoredPass {
    let entry = Entry {
        id: format!("{:024x}", random.u64(..)),
        pass_uuid: pass.uuid.clone(),
        timestamp: 1_790_000_000,
        status: pass.status.clone(),
        free_ticket_status: 0,
        payload_hash: PayloadHash::of(pass.payload.as_bytes()),
    };
    StoredPass { entry, payload: Bytes::from(pass.payload.clone()) }
}
