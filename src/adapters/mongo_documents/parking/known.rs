//! What is known of stored events, read without their values.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use mongodb::{
    Collection,
    bson::{Bson, Document, doc},
    error::Error,
};

use super::super::head::whole;
use crate::domain::{
    parking::{Head, OWN_FIELDS},
    record::Source,
};

/// A stored event without its values.
#[derive(Debug, Default)]
pub(super) struct StoredHead {
    pub(super) head: Head,
    /// Fields whose text is kept beside, with it.
    pub(super) texts: Vec<(String, String)>,
}

/// Stored events by id.
pub(super) type Known = HashMap<String, StoredHead>;

/// Reads those of `ids` that are there.
pub(super) async fn read(
    events: Collection<Document>,
    ids: Vec<String>,
    max_time: Duration,
) -> Result<Vec<Document>, Error> {
    let names = doc! {"$map": {"input": {"$objectToArray": "$$ROOT"}, "in": "$$this.k"}};
    let projection = doc! {"names": names, "stream": 1, "createdAt": 1, "updatedAt": 1};
    let batch = u32::try_from(ids.len()).unwrap_or(u32::MAX).max(2);
    let find = events.find(doc! {"_id": {"$in": ids}}).projection(projection).batch_size(batch).max_time(max_time);
    let mut cursor = find.await?;
    let mut found = Vec::new();
    while cursor.advance().await? {
        found.push(cursor.deserialize_current()?);
    }
    Ok(found)
}

/// What was read, by id; else what of passflow's own part can't be read.
pub(super) fn heads(found: Vec<Document>) -> Result<Known, String> {
    let one = |document: Document| {
        let id = document.get_str("_id").map_err(|error| format!("an `_id`: {error}"))?.to_owned();
        let head =
            stored_head(&document).ok_or_else(|| format!("passflow's own state (`stream`) of {id} is damaged"))?;
        Ok((id, head))
    };
    found.into_iter().map(one).collect()
}

fn stored_head(document: &Document) -> Option<StoredHead> {
    let time = |name: &str| document.get_datetime(name).ok().map(|time| time.timestamp_millis());
    let names = document.get_array("names").ok()?.iter().filter_map(Bson::as_str);
    let mut head = Head {
        names: names.filter(|name| !OWN_FIELDS.contains(name)).map(str::to_owned).collect(),
        created_at_ms: time("createdAt"),
        updated_at_ms: time("updatedAt"),
        ..Head::default()
    };
    // Without a version it is another program's, whatever its name.
    let Some(stream) = document.get_document("stream").ok().filter(|stream| stream.contains_key("version")) else {
        return Some(StoredHead { head, texts: Vec::new() });
    };
    head.version = u64::try_from(stream.get("version").and_then(whole)?).ok()?;
    head.origins.base = match stream.get("source") {
        Some(stored) => Some(source(stored.as_document()?)?),
        None => None,
    };
    head.origins.others = others(stream)?;
    Some(StoredHead { head, texts: texts(stream)? })
}

fn elements<'d>(stream: &'d Document, name: &str) -> impl Iterator<Item = &'d Bson> + use<'d> {
    stream.get_array(name).map(Vec::as_slice).unwrap_or_default().iter()
}

fn others(stream: &Document) -> Option<BTreeMap<String, Source>> {
    let other = |element: &Bson| {
        let element = element.as_document()?;
        Some((element.get_str("name").ok()?.to_owned(), source(element.get_document("source").ok()?)?))
    };
    elements(stream, "fields").map(other).collect()
}

fn texts(stream: &Document) -> Option<Vec<(String, String)>> {
    let text = |element: &Bson| {
        let element = element.as_document()?;
        Some((element.get_str("name").ok()?.to_owned(), element.get_str("text").ok()?.to_owned()))
    };
    elements(stream, "texts").map(text).collect()
}

fn source(stored: &Document) -> Option<Source> {
    let number = |name| stored.get(name).and_then(whole);
    Some(Source {
        topic: stored.get_str("topic").ok()?.into(),
        partition: u32::try_from(number("partition")?).ok()?,
        offset: number("offset")?,
        timestamp_ms: number("timestamp")?,
    })
}
