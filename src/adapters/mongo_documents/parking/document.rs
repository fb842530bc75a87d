//! Documents and updates of events, as BSON.

use std::{borrow::Cow, collections::HashSet};

use super::{
    super::{bson_writer::BsonWriter, json_to_bson::NotJson},
    known::StoredHead,
};
use crate::domain::{
    parking::{Change, Field, Origins, ParkingEvent},
    record::Source,
};

/// The text of a field that BSON can't give back as it came, kept beside the field's value.
pub(super) type Text<'t> = (Cow<'t, str>, Cow<'t, str>);

/// Writes the document of an event that is not there yet.
pub(super) fn first(writer: &mut BsonWriter, event: &ParkingEvent) -> Result<(), NotJson> {
    writer.text("_id", &event.id);
    let texts = fields(writer, event.fields.iter())?;
    let time_ms = event.source.timestamp_ms;
    times(writer, time_ms, time_ms);
    writer.number("__v", 0);
    let stream = writer.open_document("stream");
    writer.number("version", 1);
    base(writer, &event.source);
    write_texts(writer, &texts);
    writer.close(stream);
    Ok(())
}

/// Writes the update that makes `change` of what is `stored`, if nobody has written it since it was read.
pub(super) fn statement(
    writer: &mut BsonWriter,
    id: &str,
    stored: &StoredHead,
    change: &Change<'_>,
) -> Result<(), NotJson> {
    let query = writer.open_document("q");
    writer.text("_id", id);
    // An absent one counts as null, which is how equality takes it.
    match stored.head.version {
        0 => writer.null("stream.version"),
        version => writer.number("stream.version", version.cast_signed()),
    }
    writer.close(query);
    // Not `$set`: a name may hold dots, or begin with a dollar.
    let pipeline = writer.open_array("u");
    let stage = writer.open_document("0");
    let replace = writer.open_document("$replaceWith");
    let merge = writer.open_array("$mergeObjects");
    writer.text("0", "$$ROOT");
    let new = writer.open_document("1");
    let literal = writer.open_document("$literal");
    changed(writer, stored, change)?;
    for open in [literal, new, merge, replace, stage, pipeline] {
        writer.close(open);
    }
    Ok(())
}

/// Writes the fields that are other ones after `change`.
fn changed(writer: &mut BsonWriter, stored: &StoredHead, change: &Change<'_>) -> Result<(), NotJson> {
    let mut texts = fields(writer, change.set.iter().copied())?;
    times(writer, change.created_at_ms, change.updated_at_ms);
    let set: HashSet<&str> = change.set.iter().map(|field| field.name.as_str()).collect();
    let kept = stored.texts.iter().filter(|(name, _)| !set.contains(name.as_str()));
    texts.extend(kept.map(|(name, text)| (Cow::Borrowed(name.as_str()), Cow::Borrowed(text.as_str()))));
    let stream = writer.open_document("stream");
    writer.number("version", change.version.cast_signed());
    write_origins(writer, &change.origins);
    write_texts(writer, &texts);
    writer.close(stream);
    Ok(())
}

fn fields<'e>(writer: &mut BsonWriter, fields: impl Iterator<Item = &'e Field>) -> Result<Vec<Text<'e>>, NotJson> {
    let mut texts = Vec::new();
    for field in fields {
        let json = str::from_utf8(&field.json).map_err(|error| NotJson(error.valid_up_to()))?;
        if writer.json(&field.name, json)? {
            texts.push((Cow::Borrowed(field.name.as_str()), Cow::Borrowed(json)));
        }
    }
    Ok(texts)
}

fn times(writer: &mut BsonWriter, created_at_ms: i64, updated_at_ms: i64) {
    writer.date("createdAt", created_at_ms);
    writer.date("updatedAt", updated_at_ms);
}

fn write_origins(writer: &mut BsonWriter, origins: &Origins) {
    if let Some(source) = &origins.base {
        base(writer, source);
    }
    if origins.others.is_empty() {
        return;
    }
    let others = writer.open_array("fields");
    for (index, (name, source)) in origins.others.iter().enumerate() {
        let other = writer.open_document(&index.to_string());
        writer.text("name", name);
        base(writer, source);
        writer.close(other);
    }
    writer.close(others);
}

fn base(writer: &mut BsonWriter, source: &Source) {
    let open = writer.open_document("source");
    writer.text("topic", source.topic.as_str());
    writer.number("partition", i64::from(source.partition));
    writer.number("offset", source.offset);
    writer.number("timestamp", source.timestamp_ms);
    writer.close(open);
}

fn write_texts(writer: &mut BsonWriter, texts: &[Text<'_>]) {
    if texts.is_empty() {
        return;
    }
    let all = writer.open_array("texts");
    for (index, (name, text)) in texts.iter().enumerate() {
        let one = writer.open_document(&index.to_string());
        writer.text("name", name);
        writer.text("text", text);
        writer.close(one);
    }
    writer.close(all);
}
