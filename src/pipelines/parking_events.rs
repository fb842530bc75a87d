//! `parking_events`: each response of `ParkMobile` becomes, or adds to, a parking event.
//!
//! It needs no epoch and no fence. An event's document is the sum of its records (see [`crate::domain::parking`]): each
//! field has the value of the last record that carried it, and the document keeps which record that was. So a write is
//! conditional on the places of the records that are in the document already, and
//! - a record that is written again changes nothing: an unanswered write is simply made again, and what is read again
//!   after a crash is skipped;
//! - a zombie, which lost its partition and does not know it, can only write records that the new owner writes too, or
//!   has written: its late write finds them there, or finds later ones, and leaves them. Its commit is fenced;
//! - an offset is committed only after its record was stored, by a majority, so a zombie's stop loses nothing either.
//!
//! Records of one event may even lie in several partitions, or under several keys: they are added in any order, and come
//! to the same.

use std::sync::Arc;

use async_trait::async_trait;

use super::batcher::Batcher;
use crate::{
    domain::{
        parking::{self, ParkingEvent, Rules},
        poison::{Code, Poison},
        record::Record,
    },
    engine::handler::{Halt, Handler, Step, Turn},
    ports::{Clock, Dependency, Failure, ParkingEvents as Store, PortError, Stored},
};

/// The pipeline.
pub struct ParkingEvents {
    rules: Rules,
    clock: Arc<dyn Clock>,
    /// Several, so that one batch is made while the store works on another.
    lanes: [Batcher<Arc<ParkingEvent>, Stored>; LANES],
}

/// Batches at once.
const LANES: usize = 3;

impl ParkingEvents {
    /// Stores at most `batch_max` records in one call.
    pub fn new(rules: Rules, events: Arc<dyn Store>, clock: Arc<dyn Clock>, batch_max: usize) -> Self {
        let lane = |_| {
            Batcher::new(Dependency::Documents, batch_max, Arc::clone(&events), |store, batch: Arc<[_]>| async move {
                store.store(&batch).await
            })
        };
        Self { rules, clock, lanes: std::array::from_fn(lane) }
    }

    async fn store(&self, event: ParkingEvent) -> Result<Stored, PortError> {
        // Those of one event meet in one batch, rather than as two writers.
        let sum = event.id.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
        self.lanes[sum % LANES].ask(Arc::new(event)).await
    }
}

#[async_trait]
impl Handler for ParkingEvents {
    async fn handle(&self, record: &Record, _turn: &Turn) -> Result<Step, Halt> {
        let event = parking::decode(record, &self.rules, self.clock.now_ms());
        let event = event.map_err(|poison| Halt::Poison { stage: "decode", poison })?;
        let Some(event) = event else { return Ok(Step::done("skipped")) };
        let refused = |code, message: String| Err(Halt::Poison { stage: "write", poison: Poison::new(code, message) });
        match self.store(event).await {
            Ok(Stored::Yes) => Ok(Step::done("written")),
            Ok(Stored::Already) => Ok(Step::done("skipped")),
            Ok(Stored::TooLarge) => {
                let message = "the event would be larger than the store takes; it stays as it was";
                refused(Code::DocumentTooLarge, message.to_owned())
            }
            Ok(Stored::Refused(message)) => {
                refused(Code::WriteFailed, format!("the store refused the event: {message}"))
            }
            Err(error) if error.kind == Failure::Refused => refused(Code::WriteFailed, error.to_string()),
            // Whether it was stored or not: it is stored again when the store is back.
            Err(error) => Err(Halt::Down(error)),
        }
    }
}
