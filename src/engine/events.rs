//! What the reading side tells: partitions that come and go, their records, their ends.

use super::{Engine, suspension::Backoff};
use crate::ports::{Event, Failure, Ownership, PortError};

impl Engine {
    pub(super) async fn on_event(&mut self, event: Result<Event, PortError>) -> Result<(), PortError> {
        self.dirty = true;
        let event = match event {
            Ok(event) => event,
            Err(error) if error.kind == Failure::Refused => return Err(error),
            Err(error) => {
                self.on_failed_read(&error);
                return Ok(());
            }
        };
        self.reading_failed = None;
        self.consumer_backoff = Backoff::new(self.parts.limits.probe_min, self.parts.limits.probe_max);
        match event {
            Event::Assigned { ownership, partitions } => {
                self.own(ownership);
                self.partitions.to_take.extend(partitions);
                self.taking.at_once(self.parts.clock.now_ms());
            }
            Event::Revoked { ownership, partitions, release } => {
                // Only this ownership can still commit for the partitions that go, until they are released.
                self.own(ownership);
                self.commit_before_release(&partitions).await;
                self.keep_marks_before_release().await;
                self.tasks.abort(|job| partitions.contains(&job.partition));
                for partition in &partitions {
                    self.partitions.forget(partition);
                }
                drop(release);
            }
            Event::Ended(error) => {
                tracing::warn!(pipeline = self.parts.pipeline, %error, "leaving the group to join it anew");
                self.membership_ended = true;
            }
            Event::Records { partition, session, records } => {
                let Some(active) = self.partitions.active.get_mut(&partition) else { return Ok(()) };
                if active.session != session {
                    return Ok(());
                }
                for record in records {
                    if record.source.offset >= active.next_offset {
                        active.next_offset = record.source.offset + 1;
                        active.end = None;
                        active.window.push(record);
                    }
                }
            }
            Event::End { partition, session, offset } => {
                let Some(active) = self.partitions.active.get_mut(&partition) else { return Ok(()) };
                if active.session == session {
                    active.end_at_ms = self.parts.clock.now_ms();
                    active.end = Some(offset);
                }
            }
        }
        Ok(())
    }

    /// It is told once, and tried again after a delay that grows.
    fn on_failed_read(&mut self, error: &PortError) {
        if self.reading_failed.is_none() {
            tracing::warn!(pipeline = self.parts.pipeline, %error, "cannot read; trying again");
        }
        self.reading_failed.get_or_insert((error.dependency, self.parts.clock.now_ms()));
        let delay_ms = self.consumer_backoff.next_ms(&mut self.parts.random);
        self.consumer_due_ms = self.parts.clock.now_ms() + delay_ms;
        let forgive_ms = i64::try_from(self.parts.limits.probe_max.as_millis() * 2).unwrap_or(i64::MAX);
        self.reading_forgiven_ms = self.consumer_due_ms.saturating_add(forgive_ms);
    }

    /// Commits from now on name `ownership`.
    fn own(&mut self, ownership: Ownership) {
        self.ownership = ownership;
        self.refused_commits = 0;
        self.commit_due_ms = self.parts.clock.now_ms();
    }
}
