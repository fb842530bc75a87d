//! What happens in a demonstration besides passes that change: ticks, new tokens, requests on demand; and how the changes
//! are shown.

use std::{sync::Arc, time::Duration};

use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::{Error, Names, ParkMobile, Shown, Simulator, Store, token_of, users_up_to};
use crate::{
    domain::{
        record::{Output, TopicName, TopicPartition},
        request::PassRequest,
        tick::{Kind, Tick},
        ticket_changed::{Cause, Kind as Change, Side},
        token::Token,
        user_id::UserId,
    },
    ports::PortError,
};

pub(super) struct Happenings {
    pub(super) store: Store,
    pub(super) simulator: Arc<Simulator>,
    pub(super) names: Names,
}

/// Ticks come this often; the old service's come each hour.
const TICK_EVERY: Duration = Duration::from_secs(3);
/// A new token, or a request on demand, comes this often.
const OTHER_EVERY: Duration = Duration::from_millis(700);
/// Responses of `ParkMobile` come this often.
const PARKING_EVERY: Duration = Duration::from_millis(100);

impl Happenings {
    /// The riders' tokens go into the store; each is a change that causes a first fetch.
    pub(super) async fn import_tokens(&self, users: u64) -> Result<(), Error> {
        let rows: Vec<_> = users_up_to(users).map(|user| (user, token_of(&self.simulator, user))).collect();
        for page in rows.chunks(1000) {
            self.store.token_admin.put(page.to_vec()).await?;
        }
        Ok(())
    }

    /// Until the time is over.
    pub(super) async fn keep_happening(
        &self,
        duration: Duration,
        seed: u64,
        parkmobile: &mut ParkMobile,
    ) -> Result<(), Error> {
        let over = tokio::time::sleep(duration);
        tokio::pin!(over);
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + TICK_EVERY, TICK_EVERY);
        let mut others = tokio::time::interval(OTHER_EVERY);
        let mut parking = tokio::time::interval(PARKING_EVERY);
        let mut random = fastrand::Rng::with_seed(seed);
        loop {
            tokio::select! {
                () = &mut over => return Ok(()),
                _ = ticks.tick() => self.tick().await?,
                _ = others.tick() => self.something(&mut random).await?,
                _ = parking.tick() => parkmobile.respond(&self.store, &self.names).await?,
            }
        }
    }

    async fn tick(&self) -> Result<(), PortError> {
        for kind in [Kind::Refresh, Kind::CheckStatus] {
            let tick = Tick::new(kind, jiff::Timestamp::now());
            self.put(&self.names.ticks, &tick.id, tick.encode()).await?;
        }
        Ok(())
    }

    async fn something(&self, random: &mut fastrand::Rng) -> Result<(), PortError> {
        let number = random.u64(1..=self.simulator.users());
        let Some(user) = users_up_to(number).last() else { return Ok(()) };
        if random.bool() {
            return self.put(&self.names.requests, &user.to_string(), PassRequest::new(user).encode()).await;
        }
        let token = format!("demo-token-{user}-{}", random.u32(..));
        self.simulator.set_token(number, Some(token.clone()));
        self.store.token_admin.put(vec![(user, Token::new(token))]).await.map(drop)
    }

    async fn put(&self, topic: &str, key: &str, value: String) -> Result<(), PortError> {
        let (key, value) = (Some(key.to_owned().into()), Some(value.into()));
        self.store.topics.append(vec![Output { topic: topic.into(), key, value, headers: Vec::new() }]).await
    }
}

#[derive(Deserialize)]
struct Told {
    id: String,
    #[expect(dead_code, reason = "checked to be a user id")]
    user_id: UserId,
    pass_uuid: String,
    change: Change,
    before: Option<Side>,
    after: Option<Side>,
    cause: Cause,
    occurred_at: String,
}

const LOOK_EVERY: Duration = Duration::from_millis(100);
const PAGE: usize = 1000;

/// Shows every change as it comes, until `stop`, and what came until then.
pub(super) async fn show(store: Store, topic: &str, stop: CancellationToken, show: impl Fn(&Shown)) {
    let topic = TopicName::from(topic);
    let mut next: Vec<i64> = Vec::new();
    loop {
        let stopped = stop.is_cancelled();
        if let Err(error) = show_new(&store, &topic, &mut next, &show).await {
            tracing::warn!(%error, "cannot show changes now");
        }
        if stopped {
            return;
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

async fn show_new(
    store: &Store,
    topic: &TopicName,
    next: &mut Vec<i64>,
    show: &impl Fn(&Shown),
) -> Result<(), PortError> {
    next.resize(store.topics.partitions(topic).await?.len(), 0);
    for (partition, next) in (0..).zip(next) {
        let partition = TopicPartition { topic: topic.clone(), partition };
        loop {
            let records = store.topics.read(&partition, *next, PAGE).await?;
            for record in &records {
                *next = record.source.offset + 1;
                let value = record.value.as_deref().unwrap_or_default();
                match serde_json::from_slice::<Told>(value) {
                    Ok(told) => show(&shown(told)),
                    Err(error) => tracing::warn!(record = %record.source, %error, "an event that can't be read"),
                }
            }
            if records.len() < PAGE {
                break;
            }
        }
    }
    Ok(())
}

fn shown(told: Told) -> Shown {
    let side = |side: Side| format!("{} in {}", side.status, side.list.name());
    let change = match told.change {
        Change::Added => "added",
        Change::Updated => "updated",
        Change::Removed => "removed",
    };
    Shown {
        occurred_at: told.occurred_at,
        id: told.id,
        pass_uuid: told.pass_uuid,
        change: change.to_owned(),
        before: told.before.map(side),
        after: told.after.map(side),
        reason: told.cause.reason,
    }
}
