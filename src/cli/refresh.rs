use bytes::Bytes;
use clap::ValueEnum;
use jiff::Timestamp;

use crate::domain::{
    record::{Output, TopicName},
    request::{PassRequest, When},
    user_id::UserId,
};

use super::{Context, Error, Outcome, input::user_id, output::Out};

/// Asks for users' passes to be refreshed
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: passflow refresh 42 43 --when if-stale")]
pub(super) struct Args {
    /// Whose passes
    #[arg(value_name = "USER_ID", required = true, value_parser = user_id)]
    users: Vec<UserId>,
    /// On which condition they are fetched
    #[arg(long, value_enum, default_value_t = WhenArg::Always)]
    when: WhenArg,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum WhenArg {
    /// In any case; wakes a resting user
    Always,
    /// No document, or an old one
    IfStale,
    /// No document, or none ever fetched
    IfMissing,
    /// Another token than at the last successful refresh
    IfNewToken,
}

impl From<WhenArg> for When {
    fn from(when: WhenArg) -> Self {
        match when {
            WhenArg::Always => Self::Always,
            WhenArg::IfStale => Self::IfStale,
            WhenArg::IfMissing => Self::IfMissing,
            WhenArg::IfNewToken => Self::IfNewToken,
        }
    }
}

pub(super) async fn execute(args: &Args, context: &Context) -> Result<Outcome, Error> {
    let topic = TopicName::from(context.names()?.requests.as_str());
    let store = context.store().await?;
    let now = Timestamp::now();
    let requests: Vec<PassRequest> = args
        .users
        .iter()
        .map(|user| PassRequest { when: args.when.into(), requested_at: Some(now), ..PassRequest::new(*user) })
        .collect();
    let record = |request: &PassRequest| Output {
        topic: topic.clone(),
        key: Some(Bytes::from(request.user_id.to_string())),
        value: Some(Bytes::from(request.encode())),
        headers: Vec::new(),
    };
    store.topics.append(requests.iter().map(record).collect()).await?;
    let mut out = Out::new();
    for request in &requests {
        if context.is_json() {
            out.line(&request.encode())?;
        } else {
            out.line(&format!("put a request for user {} on {topic}", request.user_id))?;
        }
    }
    out.flush()?;
    Ok(Outcome::Done)
}
