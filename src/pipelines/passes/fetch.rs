//! Reading a rider's passes from the API: both lists, all pages, and never a pass lost between them.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{
    answer::{self, FailedFetch, Page, Trouble},
    gate::Gate,
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
};

/// Limits of a fetch.
#[derive(Clone, Debug)]
pub struct FetchLimits {
    /// Passes asked for a page of the history.
    pub history_per_page: u32,
    /// Pages of history at most; more is a failed fetch.
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
}

/// What a fetch of both lists gave.
#[derive(Debug, Default)]
pub struct Fetched {
    /// The lists that were answered completely.
    pub answers: Answers,
    /// Why the others were not.
    pub failures: PerList<Option<FailedFetch>>,
}

/// Fetches.
pub struct Fetcher {
    api: Arc<dyn PassApi>,
    gate: Gate,
    limits: FetchLimits,
    clock: Arc<dyn Clock>,
    random: Mutex<fastrand::Rng>,
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
        Self { api, gate, limits, clock, random: Mutex::new(random) }
    }

    /// The gate, to know whether the API is down.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Both lists of a user, read at once. When a pass that `head` has would be in neither, the history is read once
    /// more, now surely later than the active list: only then is the pass gone.
    pub async fn fetch(&self, user: UserId, token: &Token, head: &Head) -> Fetched {
        let (passes, passes4) = tokio::join!(self.active(user, token), self.history(user, token));
        let mut fetched = Fetched::default();
        fetched.put(List::Passes, passes);
        fetched.put(List::Passes4, passes4);
        let both = fetched.answers.passes.is_some() && fetched.answers.passes4.is_some();
        if both && would_lose_a_pass(head, &fetched.answers) {
            fetched.put(List::Passes4, self.history(user, token).await);
        }
        fetched
    }

    async fn active(&self, user: UserId, token: &Token) -> ListResult {
        self.page(user, token, Endpoint::Active).await.map(|page| page.passes)
    }

    /// All pages; read again from the first when they do not add up, because something moved between them.
    async fn history(&self, user: UserId, token: &Token) -> ListResult {
        let mut trouble = None;
        for _ in 0..=self.limits.reread_max {
            match self.history_once(user, token).await? {
                Ok(passes) => return Ok(passes),
                Err(reason) => trouble = Some(reason),
            }
        }
        let reason = trouble.unwrap_or_default();
        Err(FailedFetch::ours(
            "pages_differ",
            format!("the history's pages do not add up: {reason}"),
            self.clock.now_ms(),
        ))
    }

    /// One pass over the pages; the inner error says why they do not add up.
    async fn history_once(&self, user: UserId, token: &Token) -> Result<Result<Vec<Fresh>, String>, FailedFetch> {
        let per_page = self.limits.history_per_page;
        let mut passes: Vec<Fresh> = Vec::new();
        let mut total = None;
        let mut is_repeating = false;
        for page_number in 1..=self.limits.history_pages_max {
            let page = self.page(user, token, Endpoint::History { per_page, page: page_number }).await?;
            if page_number > 1 && page.total_count != total {
                return Ok(Err("`total_count` changed from page to page".to_owned()));
            }
            total = page.total_count;
            let is_last = page.is_last(page_number, passes.len());
            // An API that knows no pages gives the same whenever it is asked. A list that moved by a page's length while
            // it was read looks alike once, but not twice.
            match (page.repeats(&passes), is_repeating) {
                (true, true) => return Ok(Ok(passes)),
                (true, false) => {
                    is_repeating = true;
                    continue;
                }
                (false, true) => return Ok(Err(format!("page {page_number} differs where the one before repeats"))),
                (false, false) => {}
            }
            if let Some(twice) = page.passes.iter().find(|fresh| has(&passes, &fresh.pass_uuid)) {
                return Ok(Err(format!("pass {} stands on two pages", twice.pass_uuid)));
            }
            passes.extend(page.passes);
            if is_last {
                let adds_up = total.is_none_or(|total| total == passes.len() as u64);
                let count = passes.len();
                return Ok(if adds_up { Ok(passes) } else { Err(format!("{count} passes, `total_count` {total:?}")) });
            }
        }
        let message = format!("more than {} pages of {per_page}", self.limits.history_pages_max);
        Err(FailedFetch::ours("too_many_pages", message, self.clock.now_ms()))
    }

    /// One page, asked for a bounded number of times.
    async fn page(&self, user: UserId, token: &Token, endpoint: Endpoint) -> Result<Page, FailedFetch> {
        let mut backoff = Backoff::new(self.limits.backoff, self.limits.backoff_max);
        let mut attempt = 1;
        loop {
            let failure = match self.page_once(token, endpoint).await {
                Ok(page) => {
                    self.gate.answered();
                    return Ok(page);
                }
                Err(failure) => failure,
            };
            let failure = failure.hiding(token);
            if failure.may_be_the_apis() {
                self.gate.failed(user, &failure.message);
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

    async fn page_once(&self, token: &Token, endpoint: Endpoint) -> Result<Page, FailedFetch> {
        let answer: Result<Answer, NoAnswer> = {
            let _permit = self.gate.enter().await;
            self.api.get(endpoint, token).await
        };
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

fn has(passes: &[Fresh], pass_uuid: &str) -> bool {
    passes.iter().any(|fresh| fresh.pass_uuid == pass_uuid)
}
