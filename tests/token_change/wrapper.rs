//! The wrapper with the schema.

use super::*;

#[test]
fn is_independent_on_key_and_value() {
    let bare = envelope("d", "null", "null");
    let wrapped = format!(r#"{{"schema":{{"type":"struct"}},"payload":{bare}}}"#);
    let key = r#"{"user_id":7}"#;
    let wrapped_key = format!(r#"{{"schema":{{"type":"struct"}},"payload":{key}}}"#);
    for key in [key, &wrapped_key] {
        for value in [&bare, &wrapped] {
            assert_eq!(touched(decode_keyed(key, value)), [7], "{key} {value}");
        }
    }
}

#[test]
fn is_taken_off_once_only() {
    let inner = format!(r#"{{"schema":{{}},"payload":{}}}"#, row("42", "null"));
    assert_poison(&format!(r#"{{"schema":{{}},"payload":{inner}}}"#), Code::UnknownSchema);
}

#[test]
fn needs_both_its_fields_and_no_others() {
    assert_poison(r#"{"payload":{"user_id":42}}"#, Code::UnknownSchema);
    assert_poison(r#"{"schema":"s","payload":{"user_id":42}}"#, Code::UnknownSchema);
    assert_poison(r#"{"schema":{},"payload":{"user_id":42},"x":1}"#, Code::UnknownSchema);
    assert_poison(r#"{"schema":{},"payload":"text"}"#, Code::WrongType);
    assert_poison(r#"{"schema":{},"payload":[]}"#, Code::WrongType);
}
