//! Which topic of a name a position belongs to.
//!
//! A topic that is deleted and made anew begins at offset 0 again: what is known of the old one says nothing of it. So
//! what is kept of a partition is kept under the topic's id ([`TopicName::with_id`]), and the id is kept with each
//! committed position.
//!
//! [`TopicName::with_id`]: crate::domain::record::TopicName::with_id

use crate::domain::record::{Position, TopicPartition};

const MARK: char = '#';

/// The partition as it is named in what is kept about it.
pub(super) fn of(partition: &TopicPartition, topic_id: Option<&str>) -> TopicPartition {
    let topic = topic_id.map_or_else(|| partition.topic.clone(), |id| partition.topic.with_id(id));
    TopicPartition { topic, partition: partition.partition }
}

/// `text` as it is committed for a partition of `place`.
pub(super) fn signed(place: &TopicPartition, text: &str) -> String {
    match place.topic.id() {
        Some(id) => format!("{MARK}{id} {text}"),
        None => text.to_owned(),
    }
}

/// Takes a committed position apart: the id of its topic, if one was kept with it, and the position itself.
pub(super) fn read(position: Position) -> (Option<String>, Position) {
    let taken = position.metadata.strip_prefix(MARK).and_then(|rest| rest.split_once(' '));
    let taken = taken.map(|(id, text)| (id.to_owned(), text.to_owned()));
    match taken {
        Some((id, metadata)) => (Some(id), Position { metadata, ..position }),
        None => (None, position),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_is_read_again() {
        let partition = TopicPartition { topic: "requests".into(), partition: 3 };
        for (id, text) in [(Some("mTz8"), ""), (Some("mTz8"), "page 7 #1"), (None, ""), (None, "{\"page\":7}")] {
            let place = of(&partition, id);
            assert_eq!((place.topic.name(), place.topic.id()), ("requests", id));
            let committed = Position { offset: 5, metadata: signed(&place, text) };
            let (read_id, position) = read(committed);
            assert_eq!(read_id.as_deref(), id);
            assert_eq!((position.offset, position.metadata.as_str()), (5, text));
        }
    }
}
