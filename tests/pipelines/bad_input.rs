//! Records that cannot be handled, and those that need not be.

use bytes::Bytes;
use passflow::domain::record::Output;

use super::kit::{CDC, Kit, REQUESTS, TICKS, cdc, header, output, run};

#[test]
fn changes_that_cannot_be_understood_are_dead_letters_and_the_pipeline_goes_on() {
    run(async {
        let mut kit = Kit::with_users(1);
        kit.start();
        for (value, _) in UNREADABLE_CHANGES {
            kit.put(CDC, "k", value);
        }
        kit.change(1, "c");
        kit.settle().await;
        let mut expected: Vec<&str> = UNREADABLE_CHANGES.iter().map(|(_, code)| *code).collect();
        expected.sort_unstable();
        assert_eq!(kit.codes(), expected);
        assert!(kit.document(1).timestamp > 0);
    });
}

const UNREADABLE_CHANGES: [(&str, &str); 5] = [
    ("{", "not_json"),
    (r#"{"before":null,"after":{"user_id":1,"token":"t"},"source":{},"op":"x"}"#, "unknown_op"),
    (r#"{"before":null,"after":{"user_id":0,"token":"t"},"source":{},"op":"c"}"#, "bad_user_id"),
    (r#"{"before":null,"after":5,"source":{},"op":"c"}"#, "wrong_type"),
    (r#"{"something":"else"}"#, "unknown_schema"),
];

#[test]
fn messages_that_are_no_change_of_a_token_are_counted_and_skipped() {
    run(async {
        let mut kit = Kit::with_users(1);
        kit.start();
        let source = r#""source":{"db":"portal","table":"bytemark_tokens"}"#;
        let other = cdc(1, "c").replace("bytemark_tokens", "orders");
        let ddl = format!(r#"{{{source},"databaseName":"portal","ddl":"ALTER TABLE","tableChanges":[]}}"#);
        let values = [
            r#"{"ts_ms":1}"#,
            r#"{"status":"BEGIN","id":"x","event_count":null,"data_collections":null,"ts_ms":1}"#,
            &format!(r#"{{"before":null,"after":null,{source},"op":"t"}}"#),
            &other,
            &ddl,
        ];
        for value in values {
            kit.put(CDC, "k", value);
        }
        kit.put_output(Output { topic: CDC.into(), value: None, ..output(r#"{"id":1}"#, "") });
        kit.settle().await;
        assert_eq!(kit.codes(), Vec::<String>::new());
        assert_eq!(kit.outcome("token_changes", "skipped"), 6);
        assert!(kit.records(REQUESTS).is_empty());
    });
}

#[test]
fn requests_that_cannot_be_understood_are_dead_letters_and_the_pipeline_goes_on() {
    run(async {
        let mut kit = Kit::with_users(1);
        kit.start();
        for value in ["nonsense", r#"{"user_id":0}"#, r#"{"user_id":9007199254740992}"#, r#"{"user_id":"1"}"#, "{}"] {
            kit.put(REQUESTS, "1", value);
        }
        kit.put_output(Output { value: None, ..output("1", "") });
        kit.refresh(1).await;
        let expected = ["bad_user_id", "bad_user_id", "not_json", "wrong_type", "wrong_type", "wrong_type"];
        assert_eq!(kit.codes(), expected);
        assert!(kit.document(1).timestamp > 0);
    });
}

#[test]
fn ticks_that_cannot_be_understood_are_dead_letters_and_the_next_one_is_fanned_out() {
    run(async {
        let mut kit = Kit::with_users(2);
        kit.start();
        for value in ["nonsense", r#"{"kind":"sometimes"}"#, "[]"] {
            kit.put(TICKS, "t", value);
        }
        kit.put(TICKS, "good", "{}");
        kit.settle().await;
        assert_eq!(kit.codes(), ["not_json", "wrong_type", "wrong_type"]);
        assert_eq!(kit.records(REQUESTS).len(), 2);
    });
}

#[test]
fn a_dead_letter_is_the_record_as_it_was_and_says_what_was_wrong_with_it() {
    run(async {
        let mut kit = Kit::new();
        kit.start();
        let headers = vec![("traceparent".to_owned(), Some(Bytes::from_static(b"00-1-2-01"))), ("x".to_owned(), None)];
        kit.put_output(Output { headers: headers.clone(), ..output("7", "{\"user_id\":-7}") });
        kit.settle().await;
        let record = kit.records(REQUESTS).remove(0);
        let (_, letter) = kit.letters().remove(0);
        assert_eq!((&letter.key, &letter.value), (&record.key, &record.value));
        assert_eq!(letter.headers[..2], headers);
        let error = |name: &str| header(&letter, &format!("passflow.error.{name}"));
        assert_eq!(error("pipeline"), "passes");
        assert_eq!(error("stage"), "decode");
        assert_eq!(error("code"), "bad_user_id");
        assert!(error("message").contains("user_id"), "{}", error("message"));
        assert_eq!(error("topic"), REQUESTS);
        assert_eq!(error("partition"), record.source.partition.to_string());
        assert_eq!(error("offset"), record.source.offset.to_string());
        assert_eq!(error("timestamp"), record.source.timestamp_ms.to_string());
        assert_eq!(error("attempts"), "1");
        assert_eq!(letter.headers.len(), 2 + 9);
    });
}

#[test]
fn of_a_record_too_large_for_a_dead_letter_the_source_the_md5_and_the_first_bytes_are_kept() {
    run(async {
        let mut kit = Kit::new();
        kit.start();
        kit.put(REQUESTS, "7", &"x".repeat(1 << 20));
        kit.settle().await;
        let (code, letter) = kit.letters().remove(0);
        assert_eq!(code, "not_json");
        assert_eq!(letter.value.as_ref().unwrap().len(), 64 * 1024);
        assert_eq!(header(&letter, "passflow.error.value_bytes"), (1 << 20).to_string());
        assert_eq!(header(&letter, "passflow.error.value_md5").len(), 32);
        assert_eq!(header(&letter, "passflow.error.offset"), "0");
    });
}
