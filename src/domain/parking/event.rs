//! A whole stored event, for stores that hold it as text.

use std::collections::HashMap;

use bytes::Bytes;

use super::{Change, DEPTH_MAX, Field, Head, ParkingEvent, merge::Origins};
use crate::domain::js_json::{self, Scanner, unescape};

/// A stored event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredEvent {
    /// How often it was written; 0 when it is not there.
    pub version: u64,
    /// Its fields, as they first came.
    pub fields: Vec<Field>,
    /// Where they came from.
    pub origins: Origins,
    /// The earliest record's time, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// The latest record's.
    pub updated_at_ms: i64,
}

impl StoredEvent {
    /// What is known of it without its values.
    pub fn head(&self) -> Head {
        let is_there = self.version > 0;
        Head {
            version: self.version,
            names: self.fields.iter().map(|field| field.name.clone()).collect(),
            origins: self.origins.clone(),
            created_at_ms: is_there.then_some(self.created_at_ms),
            updated_at_ms: is_there.then_some(self.updated_at_ms),
        }
    }

    /// The event with `event` added; `None` when that changes nothing.
    pub fn with(&self, event: &ParkingEvent) -> Option<Self> {
        let change = self.head().merge(event)?;
        let mut fields = self.fields.clone();
        let places: HashMap<&str, usize> =
            self.fields.iter().enumerate().map(|(place, field)| (field.name.as_str(), place)).collect();
        let Change { set, version, origins, created_at_ms, updated_at_ms } = change;
        for field in set {
            match places.get(field.name.as_str()).and_then(|place| fields.get_mut(*place)) {
                Some(stored) => stored.json = field.json.clone(),
                None => fields.push(field.clone()),
            }
        }
        Some(Self { version, fields, origins, created_at_ms, updated_at_ms })
    }

    /// Its fields as the members of a JSON object.
    pub fn fields_json(&self) -> String {
        let mut text = "{".to_owned();
        for (number, field) in self.fields.iter().enumerate() {
            if number > 0 {
                text.push(',');
            }
            text.push_str(&serde_json::Value::from(field.name.as_str()).to_string());
            text.push(':');
            text.push_str(&String::from_utf8_lossy(&field.json));
        }
        text.push('}');
        text
    }

    /// The fields in what [`Self::fields_json`] gave.
    ///
    /// # Errors
    /// When the text is another.
    pub fn fields_in(json: &Bytes) -> Result<Vec<Field>, js_json::Error> {
        let text = String::from_utf8_lossy(json);
        let mut scanner = Scanner::new(&text, DEPTH_MAX);
        let mut fields = Vec::new();
        scanner.enter()?;
        while let Some(name) = scanner.next_member()? {
            let name = unescape(&name).into_owned();
            let json = scanner.value()?.text().into_owned().into();
            fields.push(Field { name, json });
        }
        scanner.finish()?;
        Ok(fields)
    }

    /// The whole as JSON text, for people.
    pub fn document_json(&self, id: &str) -> String {
        let quoted = |text: String| serde_json::Value::from(text).to_string();
        let time = |ms| jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |at| format!("{at:.3}"));
        let fields = self.fields_json();
        let comma = if self.fields.is_empty() { "" } else { "," };
        format!(
            "{{\"_id\":{},{}{comma}\"createdAt\":{},\"updatedAt\":{},\"__v\":0}}",
            quoted(id.to_owned()),
            fields.get(1..fields.len() - 1).unwrap_or_default(),
            quoted(time(self.created_at_ms)),
            quoted(time(self.updated_at_ms)),
        )
    }
}
