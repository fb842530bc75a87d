//! A request's writes: each by compare-and-set, none that could land later than it is known to.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{
    change::Draft,
    record::{Attempt, Handling, View, outcome},
};
use crate::{
    domain::{
        audit::TicketEntry,
        cache::Pending,
        poison::{Code, Poison},
        record::Output,
        ticket_changed::Kind,
    },
    engine::handler::{Halt, Step},
    ports::{Dependency, Failure, PortError, Update, Write, Written},
};

impl Handling<'_> {
    /// Leaves the fence, unless the document has it already, and then ends as `end` says. After an unanswered write the
    /// document's version moves, too.
    pub(super) async fn touch_then(
        &self,
        view: &View,
        end: impl FnOnce() -> Result<Step, Halt> + Send,
    ) -> Result<Attempt, Halt> {
        let sealed = !self.is_unanswered();
        if sealed && view.head.stream.is_some() && view.head.fence == self.turn.held.epoch {
            return end().map(Attempt::Settled);
        }
        let write = if sealed && view.head.stream.is_some() {
            Write::Touch { timestamp: None, drop_committed: None }
        } else {
            Draft::of_state(view.stream.clone()).write(view, self.passes.config.error_log_max)
        };
        match self.write(view, write).await? {
            Written::Yes => end().map(Attempt::Settled),
            Written::No | Written::TooLarge => Ok(Attempt::ReadAgain),
        }
    }

    pub(super) async fn write_change(&self, view: &View, draft: Draft) -> Result<Attempt, Halt> {
        let (outputs, outcome) = draft
            .stream
            .pending_of(&self.source)
            .map_or_else(|| (Vec::new(), "unchanged"), |pending| (self.outputs(pending), outcome(pending)));
        let outcome = draft.outcome.unwrap_or(outcome);
        if let Some(poison) = self.too_large(&outputs) {
            return self.touch_then(view, || Err(Halt::Poison { stage: "emit", poison })).await;
        }
        let kept = draft.stream.pending_of(&self.source).cloned();
        let told = draft.told.clone();
        let write = draft.write(view, self.passes.config.error_log_max);
        match self.write(view, write).await? {
            Written::Yes => {
                self.count(&told);
                if let Some(kept) = &kept {
                    self.log_tickets(kept).await?;
                }
                Ok(Attempt::Settled(Step::with(outputs, outcome)))
            }
            Written::No => Ok(Attempt::ReadAgain),
            Written::TooLarge => {
                let message = format!(
                    "user {}: the changed document would be larger than the store takes; it stays as it was",
                    self.request.user_id
                );
                let poison = Poison::new(Code::DocumentTooLarge, message);
                self.touch_then(view, || Err(Halt::Poison { stage: "write", poison })).await
            }
        }
    }

    /// Logs the events of a stored change, before they are given out. Whatever is wrong with the log, they are not lost:
    /// the record waits.
    pub(super) async fn log_tickets(&self, kept: &Pending) -> Result<(), Halt> {
        let entries = TicketEntry::of_all(self.request.user_id, kept)
            .map_err(|message| Halt::Poison { stage: "write", poison: Poison::new(Code::InternalError, message) })?;
        self.passes.store.log_tickets(entries).await.map_err(Halt::Down)
    }

    fn count(&self, told: &[Kind]) {
        let metrics = &self.passes.metrics;
        told.iter().for_each(|kind| metrics.changed(kind.as_str()));
        if let Some(since) = self.request.requested_at.filter(|_| !told.is_empty()) {
            let after_ms = self.passes.clock.now_ms() - since.as_millisecond();
            metrics.told(Duration::from_millis(u64::try_from(after_ms).unwrap_or(0)));
        }
    }

    pub(super) async fn write(&self, view: &View, write: Write) -> Result<Written, Halt> {
        let seals = matches!(write, Write::Change(_) | Write::Touch { timestamp: Some(_), .. });
        let update = Update { read: Arc::clone(&view.head), epoch: self.turn.held.epoch, write };
        // Until the answer is here, this write may land at any time, even if this turn is given up.
        let was_unanswered = self.turn.unanswered.swap(true, Ordering::AcqRel);
        let written = match self.passes.store.update(update).await {
            Ok(written) => written,
            Err(error) if error.kind == Failure::Unanswered => return Err(Halt::Down(error)),
            Err(error) => {
                self.turn.unanswered.store(was_unanswered, Ordering::Release);
                return Err(self.refused(error));
            }
        };
        let is_sealed = seals && written == Written::Yes;
        self.turn.unanswered.store(was_unanswered && !is_sealed, Ordering::Release);
        Ok(written)
    }

    pub(super) fn refused(&self, error: PortError) -> Halt {
        if error.kind != Failure::Refused {
            return Halt::Down(error);
        }
        let message = format!("user {}: {error}", self.request.user_id);
        Halt::Poison { stage: "write", poison: Poison::new(Code::WriteFailed, message) }
    }

    pub(super) fn is_unanswered(&self) -> bool {
        self.turn.unanswered.load(Ordering::Acquire)
    }

    /// What is wrong with an output that its topic would not take.
    fn too_large(&self, outputs: &[Output]) -> Option<Poison> {
        let poison = self.passes.dead_letters.sizes.refuse(outputs)?;
        Some(Poison { message: format!("user {}: {}", self.request.user_id, poison.message), ..poison })
    }

    /// Outputs whose change is stored can neither be left out nor be made smaller: they wait until their topic takes
    /// them. (Its limit was lowered in between, or when the change was stored it was not known.)
    pub(super) fn wait_for_room(&self, outputs: &[Output]) -> Result<(), Halt> {
        let Some(poison) = self.passes.dead_letters.sizes.refuse(outputs) else { return Ok(()) };
        Err(Halt::Down(PortError {
            kind: Failure::Down,
            dependency: Dependency::Topics,
            doing: format!("giving out what is stored for user {}", self.request.user_id),
            message: format!("{}; raise the topic's limit, then it goes on", poison.message),
        }))
    }
}
