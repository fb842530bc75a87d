//! One request's way through the document, by the rules that make its change told exactly once:
//!
//! * what an earlier run of this very record stored is given out again, and nothing is fetched;
//! * what records behind it stored before a crash it takes over, so that events leave in `seq` order;
//! * outputs are given out only when the own fence is in the document;
//! * a write without an answer is followed by one that moves `version`, so that it cannot land later;
//! * a record that writes nothing else still leaves its fence.

use std::sync::{Arc, atomic::Ordering};

use super::{
    Passes,
    change::Draft,
    decision::{self, Known},
    fetch::Fetched,
};
use crate::{
    domain::{
        cache::{Head, Pending, Stream},
        diff,
        poison::{Code, Poison},
        record::{Output, Record},
        request::{Action, PassRequest},
        token::Token,
    },
    engine::handler::{Halt, Step, Turn},
    ports::{Dependency, Failure, PortError, Update, Write, Written},
};

/// One turn of one request.
pub(super) struct Handling<'a> {
    pub(super) passes: &'a Passes,
    pub(super) record: &'a Record,
    pub(super) turn: &'a Turn,
    pub(super) request: PassRequest,
}

/// Whether a write settled the record.
pub(super) enum Attempt {
    Settled(Step),
    /// The document is another than it was read: read it again.
    ReadAgain,
}

/// The document as this record has to see it.
pub(super) struct View {
    pub(super) head: Arc<Head>,
    /// passflow's state, without entries that are known to be committed.
    pub(super) stream: Stream,
}

/// Writes without an answer in one turn before the documents count as away.
const UNANSWERED_MAX: u32 = 3;

impl Handling<'_> {
    pub(super) async fn run(&self) -> Result<Step, Halt> {
        let mut unanswered = 0;
        for _ in 0..self.passes.config.cas_attempts {
            let view = self.read().await?;
            match self.attempt(&view).await {
                Ok(Attempt::Settled(step)) => return Ok(step),
                Ok(Attempt::ReadAgain) => {}
                Err(Halt::Down(error)) if error.kind == Failure::Unanswered && unanswered < UNANSWERED_MAX => {
                    unanswered += 1;
                }
                Err(halt) => return Err(halt),
            }
        }
        let message = format!(
            "user {}: another writer changed the document each of {} times; look who else writes it",
            self.request.user_id, self.passes.config.cas_attempts
        );
        Err(Halt::Again(Poison::new(Code::WriteFailed, message)))
    }

    async fn read(&self) -> Result<View, Halt> {
        let held = &self.turn.held;
        let head = self.passes.store.head(self.request.user_id, held.epoch).await?;
        if head.fence > held.epoch {
            return Err(Halt::Refused(head.fence));
        }
        let mut stream = head.stream.clone().unwrap_or_else(|| Stream::taking_over(&head));
        stream.drop_committed(&held.partition, self.committed());
        Ok(View { head: Arc::new(head), stream })
    }

    /// Outputs of records before this offset are in the topics.
    fn committed(&self) -> i64 {
        self.turn.held.committed().max(self.turn.held.emitted_below)
    }

    async fn attempt(&self, view: &View) -> Result<Attempt, Halt> {
        let source = &self.record.source;
        if let Some(pending) = view.stream.pending_of(source) {
            return self.give_out_again(view, pending).await;
        }
        if view.stream.has_pending_behind(source) {
            return self.take_over(view).await;
        }
        if self.request.action == Action::CheckStatus {
            let message = "action check-status is not handled by this version; leave it out or use refresh";
            let poison = Poison::new(Code::UnsupportedFormat, message);
            return self.touch_then(view, || Err(Halt::Poison { stage: "decode", poison })).await;
        }
        if decision::is_fresh(&self.request, &view.head, self.passes.clock.now_ms(), &self.passes.config) {
            return self.stay_fresh(view).await;
        }
        let Some(token) = self.passes.store.token(self.request.user_id).await? else {
            return self.touch_then(view, || Ok(Step::done("no_token"))).await;
        };
        match self.known(view, &token).await? {
            (Known::Resting, _) => self.touch_then(view, || Ok(Step::done("resting"))).await,
            (Known::Unchanged, _) => self.stay_fresh(view).await,
            (Known::No, Some(token)) => self.refresh(view, &token).await,
            (Known::No, None) => self.touch_then(view, || Ok(Step::done("no_token"))).await,
        }
    }

    /// What is known of the token; the binlog can be ahead of what a query sees, so a young request looks twice.
    async fn known(&self, view: &View, token: &Token) -> Result<(Known, Option<Token>), Halt> {
        let state = &view.stream.token;
        let known = decision::known(&self.request, state, &token.fingerprint());
        if known == Known::No || !decision::may_be_ahead(&self.request, self.passes.clock.now_ms()) {
            return Ok((known, Some(token.clone())));
        }
        self.passes.clock.sleep(std::time::Duration::from_secs(1)).await;
        let token = self.passes.store.token(self.request.user_id).await?;
        let known =
            token.as_ref().map_or(Known::No, |token| decision::known(&self.request, state, &token.fingerprint()));
        Ok((known, token))
    }

    // ------------------------------------------------------------------------------- what was stored already

    /// The change of this very record is stored: all its outputs go out again.
    async fn give_out_again(&self, view: &View, pending: &Pending) -> Result<Attempt, Halt> {
        let outputs = self.outputs(pending);
        self.touch_then(view, || Ok(Step::with(outputs, outcome(pending)))).await
    }

    /// Records behind this one were handled before a crash: their changes become this one's and go out now.
    async fn take_over(&self, view: &View) -> Result<Attempt, Halt> {
        let mut stream = view.stream.clone();
        stream.take_over(&self.record.source);
        let draft = Draft::of_state(stream);
        self.write_change(view, draft).await
    }

    /// Fresh enough. What another writer stored in between is told all the same.
    async fn stay_fresh(&self, view: &View) -> Result<Attempt, Halt> {
        if diff::is_told(&view.head, &view.stream.emitted) {
            return self.touch_then(view, || Ok(Step::done("fresh"))).await;
        }
        let draft = self.draft_of_stored(view).await?;
        self.write_change(view, draft).await
    }

    // -------------------------------------------------------------------------------------------- refreshing

    async fn refresh(&self, view: &View, token: &Token) -> Result<Attempt, Halt> {
        let fetched = self.passes.fetcher.fetch(self.request.user_id, token, &view.head).await;
        if let Some(error) = self.api_is_down(&fetched) {
            return Err(Halt::Down(error));
        }
        let draft = match self.draft_of_fetched(view, token, &fetched).await {
            Ok(draft) => draft,
            Err(Halt::Poison { stage, poison }) => {
                return self.touch_then(view, || Err(Halt::Poison { stage, poison })).await;
            }
            Err(halt) => return Err(halt),
        };
        if draft.changes_nothing() && view.head.stream.is_some() && !self.is_unanswered() {
            let touch = Write::Touch {
                timestamp: draft.timestamp,
                drop_committed: Some((self.turn.held.partition.clone(), self.committed())),
            };
            return Ok(match self.write(view, touch).await? {
                Written::Yes => Attempt::Settled(Step::done("unchanged")),
                Written::No | Written::TooLarge => Attempt::ReadAgain,
            });
        }
        self.write_change(view, draft).await
    }

    /// One user's failures are their own; those of many, or a connection refused, are the API's: everybody waits.
    fn api_is_down(&self, fetched: &Fetched) -> Option<PortError> {
        let failures = [&fetched.failures.passes, &fetched.failures.passes4];
        let mut failures = failures.into_iter().flatten();
        let failure = failures.clone().find(|failure| failure.no_connection()).or_else(|| failures.next())?;
        if !failure.no_connection() {
            return failure.may_be_the_apis().then(|| self.passes.fetcher.gate().down()).flatten();
        }
        Some(PortError {
            kind: Failure::Down,
            dependency: Dependency::Bytemark,
            doing: format!("fetching passes of user {}", self.request.user_id),
            message: failure.message.clone(),
        })
    }

    // ---------------------------------------------------------------------------------------------- writing

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

    async fn write_change(&self, view: &View, draft: Draft) -> Result<Attempt, Halt> {
        let (outputs, outcome) = draft
            .stream
            .pending_of(&self.record.source)
            .map_or_else(|| (Vec::new(), "unchanged"), |pending| (self.outputs(pending), outcome(pending)));
        let outcome = draft.outcome.unwrap_or(outcome);
        if let Some(poison) = self.too_large(&outputs) {
            return self.touch_then(view, || Err(Halt::Poison { stage: "emit", poison })).await;
        }
        let write = draft.write(view, self.passes.config.error_log_max);
        match self.write(view, write).await? {
            Written::Yes => Ok(Attempt::Settled(Step::with(outputs, outcome))),
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

    async fn write(&self, view: &View, write: Write) -> Result<Written, Halt> {
        let seals = matches!(write, Write::Change(_));
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

    fn refused(&self, error: PortError) -> Halt {
        if error.kind != Failure::Refused {
            return Halt::Down(error);
        }
        let message = format!("user {}: {error}", self.request.user_id);
        Halt::Poison { stage: "write", poison: Poison::new(Code::WriteFailed, message) }
    }

    fn is_unanswered(&self) -> bool {
        self.turn.unanswered.load(Ordering::Acquire)
    }

    fn too_large(&self, outputs: &[Output]) -> Option<Poison> {
        let topic = &self.passes.config.ticket_changed_topic;
        let largest = outputs.iter().filter(|output| output.topic == *topic).map(Output::size_bytes).max()?;
        let max = self.passes.config.event_bytes_max;
        (largest > max).then(|| {
            let user = self.request.user_id;
            let message = format!("user {user}: an event of {largest} bytes, {topic} takes {max}; nothing was changed");
            Poison::new(Code::RecordTooLarge, message)
        })
    }
}

/// What a stored entry counts as.
fn outcome(pending: &Pending) -> &'static str {
    use crate::domain::cache::Then;
    match (&pending.then, pending.events.is_empty()) {
        (Some(Then::Retry { .. }), _) => "retried",
        (Some(Then::DeadLetter { .. }), _) => "dead_lettered",
        (None, false) => "changed",
        (None, true) => "unchanged",
    }
}
