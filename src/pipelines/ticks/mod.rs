//! `ticks`: a tick becomes a request for every user it is about, page by page.
//!
//! A page's requests and the last user of the page are committed together, so a fan-out goes on after a crash where it
//! stopped. Which ticks were handled is kept in the same place: the text beside the committed offset ([`ledger`]).

pub mod ledger;
mod pace;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;

use self::{
    ledger::{FanOut, Ledger},
    pace::Pace,
};
use crate::{
    domain::{
        poison::{Code, Poison},
        record::{Headers, Output, Record, TopicName},
        request::{Action, PassRequest, Reason, When},
        tick::{self, Kind, Tick},
        user_id::UserId,
    },
    engine::{
        handler::{Halt, Handler, Order, Step, Turn},
        record_sizes::RecordSizes,
    },
    ports::{Clock, Documents, PortError, Tokens, Topics},
};

/// Names and limits of the pipeline.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where requests go.
    pub requests_topic: TopicName,
    /// The group that handles them: the fan-out stays just ahead of it.
    pub requests_group: String,
    /// Ticks older than this are skipped.
    pub max_age: Duration,
    /// The time over which the requests of one tick are spread.
    pub spread: Duration,
    /// How much of its work may lie before the group.
    pub ahead: Duration,
    /// Users a page.
    pub page: usize,
    /// What its topics take.
    pub sizes: RecordSizes,
}

/// The pipeline.
pub struct Ticks {
    config: Config,
    tokens: Arc<dyn Tokens>,
    documents: Arc<dyn Documents>,
    topics: Arc<dyn Topics>,
    clock: Arc<dyn Clock>,
    pace: Mutex<Pace>,
    /// When it last said that it waits, ms since 1970.
    told_ms: AtomicI64,
}

impl Ticks {
    /// The pipeline over these ports.
    pub fn new(
        config: Config,
        tokens: Arc<dyn Tokens>,
        documents: Arc<dyn Documents>,
        topics: Arc<dyn Topics>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { config, tokens, documents, topics, clock, pace: Mutex::default(), told_ms: AtomicI64::new(0) }
    }

    /// Users that a tick of `kind` is about: those with a document for a status check, else those with a token.
    async fn users(&self, kind: Kind, after: Option<UserId>, limit: usize) -> Result<Vec<UserId>, PortError> {
        match kind {
            Kind::CheckStatus => self.documents.users(after, limit).await,
            Kind::Refresh | Kind::Backfill => self.tokens.users(after, limit).await,
        }
    }

    async fn count(&self, kind: Kind) -> Result<u64, PortError> {
        match kind {
            Kind::CheckStatus => self.documents.count().await,
            Kind::Refresh | Kind::Backfill => self.tokens.count().await,
        }
    }

    /// A tick that is due begins its fan-out; its first page follows at once.
    async fn begin(&self, tick: &Tick, record: &Record, ledger: &Ledger) -> Result<Option<FanOut>, Halt> {
        if ledger.has(&tick.id) || self.is_old(tick) || self.is_overtaken(tick, record, ledger).await? {
            return Ok(None);
        }
        let total = if self.config.spread.is_zero() { 0 } else { self.count(tick.kind).await? };
        Ok(Some(FanOut { offset: record.source.offset, begun_ms: self.clock.now_ms(), total, ..FanOut::default() }))
    }

    fn is_old(&self, tick: &Tick) -> bool {
        let age_ms = self.clock.now_ms().saturating_sub(tick.scheduled_at.as_millisecond());
        age_ms > i64::try_from(self.config.max_age.as_millis()).unwrap_or(i64::MAX)
    }

    /// Whether a later tick of the same kind lies in the topic that will itself be fanned out.
    async fn is_overtaken(&self, tick: &Tick, record: &Record, ledger: &Ledger) -> Result<bool, Halt> {
        const PAGE: usize = 100;
        let partition = record.source.topic_partition();
        let mut from = record.source.offset + 1;
        loop {
            let later = self.topics.read(&partition, from, PAGE).await?;
            let Some(last) = later.last() else { return Ok(false) };
            from = last.source.offset + 1;
            let overtakes = |other: Tick| other.kind == tick.kind && !ledger.has(&other.id) && !self.is_old(&other);
            if later.iter().filter_map(|record| decode(record).ok()).any(overtakes) {
                return Ok(true);
            }
        }
    }

    /// One page, when it is time for it.
    async fn page(&self, tick: &Tick, trace: &Headers, ledger: Ledger, fan_out: FanOut) -> Result<Step, Halt> {
        let now_ms = self.clock.now_ms();
        let pace = *self.pace();
        let size = fan_out.page_size(pace.page(self.config.ahead, self.config.page), self.config.spread);
        let due_ms = fan_out.due_ms(self.config.spread);
        if now_ms < due_ms {
            return Ok(Step::NotBefore(due_ms));
        }
        if let Some(backlog) = self.too_far_ahead(now_ms, size).await? {
            self.tell_backlog(now_ms, backlog);
            return Ok(Step::NotBefore(now_ms + pace::LOOK_MS));
        }
        let after = fan_out.after;
        let users = self.users(tick.kind, after, size).await?;
        self.pace().put(users.len());
        let outputs: Vec<_> = users.iter().map(|user| self.request(*user, tick, trace, now_ms)).collect();
        if let Some(poison) = self.config.sizes.refuse(&outputs) {
            return Err(Halt::Poison { stage: "emit", poison });
        }
        let Some(last) = users.last().filter(|_| users.len() == size) else {
            let metadata = Some(ledger.finished(&tick.id).text());
            return Ok(Step::Done { outputs, outcome: "routed", metadata });
        };
        let metadata = ledger.going_on(fan_out.gone_to(*last, users.len())).text();
        Ok(Step::More { outputs, metadata })
    }

    /// The backlog of requests, when another page has to wait for it.
    async fn too_far_ahead(&self, now_ms: i64, page: usize) -> Result<Option<u64>, Halt> {
        let pace = *self.pace();
        let allowed = |pace: &Pace| pace.allowed(self.config.ahead, page);
        if pace.backlog_at_most(now_ms).is_some_and(|backlog| backlog <= allowed(&pace)) {
            return Ok(None);
        }
        let backlog = self.topics.backlog(&self.config.requests_group, &self.config.requests_topic).await?;
        let mut pace = self.pace();
        pace.look(now_ms, backlog);
        Ok(Some(backlog).filter(|backlog| *backlog > allowed(&pace)))
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says every now and then for whom the fan-out waits.
    fn tell_backlog(&self, now_ms: i64, backlog: u64) {
        const EVERY_MS: i64 = 60_000;
        let told_ms = self.told_ms.load(Ordering::Relaxed);
        if now_ms - told_ms >= EVERY_MS {
            self.told_ms.store(now_ms, Ordering::Relaxed);
            let (topic, group) = (self.config.requests_topic.as_str(), self.config.requests_group.as_str());
            tracing::info!(
                topic,
                group,
                backlog,
                "the fan-out waits until the group has handled more of these requests"
            );
        }
    }

    fn request(&self, user: UserId, tick: &Tick, trace: &Headers, now_ms: i64) -> Output {
        let request = PassRequest {
            action: if tick.kind == Kind::CheckStatus { Action::CheckStatus } else { Action::Refresh },
            when: match tick.kind {
                Kind::Refresh => When::IfStale,
                Kind::Backfill => When::IfMissing,
                Kind::CheckStatus => When::Always,
            },
            reason: Reason::TICK,
            tick_id: Some(tick.id.clone()),
            requested_at: jiff::Timestamp::from_millisecond(now_ms).ok(),
            ..PassRequest::new(user)
        };
        Output {
            topic: self.config.requests_topic.clone(),
            key: Some(Bytes::from(user.to_string())),
            value: Some(Bytes::from(request.encode())),
            headers: trace.clone(),
        }
    }
}

fn decode(record: &Record) -> Result<Tick, Poison> {
    let Some(value) = &record.value else {
        return Err(Poison::new(Code::WrongType, "a tick has a value, `{}` at least; this record is a tombstone"));
    };
    let place = record.source.to_string();
    let told = tick::Record { key: record.key.as_deref(), place: &place, timestamp_ms: record.source.timestamp_ms };
    Tick::decode(value, told)
}

#[async_trait]
impl Handler for Ticks {
    fn order(&self) -> Order {
        Order::OneByOne
    }

    async fn handle(&self, record: &Record, turn: &Turn) -> Result<Step, Halt> {
        let ledger = Ledger::read(&turn.metadata);
        let tick = decode(record).map_err(|poison| Halt::Poison { stage: "decode", poison })?;
        if let Some(fan_out) = ledger.fan_out_of(record.source.offset) {
            return self.page(&tick, &turn.trace(), ledger, fan_out).await;
        }
        match self.begin(&tick, record, &ledger).await? {
            Some(fan_out) => self.page(&tick, &turn.trace(), ledger, fan_out).await,
            None => Ok(Step::done("skipped")),
        }
    }
}
