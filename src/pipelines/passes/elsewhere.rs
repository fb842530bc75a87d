//! Entries that records of other partitions left in a document, since partitions were added; or that are of a former life
//! of this one.
//!
//! A user's events leave in `seq` order because entries of one partition do. So before a record changes anything, each
//! entry that was left elsewhere has to be out: known by that partition's mark, or waited for. What nobody can give out
//! any more is made the record's own. Nothing here asks who knows of which number of partitions.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use super::record::{Attempt, Handling, View};
use crate::{
    domain::{
        cache::{Pending, Stream, Then},
        life::Life,
        record::TopicPartition,
    },
    engine::handler::{Halt, Step},
    ports::{Documents, PortError},
};

/// How old a request may become while it waits for what other partitions owe, ms. It is put back behind the others then:
/// what is owed may itself wait for a commit that this request holds up. Marks are kept each ten seconds.
const PATIENCE_MS: i64 = 15_000;
/// A request from so far in the future (other clocks) still waits, ms.
const SKEW_MS: i64 = 60_000;
const LOOK_EVERY_MS: i64 = 500;

/// The highest marks that were read: a mark only rises, so most need not be read again.
#[derive(Default)]
pub(super) struct Marks(Mutex<BTreeMap<TopicPartition, i64>>);

impl Marks {
    /// The marks of `places`, each at least as far as `wanted` if it is known that far; `None` where there is none.
    async fn reach(
        &self,
        documents: &dyn Documents,
        group: &str,
        wanted: &BTreeMap<TopicPartition, i64>,
    ) -> Result<BTreeMap<TopicPartition, Option<i64>>, PortError> {
        let mut known: BTreeMap<TopicPartition, Option<i64>> = {
            let marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            wanted.keys().map(|place| (place.clone(), marks.get(place).copied())).collect()
        };
        let unsure = wanted.iter().filter(|(place, offset)| known.get(place).copied().flatten() < Some(**offset));
        let unsure: Vec<TopicPartition> = unsure.map(|(place, _)| place.clone()).collect();
        if !unsure.is_empty() {
            let read = documents.committed_marks(group, &unsure).await?;
            let mut marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            for (place, mark) in unsure.into_iter().zip(read) {
                if let Some(mark) = mark {
                    marks.insert(place.clone(), mark);
                }
                known.insert(place, mark);
            }
        }
        Ok(known)
    }
}

/// What stands between a record and its change.
pub(super) enum Owed {
    Nothing,
    /// Other partitions' owners have yet to give something out.
    ByOthers,
    /// Nobody will give these entries out.
    ByNobody,
}

impl Handling<'_> {
    fn is_elsewhere(&self, pending: &Pending) -> bool {
        !pending.source.is_in(&self.turn.held.place)
    }

    /// Forgets entries of other partitions that are known to be out. Whether there were any.
    pub(super) async fn drop_told_elsewhere(&self, stream: &mut Stream) -> Result<bool, PortError> {
        let mut wanted = BTreeMap::<TopicPartition, i64>::new();
        for pending in stream.pending.iter().filter(|pending| self.is_elsewhere(pending)) {
            let end = wanted.entry(pending.source.topic_partition()).or_default();
            *end = (pending.source.offset + 1).max(*end);
        }
        if wanted.is_empty() {
            return Ok(false);
        }
        let marks = self.marks_of(&wanted).await?;
        let before = stream.pending.len();
        for (place, mark) in marks {
            stream.drop_committed(&place, mark.unwrap_or(0));
        }
        Ok(stream.pending.len() < before)
    }

    async fn marks_of(
        &self,
        wanted: &BTreeMap<TopicPartition, i64>,
    ) -> Result<BTreeMap<TopicPartition, Option<i64>>, PortError> {
        let passes = self.passes;
        passes.marks.reach(passes.store.documents(), &passes.config.group, wanted).await
    }

    /// What is left of other partitions' entries, and who may give it out.
    pub(super) async fn owed_elsewhere(&self, view: &View) -> Result<Owed, PortError> {
        let mut owed = Owed::Nothing;
        for pending in view.stream.pending.iter().filter(|pending| self.is_elsewhere(pending)) {
            if !self.is_orphaned(&pending.source.topic_partition()).await? {
                return Ok(Owed::ByOthers);
            }
            owed = Owed::ByNobody;
        }
        Ok(owed)
    }

    /// Whether no owner can commit any more what was stored in `place`: another life of the partition has begun, or this
    /// pipeline does not read its topic.
    async fn is_orphaned(&self, place: &TopicPartition) -> Result<bool, PortError> {
        let held = &self.turn.held;
        // This partition's entries of this life are no others'; and its taking shut out all owners before.
        if place.topic.name() != held.partition.topic.name() || place.partition == held.partition.partition {
            return Ok(true);
        }
        let life = Life::of(&place.topic);
        let is_other_topic = life.topic_id.is_some() && life.topic_id != held.life.topic_id;
        if is_other_topic && place.partition >= self.passes.home.partitions() {
            // The topic has not that many partitions since it was made anew.
            return Ok(true);
        }
        // Whoever began a later life had proved the partition before that could be seen.
        let partition = TopicPartition { topic: held.partition.topic.clone(), partition: place.partition };
        let next = i64::try_from(life.since.0).unwrap_or(i64::MAX).saturating_add(1);
        let began = self.marks_of(&BTreeMap::from([(Life::beginning(&partition), next)])).await?;
        Ok(began.into_values().flatten().any(|began| began >= next))
    }

    /// The request comes again a little later, or, when it has waited for long, behind all others of its partition.
    pub(super) async fn wait_for_others(&self, view: &View) -> Result<Attempt, Halt> {
        let now_ms = self.passes.clock.now_ms();
        let age_ms = now_ms - self.record.source.timestamp_ms;
        if (-SKEW_MS..PATIENCE_MS).contains(&age_ms) {
            return Ok(Attempt::Settled(Step::NotBefore(now_ms + LOOK_EVERY_MS)));
        }
        self.put_back(view).await
    }

    /// The request lies in a partition where its user's key belongs no more. If its change is stored already, that is
    /// what goes out; else it is put back where the key belongs, and nothing of an earlier run can be stored any more.
    pub(super) async fn leave(&self, view: &View) -> Result<Attempt, Halt> {
        match view.stream.pending_of(&self.source) {
            Some(pending) => self.give_out_again(view, pending).await,
            None => self.put_back(view).await,
        }
    }

    async fn put_back(&self, view: &View) -> Result<Attempt, Halt> {
        let back = || self.passes.routed(&self.request, self.record, self.turn);
        if view.head.fence > self.turn.held.epoch {
            // A later owner, of another partition, has written: no write of this partition's owners can land.
            return back().map(Attempt::Settled);
        }
        self.touch_then(view, back).await
    }

    /// Entries that nobody will give out become this record's, and go out now. The request itself comes again.
    pub(super) async fn adopt_orphans(&self, view: &View) -> Result<Attempt, Halt> {
        let mut stream = view.stream.clone();
        // How far they were committed was known at the latest when the life after theirs could be seen.
        if self.drop_told_elsewhere(&mut stream).await? {
            return Ok(Attempt::ReadAgain);
        }
        stream.take_over_all(&self.source, |pending| self.is_elsewhere(pending));
        let message = "changes of a former life of the topic were told first".to_owned();
        if let Some(own) = stream.pending.iter_mut().find(|pending| pending.source == self.source) {
            own.then = Some(Then::Retry { message });
        }
        self.write_taken(view, stream).await
    }
}
