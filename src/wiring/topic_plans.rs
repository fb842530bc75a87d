//! What the topics are documented to be: partitions, clean-up and retention.

use crate::{domain::record::TopicName, settings::Names};

const DAY_MS: i64 = 86_400_000;
/// Topics that only hand work on.
const SHORT_MS: i64 = 7 * DAY_MS;
/// Topics that people look into: events and dead letters.
const LONG_MS: i64 = 365 * DAY_MS;

/// A topic as documented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Its name.
    pub topic: TopicName,
    /// Its partitions.
    pub partitions: u32,
    /// Whether the last record of each key is kept for ever.
    pub compacted: bool,
    /// How long records are kept, in milliseconds; `None` for a compacted one.
    pub retention_ms: Option<i64>,
    /// What is told of its clean-up.
    pub cleanup: &'static str,
}

/// All topics of `names`.
pub fn plans(names: &Names) -> Vec<Planned> {
    let aged = |topic: &str, partitions, retention_ms| Planned {
        topic: topic.into(),
        partitions,
        compacted: false,
        retention_ms: Some(retention_ms),
        cleanup: if retention_ms == LONG_MS { "delete (long)" } else { "delete" },
    };
    let compacted = |topic: &str| Planned {
        topic: topic.into(),
        partitions: 3,
        compacted: true,
        retention_ms: None,
        cleanup: "compact",
    };
    vec![
        compacted(&names.token_changes),
        aged(&names.ticks, 1, SHORT_MS),
        aged(&names.requests, 12, SHORT_MS),
        aged(&names.retry, 3, SHORT_MS),
        aged(&names.parking, 12, SHORT_MS),
        aged(&names.ticket_changed, 12, LONG_MS),
        aged(&names.dead_letters, 3, LONG_MS),
        compacted(&names.dead_letter_state()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plans_follow_the_settings_names() {
        let mut names = Names::of(&[]);
        names.ticks = "mine".to_owned();
        let plans = plans(&names);
        let cleanup = |topic: &str| plans.iter().find(|plan| plan.topic.as_str() == topic).map(|plan| plan.cleanup);
        assert_eq!(cleanup("mine"), Some("delete"));
        assert_eq!(cleanup("bytemark.ticks"), None);
        assert_eq!(cleanup("cdc.portal.bytemark_tokens"), Some("compact"));
        assert_eq!(cleanup("passflow.dead-letters.state"), Some("compact"));
        assert_eq!(cleanup("passflow.dead-letters"), Some("delete (long)"));
    }
}
