//! The flattened form.

use super::*;

#[test]
fn rows_touch_their_user() {
    assert_touched(&row("42", r#""a""#), &[42]);
    assert_touched(r#"{"user_id":42}"#, &[42]);
    let wrapped = format!(r#"{{"payload":{},"schema":{{}}}}"#, row("42", "null"));
    assert_touched(&wrapped, &[42]);
}

#[test]
fn deleted_rows_touch_their_user() {
    for deleted in [r#""true""#, r#""false""#, "true", "false"] {
        let value = format!(r#"{{"user_id":42,"token":"a","__deleted":{deleted}}}"#);
        assert_touched(&value, &[42]);
    }
}

#[test]
fn deleted_rows_without_a_user_are_skipped_or_known_by_their_key() {
    let value = r#"{"id":4,"user_id":null,"__deleted":"true"}"#;
    assert_skipped(value, SkipReason::DeleteWithoutRow);
    assert_skipped(r#"{"id":4,"__op":"d"}"#, SkipReason::DeleteWithoutRow);
    assert_eq!(touched(decode_keyed(r#"{"user_id":7}"#, value)), [7]);
    let kept = value.replace("\"true\"", "\"false\"");
    assert_poison(&kept, Code::BadUserId);
}

#[test]
fn added_fields_are_read() {
    let flat = |fields: &str| format!(r#"{{"user_id":42,{fields}}}"#);
    assert_skipped(&flat(r#""__table":"other""#), SkipReason::OtherTable);
    assert_skipped(&flat(r#""__source_db":"other""#), SkipReason::OtherTable);
    assert_skipped(&flat(r#""__op":"t""#), SkipReason::Truncate);
    assert_poison(&flat(r#""__op":"x""#), Code::UnknownOp);
    assert!(snapshot_of(&flat(r#""__op":"r""#)));
    assert!(snapshot_of(&flat(r#""__source_snapshot":"first""#)));
    assert!(!snapshot_of(&flat(r#""__op":"u","__source_snapshot":"first""#)));
    assert!(!snapshot_of(&flat(r#""__op":"c""#)));
    assert_skipped(r#"{"id":1,"__table":"other"}"#, SkipReason::OtherTable);
    assert_poison(r#"{"id":1,"__table":"bytemark_tokens"}"#, Code::UnknownSchema);
}

#[test]
fn the_prefix_and_the_columns_are_settings() {
    let names = TableNames {
        user_id_column: "rider".to_owned(),
        token_column: "secret".to_owned(),
        added_field_prefix: "x.".to_owned(),
        ..table()
    };
    let decode_named = |value: &str| decode(None, Some(value.as_bytes()), &names).map_err(|poison| poison.code);
    assert_eq!(touched(decode_named(r#"{"rider":5,"user_id":6}"#)), [5]);
    assert_eq!(decode_named(r#"{"rider":5,"x.table":"other"}"#), Ok(TokenChange::Skipped(SkipReason::OtherTable)));
    assert_eq!(touched(decode_named(r#"{"rider":5,"__table":"other"}"#)), [5]);
    let same = r#"{"rider":5,"secret":"a"}"#;
    assert_eq!(decode_named(&envelope("u", same, same)), Ok(TokenChange::Skipped(SkipReason::TokenUnchanged)));
}

#[test]
fn columns_named_like_parts_of_other_forms_change_nothing() {
    for columns in [
        r#""payload":{"user_id":1}"#,
        r#""payload":"{\"user_id\":1}","schema":null"#,
        r#""op":"x""#,
        r#""op":"x","before":null,"after":null"#,
        r#""op":"x","source":"web","before":"b","after":"a""#,
        r#""ts_ms":1"#,
        r#""id":1,"status":"BEGIN","ts_ms":1"#,
        r#""ddl":"d","databaseName":"d","tableChanges":null"#,
        r#""database":"d","table":"t","type":"insert","data":null"#,
        r#""id":1,"type":"x","data":"d""#,
    ] {
        assert_touched(&format!(r#"{{"user_id":42,{columns}}}"#), &[42]);
    }
}
