use mongodb::bson::{Document, RawDocumentBuf, doc};
use proptest::prelude::*;
use serde_json::Value;

use super::{super::json_to_bson::to_bson, *};
use crate::domain::js_json::canonicalize;

/// The value of `json` in a document, and whether something was replaced.
fn written(json: &str) -> (Document, bool) {
    let mut writer = BsonWriter::default();
    let open = writer.open();
    let lossy = writer.json("v", json).unwrap();
    writer.close(open);
    let raw = RawDocumentBuf::from_bytes(writer.into_bytes()).unwrap();
    (Document::try_from(raw).unwrap(), lossy)
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..12).prop_map(Value::from),
            proptest::collection::btree_map(".{0,4}", inner, 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn it_is_what_the_tree_gives(value in values()) {
        let text = value.to_string();
        let canonical = canonicalize(text.as_bytes(), 100).unwrap();
        let (document, _) = written(std::str::from_utf8(&canonical).unwrap());
        prop_assert_eq!(document, doc! {"v": to_bson(&canonical).unwrap()});
    }
}

#[test]
fn what_bson_lacks_is_told() {
    let deep = format!("{}{}", "[".repeat(95), "]".repeat(95));
    for (json, expected) in [
        (r#""\ud800""#, true),
        (r#""\u0000�\n""#, false),
        (r#"{"a\u0000":1}"#, true),
        (r#"{"\udc00":1}"#, true),
        (r#"["\\ud800"]"#, false),
        (&deep, true),
        (r#"[{"a":[1,2.5,"x"]}]"#, false),
    ] {
        let (document, lossy) = written(json);
        assert_eq!(lossy, expected, "{json}");
        assert_eq!(document, doc! {"v": to_bson(json.as_bytes()).unwrap()});
    }
}

#[test]
fn other_texts_are_refused() {
    for text in ["", "{", "[1", "[1,]", "{\"a\"}", "tru", "\"", "1 2", "--1", "nulll", "[ 1]"] {
        assert!(BsonWriter::default().json("v", text).is_err(), "{text}");
    }
}

#[test]
fn elements_of_all_types_are_read_back() {
    let mut writer = BsonWriter::default();
    let outer = writer.open();
    writer.text("t", "é\0");
    writer.number("n", 7);
    writer.number("large", 1_795_000_000_000);
    writer.boolean("b", true);
    writer.null("z");
    writer.date("d", 1500);
    let inner = writer.open_array("a");
    writer.number("0", -1);
    writer.close(inner);
    writer.close(outer);
    let document = Document::try_from(RawDocumentBuf::from_bytes(writer.into_bytes()).unwrap()).unwrap();
    let date = mongodb::bson::DateTime::from_millis(1500);
    let z = mongodb::bson::Bson::Null;
    let large = 1_795_000_000_000.0;
    assert_eq!(document, doc! {"t": "é\0", "n": 7, "large": large, "b": true, "z": z, "d": date, "a": [-1]});
}
