//! How large a record each topic takes. A change with an event too large for its topic must be refused before it is
//! stored: afterwards it could neither be told nor left out.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use crate::domain::{
    poison::{Code, Poison},
    record::{Output, TopicName},
};

/// How large a record each topic takes, in bytes as [`Output::size_bytes`] counts them. Cheap to clone; all clones know
/// the same, so that what is learned while pipelines run holds from then on.
#[derive(Clone, Debug)]
pub struct RecordSizes {
    otherwise: usize,
    known: Arc<RwLock<BTreeMap<TopicName, usize>>>,
}

impl RecordSizes {
    /// Topics of which nothing is known take `otherwise` bytes.
    pub fn new(otherwise: usize) -> Self {
        Self { otherwise, known: Arc::default() }
    }

    /// From now on `topic` takes records of up to `bytes`. Whether that is news.
    pub fn learn(&self, topic: &TopicName, bytes: usize) -> bool {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(topic.clone(), bytes) != Some(bytes)
    }

    /// The largest record that `topic` takes.
    pub fn max_of(&self, topic: &TopicName) -> usize {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(topic).copied().unwrap_or(self.otherwise)
    }

    /// What is wrong with the first of `outputs` that its topic would not take, if there is one.
    pub fn refuse<'a>(&self, outputs: impl IntoIterator<Item = &'a Output>) -> Option<Poison> {
        let mut sizes = outputs.into_iter().map(|output| (output.size_bytes(), self.max_of(&output.topic), output));
        let (bytes, max, output) = sizes.find(|(bytes, max, _)| bytes > max)?;
        let topic = &output.topic;
        let message = format!("a record of {bytes} bytes for {topic}, which takes {max} (max.message.bytes)");
        Some(Poison::new(Code::RecordTooLarge, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_learned_holds_for_all_clones_and_for_its_topic_alone() {
        let sizes = RecordSizes::new(1000);
        let clone = sizes.clone();
        assert!(sizes.learn(&"a".into(), 200) && !sizes.learn(&"a".into(), 200));
        assert_eq!((clone.max_of(&"a".into()), clone.max_of(&"b".into())), (200, 1000));
        let output = |topic: &str| Output {
            topic: topic.into(),
            key: None,
            value: Some(bytes::Bytes::from(vec![b'x'; 300])),
            headers: Vec::new(),
        };
        assert_eq!(clone.refuse(&[output("b")]), None);
        let refused = clone.refuse(&[output("b"), output("a")]).unwrap();
        assert_eq!(refused.code, Code::RecordTooLarge);
        assert!(refused.message.contains("for a, which takes 200"), "{refused}");
    }
}
