//! Messages that are no change of a row of the table.

use super::*;

#[test]
fn tombstones_are_no_value_or_null() {
    let expected = Ok(TokenChange::Skipped(SkipReason::Tombstone));
    assert_eq!(decode(Some(b"{}"), None, &table()), expected);
    assert_eq!(decode(None, Some(b"null"), &table()), expected);
    assert_eq!(decode(None, Some(b" null\n"), &table()), expected);
    assert_skipped(r#"{"schema":null,"payload":null}"#, SkipReason::Tombstone);
}

#[test]
fn are_recognised_by_shape() {
    assert_skipped(r#"{"ts_ms":1795256645987}"#, SkipReason::Heartbeat);
    assert_skipped(r#"{"ts_us":1,"ts_ms":1}"#, SkipReason::Heartbeat);
    for status in ["BEGIN", "END"] {
        let value = format!(
            r#"{{"status":"{status}","id":"0-4711-152","event_count":null,"data_collections":null,"ts_ms":1}}"#
        );
        assert_skipped(&value, SkipReason::Transaction);
        assert_skipped(&format!(r#"{{"status":"{status}","id":"x"}}"#), SkipReason::Transaction);
    }
    let schema_change = format!(
        r#"{{"source":{SOURCE},"ts_ms":1,"databaseName":"portal","schemaName":null,"ddl":"ALTER TABLE t","tableChanges":[]}}"#
    );
    assert_skipped(&schema_change, SkipReason::SchemaChange);
    let signal = r#"{"id":"1","type":"execute-snapshot","data":{"type":"incremental"}}"#;
    assert_skipped(signal, SkipReason::Signal);
    assert_skipped(&signal.replace(r#""id":"1","#, ""), SkipReason::Signal);
}

#[test]
fn are_recognised_inside_the_wrapper() {
    let wrapped = r#"{"schema":{"type":"struct"},"payload":{"ts_ms":1}}"#;
    assert_skipped(wrapped, SkipReason::Heartbeat);
}

#[test]
fn truncate_and_message_have_no_row() {
    assert_skipped(&envelope("t", "null", "null"), SkipReason::Truncate);
    let message = format!(r#"{{"op":"m","ts_ms":1,"source":{SOURCE},"message":{{"prefix":"p","content":"AA=="}}}}"#);
    assert_skipped(&message, SkipReason::Message);
}

#[test]
fn rows_of_other_tables_are_known_by_their_source() {
    let other_table = SOURCE.replace("bytemark_tokens", "debezium_signal");
    let other_database = SOURCE.replace("portal", "staging");
    for source in [other_table, other_database] {
        for op in ["c", "t", "x"] {
            let value = envelope(op, "null", r#"{"id":1}"#).replace(SOURCE, &source);
            assert_skipped(&value, SkipReason::OtherTable);
        }
    }
}

#[test]
fn a_source_that_tells_no_table_is_taken_for_ours() {
    for source in ["null", "{}", r#"{"db":null,"table":null}"#] {
        assert_touched(&insert_of("42").replace(SOURCE, source), &[42]);
    }
}
