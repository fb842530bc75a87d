//! One request's way through the document, by the rules that make its change told exactly once:
//!
//! * what an earlier run of this very record stored is given out again, and nothing is fetched;
//! * what records behind it stored before a crash it takes over, so that events leave in `seq` order;
//! * outputs are given out only when the own fence is in the document;
//! * a write without an answer is followed by one that moves `version`, so that it cannot land later;
//! * a record that writes nothing else still leaves its fence.

use std::sync::Arc;

use super::{
    Passes,
    change::Draft,
    decision::{self, Known},
    elsewhere::Owed,
    fetch::Fetched,
};
use crate::{
    domain::{
        cache::{Head, List, Pending, Stream},
        diff,
        poison::{Code, Poison},
        record::{Record, Source},
        request::{Action, PassRequest},
        token::Token,
    },
    engine::handler::{Halt, Step, Turn},
    ports::{Dependency, Failure, Payloads, PortError, Write, Written},
};

/// One turn of one request.
pub(super) struct Handling<'a> {
    pub(super) passes: &'a Passes,
    pub(super) record: &'a Record,
    pub(super) turn: &'a Turn,
    pub(super) request: PassRequest,
    /// Where the record lies, by the name under which that is kept.
    pub(super) source: Source,
    /// It lies where it is not to be handled.
    pub(super) is_astray: bool,
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
    /// Where they are looked at.
    pub(super) payloads: Option<Payloads>,
    /// Some of those were of other partitions: they are dropped as soon as the document is written, else they would be
    /// looked for each time.
    pub(super) is_shortened: bool,
}

/// Writes without an answer in one turn before the documents count as away.
const UNANSWERED_MAX: usize = 3;

impl Handling<'_> {
    pub(super) async fn run(&self) -> Result<Step, Halt> {
        let mut unanswered = Vec::new();
        let mut refused = None;
        for _ in 0..self.passes.config.cas_attempts {
            let view = self.read().await?;
            let attempt = match refused.take() {
                None => self.attempt(&view).await,
                Some(halt) => self.touch_then(&view, || Err(halt)).await,
            };
            match attempt {
                Ok(Attempt::Settled(step)) => return Ok(step),
                Ok(Attempt::ReadAgain) => {}
                Err(Halt::Down(error)) if error.kind == Failure::Unanswered && unanswered.len() < UNANSWERED_MAX => {
                    unanswered.push(error);
                }
                // Refused, but an earlier write of this record may land yet: it is sealed off first.
                Err(halt @ Halt::Poison { .. }) if self.is_unanswered() => refused = Some(halt),
                Err(halt) => return Err(halt),
            }
        }
        if let Some(error) = unanswered.pop().filter(|_| self.is_unanswered()) {
            return Err(Halt::Down(error));
        }
        let message = format!(
            "user {}: another writer changed the document each of {} times; look who else writes it",
            self.request.user_id, self.passes.config.cas_attempts
        );
        Err(Halt::Again(Poison::new(Code::WriteFailed, message)))
    }

    async fn read(&self) -> Result<View, Halt> {
        let held = &self.turn.held;
        let (store, user) = (&self.passes.store, self.request.user_id);
        let read = if self.request.action == Action::CheckStatus {
            store.whole(user, held.epoch).await.map(|(head, payloads)| (head, Some(payloads)))
        } else {
            store.head(user, held.epoch).await.map(|head| (head, None))
        };
        let (head, payloads) = read.map_err(|error| self.refused(error))?;
        let mut stream = head.stream.clone().unwrap_or_else(|| Stream::taking_over(&head));
        stream.drop_committed(&held.place, self.committed());
        // What only goes back needs no place in a document that belongs to another partition's owner.
        let only_passes = self.is_astray && stream.pending_of(&self.source).is_none();
        if head.fence > held.epoch && !only_passes {
            return Err(Halt::Refused(head.fence));
        }
        let is_shortened = self.drop_told_elsewhere(&mut stream).await?;
        Ok(View { head: Arc::new(head), stream, payloads, is_shortened })
    }

    /// Outputs of records before this offset are in the topics.
    fn committed(&self) -> i64 {
        self.turn.held.committed()
    }

    async fn attempt(&self, view: &View) -> Result<Attempt, Halt> {
        if self.is_astray {
            return self.leave(view).await;
        }
        if let Some(pending) = view.stream.pending_of(&self.source) {
            return self.give_out_again(view, pending).await;
        }
        if view.stream.has_pending_behind(&self.source) {
            return self.take_over(view).await;
        }
        match self.owed_elsewhere(view).await? {
            Owed::Nothing => {}
            Owed::ByOthers => return self.wait_for_others(view).await,
            Owed::ByNobody => return self.adopt_orphans(view).await,
        }
        if decision::is_overdue(&self.request, self.passes.clock.now_ms(), &self.passes.config) {
            return self.touch_then(view, || Ok(Step::done("skipped"))).await;
        }
        if let Some(payloads) = &view.payloads {
            return self.check(view, payloads).await;
        }
        if decision::is_fresh(&self.request, &view.head, self.passes.clock.now_ms(), &self.passes.config) {
            return self.stay_fresh(view).await;
        }
        match self.known(view).await? {
            (Known::Resting, _) => self.touch_then(view, || Ok(Step::done("resting"))).await,
            (Known::Unchanged, _) => self.stay_fresh(view).await,
            (Known::No, Some(token)) => self.refresh(view, &token).await,
            (Known::No, None) => self.without_token(view).await,
        }
    }

    /// Nothing is fetched. The lists stay, or are emptied if the settings say so.
    async fn without_token(&self, view: &View) -> Result<Attempt, Halt> {
        let has_passes = List::BOTH.into_iter().any(|list| !view.head.lists.of(list).is_empty());
        if !(self.passes.config.purge_without_token && has_passes) {
            return self.touch_then(view, || Ok(Step::done("no_token"))).await;
        }
        let draft = self.draft_of_purge(view).await?;
        self.write_change(view, draft).await
    }

    /// The token, and what is known of it. The binlog can be ahead of what a query sees: a young request that finds no
    /// token, or one that it knows, looks twice.
    async fn known(&self, view: &View) -> Result<(Known, Option<Token>), Halt> {
        let looked = self.look_at_token(view).await?;
        let is_new = matches!(looked, (Known::No, Some(_)));
        if is_new || !decision::may_be_ahead(&self.request, self.passes.clock.now_ms()) {
            return Ok(looked);
        }
        self.passes.clock.sleep(std::time::Duration::from_secs(1)).await;
        self.look_at_token(view).await
    }

    async fn look_at_token(&self, view: &View) -> Result<(Known, Option<Token>), Halt> {
        let token = self.passes.store.token(self.request.user_id).await?;
        let known = |token: &Token| decision::known(&self.request, &view.stream.token, &token.fingerprint());
        Ok((token.as_ref().map_or(Known::No, known), token))
    }

    // ------------------------------------------------------------------------------- what was stored already

    /// The change of this very record is stored: all its outputs go out again.
    pub(super) async fn give_out_again(&self, view: &View, pending: &Pending) -> Result<Attempt, Halt> {
        let outputs = self.outputs(pending);
        self.wait_for_room(&outputs)?;
        self.log_tickets(pending).await?;
        self.touch_then(view, || Ok(Step::with(outputs, outcome(pending)))).await
    }

    /// Records behind this one were handled before a crash: their changes become this one's and go out now.
    async fn take_over(&self, view: &View) -> Result<Attempt, Halt> {
        let mut stream = view.stream.clone();
        stream.take_over(&self.source);
        self.write_taken(view, stream).await
    }

    /// What this record took over goes out.
    pub(super) async fn write_taken(&self, view: &View, stream: Stream) -> Result<Attempt, Halt> {
        let taken = stream.pending_of(&self.source).map(|pending| self.outputs(pending));
        self.wait_for_room(&taken.unwrap_or_default())?;
        self.write_change(view, Draft::of_state(stream)).await
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
        if draft.changes_nothing() && view.head.stream.is_some() && !view.is_shortened {
            let touch = Write::Touch {
                timestamp: draft.timestamp,
                drop_committed: Some((self.turn.held.place.clone(), self.committed())),
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
}

/// What a stored entry counts as.
pub(super) fn outcome(pending: &Pending) -> &'static str {
    use crate::domain::cache::Then;
    match (&pending.then, pending.events.is_empty()) {
        (Some(Then::Retry { .. }), _) => "retried",
        (Some(Then::DeadLetter { .. }), _) => "dead_lettered",
        (Some(Then::Restore { .. }), _) => "tampered",
        (None, false) => "changed",
        (None, true) => "unchanged",
    }
}
