//! What was asked of the simulator, and what it did.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::world::Endpoint;

/// Numbers since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests for active lists, whatever became of them.
    pub active: u64,
    /// Requests for pages of histories, whatever became of them.
    pub history: u64,
    /// Requests with an unknown token or none.
    pub denied: u64,
    /// Requests that went wrong by a [`Fault`](super::Fault).
    pub faults: u64,
    /// Requests that met an [`Outage`](super::Outage).
    pub outages: u64,
    /// The most requests over HTTP that were being answered at once.
    pub peak_in_flight: u64,
}

/// The same, being counted.
#[derive(Default)]
pub(super) struct Counters {
    active: AtomicU64,
    history: AtomicU64,
    denied: AtomicU64,
    faults: AtomicU64,
    outages: AtomicU64,
    in_flight: AtomicU64,
    peak_in_flight: AtomicU64,
}

impl Counters {
    /// Counts a request; returns how many there were before, of both kinds.
    pub fn request(&self, endpoint: Endpoint) -> u64 {
        let (this, other) = match endpoint {
            Endpoint::Active => (&self.active, &self.history),
            Endpoint::History => (&self.history, &self.active),
        };
        this.fetch_add(1, Relaxed) + other.load(Relaxed)
    }

    pub fn denied(&self) {
        self.denied.fetch_add(1, Relaxed);
    }

    pub fn fault(&self) {
        self.faults.fetch_add(1, Relaxed);
    }

    pub fn outage(&self) {
        self.outages.fetch_add(1, Relaxed);
    }

    /// Counts a request as in flight until what is returned is dropped.
    pub fn in_flight(&self) -> InFlight<'_> {
        let now = self.in_flight.fetch_add(1, Relaxed) + 1;
        self.peak_in_flight.fetch_max(now, Relaxed);
        InFlight(&self.in_flight)
    }

    pub fn read(&self) -> Counts {
        Counts {
            active: self.active.load(Relaxed),
            history: self.history.load(Relaxed),
            denied: self.denied.load(Relaxed),
            faults: self.faults.load(Relaxed),
            outages: self.outages.load(Relaxed),
            peak_in_flight: self.peak_in_flight.load(Relaxed),
        }
    }
}

/// A request that is being answered.
pub(super) struct InFlight<'counter>(&'counter AtomicU64);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
