//! What goes around a batch of updates: how it is named, and what its callers are told.

use mongodb::bson::{Bson, RawDocumentBuf, bson, doc};

use super::{
    batch::{self, Failed, Outcome},
    failure::{Effect, failed, port_error},
    id, json_to_bson, write,
};
use crate::{
    domain::{
        cache::{Epoch, Stream},
        object_id,
        user_id::UserId,
    },
    ports::{Failure, PortError, Update, Written},
};

/// `users 1, 2, 3 and 61 others`.
pub(super) fn named(users: impl ExactSizeIterator<Item = UserId>) -> String {
    const NAMED: usize = 5;
    let others = users.len().saturating_sub(NAMED);
    let names: Vec<String> = users.take(NAMED).map(|user| user.to_string()).collect();
    let others = if others > 0 { format!(" and {others} others") } else { String::new() };
    format!("users {}{others}", names.join(", "))
}

/// What the callers of `updates` are told.
pub(super) fn answers(
    updates: &[Update],
    outcomes: Vec<Outcome>,
    doing: impl Fn() -> String,
) -> Result<Vec<Written>, PortError> {
    let mut written = Vec::with_capacity(outcomes.len());
    for (update, outcome) in updates.iter().zip(outcomes) {
        written.push(match outcome {
            Outcome::Applied => Written::Yes,
            Outcome::Missed => Written::No,
            Outcome::TooLarge => Written::TooLarge,
            Outcome::Refused(message) if updates.len() == 1 => {
                return Err(port_error(Failure::Refused, doing(), message));
            }
            Outcome::Refused(message) => {
                // An error would be everybody's. It comes when the user's turn is alone in its batch.
                let user = update.read.user_id;
                tracing::warn!(%user, doing = doing(), %message, "an update was refused");
                Written::No
            }
        });
    }
    Ok(written)
}

/// The error of a batch that was not sent to its end.
pub(super) fn unfinished(sent: batch::Sent, doing: String) -> PortError {
    let mut error = match sent.error {
        Failed::Driver(error) => failed(&error, Effect::Writes, doing),
        Failed::Unsettled(message) => port_error(Failure::Unanswered, doing, message),
    };
    if sent.some_sent {
        error.kind = Failure::Unanswered;
    }
    error
}

/// Makes the document unless the user has one: a statement of the `update` command.
pub(super) fn creation(user: UserId, fence: Epoch) -> Result<RawDocumentBuf, String> {
    let empty: Bson = Bson::Array(Vec::new());
    let document = doc! {
        "_id": id::id_value(&object_id::of_user(user)),
        "user_id": json_to_bson::whole(user.get()),
        "timestamp": 0,
        "passes": &empty,
        "passes4": &empty,
        "passesLog": &empty,
        "passes4Log": &empty,
        "__v": 0,
        "stream": write::stream(&Stream::default(), fence, None).map_err(|error| error.to_string())?,
    };
    // Only what is about to be inserted has no `_id` yet. Operators like `$setOnInsert` would put the fields into
    // alphabetical order.
    let is_new = bson!({"$eq": [{"$type": "$_id"}, "missing"]});
    let insert = bson!({"$replaceWith": {"$cond": [is_new, {"$literal": document}, "$$ROOT"]}});
    let statement = doc! {"q": {"user_id": json_to_bson::whole(user.get())}, "u": [insert], "upsert": true};
    RawDocumentBuf::try_from(&statement).map_err(|error| error.to_string())
}
