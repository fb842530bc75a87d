use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::domain::{cache::Head, token::Token, user_id::UserId};

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
    pending_events: usize,
}

pub(super) async fn execute(args: &Args, context: &Context) -> Result<Outcome, Error> {
    let store = context.store().await?;
    let document = store.documents.document(args.user).await?;
    let head = store.documents.heads(&[args.user]).await?.into_iter().flatten().next();
    let token = store.tokens.tokens(&[args.user]).await?.into_iter().flatten().next();
    let is_known = document.is_some() || token.is_some();
    let shown = shown(args.user, document, head.as_ref(), token.as_ref())?;
    let mut out = Out::new();
    if context.is_json() {
        out.json(&shown)?;
    } else {
        for line in lines(&shown)? {
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
) -> Result<Shown, Error> {
    let document = document
        .map(RawValue::from_string)
        .transpose()
        .map_err(|error| Error::message(format!("the document of user {user_id} is no JSON: {error}")))?;
    let age_ms = head.and_then(Head::refreshed_at_ms).map(|at| Timestamp::now().as_millisecond().saturating_sub(at));
    let stream = head.and_then(|head| head.stream.as_ref());
    let refused = stream.and_then(|stream| stream.token.refused.as_deref());
    Ok(Shown {
        user_id,
        document,
        age_seconds: age_ms.map(|ms| (ms / 1000).max(0)),
        token: if token.is_some() { "present" } else { "absent" },
        resting: token.is_some_and(|token| refused == Some(token.fingerprint().as_str())),
        pending_events: stream.map_or(0, |stream| stream.pending.iter().map(|pending| pending.events.len()).sum()),
    })
}

fn lines(shown: &Shown) -> Result<Vec<String>, Error> {
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
            lines.push(pretty(document.get())?);
        }
    }
    Ok(lines)
}

/// For people: the order of keys does not matter to them.
fn pretty(json: &str) -> Result<String, Error> {
    let value: serde_json::Value = serde_json::from_str(json)
        .map_err(|error| Error::message(format!("the document can't be shown: {error}; try --output json")))?;
    serde_json::to_string_pretty(&value).map_err(|error| Error::message(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::cache::{Epoch, PerList, Stream, TokenState};

    #[test]
    fn a_user_rests_only_with_the_refused_token() {
        let user = UserId::new(42).unwrap();
        let [refused, other] = ["a", "b"].map(|text| Token::new(text.to_owned()).unwrap());
        let token = TokenState { fingerprint: None, refused: Some(refused.fingerprint()) };
        let head = Head {
            user_id: user,
            id: "0".repeat(24),
            timestamp: 0,
            document_version: None,
            lists: PerList::default(),
            stream: Some(Stream { token, ..Stream::default() }),
            fence: Epoch(1),
        };
        let shown_with = |token| shown(user, Some(r#"{"b":1,"a":2}"#.to_owned()), Some(&head), token).unwrap();
        assert!(shown_with(Some(&refused)).resting);
        assert!(!shown_with(Some(&other)).resting);
        assert_eq!(
            serde_json::to_string(&shown_with(None)).unwrap(),
            r#"{"user_id":42,"document":{"b":1,"a":2},"age_seconds":null,"token":"absent","resting":false,"pending_events":0}"#
        );
    }
}
