//! What a record writes: lists, logs, state and the outputs that ride with them.

use super::{
    answer::Trouble,
    fetch::Fetched,
    record::{Handling, View},
};
use crate::{
    domain::{
        cache::{List, LogEntry, Pending, PerList, Slot, Stream, Then, TokenState},
        diff::{self, Seen},
        merge::{self, Answers, Stamp},
        poison::{Code, Poison},
        record::Output,
        request::{Action, PassRequest, Reason},
        ticket_changed::{Cause, Change as PassChange, Event, Kind},
        token::Token,
    },
    engine::handler::Halt,
    ports::{Change, Write},
};

/// A change to be written.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) timestamp: Option<i64>,
    pub(super) lists: PerList<Option<Vec<Slot>>>,
    logs: PerList<Option<LogEntry>>,
    pub(super) stream: Stream,
    pub(super) is_state_changed: bool,
    /// What it counts as, where its outputs don't say it.
    pub(super) outcome: Option<&'static str>,
    /// What it tells of.
    pub(super) told: Vec<Kind>,
}

impl Draft {
    /// Writes passflow's state alone.
    pub(super) fn of_state(stream: Stream) -> Self {
        Self {
            timestamp: None,
            lists: PerList::default(),
            logs: PerList::default(),
            stream,
            is_state_changed: true,
            outcome: None,
            told: Vec::new(),
        }
    }

    /// Writes nothing yet.
    pub(super) fn unchanged(stream: Stream) -> Self {
        Self { is_state_changed: false, ..Self::of_state(stream) }
    }

    /// Whether only the time is to be written.
    pub(super) fn changes_nothing(&self) -> bool {
        !self.is_state_changed && self.lists == PerList::default() && self.logs == PerList::default()
    }

    /// The write: it moves `version`.
    pub(super) fn write(mut self, view: &View, log_max: usize) -> Write {
        let version = view.head.stream.as_ref().map_or(0, |stream| stream.version);
        self.stream.version = version + 1;
        let (timestamp, lists, logs, stream) = (self.timestamp, self.lists, self.logs, self.stream);
        Write::Change(Box::new(Change { timestamp, lists, logs, log_max, stream }))
    }
}

impl Handling<'_> {
    /// What is stored differs from what was told: tells it, without a fetch.
    pub(super) async fn draft_of_stored(&self, view: &View) -> Result<Draft, Halt> {
        let mut draft = Draft::of_state(view.stream.clone());
        self.add_events(view, &mut draft, &Answers::default()).await?;
        Ok(draft)
    }

    /// The lists of a user without a token are emptied, and each pass is told to be gone.
    pub(super) async fn draft_of_purge(&self, view: &View) -> Result<Draft, Halt> {
        let mut draft = Draft::of_state(view.stream.clone());
        draft.lists = PerList { passes: Some(Vec::new()), passes4: Some(Vec::new()) };
        draft.stream.token = TokenState::default();
        self.add_events(view, &mut draft, &Answers::default()).await?;
        Ok(draft)
    }

    /// What a fetch, successful or not, makes of the document.
    pub(super) async fn draft_of_fetched(&self, view: &View, token: &Token, fetched: &Fetched) -> Result<Draft, Halt> {
        let now_ms = self.passes.clock.now_ms();
        let now_s = now_ms.div_euclid(1000);
        let mut new_id = || self.passes.new_object_id(now_s);
        let config = &self.passes.config;
        let mut stamp = Stamp {
            now_s,
            free_products: &config.free_ticket_products,
            rules: &config.status_rules,
            restores: self.request.reason == Reason::TAMPERED,
            new_id: &mut new_id,
        };
        let mut draft = Draft::unchanged(view.stream.clone());
        for list in List::BOTH {
            *draft.lists.of_mut(list) = merge::merge(&view.head, list, &fetched.answers, &mut stamp);
        }
        for list in List::BOTH {
            let entry = fetched.failures.of(list).as_ref().map(|failure| failure.log_entry((stamp.new_id)()));
            *draft.logs.of_mut(list) = entry;
        }
        note_token(&mut draft, token, fetched);
        if fetched.failures == PerList::default() {
            draft.timestamp = Some(now_s);
        }
        self.add_events(view, &mut draft, &fetched.answers).await?;
        self.add_consequence(&mut draft, fetched);
        Ok(draft)
    }

    /// Numbers the changes and keeps their events with the write that makes them.
    pub(super) async fn add_events(&self, view: &View, draft: &mut Draft, answers: &Answers) -> Result<(), Halt> {
        let seen = diff::view(&view.head, &draft.lists, answers);
        let mut changes = diff::changes(&draft.stream.emitted, &seen);
        if changes.is_empty() {
            return Ok(());
        }
        self.add_stored_payloads(&mut changes).await?;
        let events = self.events(&mut draft.stream, &seen, &changes)?;
        draft.stream.pending.push(Pending { source: self.source.clone(), events, then: None });
        draft.told = changes.iter().map(PassChange::kind).collect();
        draft.is_state_changed = true;
        Ok(())
    }

    /// A change that another writer stored has its payload in the document.
    async fn add_stored_payloads(&self, changes: &mut [PassChange]) -> Result<(), Halt> {
        for change in changes {
            if let (Some(after), None) = (&change.after, &change.payload) {
                let user = self.request.user_id;
                change.payload = self.passes.store.payload(user, after.list, &change.pass_uuid).await?;
            }
        }
        Ok(())
    }

    fn events(&self, stream: &mut Stream, seen: &[Seen], changes: &[PassChange]) -> Result<Vec<Event>, Halt> {
        let cause = Cause {
            action: Action::as_str(self.request.action).to_owned(),
            reason: Some(self.request.reason.as_str().to_owned()),
            tick_id: self.request.tick_id.clone(),
        };
        let occurred_at = rfc3339_ms(self.passes.clock.now_ms());
        let first = stream.seq + 1;
        stream.seq += changes.len() as u64;
        stream.tell(seen, changes);
        let events = (first..).zip(changes);
        let traceparent = &self.turn.traceparent;
        events
            .map(|(seq, change)| {
                let event = Event::new(self.request.user_id, seq, change, &cause, &occurred_at).map_err(|error| {
                    let message = format!("user {}: pass {}: {error}", self.request.user_id, change.pass_uuid);
                    Halt::Poison { stage: "emit", poison: Poison::new(Code::InternalError, message) }
                })?;
                Ok(Event { traceparent: traceparent.clone(), ..event })
            })
            .collect()
    }

    /// A fetch that failed is tried again later, a bounded number of rounds; a refused token is not.
    fn add_consequence(&self, draft: &mut Draft, fetched: &Fetched) {
        let messages: Vec<String> = List::BOTH
            .into_iter()
            .filter_map(|list| fetched.failures.of(list).as_ref().map(|failure| format!("{}: {failure}", list.name())))
            .collect();
        if messages.is_empty() {
            return;
        }
        let message = messages.join("; ");
        // Kept even without events: a record that is read again must not append to the log again.
        let then = if fetched.has(Trouble::Token) {
            None
        } else if self.request.attempt < self.passes.config.retry_rounds {
            Some(Then::Retry { message })
        } else {
            Some(Then::DeadLetter { message })
        };
        self.keep(draft, then);
    }

    /// Keeps an entry of this record with the change, with what it puts out besides events.
    pub(super) fn keep(&self, draft: &mut Draft, then: Option<Then>) {
        let source = &self.source;
        match draft.stream.pending.iter_mut().find(|pending| pending.source == *source) {
            Some(pending) => pending.then = then,
            None => draft.stream.pending.push(Pending { source: source.clone(), events: Vec::new(), then }),
        }
        draft.is_state_changed = true;
    }

    /// All outputs of a stored entry, as they were or would have been given out first.
    pub(super) fn outputs(&self, pending: &Pending) -> Vec<Output> {
        let topic = &self.passes.config.ticket_changed_topic;
        let user = self.request.user_id;
        let mut outputs: Vec<Output> = pending.events.iter().map(|event| event.output(topic, user)).collect();
        outputs.extend(match &pending.then {
            None => None,
            Some(Then::Retry { .. }) => {
                let output = self.passes.request_output(&self.request, self.record, self.turn);
                Some(Output { topic: self.passes.config.retry_topic.clone(), ..output })
            }
            Some(Then::Restore { .. }) => {
                let request = PassRequest { reason: Reason::TAMPERED, ..PassRequest::new(user) };
                Some(self.passes.request_output(&request, self.record, self.turn))
            }
            Some(Then::DeadLetter { message }) => {
                let rounds = self.request.attempt;
                let message = format!("user {user}: no complete fetch in {rounds} rounds of retries: {message}");
                let poison = Poison::new(Code::FetchFailed, message);
                Some(self.passes.dead_letters.letter(self.record, "fetch", &poison, rounds))
            }
        });
        outputs
    }
}

/// A refused token makes the user rest; a successful refresh notes which token it used.
fn note_token(draft: &mut Draft, token: &Token, fetched: &Fetched) {
    let fingerprint = token.fingerprint();
    let mut state = draft.stream.token.clone();
    if fetched.has(Trouble::Token) {
        state.refused = Some(fingerprint);
        draft.outcome = Some("resting");
    } else if fetched.failures == PerList::default() {
        state.fingerprint = Some(fingerprint);
        state.refused = None;
    }
    if state != draft.stream.token {
        draft.stream.token = state;
        draft.is_state_changed = true;
    }
}

/// `2026-11-20T10:00:00.000Z`.
fn rfc3339_ms(ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{time:.3}")
}
