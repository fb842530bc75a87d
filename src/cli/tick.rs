use std::{str::FromStr, time::Duration};

use bytes::Bytes;
use clap::ValueEnum;
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::{Timestamp, Zoned, tz::TimeZone};

use crate::{
    domain::{
        record::{Output, TopicName},
        tick::{Kind, Tick},
    },
    ports::{Failure, Topics},
};

use super::{
    Context, Error, Outcome,
    output::{Out, say},
};

/// Puts a tick, once or at each time of a cron expression
///
/// A tick starts a fan-out of requests over all users. Its id is `KIND@SCHEDULED_TIME`, so that two tickers make one
/// fan-out.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  passflow tick\n  passflow tick --every '0 * * * *'\n  passflow tick --kind check-status --every '*/10 * * * *'"
)]
pub(super) struct Args {
    /// What is requested for each user
    #[arg(long, value_enum, default_value_t = KindArg::Refresh)]
    kind: KindArg,
    /// Cron expression: 5 fields, in UTC
    #[arg(long, value_name = "CRON", value_parser = Schedule::from_str)]
    every: Option<Schedule>,
    /// Stop after so many ticks
    #[arg(long, requires = "every", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum KindArg {
    /// Users with a token whose document is stale
    Refresh,
    /// Users with a token who were never fetched
    Backfill,
    /// The status of every cached pass, without a fetch
    CheckStatus,
}

impl From<KindArg> for Kind {
    fn from(kind: KindArg) -> Self {
        match kind {
            KindArg::Refresh => Self::Refresh,
            KindArg::Backfill => Self::Backfill,
            KindArg::CheckStatus => Self::CheckStatus,
        }
    }
}

/// A cron expression of five fields.
#[derive(Clone, Debug)]
struct Schedule(Cron);

impl FromStr for Schedule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(text).map_err(|error| format!("{error} (5 fields: minute hour day month weekday)"))?;
        Ok(Self(cron))
    }
}

impl Schedule {
    /// The first time behind `time`.
    fn next(&self, time: Timestamp) -> Result<Timestamp, Error> {
        let after: Zoned = time.to_zoned(TimeZone::UTC);
        let next = self.0.find_next_occurrence(&after, false);
        next.map(|next| next.timestamp())
            .map_err(|error| Error::message(format!("the cron expression has no further time: {error}")))
    }
}

/// Between tries to put a tick while the topics are down.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

pub(super) async fn execute(args: &Args, context: &Context) -> Result<Outcome, Error> {
    let topic = TopicName::from(context.topic_names()?.ticks.as_str());
    let store = context.store().await?;
    let mut out = Out::new();
    let Some(schedule) = &args.every else {
        let tick = Tick::new(args.kind.into(), Timestamp::now());
        store.topics.append(vec![record(&topic, &tick)]).await?;
        tell(&mut out, context, &topic, &tick)?;
        return Ok(Outcome::Done);
    };
    let mut last = Timestamp::now();
    for _ in 0..args.count.unwrap_or(u64::MAX) {
        // Of times that were missed while the machine slept, none is made up for: a later tick stands for them.
        let scheduled = schedule.next(last.max(Timestamp::now()))?;
        tokio::select! {
            () = sleep_until(scheduled) => {}
            stopped = tokio::signal::ctrl_c() => {
                return stopped.map(|()| Outcome::Done).map_err(|error| Error::message(format!("waiting for SIGINT: {error}")));
            }
        }
        let tick = Tick::new(args.kind.into(), scheduled);
        put_at_last(store.topics.as_ref(), &topic, &tick).await?;
        tell(&mut out, context, &topic, &tick)?;
        last = scheduled;
    }
    Ok(Outcome::Done)
}

/// A wall clock can be set while we wait, so it is looked at again and again.
async fn sleep_until(time: Timestamp) {
    const LOOK_AGAIN: Duration = Duration::from_secs(30);
    while let Ok(left) = Duration::try_from(time.duration_since(Timestamp::now())) {
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(LOOK_AGAIN)).await;
    }
}

/// Putting a tick twice does no harm: its id is the same.
async fn put_at_last(topics: &dyn Topics, topic: &TopicName, tick: &Tick) -> Result<(), Error> {
    loop {
        match topics.append(vec![record(topic, tick)]).await {
            Ok(()) => return Ok(()),
            Err(error) if error.kind == Failure::Refused => return Err(error.into()),
            Err(error) => say(&format!("warning: {error}; trying again in {RETRY_PAUSE:?}")),
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}

fn record(topic: &TopicName, tick: &Tick) -> Output {
    Output {
        topic: topic.clone(),
        key: Some(Bytes::from(tick.id.clone())),
        value: Some(Bytes::from(tick.encode())),
        headers: Vec::new(),
    }
}

fn tell(out: &mut Out, context: &Context, topic: &TopicName, tick: &Tick) -> Result<(), Error> {
    if context.is_json() {
        out.line(&tick.encode())?;
    } else {
        out.line(&format!("put {} on {topic}", tick.id))?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(cron: &str, after: &str) -> String {
        cron.parse::<Schedule>().unwrap().next(after.parse().unwrap()).unwrap().to_string()
    }

    #[test]
    fn times_are_in_utc_and_behind_the_given_one() {
        assert_eq!(next("0 * * * *", "2026-11-20T10:00:00Z"), "2026-11-20T11:00:00Z");
        assert_eq!(next("0 * * * *", "2026-11-20T10:59:59.9Z"), "2026-11-20T11:00:00Z");
        assert_eq!(next("30 2 * * MON", "2026-11-20T10:00:00Z"), "2026-11-23T02:30:00Z");
    }

    #[test]
    fn only_five_fields_are_taken() {
        for wrong in ["", "* * * *", "* * * * * *", "60 * * * *", "every hour"] {
            assert!(wrong.parse::<Schedule>().is_err(), "{wrong:?}");
        }
    }
}
