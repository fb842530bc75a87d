//! Messages that are refused, and the user id in its many shapes.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

use passflow::domain::poison::{Code, Poison};
use passflow::domain::token_change::{TableNames, TokenChange, decode};
use passflow::domain::user_id::UserId;

fn decode_bytes(value: &[u8]) -> Result<TokenChange, Poison> {
    let table = TableNames::new("portal", "bytemark_tokens");
    decode(Some(b"{\"id\":4}"), Some(value), &table)
}

fn code_of(value: impl AsRef<[u8]>) -> Option<Code> {
    decode_bytes(value.as_ref()).err().map(|poison| poison.code)
}

fn user_of(user_id: &str) -> Result<i64, Code> {
    let value = format!(r#"{{"op":"c","before":null,"after":{{"user_id":{user_id}}}}}"#);
    match decode_bytes(value.as_bytes()) {
        Ok(TokenChange::Touched { users, .. }) => Ok(users.iter().map(UserId::get).sum()),
        Ok(skipped) => panic!("expected a user or poison, got {skipped:?}"),
        Err(poison) => Err(poison.code),
    }
}

#[test]
fn user_ids_are_numbers_texts_or_base64() {
    for (written, expected) in [
        ("42", 42),
        ("42.0", 42),
        ("4.2e1", 42),
        ("9007199254740991", 9_007_199_254_740_991),
        (r#""42""#, 42),
        (r#""042""#, 42),
        (r#""\u00342""#, 42),
        (r#""9007199254740991""#, 9_007_199_254_740_991),
        (r#""Bw==""#, 7),
        (r#""AIA=""#, 128),
        (r#""H////////w==""#, 9_007_199_254_740_991),
    ] {
        assert_eq!(user_of(written), Ok(expected), "{written}");
    }
}

#[test]
fn user_ids_out_of_range_are_refused() {
    for written in [
        "0",
        "-0",
        "-1",
        "42.5",
        "1e400",
        "9007199254740992",
        "9007199254740992.0",
        "18446744073709551615",
        "123456789012345678901234567890",
        "null",
        r#""0""#,
        r#""-1""#,
        r#""9007199254740992""#,
        r#""18446744073709551615""#,
        r#""""#,
        r#""-""#,
        r#""4 2""#,
        r#""42.0""#,
        r#""+42""#,
        r#""AA==""#,
        r#""/w==""#,
        r#""gA==""#,
        r#""IAAAAAAAAA==""#,
        r#""AP//////////""#,
        r#""Bw=""#,
        r#""\ud800""#,
    ] {
        assert_eq!(user_of(written), Err(Code::BadUserId), "{written}");
    }
}

#[test]
fn user_ids_of_other_types_are_refused() {
    for written in ["true", "false", "[42]", r#"{"scale":0,"value":"Kg=="}"#] {
        assert_eq!(user_of(written), Err(Code::WrongType), "{written}");
    }
}

#[test]
fn a_bad_user_id_on_either_side_of_an_update_is_refused() {
    for (before, after) in [("-1", "42"), ("42", "-1")] {
        let value = format!(r#"{{"op":"u","before":{{"user_id":{before}}},"after":{{"user_id":{after}}}}}"#);
        assert_eq!(code_of(value), Some(Code::BadUserId));
    }
}

#[test]
fn what_is_no_json_is_refused() {
    let invalid_utf8 = b"{\"user_id\":42,\"token\":\"\xff\"}".as_slice();
    for value in [
        b"".as_slice(),
        b" ",
        b"hello",
        b"\x01\x02",
        b"{",
        b"{\"user_id\":42",
        b"{\"user_id\":42}}",
        b"{\"user_id\":42} {}",
        b"{\"user_id\":4 2}",
        b"{user_id:42}",
        b"{\"user_id\":}",
        b"{\"user_id\":042}",
        b"[1,2",
        b"nul",
        b"nullx",
        b"\xef\xbb\xbf{\"user_id\":42}",
        invalid_utf8,
    ] {
        assert_eq!(code_of(value), Some(Code::NotJson), "{value:?}");
    }
}

#[test]
fn json_that_is_no_object_is_refused() {
    for value in ["true", "42", "\"text\"", "[]", "[{\"user_id\":42}]"] {
        assert_eq!(code_of(value), Some(Code::WrongType), "{value}");
    }
}

#[test]
fn objects_of_no_known_form_are_refused() {
    for value in [
        "{}",
        r#"{"id":4}"#,
        r#"{"op":"c"}"#,
        r#"{"ts_ms":1,"x":1}"#,
        r#"{"status":"OPEN","id":"1"}"#,
        r#"{"type":"insert"}"#,
    ] {
        assert_eq!(code_of(value), Some(Code::UnknownSchema), "{value}");
    }
}

#[test]
fn ops_that_are_not_known_are_refused() {
    for op in ["x", "", "C", "create"] {
        let value = format!(r#"{{"before":null,"after":{{"user_id":42}},"op":"{op}"}}"#);
        assert_eq!(code_of(value), Some(Code::UnknownOp), "{op}");
    }
    assert_eq!(code_of(r#"{"after":{"user_id":42}}"#), Some(Code::UnknownOp));
    assert_eq!(code_of(r#"{"after":{"user_id":42},"op":1}"#), Some(Code::WrongType));
    assert_eq!(code_of(r#"{"after":{"user_id":42},"op":"c","source":"s"}"#), Some(Code::WrongType));
}

#[test]
fn formats_that_are_not_read_are_named() {
    let avro = b"\x00\x00\x00\x01\x02body".as_slice();
    let maxwell = r#"{"database":"portal","table":"bytemark_tokens","type":"update","ts":1,"data":{"user_id":42},"old":{"token":"secret"}}"#;
    let maxwell_ddl = r#"{"database":"portal","table":"t","type":"table-create","ts":1,"sql":"..."}"#;
    let canal = r#"{"data":[{"user_id":"42"}],"database":"portal","es":1,"id":3,"isDdl":false,"old":null,"pkNames":["id"],"sql":"","table":"t","ts":1,"type":"INSERT"}"#;
    let canal_ddl = r#"{"data":null,"database":"portal","isDdl":true,"type":"ALTER"}"#;
    for (value, name) in [
        (avro, "Avro in Confluent's wire format (schema id 258)"),
        (b"\x00", "Avro"),
        (maxwell.as_bytes(), "Maxwell"),
        (maxwell_ddl.as_bytes(), "Maxwell"),
        (canal.as_bytes(), "Canal"),
        (canal_ddl.as_bytes(), "Canal"),
    ] {
        let poison = decode_bytes(value).expect_err("the format is not read");
        assert_eq!(poison.code, Code::UnsupportedFormat);
        assert!(poison.message.contains(name), "{poison}");
        assert!(poison.message.contains("not supported yet"), "{poison}");
    }
}

#[test]
fn of_a_repeated_key_the_last_value_counts() {
    let value = r#"{"user_id":1,"user_id":42}"#;
    let expected = decode_bytes(br#"{"user_id":42}"#).expect("a row");
    assert_eq!(decode_bytes(value.as_bytes()), Ok(expected));
    assert_eq!(code_of(r#"{"user_id":42,"user_id":-1}"#), Some(Code::BadUserId));
}

#[test]
fn nesting_of_any_depth_costs_no_stack() {
    const DEPTH: usize = 200_000;
    let nested = "[".repeat(DEPTH) + &"]".repeat(DEPTH);
    let objects = "{\"before\":".repeat(DEPTH) + "1" + &"}".repeat(DEPTH);
    let row = format!(r#"{{"user_id":42,"note":{nested}}}"#);
    assert_eq!(code_of(&row), None);
    assert_eq!(code_of(format!(r#"{{"user_id":{nested}}}"#)), Some(Code::WrongType));
    assert_eq!(code_of(&nested), Some(Code::WrongType));
    assert_eq!(code_of(&nested[..=DEPTH]), Some(Code::NotJson));
    assert_eq!(code_of(&objects), Some(Code::UnknownOp));
    assert_eq!(code_of(&objects[..objects.len() - 1]), Some(Code::NotJson));
}

#[test]
fn messages_say_what_to_mend() {
    for (value, said) in [
        (r#"{"user_id":-1}"#, "`user_id` -1 is no whole number in 1..=9007199254740991"),
        (r#"{"op":"q","after":{}}"#, "`op` q is none of c, u, d, r, t, m"),
        (r#"{"op":"c","after":{"id":1}}"#, "no column `user_id`"),
        (r#"{"user_id":"#, "EOF while parsing a value at line 1 column 11"),
        (r#"{"op":"c","after":null}"#, "binlog_row_image"),
    ] {
        let poison = decode_bytes(value.as_bytes()).expect_err("refused");
        assert!(poison.message.contains(said), "{poison}");
    }
}
