//! A document's entries and state as they are stored: binary, since every refresh reads them.

use bytes::Bytes;

use crate::{
    adapters::sqlite_store::{BytesWriter, Malformed, Reader, StoreError},
    domain::{
        cache::{Entry, List, Pending, PerList, Stream, Then, TokenState, Told},
        payload_hash::PayloadHash,
        record::Source,
        ticket_changed::Event,
    },
};

/// Told apart from what a later passflow may write.
const FORMAT: u64 = 2;

/// In the first format, pending outputs were JSON. It is read, and written anew with the next change.
const FORMAT_WITH_JSON: u64 = 1;

/// An entry with the place of its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoredEntry {
    pub(super) entry: Entry,
    /// The payload's row.
    pub(super) payload_id: i64,
    pub(super) payload_bytes: u64,
}

/// A document's lists; an empty value has none.
pub(super) fn decode_entries(value: Vec<u8>) -> Result<PerList<Vec<StoredEntry>>, StoreError> {
    let mut lists = PerList::default();
    let Some((_, mut reader)) = open(value)? else { return Ok(lists) };
    for list in List::BOTH {
        let count = reader.count()?;
        let entries: &mut Vec<_> = lists.of_mut(list);
        entries.reserve(count.min(1024));
        for _ in 0..count {
            entries.push(decode_entry(&mut reader)?);
        }
    }
    Ok(lists)
}

pub(super) fn encode_entries(lists: &PerList<Vec<StoredEntry>>) -> Vec<u8> {
    let mut writer = BytesWriter::default();
    writer.number(FORMAT);
    for list in List::BOTH {
        writer.count(lists.of(list).len());
        lists.of(list).iter().for_each(|entry| encode_entry(&mut writer, entry));
    }
    writer.0
}

fn encode_entry(writer: &mut BytesWriter, stored: &StoredEntry) {
    let StoredEntry { entry, payload_id, payload_bytes } = stored;
    writer.bytes(entry.id.as_bytes());
    writer.bytes(entry.pass_uuid.as_bytes());
    writer.signed(entry.timestamp);
    writer.bytes(entry.status.as_bytes());
    writer.signed(entry.free_ticket_status.into());
    writer.0.extend_from_slice(entry.payload_hash.as_bytes());
    writer.signed(*payload_id);
    writer.number(*payload_bytes);
}

fn decode_entry(reader: &mut Reader) -> Result<StoredEntry, Malformed> {
    let entry = Entry {
        id: reader.text()?,
        pass_uuid: reader.text()?,
        timestamp: reader.signed()?,
        status: reader.text()?,
        free_ticket_status: i32::try_from(reader.signed()?).map_err(|_| Malformed)?,
        payload_hash: PayloadHash::from(reader.array()?),
    };
    Ok(StoredEntry { entry, payload_id: reader.signed()?, payload_bytes: reader.number()? })
}

/// The state; an empty value is that of a new document.
pub(super) fn decode_stream(value: Vec<u8>) -> Result<Stream, StoreError> {
    let Some((format, mut reader)) = open(value)? else { return Ok(Stream::default()) };
    let (version, seq, count) = (reader.number()?, reader.number()?, reader.count()?);
    let mut emitted = Vec::with_capacity(count.min(1024));
    for _ in 0..count {
        emitted.push(decode_told(&mut reader)?);
    }
    let token = TokenState { fingerprint: reader.optional_text()?, refused: reader.optional_text()? };
    let pending = if format == FORMAT_WITH_JSON {
        decode_json_pending(&reader.text()?)?
    } else {
        (0..reader.count()?).map(|_| decode_pending(&mut reader)).collect::<Result<_, _>>()?
    };
    Ok(Stream { version, seq, emitted, pending, token })
}

pub(super) fn encode_stream(stream: &Stream) -> Vec<u8> {
    let mut writer = BytesWriter::default();
    writer.number(FORMAT);
    writer.number(stream.version);
    writer.number(stream.seq);
    writer.count(stream.emitted.len());
    stream.emitted.iter().for_each(|told| encode_told(&mut writer, told));
    writer.optional(stream.token.fingerprint.as_deref().map(str::as_bytes));
    writer.optional(stream.token.refused.as_deref().map(str::as_bytes));
    writer.count(stream.pending.len());
    stream.pending.iter().for_each(|pending| encode_pending(&mut writer, pending));
    writer.0
}

fn encode_told(writer: &mut BytesWriter, told: &Told) {
    writer.bytes(told.pass_uuid.as_bytes());
    writer.number(u64::from(told.list == List::Passes4));
    writer.bytes(told.status.as_bytes());
    writer.0.extend_from_slice(told.payload_hash.as_bytes());
    writer.number(told.seq);
}

fn decode_told(reader: &mut Reader) -> Result<Told, Malformed> {
    Ok(Told {
        pass_uuid: reader.text()?,
        list: if reader.number()? == 0 { List::Passes } else { List::Passes4 },
        status: reader.text()?,
        payload_hash: PayloadHash::from(reader.array()?),
        seq: reader.number()?,
    })
}

fn encode_pending(writer: &mut BytesWriter, pending: &Pending) {
    let Pending { source, events, then } = pending;
    writer.bytes(source.topic.as_str().as_bytes());
    writer.number(source.partition.into());
    writer.signed(source.offset);
    writer.signed(source.timestamp_ms);
    writer.count(events.len());
    for event in events {
        writer.number(event.seq);
        writer.bytes(event.occurred_at.as_bytes());
        writer.bytes(event.value.as_bytes());
        writer.optional(event.traceparent.as_deref().map(str::as_bytes));
    }
    let (kind, message) = match then {
        None => (0, None),
        Some(Then::Retry { message }) => (1, Some(message)),
        Some(Then::DeadLetter { message }) => (2, Some(message)),
        Some(Then::Restore { message }) => (3, Some(message)),
    };
    writer.number(kind);
    if let Some(message) = message {
        writer.bytes(message.as_bytes());
    }
}

fn decode_json_pending(json: &str) -> Result<Vec<Pending>, StoreError> {
    if json.is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_str(json)
        .map_err(|error| StoreError::refused(format!("stored pending events are damaged: {error}")))
}

fn decode_pending(reader: &mut Reader) -> Result<Pending, Malformed> {
    let source = Source {
        topic: reader.text()?.as_str().into(),
        partition: u32::try_from(reader.number()?).map_err(|_| Malformed)?,
        offset: reader.signed()?,
        timestamp_ms: reader.signed()?,
    };
    let events = (0..reader.count()?).map(|_| decode_event(reader)).collect::<Result<_, _>>()?;
    let then = match reader.number()? {
        0 => None,
        1 => Some(Then::Retry { message: reader.text()? }),
        2 => Some(Then::DeadLetter { message: reader.text()? }),
        3 => Some(Then::Restore { message: reader.text()? }),
        _ => return Err(Malformed),
    };
    Ok(Pending { source, events, then })
}

fn decode_event(reader: &mut Reader) -> Result<Event, Malformed> {
    Ok(Event {
        seq: reader.number()?,
        occurred_at: reader.text()?,
        value: reader.text()?,
        traceparent: reader.optional_text()?,
    })
}

fn open(value: Vec<u8>) -> Result<Option<(u64, Reader)>, StoreError> {
    if value.is_empty() {
        return Ok(None);
    }
    let mut reader = Reader(Bytes::from(value));
    match reader.number()? {
        format @ (FORMAT | FORMAT_WITH_JSON) => Ok(Some((format, reader))),
        format => Err(StoreError::refused(format!(
            "the stored document has format {format}, and this passflow knows up to {FORMAT}: use the newer passflow that \
             wrote it"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: i64) -> StoredEntry {
        let entry = Entry {
            id: format!("{id:024x}"),
            pass_uuid: format!("p{id}"),
            timestamp: -id,
            status: "ÄNY".to_owned(),
            free_ticket_status: 1,
            payload_hash: PayloadHash::of(b"x"),
        };
        StoredEntry { entry, payload_id: id, payload_bytes: 7 }
    }

    #[test]
    fn entries_come_back_as_they_were() {
        let lists = PerList { passes: vec![entry(1), entry(2)], passes4: vec![entry(300)] };
        assert_eq!(decode_entries(encode_entries(&lists)).unwrap(), lists);
        assert_eq!(decode_entries(Vec::new()).unwrap(), PerList::default());
        let unknown = format!("{:?}", decode_entries(vec![9]).unwrap_err());
        assert!(unknown.contains("format 9") && unknown.contains("knows up to 2"), "{unknown}");
    }

    #[test]
    fn the_state_of_the_first_format_is_read() {
        let mut stream = stream();
        let mut first = BytesWriter::default();
        first.0.extend_from_slice(&[1, 7, 4, 0, 0, 0]);
        first.bytes(&serde_json::to_vec(&stream.pending).unwrap());
        stream = Stream { version: 7, emitted: Vec::new(), token: TokenState::default(), ..stream };
        assert_eq!(decode_stream(first.0).unwrap(), stream);
        let none = Stream { version: 7, seq: 4, ..Stream::default() };
        assert_eq!(decode_stream(vec![1, 7, 4, 0, 0, 0, 0]).unwrap(), none);
        assert_eq!(decode_entries(vec![1, 0, 0]).unwrap(), PerList::default());
    }

    fn stream() -> Stream {
        let source = Source { topic: "t".into(), partition: 3, offset: 9, timestamp_ms: 8 };
        let event = Event { seq: 4, occurred_at: "now".to_owned(), value: "{}".to_owned(), traceparent: None };
        let told = Told {
            pass_uuid: "p".to_owned(),
            list: List::Passes4,
            status: "USING".to_owned(),
            payload_hash: PayloadHash::of(b"y"),
            seq: 4,
        };
        let then = Some(Then::Retry { message: "m".to_owned() });
        Stream {
            version: u64::MAX >> 1,
            seq: 4,
            emitted: vec![told],
            pending: vec![Pending { source, events: vec![event], then }],
            token: TokenState { fingerprint: None, refused: Some("r".to_owned()) },
        }
    }

    #[test]
    fn the_state_comes_back_as_it_was() {
        let stream = stream();
        assert_eq!(decode_stream(encode_stream(&stream)).unwrap(), stream);
        assert_eq!(decode_stream(Vec::new()).unwrap(), Stream::default());
    }
}
