//! Producers, and waiting for what became of the records given to them.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    client::ClientContext,
    config::RDKafkaLogLevel,
    error::KafkaError,
    producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer},
    types::RDKafkaErrorCode as Code,
};

use super::{context, error::failed, record_codec};
use crate::{
    domain::record::{Output, TopicName},
    ports::{Failure, PortError},
};

/// A producer whose records are followed.
pub(super) type Following = ThreadedProducer<Deliveries>;

/// The context of a [`Following`].
pub(super) struct Deliveries;

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        context::log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        context::log_error(&error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Arc<Batch>;

    fn delivery(&self, result: &DeliveryResult<'_>, batch: Arc<Batch>) {
        batch.delivered(result.as_ref().err().map(|(error, _)| error.clone()));
    }
}

/// Records that were given to a producer together.
#[derive(Default)]
pub(super) struct Batch {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    sent: usize,
    delivered: usize,
    error: Option<KafkaError>,
}

impl Batch {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn delivered(&self, error: Option<KafkaError>) {
        let mut state = self.state();
        state.delivered += 1;
        state.error = state.error.take().or(error);
        drop(state);
        self.changed.notify_all();
    }

    /// Waits until all that was sent has been answered for, or `deadline`.
    ///
    /// # Errors
    /// The first record's that was not taken; a time-out.
    pub(super) fn wait(&self, deadline: Instant) -> Result<(), KafkaError> {
        let state = self.state();
        let left = deadline.saturating_duration_since(Instant::now());
        let waited = self.changed.wait_timeout_while(state, left, |state| state.delivered < state.sent);
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        match &state.error {
            Some(error) => Err(error.clone()),
            None if timeout.timed_out() => Err(KafkaError::Flush(Code::OperationTimedOut)),
            None => Ok(()),
        }
    }
}

/// Gives `output` to the producer, for `partition`. A full queue is waited for until `deadline`.
fn send(
    producer: &Following,
    batch: &Arc<Batch>,
    output: &Output,
    partition: i32,
    timestamp_ms: i64,
    deadline: Instant,
) -> Result<(), KafkaError> {
    let mut record = BaseRecord::<[u8], [u8], _>::with_opaque_to(output.topic.as_str(), Arc::clone(batch))
        .partition(partition)
        .timestamp(timestamp_ms);
    record.key = output.key.as_deref();
    record.payload = output.value.as_deref();
    record.headers = record_codec::encode_headers(&output.headers);
    batch.state().sent += 1;
    loop {
        let (error, again) = match producer.send(record) {
            Ok(()) => return Ok(()),
            Err(refused) => refused,
        };
        if error.rdkafka_error_code() != Some(Code::QueueFull) || Instant::now() >= deadline {
            batch.state().sent -= 1;
            return Err(error);
        }
        record = again;
        // The driver does not say when there is room again.
        thread::sleep(Duration::from_millis(1));
    }
}

/// Gives records with their partitions to the producer; those that it did not take are left in `rest`.
pub(super) fn send_all(
    producer: &Following,
    batch: &Arc<Batch>,
    rest: &mut &[(Output, i32)],
    timestamp_ms: i64,
    deadline: Instant,
) -> Result<(), KafkaError> {
    while let Some(((output, partition), behind)) = rest.split_first() {
        send(producer, batch, output, *partition, timestamp_ms, deadline)?;
        *rest = behind;
    }
    Ok(())
}

/// Whether the producer refused a record for its partition: one that was added is unknown to it for a while yet. A new
/// producer asks the brokers at once.
pub(super) fn is_behind(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(Code::UnknownPartition)
}

/// Waits until the producer has nothing left of the records that it was given: its own flush does so in steps of
/// 100 ms.
pub(super) fn settle(producer: &Following, batch: &Batch, deadline: Instant) -> Result<(), KafkaError> {
    batch.wait(deadline)?;
    // A record counts for a moment after it was answered for; nothing tells when that is over.
    while producer.in_flight_count() > 0 {
        if Instant::now() >= deadline {
            return Err(KafkaError::Flush(Code::OperationTimedOut));
        }
        thread::sleep(Duration::from_micros(50));
    }
    Ok(())
}

/// Refuses records that the producer or the broker would refuse: in a transaction one of them would take all others
/// with it.
pub(super) fn check_sizes(outputs: &[Output], max_of: impl Fn(&TopicName) -> usize) -> Result<(), PortError> {
    let too_large = outputs.iter().find(|output| record_codec::batch_bytes(output) > max_of(&output.topic));
    let Some(output) = too_large else { return Ok(()) };
    let (bytes, topic) = (record_codec::batch_bytes(output), &output.topic);
    let why = format!(
        "a record has {bytes} bytes, at most {} are taken (the topic's max.message.bytes, or the property \
         message.max.bytes if it is less)",
        max_of(topic)
    );
    Err(failed(Failure::Refused, format!("putting records on {topic}"), why))
}
