use super::*;

fn mask(text: &str) -> String {
    Masking::new("auth").mask(text).into_owned()
}

#[test]
fn values_of_secret_keys_are_hidden_and_the_rest_stays_as_it_is() {
    let text = r#"{ "after" : {"user_id":1,"token":"tok-1","n":1.50,"auth":"x","email":"a@b"},"op":"c"}"#;
    let expected = r#"{ "after" : {"user_id":1,"token":"***","n":1.50,"auth":"***","email":"a@b"},"op":"c"}"#;
    assert_eq!(mask(text), expected);
    assert!(matches!(Masking::new("token").mask(r#"{"a":[1,2,{"b":null}]}"#), Cow::Borrowed(_)));
}

#[test]
fn absent_and_empty_secrets_can_be_seen() {
    assert_eq!(mask(r#"{"token":null,"Password":"","x":1}"#), r#"{"token":null,"Password":"","x":1}"#);
}

#[test]
fn whatever_a_secret_is_made_of_it_is_hidden() {
    for secret in [r#""a\"b,}""#, "12345", r#"{"a":["}",1]}"#, r#"["x","y"]"#, "-1.5e3", "bare"] {
        assert_eq!(mask(&format!("{{\"token\" : {secret} ,\"z\":1}}")), r#"{"token" : "***" ,"z":1}"#, "{secret}");
    }
    assert_eq!(mask(r#"{"to\u006ben":"x"}"#), r#"{"to\u006ben":"***"}"#);
}

#[test]
fn broken_json_is_masked_as_well() {
    assert_eq!(mask(r#"{"token":"abc"#), r#"{"token":"***""#);
    assert_eq!(mask(r#"{"a":}{"token":["abc","#), r#"{"a":}{"token":"***""#);
    assert_eq!(mask(r#"}}]]{"password":'abc'"#), r#"}}]]{"password":"***""#);
    assert_eq!(mask("\"\\"), "\"\\");
}

#[test]
fn sql_statements_are_hidden() {
    assert_eq!(mask(r#"{"source":{"query":"UPDATE t SET token='x'"}}"#), r#"{"source":{"query":"***"}}"#);
}

#[test]
fn card_numbers_are_masked_and_times_and_ids_are_not() {
    assert_eq!(mask(r#"{"card":"4111 1111-1111 1111"}"#), r#"{"card":"411111******1111"}"#);
    assert_eq!(mask(r#"{"x":"paid with 4111111111111111."}"#), r#"{"x":"paid with 411111******1111."}"#);
    assert_eq!(mask(r#"{"card":4111111111111111}"#), r#"{"card":"411111******1111"}"#);
    for kept in [
        r#"{"card":"4111111111111112"}"#,
        r#"{"card":"VISA-1111"}"#,
        r#"{"ts_ms":1795256366405}"#,
        r#"{"ts_ns":1795256366401680818}"#,
        r#"{"id":"550e8400-e29b-41d4-a4111111111111111b"}"#,
    ] {
        assert_eq!(mask(kept), kept);
    }
}

#[test]
fn values_that_are_no_json_are_hidden_whole() {
    let masking = Masking::new("token");
    assert_eq!(masking.mask_value(b"\0\0\0\0\x01tok-1").as_ref(), b"*** (10 bytes that are no JSON)");
    assert_eq!(masking.mask_value(b"token=abc").as_ref(), b"*** (9 bytes that are no JSON)");
    assert_eq!(masking.mask_value(b"null").as_ref(), b"null");
    assert_eq!(masking.mask_value(b"").as_ref(), b"");
}
