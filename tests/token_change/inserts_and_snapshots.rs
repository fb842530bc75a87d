//! Inserts and rows of snapshots.

use super::*;

#[test]
fn touch_with_and_without_a_token() {
    assert_touched(&insert_of("42"), &[42]);
    assert_touched(&envelope("c", "null", &row("42", "null")), &[42]);
    assert_touched(&envelope("r", "null", r#"{"user_id":42}"#), &[42]);
}

#[test]
fn need_their_row() {
    assert_poison(&envelope("c", "null", "null"), Code::WrongType);
    assert_poison(&envelope("r", "null", r#""row""#), Code::WrongType);
    assert_poison(&envelope("c", "null", "[1]"), Code::WrongType);
    assert_poison(&envelope("c", "null", r#"{"id":4,"token":"a"}"#), Code::UnknownSchema);
}

#[test]
fn tell_a_snapshot_by_op_or_source() {
    assert!(snapshot_of(&envelope("r", "null", &row("42", "null"))));
    let insert = insert_of("42");
    for (said, expected) in [
        ("true", true),
        ("false", false),
        ("null", false),
        (r#""true""#, true),
        (r#""first""#, true),
        (r#""first_in_data_collection""#, true),
        (r#""last""#, true),
        (r#""incremental""#, true),
        (r#""false""#, false),
    ] {
        let source = SOURCE.replace("\"false\"", said);
        assert_eq!(snapshot_of(&insert.replace(SOURCE, &source)), expected, "{said}");
    }
}

#[test]
fn tell_the_time_of_the_change() {
    let time_of = |value: &str| match decode_text(value) {
        Ok(TokenChange::Touched { changed_at_ms, .. }) => changed_at_ms,
        other => panic!("expected users to be touched, got {other:?}"),
    };
    let insert = insert_of("42");
    assert_eq!(time_of(&insert), Some(1000));
    assert_eq!(time_of(&insert.replace("1000", r#""1500""#)), Some(1500));
    for absent in ["0", "null", r#""soon""#, "{}"] {
        assert_eq!(time_of(&insert.replace("1000", absent)), Some(2000), "{absent}");
    }
    let untimed = insert.replace("1000", "null").replace("2000", "null");
    assert_eq!(time_of(&untimed), None);
}
