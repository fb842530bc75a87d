//! Reading a rider's passes from the API: both lists, all pages, and never a pass lost between them.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    answer::{self, FailedFetch, Page, Trouble},
    gate::Gate,
    pages::{self, Reading},
    room::{Hold, Rooms},
};
use crate::{
    domain::{
        cache::{Head, List, PerList},
        merge::{Answers, Fresh, would_lose_a_pass},
        token::Token,
        user_id::UserId,
    },
    engine::suspension::Backoff,
    ports::{Answer, Clock, Endpoint, NoAnswer, PassApi},
    telemetry::Metrics,
};

/// Limits of a fetch.
#[derive(Clone, Debug)]
pub struct FetchLimits {
    /// Passes asked for a page of the history.
    pub history_per_page: u32,
    /// Pages of a list at most; more is a failed fetch.
    pub history_pages_max: u32,
    /// How often pages that do not add up are read again.
    pub reread_max: u32,
    /// Requests for one page, the first included.
    pub attempts: u32,
    /// Delay before the second; doubled each time, with jitter.
    pub backoff: Duration,
    /// The longest delay.
    pub backoff_max: Duration,
    /// Levels of nesting in a body.
    pub depth_max: usize,
    /// Bytes that the bodies of all fetches take together, those included whose changes are not written yet; one fetch
    /// at a time may go beyond.
    pub bytes_max: usize,
}

/// What a fetch of both lists gave.
#[derive(Debug, Default)]
pub struct Fetched {
    /// The lists that were answered completely.
    pub answers: Answers,
    /// Why the others were not.
    pub failures: PerList<Option<FailedFetch>>,
    /// The room that the answers take: the next fetches get it when this is dropped, so keep it until all is written.
    hold: Option<Hold>,
}

/// Who asks.
struct Asking<'a> {
    user: UserId,
    token: &'a Token,
    hold: &'a Hold,
}

/// Fetches.
pub struct Fetcher {
    api: Arc<dyn PassApi>,
    gate: Gate,
    rooms: Rooms,
    limits: FetchLimits,
    clock: Arc<dyn Clock>,
    random: Mutex<fastrand::Rng>,
    metrics: Metrics,
}

type ListResult = Result<Vec<Fresh>, FailedFetch>;

impl Fetcher {
    /// Fetches through `gate`.
    pub fn new(
        api: Arc<dyn PassApi>,
        gate: Gate,
        limits: FetchLimits,
        clock: Arc<dyn Clock>,
        random: fastrand::Rng,
    ) -> Self {
        let rooms = Rooms::new(limits.bytes_max);
        Self { api, gate, rooms, limits, clock, random: Mutex::new(random), metrics: Metrics::off() }
    }

    /// Counts its requests.
    #[must_use]
    pub fn counted_by(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// The gate, to know whether the API is down.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Both lists of a user, read at once. When a pass that `head` has would be in neither, the history is read once
    /// more, now surely later than the active list: only then is the pass gone.
    pub async fn fetch(&self, user: UserId, token: &Token, head: &Head) -> Fetched {
        let hold = self.rooms.hold();
        let asking = Asking { user, token, hold: &hold };
        let (passes, passes4) = tokio::join!(self.list(&asking, List::Passes), self.list(&asking, List::Passes4));
        let mut fetched = Fetched::default();
        fetched.put(List::Passes, passes);
        fetched.put(List::Passes4, passes4);
        let both = fetched.answers.passes.is_some() && fetched.answers.passes4.is_some();
        if both && would_lose_a_pass(head, &fetched.answers) {
            fetched.put(List::Passes4, self.list(&asking, List::Passes4).await);
        }
        hold.asked();
        fetched.hold = Some(hold);
        fetched
    }

    /// A list with all its pages; read again from the first when they do not add up, because something moved between
    /// them. An active list of several pages counts only when it was read alike twice: a pass may go and another come
    /// between two pages, so that all adds up and one that stayed was on neither.
    async fn list(&self, asking: &Asking<'_>, list: List) -> ListResult {
        let is_active = list == List::Passes;
        let rereads = self.limits.reread_max.max(u32::from(is_active));
        let mut before: Option<Vec<Fresh>> = None;
        let mut trouble = String::new();
        for _ in 0..=rereads {
            let reading = match self.list_once(asking, list).await? {
                Ok(reading) => reading,
                Err(reason) => {
                    trouble = reason;
                    continue;
                }
            };
            let is_alike = before.as_ref().is_some_and(|before| pages::are_alike(before, &reading.passes));
            if !is_active || reading.pages == 1 || is_alike {
                return Ok(reading.passes);
            }
            "they differ from one reading to the next".clone_into(&mut trouble);
            before = Some(reading.passes);
        }
        let name = if is_active { "active list" } else { "history" };
        let message = format!("the {name}'s pages do not add up: {trouble}");
        Err(FailedFetch::ours("pages_differ", message, self.clock.now_ms()))
    }

    /// One pass over the pages; the inner error says why they do not add up.
    async fn list_once(&self, asking: &Asking<'_>, list: List) -> Result<Result<Reading, String>, FailedFetch> {
        let mut reading = Reading::new(list);
        for number in 1..=self.limits.history_pages_max {
            let endpoint = pages::endpoint(list, number, self.limits.history_per_page);
            let page = self.page(asking, endpoint).await?;
            match reading.add(page) {
                Ok(true) => return Ok(Ok(reading)),
                Ok(false) => {}
                Err(reason) => return Ok(Err(reason)),
            }
        }
        let message = format!("more than {} pages", self.limits.history_pages_max);
        Err(FailedFetch::ours("too_many_pages", message, self.clock.now_ms()))
    }

    /// One page, asked for a bounded number of times.
    async fn page(&self, asking: &Asking<'_>, endpoint: Endpoint) -> Result<Page, FailedFetch> {
        let mut backoff = Backoff::new(self.limits.backoff, self.limits.backoff_max);
        let mut attempt = 1;
        loop {
            let failure = match self.page_once(asking, endpoint).await {
                Ok(page) => {
                    self.gate.answered();
                    return Ok(page);
                }
                Err(failure) => failure,
            };
            let failure = failure.hiding(asking.token);
            if failure.may_be_the_apis() {
                self.gate.failed(asking.user, &failure.message);
            } else if failure.was_answered() {
                self.gate.answered();
            }
            if attempt >= self.limits.attempts || !failure.may_pass() {
                return Err(failure);
            }
            attempt += 1;
            let delay_ms = backoff.next_ms(&mut self.random.lock().unwrap_or_else(PoisonError::into_inner));
            self.clock.sleep(Duration::from_millis(u64::try_from(delay_ms).unwrap_or(1))).await;
        }
    }

    async fn page_once(&self, asking: &Asking<'_>, endpoint: Endpoint) -> Result<Page, FailedFetch> {
        let part = asking.hold.part();
        let passage = self.gate.enter(asking.hold).await;
        let begun = Instant::now();
        let answer: Result<Answer, NoAnswer> = self.api.get_within(endpoint, asking.token, &part).await;
        let took = begun.elapsed();
        asking.hold.leave(passage);
        let page = self.read(answer);
        let outcome = page.as_ref().map_or_else(|failure| failure.trouble.name(), |_| "ok");
        self.metrics.fetched(endpoint.name(), outcome, took);
        if page.is_ok() {
            part.keep();
        }
        page
    }

    fn read(&self, answer: Result<Answer, NoAnswer>) -> Result<Page, FailedFetch> {
        let now_ms = self.clock.now_ms();
        let answer = answer.map_err(|error| FailedFetch::no_answer(&error, now_ms))?;
        if let Some(retry_after) = answer.retry_after.filter(|_| matches!(answer.status, 429 | 503)) {
            self.gate.hold(retry_after);
        }
        answer::read(&answer, self.limits.depth_max, now_ms)
    }
}

impl Fetched {
    /// Whether a list failed with such trouble.
    pub fn has(&self, trouble: Trouble) -> bool {
        List::BOTH.into_iter().any(|list| self.failures.of(list).as_ref().is_some_and(|it| it.trouble == trouble))
    }

    fn put(&mut self, list: List, result: ListResult) {
        let (answer, failure) = match result {
            Ok(passes) => (Some(passes), None),
            Err(failure) => (None, Some(failure)),
        };
        *self.answers.of_mut(list) = answer;
        *self.failures.of_mut(list) = failure;
    }
}
