//! Bytemark's response bodies in all their forms.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod reference;

use std::borrow::Cow;

use passflow::domain::envelope::{Envelope, EnvelopeError, Next, Refusal};
use passflow::domain::payload_hash::PayloadHash;
use proptest::prelude::*;
use reference::generate::{json, mutated};
use reference::slow;

const DEPTH_MAX: usize = 2_000;

fn parse(body: &str) -> Result<Envelope<'_>, EnvelopeError> {
    Envelope::parse(body.as_bytes(), DEPTH_MAX)
}

fn reason(body: &str) -> &'static str {
    parse(body).expect_err(body).reason()
}

#[test]
fn a_successful_answer() {
    let body = r#"{"errors": [], "server_time": "2026-11-20T10:00:00Z", "data": {"passes": [
        {"uuid":"u1","status":"USABLE","time_created":"2026-10-02 14:11:05","product_uuid":"p","label_name":"Day \u2013 Pass"},
        {"status":"USING","uuid":"u2","time_created":1700000000,"price":1.0}
      ], "page_count": 3, "total_count": "250", "pagination": {"page": 1, "next": "/v4.0/passes?page=2"}}}"#;
    let envelope = parse(body).unwrap();
    assert_eq!(envelope.errors, []);
    assert_eq!(envelope.refusal, None);
    assert_eq!(envelope.server_time.as_deref(), Some("2026-11-20T10:00:00Z"));
    assert_eq!((envelope.page_count, envelope.total_count, envelope.next), (Some(3), Some(250), Next::Yes));
    let passes = envelope.passes.unwrap();
    assert_eq!(passes.len(), 2);
    assert_eq!((&*passes[0].uuid, &*passes[0].status), ("u1", "USABLE"));
    assert_eq!(passes[0].time_created.as_deref(), Some("2026-10-02 14:11:05"));
    assert_eq!(passes[0].product_uuid.as_deref(), Some("p"));
    assert_eq!(passes[0].label_name.as_deref(), Some("Day \u{2013} Pass"));
    assert_eq!(passes[1].time_created.as_deref(), Some("1700000000"));
    assert_eq!(passes[1].text, r#"{"status":"USING","uuid":"u2","time_created":1700000000,"price":1}"#);
    for pass in &passes {
        assert_eq!(pass.hash, PayloadHash::of(pass.text.as_bytes()));
    }
}

#[test]
fn canonical_passes_are_not_copied() {
    let body = r#"{"data":{"passes":[{"uuid":"u1","status":"USABLE"} , {"uuid":"u\n2","status":"USABLE"}]}}"#;
    let passes = parse(body).unwrap().passes.unwrap();
    assert!(matches!(passes[0].text, Cow::Borrowed(_)));
    assert!(matches!(passes[0].uuid, Cow::Borrowed("u1")));
    assert!(matches!(passes[1].text, Cow::Borrowed(_)));
    assert_eq!(passes[1].uuid, "u\n2");
}

#[test]
fn any_order_and_the_last_of_equal_keys() {
    let body = r#"{"data":7,"d\u0061ta":{"passes":3,"passe\u0073":[{"uuid":1,"status":"A","u\u0075id":"u1","status":"B","0":1}],
        "pagination":{"next":null},"page_count":1,"page_count":2},"errors":[{"code":1}],"error":null,"errors":[],"x":[[]]}"#;
    let envelope = parse(body).unwrap();
    let passes = envelope.passes.unwrap();
    assert_eq!((&*passes[0].uuid, &*passes[0].status), ("u1", "B"));
    assert_eq!(passes[0].text, r#"{"0":1,"uuid":"u1","status":"B"}"#);
    assert_eq!((envelope.page_count, envelope.total_count, envelope.next), (Some(2), None, Next::No));
}

#[test]
fn next_in_all_its_forms() {
    for (pagination, expected) in [
        ("{}", Next::Absent),
        ("null", Next::Absent),
        (r#"{"next":null}"#, Next::No),
        (r#"{"next":false}"#, Next::No),
        (r#"{"next":""}"#, Next::No),
        (r#"{"next":true}"#, Next::Yes),
        (r#"{"n\u0065xt": "/v4.0/passes"}"#, Next::Yes),
    ] {
        let body = format!(r#"{{"data":{{"passes":[],"pagination":{pagination}}}}}"#);
        assert_eq!(parse(&body).unwrap().next, expected, "{pagination}");
    }
}

#[test]
fn no_errors_in_all_their_forms() {
    for member in
        [r#""errors":[]"#, r#""errors":null"#, r#""error":null"#, r#""error":[]"#, r#""error":false"#, r#""x":1"#]
    {
        let body = format!(r#"{{{member},"data":{{"passes":[]}}}}"#);
        assert_eq!(parse(&body).unwrap().passes, Some(Vec::new()), "{member}");
    }
}

#[test]
fn an_error_answer_keeps_what_is_logged() {
    let body = r#"{"data": {"b": 1.0, "0": [ ], "passes": 3}, "server_time": null,
        "errors": [{"code": 50020, "message": "session expired"}, {"code": "E7", "message": {"a": 1.0}}, "text", 5], "error": {"code": "12"}}"#;
    let envelope = parse(body).unwrap();
    assert_eq!(envelope.passes, None);
    assert_eq!(envelope.server_time, None);
    let said: Vec<_> = envelope.errors.iter().map(|e| (e.code, e.code_json.as_deref(), e.message.as_str())).collect();
    assert_eq!(
        said,
        [
            (Some(50_020), Some("50020"), "session expired"),
            (None, Some("\"E7\""), "{\"a\":1}"),
            (None, None, "text"),
            (None, None, "5"),
            (Some(12), Some("\"12\""), ""),
        ]
    );
    let errors =
        r#"[{"code":50020,"message":"session expired"},{"code":"E7","message":{"a":1}},"text",5,{"code":"12"}]"#;
    let data = r#"{"0":[],"b":1,"passes":3}"#;
    assert_eq!(envelope.refusal, Some(Refusal { errors: errors.to_owned(), data: Some(data.to_owned()) }));

    let without_data = parse(r#"{"error":"down"}"#).unwrap();
    assert_eq!(without_data.errors[0].message, "down");
    assert_eq!(without_data.refusal, Some(Refusal { errors: "[\"down\"]".to_owned(), data: None }));
}

#[test]
fn what_is_no_envelope_has_a_reason() {
    for body in [
        "",
        "<html></html>",
        "{",
        r#"{"data":{"passes":[]}} x"#,
        r#"{"data":{"passes":[1,]}}"#,
        r#"{"errors":[] "data":1}"#,
    ] {
        assert_eq!(reason(body), "not_json", "{body}");
    }
    for body in [
        "[]",
        "7",
        "null",
        "{}",
        r#"{"errors":[]}"#,
        r#"{"data":null}"#,
        r#"{"data":[]}"#,
        r#"{"data":{}}"#,
        r#"{"data":{"passes":null}}"#,
        r#"{"data":{"passes":{}}}"#,
        r#"{"data":{"passes":[7]}}"#,
        r#"{"data":{"passes":[["uuid"]]}}"#,
        r#"{"data":{"passes":[{"uuid":"u"}]}}"#,
        r#"{"data":{"passes":[{"uuid":"u","status":null}]}}"#,
        r#"{"errors":{},"data":{"passes":[]}}"#,
        r#"{"errors":"x","data":{"passes":[]}}"#,
        r#"{"error":7,"data":{"passes":[]}}"#,
    ] {
        assert_eq!(reason(body), "wrong_envelope", "{body}");
    }
    for uuid in ["", r#""uuid":null,"#, r#""uuid":"","#, r#""uuid":7,"#, r#""uuid":"u","uuid":null,"#] {
        let body = format!(r#"{{"data":{{"passes":[{{"uuid":"v","status":"A"}},{{{uuid}"status":"A"}}]}}}}"#);
        assert_eq!(parse(&body), Err(EnvelopeError::MissingUuid { index: 1 }), "{body}");
    }
    let twice =
        r#"{"data":{"passes":[{"uuid":"u","status":"A"},{"uuid":"v","status":"A"},{"uuid":"\u0075","status":"B"}]}}"#;
    assert_eq!(parse(twice), Err(EnvelopeError::DuplicateUuid { uuid: "u".to_owned() }));
}

#[test]
fn depth_counts_from_the_outside() {
    let body = r#"{"data":{"passes":[{"uuid":"u","status":"A","x":[[1]]}]}}"#;
    assert!(Envelope::parse(body.as_bytes(), 6).is_ok());
    assert_eq!(Envelope::parse(body.as_bytes(), 5), Err(EnvelopeError::TooDeep { offset: 49 }));
    for open in ["[", "{\"data\":", "{\"data\":{\"passes\":[", "{\"errors\":["] {
        assert_eq!(reason(&open.repeat(100_000)), "too_deep", "{open}");
    }
}

#[test]
fn bytes_that_are_not_utf8() {
    let mut body = b"\xEF\xBB\xBF{\"data\":{\"passes\":[{\"uuid\":\"u\xff\",\"status\":\"A\xe2\x82\"}]}}".to_vec();
    let passes = Envelope::parse(&body, DEPTH_MAX).unwrap().passes.unwrap();
    assert_eq!(passes[0].text, "{\"uuid\":\"u\u{fffd}\",\"status\":\"A\u{fffd}\"}");
    assert_eq!(passes[0].uuid, "u\u{fffd}");
    body.truncate(4);
    let error = Envelope::parse(&body, DEPTH_MAX).unwrap_err();
    assert_eq!(error.to_string(), "the body is not JSON: unexpected end of the text at byte 4");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn text_and_hash_are_those_of_the_reference(
        elements in prop::collection::vec((json(), json()), 0..5),
        status in "[A-Z]{1,8}|\\\\u[0-9a-f]{4}",
    ) {
        let passes: Vec<String> = elements.iter().enumerate().map(|(place, (a, b))| {
            format!(r#"{{"x":{a},"uuid":"u{place}","status":"{status}","7":{b},"time_created":{b}}}"#)
        }).collect();
        let body = format!(r#"{{ "data" : {{"passes":[ {} ]}}}}"#, passes.join(" ,"));
        let envelope = parse(&body).unwrap();
        for (pass, element) in envelope.passes.unwrap().iter().zip(&passes) {
            let expected = slow::parse(element.as_bytes()).unwrap();
            prop_assert_eq!(&*pass.text, slow::text_of(&expected));
            prop_assert_eq!(pass.hash, PayloadHash::of(pass.text.as_bytes()));
            prop_assert_eq!(Some(pass.uuid.clone().into_owned()), expected.member("uuid").unwrap().as_string());
            prop_assert_eq!(Some(pass.status.clone().into_owned()), expected.member("status").unwrap().as_string());
            let created = expected.member("time_created").unwrap();
            let created = match created {
                slow::Json::Number(number) if number.is_finite() => Some(slow::text_of(created)),
                other => other.as_string(),
            };
            prop_assert_eq!(pass.time_created.as_deref(), created.as_deref());
        }
    }

    #[test]
    fn no_bytes_panic(bytes in mutated(), any in prop::collection::vec(any::<u8>(), 0..50)) {
        let _ = Envelope::parse(&bytes, DEPTH_MAX);
        let _ = Envelope::parse(&any, DEPTH_MAX);
        for (before, after) in [("{\"data\":", "}"), ("{\"data\":{\"passes\":", "}}"), ("{\"data\":{\"passes\":[", "]}}"), ("{\"errors\":", "}"), ("{\"error\":", ",\"data\":{\"passes\":[]}}")] {
            let body = [before.as_bytes(), &bytes, after.as_bytes()].concat();
            let is_json = slow::parse(&body).is_some();
            let envelope = Envelope::parse(&body, DEPTH_MAX);
            let is_refused_as_no_json = matches!(envelope, Err(EnvelopeError::NotJson(_)));
            prop_assert_eq!(is_refused_as_no_json, !is_json, "{}", String::from_utf8_lossy(&body));
        }
    }
}
