//! A value that can be waited on, like tokio's `watch`, whose waiters wake in the order in which they came: tokio's
//! wakes them in a random one, and the same seed would no longer give the same run.

use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

use super::world::lock;

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<(u64, T)>,
    moved: Notify,
}

/// The side that changes the value.
#[derive(Debug)]
pub(super) struct Sender<T>(Arc<Shared<T>>);

/// A side that waits.
#[derive(Debug)]
pub(super) struct Receiver<T> {
    shared: Arc<Shared<T>>,
    seen: u64,
}

impl<T: Copy> Sender<T> {
    pub(super) fn new(value: T) -> Self {
        Self(Arc::new(Shared { state: Mutex::new((0, value)), moved: Notify::new() }))
    }

    pub(super) fn value(&self) -> T {
        lock(&self.0.state).1
    }

    pub(super) fn subscribe(&self) -> Receiver<T> {
        let seen = lock(&self.0.state).0;
        Receiver { shared: Arc::clone(&self.0), seen }
    }

    /// Changes the value; `change` says whether it did.
    pub(super) fn send_if_modified(&self, change: impl FnOnce(&mut T) -> bool) {
        let mut state: MutexGuard<'_, (u64, T)> = lock(&self.0.state);
        if change(&mut state.1) {
            state.0 += 1;
            drop(state);
            self.0.moved.notify_waiters();
        }
    }
}

impl<T: Copy> Receiver<T> {
    /// The value, which counts as seen.
    pub(super) fn value_and_update(&mut self) -> T {
        let state = lock(&self.shared.state);
        self.seen = state.0;
        state.1
    }

    /// Waits until the value was changed since it was seen.
    pub(super) async fn changed(&mut self) {
        loop {
            let moved = self.shared.moved.notified();
            let mut moved = std::pin::pin!(moved);
            // Before looking, so that a change in between is not missed.
            moved.as_mut().enable();
            let count = lock(&self.shared.state).0;
            if count != self.seen {
                self.seen = count;
                return;
            }
            moved.await;
        }
    }
}
