//! The last word on a run: cache and events held against what the simulator really had.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Error, Store};
use crate::{
    domain::{
        cache::{Head, List},
        payload_hash::PayloadHash,
        record::{Record, TopicName, TopicPartition},
        ticket_changed::Side,
        user_id::UserId,
    },
    ports::PortError,
    settings::Names,
    simulator::Simulator,
};

/// What came out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Riders.
    pub users: u64,
    /// Changes that the simulator made to their passes.
    pub changes_at_bytemark: u64,
    /// Requests that it answered, or did not.
    pub requests: u64,
    /// Faults that it showed.
    pub faults: u64,
    /// Events that told changes.
    pub events: u64,
    /// Passes in the cache.
    pub cached_passes: u64,
    /// Parking events that were looked at.
    pub parking_events: u64,
    /// Records in the dead letters.
    pub dead_letters: u64,
    /// What was handled, by pipeline and outcome.
    pub outcomes: BTreeMap<String, BTreeMap<&'static str, u64>>,
    /// What differs from the truth; empty when all is well.
    pub differences: Vec<String>,
}

/// The most differences that are listed.
const DIFFERENCES_MAX: usize = 20;
const PAGE: usize = 1000;

#[derive(Deserialize)]
struct Told {
    user_id: UserId,
    seq: u64,
    pass_uuid: String,
    before: Option<Side>,
    after: Option<Side>,
    payload: Option<Box<RawValue>>,
}

/// Each user's last number and passes, as the events add up to them.
type Fold = BTreeMap<UserId, (u64, BTreeMap<String, Side>)>;

/// What is held against what, once nothing changes any longer and every user was refreshed since.
pub struct Truth<'a> {
    /// Documents and events.
    pub store: &'a Store,
    /// Who knows the truth.
    pub simulator: &'a Simulator,
    /// Where the events are.
    pub names: &'a Names,
    /// Users `1..=users` are looked at.
    pub users: u64,
}

/// The users that a simulator of so many has.
pub fn users_up_to(users: u64) -> impl Iterator<Item = UserId> {
    (1..=users).filter_map(|number| UserId::new(i64::try_from(number).ok()?).ok())
}

impl Truth<'_> {
    /// Holds everything against the simulator's truth: both lists hash by hash, each user's events without gap or
    /// repeat in the order of their partition, what they add up to, their payloads' hashes, and no dead letters.
    ///
    /// # Errors
    /// When the store can't be read; what differs is in the verdict.
    pub async fn verdict(&self, outcomes: BTreeMap<String, BTreeMap<&'static str, u64>>) -> Result<Verdict, Error> {
        let counts = self.simulator.counts();
        let mut verdict = Verdict {
            users: self.users,
            changes_at_bytemark: self.simulator.changes(),
            requests: counts.active + counts.history,
            faults: counts.faults,
            outcomes,
            ..Verdict::default()
        };
        let mut fold = Fold::new();
        self.each_record(&self.names.ticket_changed, |record| {
            verdict.events += 1;
            if let Err(difference) = tell(&mut fold, record) {
                verdict.differences.push(difference);
            }
        })
        .await?;
        self.each_record(&self.names.dead_letters, |_| verdict.dead_letters += 1).await?;
        if verdict.dead_letters > 0 {
            verdict.differences.push(format!("{} dead letters, none was due", verdict.dead_letters));
        }
        self.check_users(&fold, &mut verdict).await?;
        verdict.differences.truncate(DIFFERENCES_MAX);
        Ok(verdict)
    }

    async fn each_record(&self, topic: &str, mut each: impl FnMut(&Record)) -> Result<(), PortError> {
        let topic = TopicName::from(topic);
        for (partition, range) in (0..).zip(self.store.topics.partitions(&topic).await?) {
            let partition = TopicPartition { topic: topic.clone(), partition };
            let mut next = range.start;
            loop {
                let records = self.store.topics.read(&partition, next, PAGE).await?;
                records.iter().for_each(&mut each);
                let Some(last) = records.last() else { break };
                next = last.source.offset + 1;
            }
        }
        Ok(())
    }

    async fn check_users(&self, fold: &Fold, verdict: &mut Verdict) -> Result<(), PortError> {
        let users: Vec<UserId> = users_up_to(self.users).collect();
        for page in users.chunks(PAGE) {
            let heads = self.store.documents.heads(page).await?;
            for (user, head) in page.iter().zip(heads) {
                let told = fold.get(user);
                match head {
                    Some(head) => self.check_user(&head, told, verdict),
                    None => verdict.differences.push(format!("user {user}: not cached")),
                }
            }
        }
        Ok(())
    }

    fn check_user(&self, head: &Head, told: Option<&(u64, BTreeMap<String, Side>)>, verdict: &mut Verdict) {
        let user = head.user_id;
        let truth = self.simulator.truth(user.get().cast_unsigned());
        for list in List::BOTH {
            let real = if list == List::Passes { &truth.passes } else { &truth.passes4 };
            let mut real: Vec<_> =
                real.iter().map(|pass| (pass.uuid.as_str(), PayloadHash::of(pass.text.as_bytes()))).collect();
            let mut cached: Vec<_> =
                head.lists.of(list).iter().map(|entry| (entry.pass_uuid.as_str(), entry.payload_hash)).collect();
            verdict.cached_passes += cached.len() as u64;
            real.sort_unstable();
            cached.sort_unstable();
            if real != cached {
                let name = list.name();
                verdict.differences.push(format!("user {user}: {name} has {cached:?}, the simulator {real:?}"));
            }
        }
        let (seq, passes) = told.cloned().unwrap_or_default();
        let mut cached = BTreeMap::new();
        for (list, entry) in
            List::BOTH.into_iter().flat_map(|list| head.lists.of(list).iter().map(move |it| (list, it)))
        {
            let side = Side { list, status: entry.status.clone(), payload_hash: entry.payload_hash };
            cached.insert(entry.pass_uuid.clone(), side);
        }
        if passes != cached {
            verdict.differences.push(format!("user {user}: the events add up to {passes:?}, cached is {cached:?}"));
        }
        let stored_seq = head.stream.as_ref().map_or(0, |stream| stream.seq);
        if stored_seq != seq {
            verdict.differences.push(format!("user {user}: {stored_seq} changes are stored, {seq} were told"));
        }
    }
}

/// Adds one event; the error says what is wrong with it.
fn tell(fold: &mut Fold, record: &Record) -> Result<(), String> {
    let value = record.value.as_deref().unwrap_or_default();
    let told: Told = serde_json::from_slice(value).map_err(|error| format!("{}: {error}", record.source))?;
    let (seq, passes) = fold.entry(told.user_id).or_default();
    let last = std::mem::replace(seq, told.seq);
    let before = match told.after.clone() {
        Some(after) => passes.insert(told.pass_uuid.clone(), after),
        None => passes.remove(&told.pass_uuid),
    };
    let id = format!("event {}:{}", told.user_id, told.seq);
    if told.seq != last + 1 {
        return Err(format!("{id} follows {last}"));
    }
    if before != told.before {
        return Err(format!("{id} says before {:?}, told was {before:?}", told.before));
    }
    let hash = told.payload.map(|payload| PayloadHash::of(payload.get().as_bytes()));
    if hash != told.after.map(|after| after.payload_hash) {
        return Err(format!("{id}: its payload's hash is not its payload_hash"));
    }
    Ok(())
}
