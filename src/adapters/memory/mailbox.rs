//! What a group's coordinator has to tell a member, on its way.

use std::{collections::VecDeque, sync::Mutex};

use tokio::time::Instant;

use super::world::lock;
use crate::ports::{Event, Ownership};

/// What a member is told.
#[derive(Debug)]
pub(super) enum Notice {
    /// As it stands.
    Event(Event),
    /// It was put out of the group: it owns nothing any more.
    Lost(Ownership),
}

/// One consumer's notices, in order. The consumer alone keeps it alive.
#[derive(Debug, Default)]
pub(super) struct Mailbox(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    member: u64,
    left: bool,
    notices: VecDeque<(Instant, Notice)>,
}

impl Mailbox {
    pub(super) fn member(&self) -> u64 {
        lock(&self.0).member
    }

    /// Which member it is now: after it was put out and has joined again, another.
    pub(super) fn set_member(&self, member: u64) {
        lock(&self.0).member = member;
    }

    pub(super) fn has_left(&self) -> bool {
        lock(&self.0).left
    }

    pub(super) fn leave(&self) {
        lock(&self.0).left = true;
    }

    /// Sends `notice`, to be seen at `at`, but not before an earlier one.
    pub(super) fn push(&self, at: Instant, notice: Notice) {
        let mut inner = lock(&self.0);
        let at = inner.notices.back().map_or(at, |(before, _)| at.max(*before));
        inner.notices.push_back((at, notice));
    }

    /// When the next one is there.
    pub(super) fn next_at(&self) -> Option<Instant> {
        lock(&self.0).notices.front().map(|(at, _)| *at)
    }

    /// The next one, if it is there.
    pub(super) fn pop(&self) -> Option<Notice> {
        let mut inner = lock(&self.0);
        let is_there = inner.notices.front().is_some_and(|(at, _)| *at <= Instant::now());
        if is_there { inner.notices.pop_front().map(|(_, notice)| notice) } else { None }
    }
}
