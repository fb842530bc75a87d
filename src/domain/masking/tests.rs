use super::*;

fn shown(masked: Cow<'_, [u8]>) -> String {
    String::from_utf8(masked.into_owned()).unwrap()
}

fn mask(text: &str) -> String {
    shown(Masking::new("auth").mask_value(text.as_bytes()))
}

fn mask_key(text: &str) -> String {
    shown(Masking::new("auth").mask_key(text.as_bytes()))
}

fn mask_header(name: &str, text: &str) -> String {
    shown(Masking::new("auth").mask_header(name, text.as_bytes()))
}

#[test]
fn values_of_secret_keys_are_hidden_and_the_rest_stays_as_it_is() {
    let text = r#"{ "after" : {"user_id":1,"token":"tok-1","n":1.50,"auth":"x","email":"a@b"},"op":"c"}"#;
    let expected = r#"{ "after" : {"user_id":1,"token":"***","n":1.50,"auth":"***","email":"a@b"},"op":"c"}"#;
    assert_eq!(mask(text), expected);
    assert_eq!(mask(r#"{"bearer_token":"x","old_password":"y"}"#), r#"{"bearer_token":"***","old_password":"***"}"#);
    assert!(matches!(Masking::new("token").mask_value(br#"{"a":[1,2,{"b":null}]}"#), Cow::Borrowed(_)));
}

#[test]
fn absent_and_empty_secrets_can_be_seen() {
    assert_eq!(mask(r#"{"token":null,"Password":"","x":1}"#), r#"{"token":null,"Password":"","x":1}"#);
}

#[test]
fn whatever_a_secret_is_made_of_it_is_hidden() {
    for secret in [r#""a\"b,}""#, "12345", r#"{"a":["}",1]}"#, r#"["x","y"]"#, "-1.5e3", r#""\ud800""#] {
        assert_eq!(mask(&format!("{{\"token\" : {secret} ,\"z\":1}}")), r#"{"token" : "***" ,"z":1}"#, "{secret}");
    }
    assert_eq!(mask(r#"{"to\u006ben":"x"}"#), r#"{"to\u006ben":"***"}"#);
}

#[test]
fn sql_statements_are_hidden() {
    assert_eq!(mask(r#"{"source":{"query":"UPDATE t SET token='x'"}}"#), r#"{"source":{"query":"***"}}"#);
}

#[test]
fn json_in_a_text_is_masked_as_well() {
    assert_eq!(mask(r#"{"payload":"{\"token\":\"SEKRET\",\"n\":1}"}"#), r#"{"payload":"{\"token\":\"***\",\"n\":1}"}"#);
    assert_eq!(mask(r#""{\"after\":{\"token\":\"SEKRET\"}}""#), r#""{\"after\":{\"token\":\"***\"}}""#);
    assert_eq!(mask(r#"{"a":"{\"user_id\":1}","b":" [1]"}"#), r#"{"a":"{\"user_id\":1}","b":" [1]"}"#);
    let twice =
        serde_json::json!({ "a": serde_json::json!({ "b": "{\"token\":\"SEKRET\"}" }).to_string() }).to_string();
    assert!(!mask(&twice).contains("SEKRET") && mask(&twice).contains("***"), "{}", mask(&twice));
}

#[test]
fn a_text_that_may_hold_a_secret_and_cannot_be_read_is_hidden() {
    for text in [
        r#"{"payload":"{'token': 'SEKRET'}"}"#,
        r#"{"payload":"{\"token\":\"SEKRET"}"#,
        r#"{"payload":"\ufeff{\"token\":\"SEKRET\"}"}"#,
        r#"{"payload":"{\"token\":\"SEKRET\"}\ud800"}"#,
        r#"{"payload":"Struct{after=Struct{token=SEKRET}}"}"#,
        r#"{"payload":"sent Token: SEKRET"}"#,
        r#"{"payload":"before {\"auth\" : \"SEKRET\"}"}"#,
        r#"{"{\"token\":\"SEKRET\"}":1}"#,
        r#""SEKRET""#,
    ] {
        let masked = mask(text);
        assert!(masked.contains(MASK) && !masked.contains("SEKRET"), "{text}: {masked}");
        assert!(is_json(&masked), "{masked}");
    }
}

#[test]
fn values_that_are_no_json_are_hidden_whole() {
    for text in [
        "{'after': {'token': 'SEKRET'}}",
        "{after: {token: \"SEKRET\"}}",
        r#"{"token":"SEKRET"#,
        r#"{"a":1}{"token":"SEKRET"}"#,
        r#"}}]]{"password":'SEKRET'"#,
        "token=SEKRET",
        "SEKRET",
    ] {
        let masked = mask(text);
        assert!(masked.starts_with(&format!("*** ({} bytes hidden, SHA-256 ", text.len())), "{text}: {masked}");
    }
    assert_eq!(shown(Masking::new("token").mask_value(b"\0\xff")), "*** (2 bytes hidden, SHA-256 06eb7d6a...)");
    for kept in ["null", "", " {} ", "1.5"] {
        assert_eq!(mask(kept), kept);
    }
}

#[test]
fn keys_that_are_ids_are_shown_and_others_hidden() {
    let uuid = "550e8400-e29b-41d4-a716-446655440000";
    for kept in ["42", "refresh@2026-11-20T10:00:00Z", uuid, "0-17", "", "\"42\"", r#"{"id":1}"#, r#"["a",1]"#] {
        assert_eq!(mask_key(kept), kept);
    }
    for text in ["token=SEKRET", "token:SEKRET", "Struct{token=SEKRET}", "{'token':'SEKRET'}", "\"token=SEKRET\""] {
        let masked = mask_key(text);
        assert!(masked.contains(MASK) && !masked.contains("SEKRET"), "{text}: {masked}");
    }
    assert_eq!(mask_key(r#"{"token":"SEKRET"}"#), r#"{"token":"***"}"#);
    assert_eq!(mask_key("4111111111111111"), "411111******1111");
    assert_eq!(mask_key("4111.1111.1111.1111"), "411111******1111");
    assert!(shown(Masking::new("token").mask_key(b"\xffSEKRET")).starts_with("*** (7 bytes"));
}

#[test]
fn headers_are_shown_unless_they_name_a_secret() {
    let message = "the token: is no text; write it like \"x\"";
    for (name, kept) in [
        ("content-type", "application/json; charset=utf-8"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("passflow.error.message", message),
        ("passflow.error.timestamp", "1795256366405"),
    ] {
        assert_eq!(mask_header(name, kept), kept);
    }
    assert_eq!(mask_header("x-token", "SEKRET"), "***");
    assert_eq!(mask_header("row", r#"{"token":"SEKRET"}"#), r#"{"token":"***"}"#);
    assert!(!mask_header("row", "token=SEKRET").contains("SEKRET"));
}

#[test]
fn card_numbers_are_masked_however_they_are_grouped() {
    let masked = r#"{"card":"411111******1111"}"#;
    for card in [
        r#""4111 1111-1111 1111""#,
        r#""4111.1111.1111.1111""#,
        r#""4111  1111  1111  1111""#,
        r#""4111\u00a01111\t1111 - 1111""#,
        "4111111111111111",
        "4111111111111111.0",
        "4.111111111111111E15",
    ] {
        assert_eq!(mask(&format!("{{\"card\":{card}}}")), masked, "{card}");
    }
    for (text, expected) in [
        ("paid with 4111111111111111.", "paid with 411111******1111."),
        ("order 12 4111 1111 1111 1111 exp 12", "order 12 411111******1111 exp 12"),
        ("PAN4111.1111.1111.1111", "PAN411111******1111"),
        ("4111111111111111 5500000000000004", "411111******1111 550000******0004"),
    ] {
        assert_eq!(mask(&format!("{{\"x\":\"{text}\"}}")), format!("{{\"x\":\"{expected}\"}}"));
    }
}

#[test]
fn numbers_that_only_look_like_cards_stay() {
    for kept in [
        r#"{"card":"4111111111111112"}"#,
        r#"{"card":"VISA-1111"}"#,
        r#"{"ts_ms":1795256366405}"#,
        r#"{"ts_ns":1795256366401680818}"#,
        r#"{"id":"550e8400-e29b-41d4-a4111111111111111b"}"#,
        r#"{"latitude":41.87811360000001,"text":"at 41.87811360000001, -87.6"}"#,
    ] {
        assert_eq!(mask(kept), kept);
    }
}
