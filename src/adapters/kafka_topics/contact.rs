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

/// The bound of one question.
const ASK: Duration = Duration::from_secs(5);

/// Watches until `leaving` is closed, or a client has reached no broker for `patience` while others are answered:
/// `others_reach` asks by a client that is made when it has to be. When nobody is answered, waiting is all there is.
pub(super) fn watch(
    mut contacts: Vec<Contact>,
    events: &Events,
    patience: Duration,
    leaving: &Receiver<()>,
    others_reach: impl Fn() -> bool,
) {
    let mut asked = Instant::now();
    while let Err(RecvTimeoutError::Timeout) = leaving.recv_timeout(ALARMED) {
        let silent = contacts.iter().any(|contact| contact.silent_since.is_some());
        if !silent && !events.take_alarm() && asked.elapsed() < CALM {
            continue;
        }
        asked = Instant::now();
        contacts.iter_mut().for_each(Contact::ask);
        if contacts.iter().all(|contact| contact.silent_since.is_none()) {
            continue;
        }
        if !others_reach() {
            contacts.iter_mut().for_each(Contact::begin_anew);
        } else if let Some((what, silence)) = contacts.iter().find_map(|contact| contact.silent_for(patience)) {
            let why = format!("{what} has reached no broker for {} s", silence.as_secs());
            return events.send(Event::Ended(failed(Failure::Down, "being a member", why)));
        }
    }
}

impl Contact {
    fn ask(&mut self) {
        if (self.reaches)(ASK) {
            self.silent_since = None;
        } else {
            self.silent_since.get_or_insert_with(Instant::now);
        }
    }

    /// Silence counts from now on only.
    fn begin_anew(&mut self) {
        self.silent_since = self.silent_since.map(|_| Instant::now());
    }

    fn silent_for(&self, patience: Duration) -> Option<(&str, Duration)> {
        let silence = self.silent_since?.elapsed();
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
        let mut answers = [false, true, false].into_iter();
        let mut flaky = contact(move |_| answers.next().unwrap());
        flaky.ask();
        assert!(flaky.silent_for(Duration::from_secs(60)).is_none() && flaky.silent_since.is_some());
        flaky.ask();
        assert!(flaky.silent_for(Duration::ZERO).is_none());
        flaky.ask();
        assert_eq!(flaky.silent_for(Duration::ZERO).unwrap().0, "a client");
    }

    #[tokio::test]
    async fn tells_that_the_membership_has_ended_once() {
        let (events, mut taken) = channel::events(1);
        let (leave, leaving) = mpsc::channel();
        events.fail(failed(Failure::Down, "reading", "all brokers are down"));
        // Nobody is answered at first: then it is nothing to give up for.
        let mut outage = [false, false, true].into_iter();
        let outage = std::sync::Mutex::new(move || outage.next().unwrap_or(true));
        let watched = std::thread::spawn(move || {
            let others_reach = || outage.lock().unwrap()();
            watch(vec![contact(|_| false)], &events, Duration::ZERO, &leaving, others_reach);
        });
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
        watch(vec![contact(|_| panic!("asked"))], &events, Duration::ZERO, &leaving, || panic!("asked"));
    }
}
