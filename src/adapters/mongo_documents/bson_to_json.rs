//! BSON as JSON text, the way `JSON.stringify` writes what the driver of Node reads.

use mongodb::bson::{Bson, Document};

/// The text of `value`. Numbers are as ECMAScript writes them, an ObjectId is its hex digits, a date is ISO 8601.
pub(super) fn to_json(value: &Bson) -> String {
    let mut text = String::new();
    write_value(&mut text, value);
    text
}

/// Appends the text of `value` to `text`.
pub(super) fn write_value(text: &mut String, value: &Bson) {
    match value {
        Bson::Document(object) => write_object(text, object),
        Bson::Array(items) => write_array(text, items),
        Bson::String(string) | Bson::Symbol(string) => write_string(text, string),
        Bson::Boolean(flag) => text.push_str(if *flag { "true" } else { "false" }),
        Bson::Int32(number) => write_number(text, f64::from(*number)),
        Bson::Int64(number) => text.push_str(&number.to_string()),
        Bson::Double(number) => write_number(text, *number),
        Bson::ObjectId(id) => write_string(text, &id.to_hex()),
        Bson::DateTime(time) => write_time(text, time.timestamp_millis()),
        Bson::Null | Bson::Undefined => text.push_str("null"),
        // Rare ones, in the form of extended JSON.
        other => text.push_str(&serde_json::to_string(other).unwrap_or_else(|_| "null".to_owned())),
    }
}

fn write_object(text: &mut String, object: &Document) {
    text.push('{');
    for (number, (key, value)) in object.iter().enumerate() {
        write_key(text, number, key);
        write_value(text, value);
    }
    text.push('}');
}

/// The comma before all but the first member, the key, the colon.
pub(super) fn write_key(text: &mut String, number: usize, key: &str) {
    if number > 0 {
        text.push(',');
    }
    write_string(text, key);
    text.push(':');
}

fn write_array(text: &mut String, items: &[Bson]) {
    text.push('[');
    for (number, item) in items.iter().enumerate() {
        if number > 0 {
            text.push(',');
        }
        write_value(text, item);
    }
    text.push(']');
}

fn write_string(text: &mut String, string: &str) {
    // Escapes exactly what JSON.stringify escapes: quotes, backslashes and controls.
    text.push_str(&serde_json::Value::from(string).to_string());
}

fn write_number(text: &mut String, number: f64) {
    if number.is_finite() {
        text.push_str(ryu_js::Buffer::new().format_finite(number));
    } else {
        text.push_str("null");
    }
}

fn write_time(text: &mut String, timestamp_ms: i64) {
    match jiff::Timestamp::from_millisecond(timestamp_ms) {
        Ok(time) => write_string(text, &format!("{time:.3}")),
        Err(_) => text.push_str("null"),
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{DateTime, doc, oid::ObjectId};

    use super::{super::json_to_bson::to_bson, *};

    #[test]
    fn canonical_text_comes_back() {
        for text in [
            r#"{"z":"é\"\\\n\u0001","a":[1,-1.5,1e+21,1e-7,9007199254740992,0],"":{"b":null},"c":[true,false,[],{}]}"#,
            "\"\u{2028}\u{7f}/\"",
            "2147483648",
        ] {
            assert_eq!(to_json(&to_bson(text.as_bytes()).unwrap()), text);
        }
    }

    #[test]
    fn the_drivers_types_are_as_node_stringifies_them() {
        let id = ObjectId::parse_str("0123456789abcdef01234567").unwrap();
        let value =
            doc! {"id": id, "at": DateTime::from_millis(1_500), "long": i64::MAX, "nan": f64::NAN, "zero": -0.0};
        let expected = r#"{"id":"0123456789abcdef01234567","at":"1970-01-01T00:00:01.500Z","long":9223372036854775807,"nan":null,"zero":0}"#;
        assert_eq!(to_json(&Bson::Document(value)), expected);
    }
}
