//! What can go wrong with an answer, and how often it does.

use std::time::Duration;

use fastrand::Rng;

use super::world::Endpoint;

/// One way in which an answer goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// HTTP 500 with a JSON error envelope.
    Status500,
    /// HTTP 502 with an HTML page.
    Status502,
    /// HTTP 503 without `Retry-After`.
    Status503,
    /// HTTP 503 with `Retry-After`, in seconds or as a date.
    Status503RetryAfter,
    /// HTTP 429 with `Retry-After`, in seconds or as a date.
    Status429,
    /// The connection is reset before any answer.
    Reset,
    /// The connection breaks in the middle of the body.
    Cut,
    /// No answer comes, for [`Faults::hang`]; then the connection is reset.
    Hang,
    /// HTTP 200 with an HTML page.
    Html,
    /// HTTP 200 with an envelope whose `errors` is not empty.
    ErrorEnvelope,
    /// HTTP 200 with JSON that stops short, at its proper `Content-Length`.
    Truncated,
    /// The right answer, but its body takes [`Faults::slow`] to come.
    Slow,
    /// History only: pages after the first are shifted by one, so that a pass comes twice and another not at all.
    RepeatedPass,
    /// History only: `total_count` is one too great.
    WrongTotal,
    /// The right answer behind [`Faults::padding_bytes`] of white space.
    TooLarge,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Status500,
        Self::Status502,
        Self::Status503,
        Self::Status503RetryAfter,
        Self::Status429,
        Self::Reset,
        Self::Cut,
        Self::Hang,
        Self::Html,
        Self::ErrorEnvelope,
        Self::Truncated,
        Self::Slow,
        Self::RepeatedPass,
        Self::WrongTotal,
        Self::TooLarge,
    ];

    /// Whether it makes a difference to this list.
    pub(super) fn concerns(self, endpoint: Endpoint) -> bool {
        endpoint == Endpoint::History || !matches!(self, Self::RepeatedPass | Self::WrongTotal)
    }
}

/// How often answers go wrong, by the kind of fault, and how badly.
#[derive(Clone, Debug)]
pub struct Faults {
    /// Chance of each kind, drawn for each request; together at most 1.
    pub chances: Vec<(Fault, f64)>,
    /// How long [`Fault::Hang`] lasts, unless the client gives up, the simulator is frozen or the server stops.
    pub hang: Duration,
    /// How long the body of [`Fault::Slow`] takes.
    pub slow: Duration,
    /// What `Retry-After` says, in seconds.
    pub retry_after_s: u32,
    /// White space before the body of [`Fault::TooLarge`], in bytes.
    pub padding_bytes: u64,
}

impl Faults {
    /// Every answer is right.
    #[must_use]
    pub fn none() -> Self {
        Self {
            chances: Vec::new(),
            hang: Duration::from_secs(60),
            slow: Duration::from_millis(300),
            retry_after_s: 1,
            padding_bytes: 33 << 20,
        }
    }

    /// A request goes wrong with chance `total`, in any of the ways, each as likely as the others.
    #[must_use]
    pub fn all(total: f64) -> Self {
        let chance = total / Fault::ALL.len() as f64;
        Self { chances: Fault::ALL.map(|fault| (fault, chance)).to_vec(), ..Self::none() }
    }

    /// A request goes wrong with chance `chance`, in this way only.
    #[must_use]
    pub fn only(fault: Fault, chance: f64) -> Self {
        Self::none().with(fault, chance)
    }

    /// The same, but with this chance of this fault (0 switches it off).
    #[must_use]
    pub fn with(mut self, fault: Fault, chance: f64) -> Self {
        self.chances.retain(|(other, _)| *other != fault);
        self.chances.push((fault, chance));
        self
    }

    /// What goes wrong this time.
    pub(super) fn draw(&self, dice: &mut Rng) -> Option<Fault> {
        let mut left = dice.f64();
        self.chances.iter().find_map(|(fault, chance)| {
            left -= chance;
            (left < 0.0).then_some(*fault)
        })
    }
}

/// How the API, or one of its lists, is down as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// Each connection is reset at its first request.
    Reset,
    /// Each request is answered with this HTTP status.
    Status(u16),
    /// No request is answered, for [`Faults::hang`].
    Hang,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::dice::dice;

    #[test]
    fn faults_come_as_often_as_said() {
        let mut dice = dice(&[1]);
        let faults = Faults::all(0.3).with(Fault::Hang, 0.0);
        let drawn: Vec<_> = (0..30_000).filter_map(|_| faults.draw(&mut dice)).collect();
        assert!((8_000..8_800).contains(&drawn.len()), "{}", drawn.len());
        for fault in Fault::ALL {
            assert_eq!(drawn.contains(&fault), fault != Fault::Hang, "{fault:?}");
        }
    }

    #[test]
    fn none_is_none() {
        let mut dice = dice(&[1]);
        assert!((0..1_000).all(|_| Faults::none().draw(&mut dice).is_none()));
        assert_eq!(Faults::only(Fault::Cut, 1.0).draw(&mut dice), Some(Fault::Cut));
    }
}
