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
    wiring::running::StopSignals,
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
    after_help = "Examples:\n  passflow tick\n  passflow tick --every '0 * * * *'\n  passflow tick --kind backfill"
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
    let topic = TopicName::from(context.names()?.ticks.as_str());
    let store = context.store().await?;
    let mut out = Out::new();
    let Some(schedule) = &args.every else {
        let tick = Tick::new(args.kind.into(), Timestamp::now());
        store.topics.append(vec![record(&topic, &tick)]).await?;
        tell(&mut out, context, &topic, &tick)?;
        return Ok(Outcome::Done);
    };
    // From here on: a signal before ends the process by itself.
    let mut signals = StopSignals::listen()?;
    let ticker = Ticker { topics: store.topics.as_ref(), topic: &topic, kind: args.kind.into() };
    let told = |tick: &Tick| tell(&mut out, context, &topic, tick);
    let ticking = ticker.put_each(args.count.unwrap_or(u64::MAX), |after| schedule.next(after), told);
    until(signals.next(), ticking).await?;
    Ok(Outcome::Done)
}

/// Works until it is done or told to stop, whatever it waits for at that moment.
async fn until(stop: impl Future<Output = ()>, work: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
    tokio::select! {
        () = stop => Ok(()),
        done = work => done,
    }
}

/// Puts ticks of one kind.
struct Ticker<'a> {
    topics: &'a dyn Topics,
    topic: &'a TopicName,
    kind: Kind,
}

impl Ticker<'_> {
    /// Puts a tick at each of the next `count` times.
    async fn put_each(
        &self,
        count: u64,
        next: impl Fn(Timestamp) -> Result<Timestamp, Error>,
        mut tell: impl FnMut(&Tick) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut last = Timestamp::now();
        for _ in 0..count {
            // Of times that were missed while the machine slept, none is made up for: a later tick stands for them.
            let scheduled = next(last.max(Timestamp::now()))?;
            sleep_until(scheduled).await;
            let tick = Tick::new(self.kind, scheduled);
            self.put_at_last(&tick).await?;
            tell(&tick)?;
            last = scheduled;
        }
        Ok(())
    }

    /// Putting a tick twice does no harm: its id is the same.
    async fn put_at_last(&self, tick: &Tick) -> Result<(), Error> {
        loop {
            match self.topics.append(vec![record(self.topic, tick)]).await {
                Ok(()) => return Ok(()),
                Err(error) if error.kind == Failure::Refused => return Err(error.into()),
                Err(error) => say(&format!("warning: {error}; trying again in {RETRY_PAUSE:?}")),
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }
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
    use std::{
        ops::Range,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use super::*;
    use crate::{
        domain::record::{Record, TopicPartition},
        ports::{Dependency, Membership, PortError},
    };

    fn next(cron: &str, after: &str) -> String {
        cron.parse::<Schedule>().unwrap().next(after.parse().unwrap()).unwrap().to_string()
    }

    #[test]
    fn times_are_in_utc_and_behind_the_given_one() {
        assert_eq!(next("0 * * * *", "2026-11-20T10:00:00Z"), "2026-11-20T11:00:00Z");
        assert_eq!(next("0 * * * *", "2026-11-20T10:59:59.9Z"), "2026-11-20T11:00:00Z");
        assert_eq!(next("30 2 * * MON", "2026-11-20T10:00:00Z"), "2026-11-23T02:30:00Z");
    }

    /// Topics that are down for good.
    struct Down(AtomicUsize);

    #[async_trait::async_trait]
    impl Topics for Down {
        async fn append(&self, _: Vec<Output>) -> Result<(), PortError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            let (doing, message) = ("putting a tick".to_owned(), "busy".to_owned());
            Err(PortError { kind: Failure::Down, dependency: Dependency::Topics, doing, message })
        }

        async fn join(&self, _: &str, _: &[TopicName]) -> Result<Membership, PortError> {
            unreachable!()
        }

        async fn partitions(&self, _: &TopicName) -> Result<Vec<Range<i64>>, PortError> {
            unreachable!()
        }

        async fn read(&self, _: &TopicPartition, _: i64, _: usize) -> Result<Vec<Record>, PortError> {
            unreachable!()
        }

        async fn offset_at(&self, _: &TopicPartition, _: i64) -> Result<i64, PortError> {
            unreachable!()
        }

        async fn backlog(&self, _: &str, _: &TopicName) -> Result<u64, PortError> {
            unreachable!()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_is_heard_while_a_tick_cannot_be_put() {
        let topics = Down(AtomicUsize::new(0));
        let ticker = Ticker { topics: &topics, topic: &"ticks".into(), kind: Kind::Refresh };
        let ticking = ticker.put_each(u64::MAX, |_| Ok(Timestamp::now()), |_| Ok(()));
        until(tokio::time::sleep(RETRY_PAUSE * 3 / 2), ticking).await.unwrap();
        assert_eq!(topics.0.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn only_five_fields_are_taken() {
        for wrong in ["", "* * * *", "* * * * * *", "60 * * * *", "every hour"] {
            assert!(wrong.parse::<Schedule>().is_err(), "{wrong:?}");
        }
    }
}
