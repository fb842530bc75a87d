//! The passes that the vendor really has for a user, through time.

use crate::domain::cache::{List, PerList};

/// A pass at the vendor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// The vendor's id.
    pub uuid: String,
    /// Its status.
    pub status: String,
    /// Its JSON text, status and id included.
    pub payload: String,
}

impl Pass {
    /// The same with a first use and an expiry, in milliseconds since 1970.
    #[must_use]
    pub fn timed(mut self, first_use_ms: i64, expiration_ms: i64) -> Self {
        let fields = self.payload.trim_end_matches('}');
        self.payload = format!(r#"{fields},"first_use":{first_use_ms},"expiration":{expiration_ms}}}"#);
        self
    }

    /// A pass whose JSON text follows from these; `revision` makes it another one. The text is canonical.
    pub fn new(uuid: &str, status: &str, revision: u64) -> Self {
        let payload = serde_json::json!({
            "label_name": format!("pass {uuid}"),
            "revision": revision,
            "status": status,
            "time_created": "2026-01-01T00:00:00Z",
            "uuid": uuid,
        });
        Self { uuid: uuid.to_owned(), status: status.to_owned(), payload: payload.to_string() }
    }
}

/// What was true from a moment on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    /// From when on, in milliseconds since 1970.
    pub from_ms: i64,
    /// Counts the user's changes from 1.
    pub version: u64,
    /// The passes.
    pub lists: PerList<Vec<Pass>>,
}

impl Truth {
    /// Moves the pass from the active list to the end of the history. Whether it was there.
    pub fn move_to_history(&mut self, uuid: &str) -> bool {
        let active = &mut self.lists.passes;
        let Some(index) = active.iter().position(|pass| pass.uuid == uuid) else { return false };
        let pass = active.remove(index);
        self.lists.passes4.push(pass);
        true
    }

    /// Puts `pass` into `list`: in the place of the one with its id, else at the end.
    pub fn put(&mut self, list: List, pass: Pass) {
        let passes = self.lists.of_mut(list);
        match passes.iter_mut().find(|there| there.uuid == pass.uuid) {
            Some(there) => *there = pass,
            None => passes.push(pass),
        }
    }

    /// Takes the pass out of both lists.
    pub fn remove(&mut self, uuid: &str) {
        for list in List::BOTH {
            self.lists.of_mut(list).retain(|pass| pass.uuid != uuid);
        }
    }
}
