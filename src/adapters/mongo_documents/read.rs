//! Reading documents: of the majority, from the primary (the client is set up so).

use std::{collections::HashMap, future::Future, time::Duration};

use bytes::Bytes;
use mongodb::{
    Collection,
    bson::{Bson, Document, doc},
    error::Error,
};

use super::{
    bson_to_json::{write_key, write_value},
    head::{chosen, elements, head, user_of},
    json_to_bson::whole,
    lists::{PAYLOAD_TEXT, payload_text},
};
use crate::{
    domain::{
        cache::{Head, List, PerList},
        user_id::UserId,
    },
    ports::Payloads,
};

/// All documents of `users`.
pub(super) fn of_users(
    documents: &Collection<Document>,
    users: &[UserId],
    projection: Option<Document>,
    max_time: Duration,
) -> impl Future<Output = Result<Vec<Document>, Error>> + Send + use<> {
    let ids: Vec<Bson> = users.iter().map(|user| whole(user.get())).collect();
    // All in the first answer, unless they are larger than a message.
    let batch = u32::try_from(users.len().saturating_mul(2)).unwrap_or(u32::MAX).max(2);
    let documents = documents.clone();
    async move {
        let mut find = documents.find(doc! {"user_id": {"$in": ids}}).batch_size(batch).max_time(max_time);
        if let Some(projection) = projection {
            find = find.projection(projection);
        }
        let mut cursor = find.await?;
        let mut found = Vec::new();
        while cursor.advance().await? {
            found.push(cursor.deserialize_current()?);
        }
        Ok(found)
    }
}

/// What of `users` was asked for, in order, and who has several documents.
type Found<T> = (Result<Vec<Option<T>>, String>, Vec<UserId>);

/// The heads of `users`.
pub(super) fn heads(users: &[UserId], found: &[Document]) -> Found<Head> {
    of_chosen(users, found, head)
}

/// The heads and payloads of `users`.
pub(super) fn wholes(users: &[UserId], found: &[Document]) -> Found<(Head, Payloads)> {
    of_chosen(users, found, |user, document| Ok((head(user, document)?, payloads(document))))
}

fn payloads(document: &Document) -> Payloads {
    let of = |list| {
        let payload = |element: &Bson| element.as_document().and_then(payload_text).map(Bytes::from);
        elements(document, List::name(list)).map(payload).collect()
    };
    PerList { passes: of(List::Passes), passes4: of(List::Passes4) }
}

fn of_chosen<T>(
    users: &[UserId],
    found: &[Document],
    read: impl Fn(UserId, &Document) -> Result<T, String>,
) -> Found<T> {
    let mut by_user: HashMap<UserId, Vec<&Document>> = HashMap::with_capacity(found.len());
    for document in found {
        if let Some(user) = user_of(document) {
            by_user.entry(user).or_default().push(document);
        }
    }
    let head_of = |user: &UserId| {
        let documents = by_user.get(user).map(Vec::as_slice).unwrap_or_default();
        let Some(document) = chosen(documents).and_then(|place| documents.get(place)) else { return Ok(None) };
        read(*user, document).map(Some).map_err(|message| format!("user {user}: {message}"))
    };
    let heads = users.iter().map(head_of).collect();
    let further = by_user.iter().filter(|(_, documents)| documents.len() > 1).map(|(user, _)| *user);
    (heads, further.collect())
}

/// Users with a document, ascending, each once.
pub(super) async fn users(
    documents: Collection<Document>,
    after: Option<UserId>,
    limit: usize,
    max_time: Duration,
) -> Result<Vec<UserId>, Error> {
    let mut users: Vec<UserId> = Vec::new();
    let mut after = whole(after.map_or(0, UserId::get));
    let page = i64::try_from(limit).unwrap_or(i64::MAX);
    // A user with several documents makes a page shorter than asked for, which would look like the last one.
    while users.len() < limit {
        let found = documents
            .find(doc! {"user_id": {"$gt": &after, "$lte": whole(UserId::MAX)}})
            .projection(doc! {"_id": 0, "user_id": 1})
            .sort(doc! {"user_id": 1})
            .limit(page)
            .max_time(max_time)
            .await;
        let mut cursor = found?;
        let mut rows = 0;
        while cursor.advance().await? {
            rows += 1;
            let document = cursor.deserialize_current()?;
            if let Some(user) = user_of(&document).filter(|user| users.last() != Some(user)) {
                users.push(user);
            }
            if let Some(stored) = document.get("user_id") {
                after = stored.clone();
            }
        }
        if rows < page {
            break;
        }
    }
    users.truncate(limit);
    Ok(users)
}

/// The document as JSON text for people: payloads as they were put.
pub(super) fn text(document: &Document) -> String {
    let mut text = "{".to_owned();
    for (number, (key, value)) in document.iter().enumerate() {
        write_key(&mut text, number, key);
        match value {
            Bson::Array(elements) if List::BOTH.iter().any(|list| list.name() == key) => {
                write_list(&mut text, elements);
            }
            value => write_value(&mut text, value),
        }
    }
    text.push('}');
    text
}

fn write_list(text: &mut String, elements: &[Bson]) {
    text.push('[');
    for (number, element) in elements.iter().enumerate() {
        if number > 0 {
            text.push(',');
        }
        match element {
            Bson::Document(element) => write_element(text, element),
            other => write_value(text, other),
        }
    }
    text.push(']');
}

fn write_element(text: &mut String, element: &Document) {
    text.push('{');
    for (number, (key, value)) in element.iter().filter(|(key, _)| *key != PAYLOAD_TEXT).enumerate() {
        write_key(text, number, key);
        match key.as_str() {
            "payload" => text.push_str(&payload_text(element).unwrap_or_default()),
            _ => write_value(text, value),
        }
    }
    text.push('}');
}
