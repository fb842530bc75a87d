//! What is known of how large records the topics take: learned at the start, and again and again.

use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;

use super::{Error, Store};
use crate::{
    engine::{dead_letter::DeadLetters, record_sizes::RecordSizes},
    ports::PortError,
};

/// What a topic takes of which nothing is told, in bytes: what Kafka's brokers take by default.
const OTHERWISE_BYTES: usize = 1_048_588;
/// A limit that is lowered while work goes on is learned of within this.
const EVERY: Duration = Duration::from_secs(10);

/// Learns it, and goes on learning until the handle is dropped.
pub(super) async fn learn(store: &Store) -> (RecordSizes, AbortOnDropHandle<()>) {
    let sizes = RecordSizes::new(OTHERWISE_BYTES);
    if let Err(error) = learn_once(store, &sizes, false).await {
        tracing::warn!(%error, "how large records the topics take is not known yet; asking again");
    }
    let (store, known) = (store.clone(), sizes.clone());
    let learning = tokio::spawn(async move {
        loop {
            tokio::time::sleep(EVERY).await;
            if let Err(error) = learn_once(&store, &known, true).await {
                tracing::debug!(%error, "how large records the topics take cannot be asked now");
            }
        }
    });
    (sizes, AbortOnDropHandle::new(learning))
}

async fn learn_once(store: &Store, sizes: &RecordSizes, tell: bool) -> Result<(), PortError> {
    for (topic, bytes) in store.catalog.record_sizes().await? {
        if sizes.learn(&topic, bytes) && tell {
            tracing::info!(%topic, bytes, "the topic takes records of another size now");
        }
    }
    Ok(())
}

/// Whether the topic of dead letters takes any dead letter at all.
pub(super) fn check_room(dead_letters: &DeadLetters) -> Result<(), Error> {
    let (topic, max, room) =
        (&dead_letters.topic, dead_letters.sizes.max_of(&dead_letters.topic), DeadLetters::ROOM_BYTES);
    if max >= room {
        return Ok(());
    }
    Err(Error::Other(format!(
        "the topic {topic} takes records of {max} bytes (max.message.bytes), and a dead letter needs up to {room}; raise it"
    )))
}
