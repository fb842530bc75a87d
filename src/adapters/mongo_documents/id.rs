//! `_id`s as the domain holds them: an ObjectId is 24 hex digits; any other value, which a hand may have inserted, is
//! its extended JSON.

use mongodb::bson::{Bson, oid::ObjectId};

/// The text of an `_id`; empty when there is none.
pub(super) fn id_text(id: Option<&Bson>) -> String {
    match id {
        None => String::new(),
        Some(Bson::ObjectId(id)) => id.to_hex(),
        Some(other) => serde_json::to_string(other).unwrap_or_default(),
    }
}

/// The `_id` of a text.
pub(super) fn id_value(text: &str) -> Bson {
    if let Ok(id) = ObjectId::parse_str(text) {
        return Bson::ObjectId(id);
    }
    // Anything in quotes or braces came from the function above; else it is taken as a text.
    serde_json::from_str(text).unwrap_or_else(|_| Bson::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use mongodb::bson::bson;

    use super::*;

    #[test]
    fn every_id_comes_back() {
        let hex = "0123456789abcdef01234567";
        for id in [bson!(ObjectId::parse_str(hex).unwrap()), bson!(hex), bson!(i64::MAX), bson!({"a": 1.5})] {
            assert_eq!(id_value(&id_text(Some(&id))), id);
        }
        assert_eq!(id_text(Some(&id_value(hex))), hex);
        // To the server, numbers of all types are equal.
        for five in [bson!(5), bson!(5_i64)] {
            assert_eq!(id_value(&id_text(Some(&five))), bson!(5));
        }
    }
}
