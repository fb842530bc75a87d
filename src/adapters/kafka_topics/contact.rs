//! Watches whether a member's clients reach any broker.
//!
//! librdkafka forgets all brokers, those that it began with too, when one that is about to stop or has just started
//! answers that there are none (its issue 5301). Such a client reaches no broker ever again, and says so once or never.
//! So each client is asked; and when one stays without an answer for long, its membership is given up.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use rdkafka::{
    client::ClientContext,
    consumer::{BaseConsumer, ConsumerContext},
};

use super::{channel::Events, error::failed};
use crate::{
    domain::record::TopicName,
    ports::{Event, Failure},
};

/// A client that is watched.
pub(super) struct Contact {
    /// For what it is there.
    pub(super) what: String,
    /// Whether it reaches a broker, asked within a bound.
    pub(super) reaches: Box<dyn FnMut(Duration) -> bool + Send>,
    /// Since when it does not.
    pub(super) silent_since: Option<Instant>,
}

/// How often clients are asked: when nothing tells of trouble, and when something does.
const CALM: Duration = Duration::from_secs(20);
const ALARMED: Duration = Duration::from_secs(1);

/// Watches until `leaving` is closed, or a client has reached no broker for `patience`.
pub(super) fn watch(mut contacts: Vec<Contact>, events: &Events, patience: Duration, leaving: &Receiver<()>) {
    let mut asked = Instant::now();
    while let Err(RecvTimeoutError::Timeout) = leaving.recv_timeout(ALARMED) {
        let silent = contacts.iter().any(|contact| contact.silent_since.is_some());
        if !silent && !events.take_alarm() && asked.elapsed() < CALM {
            continue;
        }
        asked = Instant::now();
        if let Some((what, silence)) = contacts.iter_mut().find_map(|contact| contact.ask(patience)) {
            let why = format!("{what} has reached no broker for {} s", silence.as_secs());
            return events.send(Event::Ended(failed(Failure::Down, "being a member", why)));
        }
    }
}

impl Contact {
    fn ask(&mut self, patience: Duration) -> Option<(&str, Duration)> {
        if (self.reaches)(ALARMED) {
            self.silent_since = None;
            return None;
        }
        let silence = self.silent_since.get_or_insert_with(Instant::now).elapsed();
        (silence >= patience).then_some((self.what.as_str(), silence))
    }
}

/// Whether the client gets a broker's answer with brokers in it.
pub(super) fn reaches<C: ClientContext + ConsumerContext>(
    client: &BaseConsumer<C>,
    topic: &TopicName,
    bound: Duration,
) -> bool {
    use rdkafka::consumer::Consumer as _;
    client.fetch_metadata(Some(topic.as_str()), bound).is_ok_and(|metadata| !metadata.brokers().is_empty())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::{super::channel, *};

    fn contact(reaches: impl FnMut(Duration) -> bool + Send + 'static) -> Contact {
        Contact { what: "a client".to_owned(), reaches: Box::new(reaches), silent_since: None }
    }

    #[test]
    fn gives_up_what_stays_silent_and_forgives_what_comes_back() {
        let mut answers = [false, true, false, false].into_iter();
        let mut flaky = contact(move |_| answers.next().unwrap());
        assert!(flaky.ask(Duration::from_secs(60)).is_none() && flaky.silent_since.is_some());
        assert!(flaky.ask(Duration::ZERO).is_none() && flaky.silent_since.is_none());
        assert!(flaky.ask(Duration::from_secs(60)).is_none());
        assert_eq!(flaky.ask(Duration::ZERO).unwrap().0, "a client");
    }

    #[tokio::test]
    async fn tells_that_the_membership_has_ended_once() {
        let (events, mut taken) = channel::events(1);
        let (leave, leaving) = mpsc::channel();
        events.fail(failed(Failure::Down, "reading", "all brokers are down"));
        let watched = std::thread::spawn(move || watch(vec![contact(|_| false)], &events, Duration::ZERO, &leaving));
        assert!(matches!(taken.next().await.unwrap().0, Err(error) if error.kind == Failure::Down));
        assert!(matches!(taken.next().await.unwrap().0, Ok(Event::Ended(_))));
        watched.join().unwrap();
        drop(leave);
    }

    #[test]
    fn ends_with_the_membership() {
        let (events, _taken) = channel::events(1);
        let (leave, leaving) = mpsc::channel();
        drop(leave);
        watch(vec![contact(|_| panic!("asked"))], &events, Duration::ZERO, &leaving);
    }
}
