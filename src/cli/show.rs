use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    domain::{
        cache::{Head, Pending},
        record::{Source, TopicPartition},
        token::Token,
        user_id::UserId,
    },
    wiring::Store,
};

use super::{Context, Error, Outcome, input::user_id, output::Out};

/// Shows a user's cached document and what is known of the user
///
/// Exit code 1 when there is neither a document nor a token.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: passflow show 42 --output json")]
pub(super) struct Args {
    /// Who
    #[arg(value_name = "USER_ID", value_parser = user_id)]
    user: UserId,
}

#[derive(Serialize)]
struct Shown {
    user_id: UserId,
    document: Option<Box<RawValue>>,
    /// Since the last complete refresh; null when there was none.
    age_seconds: Option<i64>,
    token: &'static str,
    resting: bool,
    /// Not yet known to be in the topic.
    pending_events: usize,
}

/// How far the groups of `passes` have come: what lies before is out.
struct Committed(Vec<(TopicPartition, i64)>);

impl Committed {
    async fn read(store: &Store, groups: &[String]) -> Result<Self, Error> {
        let positions = store.catalog.committed(groups).await?.into_iter();
        Ok(Self(positions.map(|(_, partition, offset)| (partition, offset)).collect()))
    }

    /// The document keeps its outputs until its next write, so some that it holds have been put long ago.
    fn is_out(&self, pending: &Pending) -> bool {
        let Source { topic, partition, offset, .. } = &pending.source;
        let is_there = |place: &TopicPartition| place.partition == *partition && place.topic.as_str() == topic.name();
        self.0.iter().any(|(place, committed)| is_there(place) && offset < committed)
    }
}

pub(super) async fn execute(args: &Args, context: &Context) -> Result<Outcome, Error> {
    let store = context.store().await?;
    let document = store.documents.document(args.user).await?;
    let head = store.documents.heads(&[args.user]).await?.into_iter().flatten().next();
    let token = store.tokens.tokens(&[args.user]).await?.into_iter().flatten().next();
    let committed = Committed::read(&store, &context.passes_groups()?).await?;
    let is_known = document.is_some() || token.is_some();
    let shown = shown(args.user, document, head.as_ref(), token.as_ref(), &committed)?;
    let mut out = Out::new();
    if context.is_json() {
        out.json(&shown)?;
    } else {
        for line in lines(&shown) {
            out.line(&line)?;
        }
    }
    out.flush()?;
    Ok(if is_known { Outcome::Done } else { Outcome::Not })
}

fn shown(
    user_id: UserId,
    document: Option<String>,
    head: Option<&Head>,
    token: Option<&Token>,
    committed: &Committed,
) -> Result<Shown, Error> {
    let document = document
        .map(RawValue::from_string)
        .transpose()
        .map_err(|error| Error::message(format!("the document of user {user_id} is no JSON: {error}")))?;
    let age_ms = head.and_then(Head::refreshed_at_ms).map(|at| Timestamp::now().as_millisecond().saturating_sub(at));
    let stream = head.and_then(|head| head.stream.as_ref());
    let refused = stream.and_then(|stream| stream.token.refused.as_deref());
    let pending = stream.map_or(&[][..], |stream| &stream.pending).iter();
    Ok(Shown {
        user_id,
        document,
        age_seconds: age_ms.map(|ms| (ms / 1000).max(0)),
        token: if token.is_some() { "present" } else { "absent" },
        resting: token.is_some_and(|token| refused == Some(token.fingerprint().as_str())),
        pending_events: pending.filter(|pending| !committed.is_out(pending)).map(|pending| pending.events.len()).sum(),
    })
}

fn lines(shown: &Shown) -> Vec<String> {
    let resting = if shown.resting { ", refused by Bytemark: the user rests until there is another" } else { "" };
    let age = shown.age_seconds.map_or_else(|| "never refreshed".to_owned(), |age| format!("refreshed {age} s ago"));
    let mut lines = vec![
        format!("user            {}", shown.user_id),
        format!("token           {}{resting}", shown.token),
        format!("events pending  {}", shown.pending_events),
    ];
    match &shown.document {
        None => lines.push("document        none".to_owned()),
        Some(document) => {
            lines.push(format!("document        {age}"));
            lines.push(pretty(document.get()));
        }
    }
    lines
}

/// For people: the order of keys does not matter to them. A document may hold what a tree of values can't (half a
/// surrogate pair, deep nesting); it is shown as it stands.
fn pretty(json: &str) -> String {
    let value = serde_json::from_str::<serde_json::Value>(json);
    value.and_then(|value| serde_json::to_string_pretty(&value)).unwrap_or_else(|_| json.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        cache::{Epoch, PerList, Stream, TokenState},
        record::Source,
        ticket_changed::Event,
    };

    fn head(stream: Stream) -> Head {
        Head {
            user_id: UserId::new(42).unwrap(),
            id: "0".repeat(24),
            timestamp: 0,
            document_version: None,
            lists: PerList::default(),
            stream: Some(stream),
            fence: Epoch(1),
        }
    }

    fn pending(partition: u32, offset: i64, events: usize) -> Pending {
        let event =
            Event { seq: 1, occurred_at: "2026-11-20T10:00:00Z".to_owned(), value: "{}".to_owned(), traceparent: None };
        let source = Source { topic: "requests".into(), partition, offset, timestamp_ms: 0 };
        Pending { source, events: vec![event; events], then: None }
    }

    #[test]
    fn events_of_committed_records_are_pending_no_more() {
        let pending = vec![pending(3, 16, 1), pending(3, 17, 2), pending(4, 5, 4)];
        let head = head(Stream { pending, ..Stream::default() });
        let at = |partition, offset| (TopicPartition { topic: "requests".into(), partition }, offset);
        let count =
            |committed| shown(head.user_id, None, Some(&head), None, &Committed(committed)).unwrap().pending_events;
        assert_eq!(count(Vec::new()), 7);
        assert_eq!(count(vec![at(3, 17)]), 6);
        assert_eq!(count(vec![at(3, 18), at(4, 6)]), 0);
    }

    #[test]
    fn a_document_that_no_tree_holds_is_shown_as_it_stands() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        for json in [r#"{"a":"\ud800"}"#, deep.as_str()] {
            assert_eq!(pretty(json), json);
        }
        assert_eq!(pretty("{\"a\":1}"), "{\n  \"a\": 1\n}");
    }

    #[test]
    fn a_user_rests_only_with_the_refused_token() {
        let user = UserId::new(42).unwrap();
        let [refused, other] = ["a", "b"].map(|text| Token::new(text.to_owned()).unwrap());
        let token = TokenState { fingerprint: None, refused: Some(refused.fingerprint()) };
        let head = head(Stream { token, ..Stream::default() });
        let shown_with = |token| {
            shown(user, Some(r#"{"b":1,"a":2}"#.to_owned()), Some(&head), token, &Committed(Vec::new())).unwrap()
        };
        assert!(shown_with(Some(&refused)).resting);
        assert!(!shown_with(Some(&other)).resting);
        assert_eq!(
            serde_json::to_string(&shown_with(None)).unwrap(),
            r#"{"user_id":42,"document":{"b":1,"a":2},"age_seconds":null,"token":"absent","resting":false,"pending_events":0}"#
        );
    }
}
