//! The passes of a body.

use std::borrow::Cow;

use super::error::{EnvelopeError, Shape};
use crate::domain::js_json::{self, Field, Scanner, Value};
use crate::domain::payload_hash::PayloadHash;

/// A pass as the API gave it, with the few fields that are read from it. Texts are borrowed from the body where they can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass<'a> {
    /// What the pass is known by; not empty.
    pub uuid: Cow<'a, str>,
    /// `USABLE`, `USING`, `EXPIRED`, `USES_GONE`, or a status of later days.
    pub status: Cow<'a, str>,
    /// When it was made: a time in any format, or a number's JSON text (see [`created_order_key`]).
    ///
    /// [`created_order_key`]: crate::domain::vendor_time::created_order_key
    pub time_created: Option<Cow<'a, str>>,
    /// The product that was bought.
    pub product_uuid: Option<Cow<'a, str>>,
    /// The product's name for riders.
    pub label_name: Option<Cow<'a, str>>,
    /// The whole pass as `JSON.stringify` writes it: the hashed text.
    pub text: Cow<'a, str>,
    /// The hash of `text`.
    pub hash: PayloadHash,
}

impl Pass<'_> {
    /// The same, independent of the body.
    #[must_use]
    pub fn into_owned(self) -> Pass<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Pass {
            uuid: owned(self.uuid),
            status: owned(self.status),
            time_created: self.time_created.map(owned),
            product_uuid: self.product_uuid.map(owned),
            label_name: self.label_name.map(owned),
            text: owned(self.text),
            hash: self.hash,
        }
    }
}

/// Reads the value of `passes`. The hashes are not yet made.
pub(super) fn read_all<'a>(scanner: &mut Scanner<'a>) -> Result<Result<Vec<Pass<'a>>, Shape>, js_json::Error> {
    if scanner.peek() != Some(b'[') {
        scanner.value()?;
        return Ok(Err(Shape::Wrong("passes is not a list")));
    }
    let mut passes = Vec::new();
    let mut first_fault = None;
    let mut index = 0;
    scanner.enter()?;
    while scanner.next_element()? {
        match read_pass(&scanner.value()?, index) {
            Ok(pass) => passes.push(pass),
            Err(fault) => first_fault = first_fault.or(Some(fault)),
        }
        index += 1;
    }
    Ok(first_fault.map_or(Ok(passes), Err))
}

fn read_pass<'a>(value: &Value<'_, 'a>, index: usize) -> Result<Pass<'a>, Shape> {
    if !value.draft().json().starts_with('{') {
        return Err(Shape::Wrong("a pass is not an object"));
    }
    let [uuid, status, time_created, product_uuid, label_name] =
        value.members(["uuid", "status", "time_created", "product_uuid", "label_name"]);
    let text = |field: Option<Field<'_, 'a>>| field.and_then(|field| field.string());
    let uuid = text(uuid).filter(|uuid| !uuid.is_empty());
    Ok(Pass {
        uuid: uuid.ok_or(Shape::MissingUuid { index })?,
        status: text(status).ok_or(Shape::Wrong("a pass has no status"))?,
        time_created: time_created.and_then(|created| time_or_number(&created)),
        product_uuid: text(product_uuid),
        label_name: text(label_name),
        text: value.text(),
        hash: PayloadHash::default(),
    })
}

fn time_or_number<'a>(field: &Field<'_, 'a>) -> Option<Cow<'a, str>> {
    let is_number = |json: &str| json.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let number = || is_number(field.json()).then(|| field.json_text());
    field.string().or_else(number)
}

/// Makes sure that no two passes have the same uuid.
pub(super) fn check_unique(passes: &[Pass<'_>]) -> Result<(), EnvelopeError> {
    let mut uuids: Vec<&str> = passes.iter().map(|pass| pass.uuid.as_ref()).collect();
    uuids.sort_unstable();
    match uuids.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(EnvelopeError::DuplicateUuid { uuid: pair[0].to_owned() }),
        None => Ok(()),
    }
}
