//! Bytes that all bodies together may take.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// The room for bodies. Whoever finds none waits for it, or for being the one that may go on without.
///
/// A reader can hold one body while it waits for the next, so waiting for room alone could last for ever.
pub(super) struct Budget {
    room: Arc<Semaphore>,
    room_max: usize,
    beyond: Semaphore,
}

/// Room taken by one body while it is read.
pub(super) struct Reservation<'a> {
    budget: &'a Budget,
    room: Option<OwnedSemaphorePermit>,
    beyond: Option<SemaphorePermit<'a>>,
}

/// Room kept as long as this lives.
pub(super) struct Room {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Budget {
    pub(super) fn new(bytes_max: usize) -> Self {
        let room_max = bytes_max.min(u32::MAX as usize).min(Semaphore::MAX_PERMITS);
        Self { room: Arc::new(Semaphore::new(room_max)), room_max, beyond: Semaphore::new(1) }
    }

    pub(super) fn reserve(&self) -> Reservation<'_> {
        Reservation { budget: self, room: None, beyond: None }
    }
}

impl Reservation<'_> {
    /// Waits until the body may take `bytes` in all.
    pub(super) async fn grow_to(&mut self, bytes: usize) {
        let taken = self.room.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        if self.beyond.is_some() || bytes <= taken {
            return;
        }
        let more = u32::try_from(bytes - taken).unwrap_or(u32::MAX);
        if bytes > self.budget.room_max {
            self.beyond = self.budget.beyond.acquire().await.ok();
            return;
        }
        tokio::select! {
            biased;
            room = Arc::clone(&self.budget.room).acquire_many_owned(more) => self.add(room.ok()),
            beyond = self.budget.beyond.acquire() => self.beyond = beyond.ok(),
        }
    }

    fn add(&mut self, more: Option<OwnedSemaphorePermit>) {
        match (&mut self.room, more) {
            (Some(room), Some(more)) => room.merge(more),
            (room, more) => *room = more,
        }
    }

    /// The body is read: the next one may go beyond the room, while this one still takes what it has of it.
    pub(super) fn finish(self) -> Room {
        Room { _permit: self.room }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    #[test]
    fn one_body_at_a_time_goes_beyond_the_room() {
        let budget = Budget::new(10);
        let (mut first, mut second, mut third) = (budget.reserve(), budget.reserve(), budget.reserve());
        assert!(first.grow_to(4).now_or_never().is_some());
        assert!(first.grow_to(8).now_or_never().is_some());
        assert!(second.grow_to(5).now_or_never().is_some());
        assert!(second.grow_to(500).now_or_never().is_some());
        assert!(third.grow_to(3).now_or_never().is_none());
        assert!(third.grow_to(2).now_or_never().is_some());
        assert!(third.grow_to(11).now_or_never().is_none());
        drop(second.finish());
        assert!(third.grow_to(11).now_or_never().is_some());
    }

    #[test]
    fn room_is_kept_as_long_as_the_body() {
        let budget = Budget::new(10);
        let mut body = budget.reserve();
        assert!(body.grow_to(10).now_or_never().is_some());
        let room = body.finish();
        assert_eq!(budget.room.available_permits(), 0);
        drop(room);
        assert_eq!(budget.room.available_permits(), 10);
    }
}
