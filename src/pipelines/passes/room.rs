//! Bytes that all fetches together may hold, from a body's first piece until what was made of it is written.
//!
//! A fetch reads several bodies and holds the first while it waits for the next, so waiting for room alone could last
//! for ever. So one fetch at a time may go beyond the room, from then until it is written; and it keeps its way through
//! the gate, because those who wait for room stand in there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::ports::Room;

/// What all fetches hold at most, in bytes of bodies, besides the one that goes beyond. What is made of a body on the way
/// to the store (events, their stored form) takes about four times as much again.
pub const BYTES_MAX: usize = 8 << 20;

/// The room of all fetches together.
#[derive(Debug)]
pub struct Rooms {
    room: Arc<Semaphore>,
    room_max: usize,
    beyond: Arc<Semaphore>,
}

/// What one fetch holds, given back when it is dropped.
#[derive(Debug)]
pub struct Hold {
    room: Arc<Semaphore>,
    room_max: usize,
    beyond: Arc<Semaphore>,
    /// One request of a fetch waits at a time: if it may go beyond the room, so may the other.
    waiting: tokio::sync::Mutex<()>,
    held: Mutex<Held>,
    passage_left: Notify,
}

#[derive(Debug, Default)]
struct Held {
    room: Option<OwnedSemaphorePermit>,
    beyond: Option<OwnedSemaphorePermit>,
    /// Ways through the gate, for the next requests of a fetch that goes beyond.
    passages: Vec<OwnedSemaphorePermit>,
}

/// The room of one request of a fetch: given back when it is dropped, unless its answer is kept.
#[derive(Debug)]
pub struct Part<'a> {
    hold: &'a Hold,
    room: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Rooms {
    /// Room for so many bytes.
    pub fn new(bytes_max: usize) -> Self {
        let room_max = bytes_max.min(u32::MAX as usize).min(Semaphore::MAX_PERMITS);
        Self { room: Arc::new(Semaphore::new(room_max)), room_max, beyond: Arc::new(Semaphore::new(1)) }
    }

    /// For a fetch that begins.
    pub fn hold(&self) -> Hold {
        Hold {
            room: Arc::clone(&self.room),
            room_max: self.room_max,
            beyond: Arc::clone(&self.beyond),
            waiting: tokio::sync::Mutex::default(),
            held: Mutex::default(),
            passage_left: Notify::new(),
        }
    }
}

impl Hold {
    /// For a request that begins.
    pub fn part(&self) -> Part<'_> {
        Part { hold: self, room: Mutex::default() }
    }

    /// Waits for a way through the gate that another request of this fetch left.
    pub async fn passage(&self) -> OwnedSemaphorePermit {
        loop {
            if let Some(passage) = self.held().passages.pop() {
                return passage;
            }
            self.passage_left.notified().await;
        }
    }

    /// A request is over: its way through the gate is free, or kept by a fetch that must not wait for others.
    pub fn leave(&self, passage: Option<OwnedSemaphorePermit>) {
        let mut held = self.held();
        if held.beyond.is_some() {
            held.passages.extend(passage);
            self.passage_left.notify_one();
        }
    }

    /// All requests are over.
    pub fn asked(&self) {
        self.held().passages.clear();
    }

    fn is_beyond(&self) -> bool {
        self.held().beyond.is_some()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Part<'_> {
    /// The answer is kept, and with it its room, as long as the fetch.
    pub fn keep(self) {
        let room = self.room.into_inner().unwrap_or_else(PoisonError::into_inner);
        merge(&mut self.hold.held().room, room);
    }
}

#[async_trait]
impl Room for Part<'_> {
    async fn take(&self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        let hold = self.hold;
        let _waiting = hold.waiting.lock().await;
        if hold.is_beyond() {
            return;
        }
        let more = u32::try_from(bytes).ok().filter(|_| bytes <= hold.room_max);
        let room = async {
            match more {
                Some(more) => Arc::clone(&hold.room).acquire_many_owned(more).await.ok(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            room = room => merge(&mut self.room.lock().unwrap_or_else(PoisonError::into_inner), room),
            beyond = Arc::clone(&hold.beyond).acquire_owned() => hold.held().beyond = beyond.ok(),
        }
    }
}

fn merge(room: &mut Option<OwnedSemaphorePermit>, more: Option<OwnedSemaphorePermit>) {
    match (room, more) {
        (Some(room), Some(more)) => room.merge(more),
        (room @ None, more) => *room = more,
        (Some(_), None) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    fn takes(part: &Part<'_>, bytes: usize) -> bool {
        part.take(bytes).now_or_never().is_some()
    }

    #[test]
    fn one_fetch_at_a_time_goes_beyond_the_room_until_it_is_over() {
        let rooms = Rooms::new(10);
        let (first, second, third) = (rooms.hold(), rooms.hold(), rooms.hold());
        assert!(takes(&first.part(), 4));
        let (a, b, c) = (first.part(), second.part(), third.part());
        assert!(takes(&a, 4) && takes(&a, 4));
        // Both requests of the second fetch go beyond; the third waits, although the second's bodies are read.
        assert!(takes(&b, 5) && takes(&b, 500) && takes(&second.part(), 500));
        b.keep();
        assert!(!takes(&c, 3) && takes(&c, 2) && !takes(&c, 11));
        drop(second);
        assert!(takes(&c, 11));
    }

    #[test]
    fn the_room_of_an_answer_is_kept_as_long_as_its_fetch_and_that_of_a_failure_is_not() {
        let rooms = Rooms::new(10);
        let fetch = rooms.hold();
        let (answer, failure) = (fetch.part(), fetch.part());
        assert!(takes(&answer, 6) && takes(&failure, 4));
        answer.keep();
        drop(failure);
        assert_eq!(rooms.room.available_permits(), 4);
        drop(fetch);
        assert_eq!(rooms.room.available_permits(), 10);
    }

    #[test]
    fn who_goes_beyond_keeps_the_way_through_the_gate() {
        let (rooms, gate) = (Rooms::new(10), Arc::new(Semaphore::new(1)));
        let passage = || Arc::clone(&gate).try_acquire_owned().ok();
        let within = rooms.hold();
        within.leave(passage());
        assert!(within.passage().now_or_never().is_none() && gate.available_permits() == 1);
        let beyond = rooms.hold();
        assert!(takes(&beyond.part(), 11));
        beyond.leave(passage());
        assert_eq!(gate.available_permits(), 0);
        beyond.leave(beyond.passage().now_or_never());
        beyond.asked();
        assert_eq!(gate.available_permits(), 1);
    }
}
