//! Deletes.

use super::*;

#[test]
fn touch_the_old_rows_user() {
    assert_touched(&envelope("d", &row("42", r#""a""#), "null"), &[42]);
    assert_touched(&envelope("d", &row("42", "null"), "null"), &[42]);
}

#[test]
fn without_a_row_touch_the_keys_user() {
    let value = envelope("d", "null", "null");
    let wrapped_key = r#"{"schema":{"type":"struct"},"payload":{"user_id":7}}"#;
    assert_eq!(touched(decode_keyed(r#"{"user_id":7}"#, &value)), [7]);
    assert_eq!(touched(decode_keyed(wrapped_key, &value)), [7]);
}

#[test]
fn without_any_user_are_skipped() {
    let value = envelope("d", "null", "null");
    let expected = Ok(TokenChange::Skipped(SkipReason::DeleteWithoutRow));
    for key in [r#"{"id":4}"#, "7", "", "null", "{", r#"{"user_id":-1}"#, r#"{"user_id":[]}"#] {
        assert_eq!(decode_keyed(key, &value), expected, "{key}");
    }
    assert_eq!(decode(None, Some(value.as_bytes()), &table()).map_err(|poison| poison.code), expected);
    assert_skipped(&envelope("d", r#"{"id":4}"#, "null"), SkipReason::DeleteWithoutRow);
}
