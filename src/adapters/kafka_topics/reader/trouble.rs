//! What goes wrong while a topic is read.

use std::sync::Arc;

use rdkafka::{
    consumer::Consumer as _, error::KafkaError, topic_partition_list::Offset, types::RDKafkaErrorCode as Code,
};

use super::Reader;
use crate::{
    adapters::kafka_topics::{
        context::PlainClient,
        error::{asking, failed},
    },
    ports::{Event, Failure, PortError},
};

impl Reader {
    /// Whether the topic was deleted and made anew since its partitions were started. Offsets of the old one would be
    /// read on in the new one: the membership ends, and whoever joins anew finds that out.
    pub(super) fn is_made_anew(&mut self) -> bool {
        if self.is_over {
            return true;
        }
        let now = self.client.context().topic_ids.of(self.topic.as_str());
        now.is_some_and(|now| self.ends_as_made_anew(&now))
    }

    /// Ends the membership if the topic's id, which is `now`, is another than that of partitions that are read.
    fn ends_as_made_anew(&mut self, now: &str) -> bool {
        let is_another = |before: &&Arc<str>| ***before != *now;
        let before = self.places.values().filter_map(|place| place.topic_id.as_ref()).find(is_another);
        let Some(before) = before else { return false };
        let message = format!("the topic was deleted and made anew: its id was {before} and is {now}");
        self.events.send(Event::Ended(failed(Failure::Down, format!("reading {}", self.topic), message)));
        self.is_over = true;
        true
    }

    pub(super) fn report(&mut self, error: &KafkaError) {
        let doing = format!("reading {}", self.topic);
        match error.rdkafka_error_code() {
            Some(Code::AutoOffsetReset | Code::OffsetOutOfRange) => self.report_out_of_range(doing),
            _ if matches!(error, KafkaError::MessageConsumptionFatal(_)) => {
                self.events.fail(PortError { kind: Failure::Refused, ..asking(error, doing) });
            }
            Some(Code::AllBrokersDown) => self.events.fail(asking(error, doing)),
            _ => {
                let error = asking(error, doing);
                if error.kind == Failure::Refused {
                    return self.events.fail(error);
                }
                tracing::warn!(%error, "reading goes on after an error");
            }
        }
    }

    /// The driver does not tell which partition: all are looked at.
    fn report_out_of_range(&mut self, doing: String) {
        let now = match self.topics.lookup().topic_id(&self.topic) {
            Ok(now) => now,
            Err(error) => return self.events.fail(error),
        };
        if now.is_some_and(|now| self.ends_as_made_anew(&now)) {
            return;
        }
        let timeout = self.topics.settings().call_timeout;
        for (partition, place) in self.places.iter().filter(|(_, place)| !place.paused) {
            let range = match self.client.fetch_watermarks(self.topic.as_str(), *partition, timeout) {
                Ok(range) => range,
                Err(error) => return self.events.fail(asking(&error, doing)),
            };
            if place.next < range.0 || place.next > range.1 {
                let message = format!(
                    "the offset {} of {}/{partition} is not there: the partition has {} to {}. Records were deleted \
                     before they were handled, or the topic was made anew; set the group's offset to where it is to go \
                     on (kafka-consumer-groups.sh --reset-offsets), then start again",
                    place.next, self.topic, range.0, range.1
                );
                return self.events.fail(failed(Failure::Refused, doing, message));
            }
        }
        // In range after all, as a broker that was behind knows now: read on from there.
        for (partition, place) in self.places.iter().filter(|(_, place)| !place.paused) {
            self.change(*partition, Offset::Invalid, PlainClient::incremental_unassign);
            self.assign(*partition, place.next);
        }
    }
}
