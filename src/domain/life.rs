//! What the offsets of a partition mean, and since when.
//!
//! They mean something else once the topic is deleted and made anew, which begins at offset 0 again, and once the group is
//! set back: a record that was handled and told is then to be handled again, and what is found out now was told by nobody.
//! So what is kept of a partition, entries in documents and marks, is kept under a name with its life, and nothing of one
//! life is taken for another's. The life is kept with each committed position; a position without one is another tool's.

use super::{
    cache::Epoch,
    record::{Position, TopicName, TopicPartition},
};

const MARK: char = '#';

/// From one start of a partition's offsets to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// The topic's id, where topics have ids.
    pub topic_id: Option<String>,
    /// The epoch of the owner with which it began. Later lives have greater ones; 0 is what was kept without a life.
    pub since: Epoch,
}

impl Life {
    /// The partition as it is named in what is kept about it.
    pub fn place(&self, partition: &TopicPartition) -> TopicPartition {
        named(partition, &self.text())
    }

    /// The life in the name of a topic; none at all where there is none.
    pub fn of(topic: &TopicName) -> Self {
        topic.suffix().and_then(Self::read).unwrap_or_default()
    }

    /// Under what the beginning of the partition's present life is kept, as a mark.
    pub fn beginning(partition: &TopicPartition) -> TopicPartition {
        named(partition, "life")
    }

    /// `text` as it is committed with a position.
    pub fn sign(&self, text: &str) -> String {
        format!("{MARK}{} {text}", self.text())
    }

    /// Takes a committed position apart: the life that it was committed in, and the position itself.
    pub fn signed(position: Position) -> (Option<Self>, Position) {
        let signed = position.metadata.strip_prefix(MARK).and_then(|rest| rest.split_once(' '));
        let read = signed.and_then(|(life, text)| Some((Self::read(life)?, text.to_owned())));
        match read {
            Some((life, metadata)) => (Some(life), Position { metadata, ..position }),
            None => (None, position),
        }
    }

    fn text(&self) -> String {
        format!("{}.{}", self.topic_id.as_deref().unwrap_or_default(), self.since.0)
    }

    fn read(text: &str) -> Option<Self> {
        let (id, since) = text.rsplit_once('.')?;
        let topic_id = (!id.is_empty()).then(|| id.to_owned());
        Some(Self { topic_id, since: Epoch(since.parse().ok()?) })
    }
}

fn named(partition: &TopicPartition, suffix: &str) -> TopicPartition {
    TopicPartition { topic: partition.topic.with_suffix(suffix), partition: partition.partition }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_is_read_again() {
        let partition = TopicPartition { topic: "a.requests".into(), partition: 3 };
        for (id, text) in [(Some("mTz-8_"), ""), (Some("mTz8"), "page 7 #1.2"), (None, ""), (None, "{\"page\":7}")] {
            let life = Life { topic_id: id.map(ToOwned::to_owned), since: Epoch(7) };
            let place = life.place(&partition);
            assert_eq!((place.topic.name(), Life::of(&place.topic)), ("a.requests", life.clone()));
            let (read, position) = Life::signed(Position { offset: 5, metadata: life.sign(text) });
            assert_eq!(read.as_ref(), Some(&life));
            assert_eq!((position.offset, position.metadata.as_str()), (5, text));
        }
    }

    #[test]
    fn what_others_commit_has_no_life() {
        for text in ["", "#", "# ", "#a b", "#a.b c", "{\"handled\":[\"# .1 \"]}"] {
            let (life, position) = Life::signed(Position { offset: 5, metadata: text.to_owned() });
            assert_eq!((life, position.metadata.as_str()), (None, text));
        }
        assert_eq!(Life::of(&"requests".into()), Life::default());
        let partition = TopicPartition { topic: "requests".into(), partition: 3 };
        assert_eq!(Life::of(&Life::beginning(&partition).topic), Life::default());
    }
}
