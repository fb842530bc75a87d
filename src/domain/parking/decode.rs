//! A record of `ParkMobile`'s responses as it is to be stored.

use std::{borrow::Cow, collections::HashMap};

use bytes::Bytes;

use super::{Field, OWN_FIELDS, ParkingEvent};
use crate::domain::{
    js_json::{self, ErrorKind, Scanner, unescape},
    json,
    masking::{mask_card, mask_named},
    poison::{Code, Poison},
    record::{Record, Source},
    user_id::UserId,
};

/// Arrays and objects inside each other, at most.
pub const DEPTH_MAX: usize = 10_000;

/// The field that holds the rider's card.
const CARD: &str = "card";

/// What is done with a record's fields.
#[derive(Clone, Debug)]
pub struct Rules {
    card_fields: Vec<String>,
}

impl Rules {
    /// Full card numbers are masked in fields called `card` and in those of `masked_fields`, however deep.
    pub fn new(masked_fields: &[String]) -> Self {
        let card_fields = std::iter::once(CARD).chain(masked_fields.iter().map(String::as_str));
        Self { card_fields: card_fields.map(str::to_owned).collect() }
    }
}

/// The event in `record`; `None` for a tombstone, also one written as `null`. A record without a time counts as put at
/// `now_ms`.
///
/// The event's id is `_id`, else `event_id`, else the record's key, else `topic/partition/offset`. A `card` becomes a
/// text, an `http_status` that is a number in a text becomes that number, `user_id` has to be a rider's number.
///
/// # Errors
/// When the value is no JSON object, one of these fields has another type, or it is nested too deep to be stored.
pub fn decode(record: &Record, rules: &Rules, now_ms: i64) -> Result<Option<ParkingEvent>, Poison> {
    let Some(value) = record.value.as_ref().filter(|value| value.trim_ascii() != b"null") else { return Ok(None) };
    let mut reading = Reading { value, rules, ids: Ids::default(), fields: Fields::default() };
    reading.object(json::object_text(value)?)?;
    let Reading { ids, fields, .. } = reading;
    let timestamp_ms = if record.source.timestamp_ms > 0 { record.source.timestamp_ms } else { now_ms };
    let source = Source { timestamp_ms, ..record.source.clone() };
    Ok(Some(ParkingEvent { id: ids.of(record), source, fields: fields.list }))
}

/// What the record says of its event's id.
#[derive(Default)]
struct Ids {
    id: Option<String>,
    event_id: Option<String>,
}

impl Ids {
    fn of(self, record: &Record) -> String {
        let key = || {
            let key = std::str::from_utf8(record.key.as_deref()?).ok()?;
            (!key.is_empty()).then(|| key.to_owned())
        };
        self.id.or(self.event_id).or_else(key).unwrap_or_else(|| record.source.to_string())
    }
}

/// Fields by first appearance; of equal names the last value.
#[derive(Default)]
struct Fields {
    list: Vec<Field>,
    /// Where each is, once there are many.
    places: HashMap<String, usize>,
}

impl Fields {
    const MANY: usize = 24;

    fn place(&self, name: &str) -> Option<usize> {
        if self.list.len() <= Self::MANY {
            return self.list.iter().position(|field| field.name == name);
        }
        self.places.get(name).copied()
    }

    fn put(&mut self, name: Cow<'_, str>, json: Bytes) {
        if let Some(field) = self.place(&name).and_then(|place| self.list.get_mut(place)) {
            field.json = json;
            return;
        }
        self.list.push(Field { name: name.into_owned(), json });
        let known = self.places.len();
        if self.list.len() > Self::MANY {
            let new = self.list.iter().enumerate().skip(known);
            self.places.extend(new.map(|(place, field)| (field.name.clone(), place)));
        }
    }

    fn remove(&mut self, name: &str) {
        if let Some(place) = self.place(name) {
            self.list.remove(place);
            self.places.clear();
        }
    }
}

struct Reading<'a> {
    value: &'a Bytes,
    rules: &'a Rules,
    ids: Ids,
    fields: Fields,
}

impl Reading<'_> {
    fn object(&mut self, text: &str) -> Result<(), Poison> {
        let mut scanner = Scanner::new(text, DEPTH_MAX);
        scanner.enter().map_err(|error| refused(&error))?;
        while let Some(name) = scanner.next_member().map_err(|error| refused(&error))? {
            let start = scanner.position();
            let json = scanner.value().map_err(|error| refused(&error))?.text();
            let raw = text.get(start..scanner.position()).unwrap_or_default();
            // Not every store takes a name with U+0000, and all have to know the field by the same name.
            let is_plain = !name.contains('\\');
            let name = if is_plain { name } else { Cow::Owned(unescape(&name).replace('\0', "\u{fffd}")) };
            self.field(name, json, raw.trim_matches([' ', '\t', '\n', '\r']))?;
        }
        scanner.finish().map_err(|error| refused(&error))?;
        // It is the event's `_id`; beside another one it is a field like others.
        if self.ids.id.is_none() && self.ids.event_id.is_some() {
            self.fields.remove("event_id");
        }
        Ok(())
    }

    /// One field: its value as canonical text, and as it stands in the record.
    fn field(&mut self, name: Cow<'_, str>, json: Cow<'_, str>, raw: &str) -> Result<(), Poison> {
        let json = match &*name {
            "_id" => {
                self.ids.id = id("`_id`", &json)?;
                return Ok(());
            }
            "event_id" => {
                self.ids.event_id = id("`event_id`", &json)?;
                json
            }
            CARD => card(json, raw)?,
            "http_status" => http_status(json)?,
            "user_id" => user_id(json)?,
            own if OWN_FIELDS.contains(&own) => return Ok(()),
            _ => self.masked(&name, json, raw)?,
        };
        let json = self.shared(&json);
        self.fields.put(name, json);
        Ok(())
    }

    /// What lies in the record as it is to be stored is not copied.
    fn shared(&self, json: &str) -> Bytes {
        let within = self.value.as_ptr_range();
        if within.contains(&json.as_ptr()) { self.value.slice_ref(json.as_bytes()) } else { json.to_owned().into() }
    }

    fn masked<'j>(&self, name: &str, json: Cow<'j, str>, raw: &str) -> Result<Cow<'j, str>, Poison> {
        let names = &self.rules.card_fields;
        let is_named = names.iter().any(|named| named == name);
        if !is_named && !raw.starts_with(['{', '[']) {
            return Ok(json);
        }
        // As it stands: a number that JavaScript has rounded is no card number any more, but still most of one.
        let Cow::Owned(masked) = mask_named(raw, names, is_named) else { return Ok(json) };
        let json = js_json::canonicalize(masked.as_bytes(), DEPTH_MAX).map_err(|error| refused(&error))?;
        Ok(Cow::Owned(String::from_utf8_lossy(&json).into_owned()))
    }
}

fn refused(error: &js_json::Error) -> Poison {
    if error.kind == ErrorKind::TooDeep {
        let message = format!("the value is nested deeper than {DEPTH_MAX} levels, at byte {}", error.offset);
        return Poison::new(Code::DocumentTooLarge, message);
    }
    Poison::new(Code::NotJson, format!("the value is no JSON: {error}"))
}

fn wrong_type(name: &str, json: &str, wanted: &str) -> Poison {
    Poison::new(Code::WrongType, format!("{name} is {}, not {wanted}", json::kind_of_text(json)))
}

/// The text in a JSON string.
fn text_of(json: &str) -> Option<Cow<'_, str>> {
    json.strip_prefix('"')?.strip_suffix('"').map(unescape)
}

fn is_number(json: &str) -> bool {
    json.starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

/// An empty id is as good as none.
fn id(name: &str, json: &str) -> Result<Option<String>, Poison> {
    if json == "null" {
        return Ok(None);
    }
    let text = text_of(json).ok_or_else(|| wrong_type(name, json, "a text"))?;
    Ok((!text.is_empty()).then(|| text.into_owned()))
}

fn card<'j>(json: Cow<'j, str>, raw: &str) -> Result<Cow<'j, str>, Poison> {
    if json == "null" {
        return Ok(json);
    }
    let Some(text) = text_of(&json) else {
        if !is_number(&json) {
            return Err(wrong_type("`card`", &json, "a text or a number"));
        }
        // As it stands, where JavaScript would round it.
        let is_digits = raw.bytes().all(|byte| byte.is_ascii_digit());
        let masked = mask_named(raw, &[], true);
        let text = match masked.strip_prefix('"').and_then(|masked| masked.strip_suffix('"')) {
            Some(masked) => masked,
            None if is_digits => raw,
            None => &json,
        };
        return Ok(Cow::Owned(format!("\"{}\"", mask_card(text))));
    };
    let masked = mask_card(&text);
    if masked == text {
        return Ok(json);
    }
    Ok(Cow::Owned(serde_json::Value::from(masked).to_string()))
}

/// A text stays one unless it is a number: then it becomes that, as the old service's model made it.
fn http_status(json: Cow<'_, str>) -> Result<Cow<'_, str>, Poison> {
    if json == "null" || is_number(&json) {
        return Ok(json);
    }
    let text = text_of(&json).ok_or_else(|| wrong_type("`http_status`", &json, "a number or a text"))?;
    let number = text.trim();
    let is_decimal = number.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let number: Option<f64> = number.parse().ok().filter(|number: &f64| is_decimal && number.is_finite());
    Ok(match number {
        // -0 is written as 0.
        Some(number) => Cow::Owned(ryu_js::Buffer::new().format_finite(number + 0.0).to_owned()),
        None => json,
    })
}

fn user_id(json: Cow<'_, str>) -> Result<Cow<'_, str>, Poison> {
    if json == "null" {
        return Ok(json);
    }
    if !is_number(&json) {
        return Err(wrong_type("`user_id`", &json, "a number"));
    }
    let user = json.parse().ok().and_then(|number| UserId::new(number).ok());
    user.map(|_| json).ok_or_else(|| {
        let message = format!("`user_id` is no whole number in 1..={}", UserId::MAX);
        Poison::new(Code::BadUserId, message)
    })
}
