//! Updates.

use super::*;

#[test]
fn touch_when_the_token_changes() {
    assert_touched(&envelope("u", &row("42", r#""a""#), &row("42", r#""b""#)), &[42]);
    assert_touched(&envelope("u", &row("42", "null"), &row("42", r#""b""#)), &[42]);
    assert_touched(&envelope("u", &row("42", r#""a""#), &row("42", "null")), &[42]);
}

#[test]
fn are_skipped_when_the_token_stays() {
    for token in [r#""a""#, "null", r#""""#] {
        let value = envelope("u", &row("42", token), &row("42", token));
        assert_skipped(&value, SkipReason::TokenUnchanged);
    }
}

#[test]
fn compare_tokens_by_their_text_and_not_by_their_escapes() {
    let same = envelope("u", &row("42", r#""A/b""#), &row("42", r#""\u0041\/b""#));
    assert_skipped(&same, SkipReason::TokenUnchanged);
    let other = envelope("u", &row("42", r#""A""#), &row("42", r#""\u0042""#));
    assert_touched(&other, &[42]);
    assert_touched(&envelope("u", &row("42", "1"), &row("42", r#""1""#)), &[42]);
}

#[test]
fn touch_both_users_when_the_row_changes_hands() {
    assert_touched(&envelope("u", &row("42", r#""a""#), &row("420", r#""a""#)), &[42, 420]);
    assert_touched(&envelope("u", &row("42", "null"), &row("420", "null")), &[42, 420]);
}

#[test]
fn touch_when_the_old_row_is_not_shown() {
    assert_touched(&envelope("u", "null", &row("42", r#""a""#)), &[42]);
    assert_touched(&format!(r#"{{"after":{},"op":"u"}}"#, row("42", r#""a""#)), &[42]);
}

#[test]
fn touch_when_a_row_does_not_show_the_token_or_the_user() {
    let without_token = r#"{"id":4,"user_id":42}"#;
    assert_touched(&envelope("u", without_token, &row("42", r#""a""#)), &[42]);
    assert_touched(&envelope("u", &row("42", r#""a""#), without_token), &[42]);
    assert_touched(&envelope("u", without_token, without_token), &[42]);
    assert_touched(&envelope("u", &row("null", "null"), &row("42", "null")), &[42]);
    assert_touched(&envelope("u", &row("42", "null"), r#"{"id":4,"token":null}"#), &[42]);
}

#[test]
fn take_the_user_from_the_key_when_no_row_shows_it() {
    let value = envelope("u", "null", r#"{"token":"a"}"#);
    assert_eq!(touched(decode_keyed(r#"{"user_id":7}"#, &value)), [7]);
    assert_eq!(decode_keyed(r#"{"id":7}"#, &value), Err(Code::UnknownSchema));
    assert_poison(&envelope("u", "null", "null"), Code::WrongType);
    assert_poison(&envelope("u", "null", &row("null", "null")), Code::BadUserId);
}

#[test]
fn are_never_part_of_a_snapshot() {
    let source = SOURCE.replace("\"false\"", "\"last\"");
    let value = envelope("u", "null", &row("42", r#""a""#)).replace(SOURCE, &source);
    assert!(!snapshot_of(&value));
}
