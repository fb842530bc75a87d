//! Pass-requests as they come and go.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

use passflow::domain::poison::Code;
use passflow::domain::request::{Action, PassRequest, Reason, TEXT_MAX, When};
use passflow::domain::user_id::UserId;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

fn decode(value: &str) -> Result<PassRequest, Code> {
    PassRequest::decode(value.as_bytes()).map_err(|poison| poison.code)
}

fn user(number: i64) -> UserId {
    UserId::new(number).expect("in range")
}

#[test]
fn a_user_id_is_enough() {
    let expected = PassRequest::new(user(42));
    assert_eq!(decode(r#"{"user_id":42}"#), Ok(expected.clone()));
    assert_eq!(decode(r#" {"x":[1],"user_id":42.0} "#), Ok(expected.clone()));
    let nulls = r#"{"user_id":42,"action":null,"when":null,"reason":null,"tick_id":null,"requested_at":null,"request_id":null,"attempt":null,"snapshot":null}"#;
    assert_eq!(decode(nulls), Ok(expected.clone()));
    assert_eq!(expected.encode(), r#"{"user_id":42,"when":"always","reason":"request"}"#);
}

#[test]
fn a_full_request_is_written_as_it_was_read() {
    let full = r#"{"user_id":42,"action":"check-status","when":"if-stale","reason":"tick","tick_id":"check-status@2026-11-20T10:00:00Z","requested_at":"2026-11-20T10:00:00.123Z","request_id":"bytemark.ticks/0/7","attempt":2,"snapshot":true}"#;
    let request = decode(full).expect("a request");
    assert_eq!(request.action, Action::CheckStatus);
    assert_eq!(request.when, When::IfStale);
    assert_eq!(request.reason, Reason::TICK);
    assert_eq!(request.attempt, 2);
    assert!(request.snapshot);
    assert_eq!(request.encode(), full);
}

#[test]
fn times_of_other_zones_are_read() {
    let request = decode(r#"{"user_id":42,"requested_at":"2026-11-20T04:00:00-06:00"}"#);
    let encoded = request.expect("a request").encode();
    assert!(encoded.contains(r#""requested_at":"2026-11-20T10:00:00Z""#), "{encoded}");
}

#[test]
fn bad_requests_are_refused() {
    for (value, code) in [
        ("", Code::NotJson),
        (r#"{"user_id":42"#, Code::NotJson),
        ("42", Code::WrongType),
        ("null", Code::WrongType),
        ("{}", Code::WrongType),
        (r#"{"user_id":"42"}"#, Code::WrongType),
        (r#"{"user_id":null}"#, Code::WrongType),
        (r#"{"user_id":true}"#, Code::WrongType),
        (r#"{"user_id":0}"#, Code::BadUserId),
        (r#"{"user_id":-1}"#, Code::BadUserId),
        (r#"{"user_id":42.5}"#, Code::BadUserId),
        (r#"{"user_id":9007199254740992}"#, Code::BadUserId),
        (r#"{"user_id":1e999}"#, Code::BadUserId),
        (r#"{"user_id":42,"action":"purge"}"#, Code::WrongType),
        (r#"{"user_id":42,"action":1}"#, Code::WrongType),
        (r#"{"user_id":42,"when":"If-Stale"}"#, Code::WrongType),
        (r#"{"user_id":42,"reason":{}}"#, Code::WrongType),
        (r#"{"user_id":42,"tick_id":7}"#, Code::WrongType),
        (r#"{"user_id":42,"request_id":[]}"#, Code::WrongType),
        (r#"{"user_id":42,"requested_at":"yesterday"}"#, Code::WrongType),
        (r#"{"user_id":42,"requested_at":1795256366}"#, Code::WrongType),
        (r#"{"user_id":42,"attempt":-1}"#, Code::WrongType),
        (r#"{"user_id":42,"attempt":4294967296}"#, Code::WrongType),
        (r#"{"user_id":42,"attempt":"1"}"#, Code::WrongType),
        (r#"{"user_id":42,"snapshot":"true"}"#, Code::WrongType),
    ] {
        assert_eq!(decode(value), Err(code), "{value}");
    }
}

#[test]
fn texts_are_bounded() {
    let with_reason = |length: usize| {
        let reason = "ü".repeat(length);
        decode(&format!(r#"{{"user_id":42,"reason":"{reason}"}}"#))
    };
    assert!(with_reason(TEXT_MAX).is_ok());
    assert_eq!(with_reason(TEXT_MAX + 1), Err(Code::WrongType));
    let cut = Reason::from("ü".repeat(TEXT_MAX + 1));
    assert_eq!(cut.as_str(), "ü".repeat(TEXT_MAX));
}

fn request() -> impl Strategy<Value = PassRequest> {
    let when = prop_oneof![Just(When::Always), Just(When::IfStale), Just(When::IfMissing), Just(When::IfNewToken),];
    let action = prop_oneof![Just(Action::Refresh), Just(Action::CheckStatus)];
    let text = || proptest::option::of(".{0,256}");
    let time = proptest::option::of((0..4_000_000_000_i64, 0..1_000_000_000_i32));
    let what = (1..=UserId::MAX, action, when, ".{0,256}");
    (what, text(), time, text(), any::<u32>(), any::<bool>()).prop_map(
        |((number, action, when, reason), tick_id, time, request_id, attempt, snapshot)| PassRequest {
            user_id: user(number),
            action,
            when,
            reason: Reason::from(reason),
            tick_id,
            requested_at: time.and_then(|(s, ns)| jiff::Timestamp::new(s, ns).ok()),
            request_id,
            attempt,
            snapshot,
        },
    )
}

/// The same cases in every run.
fn fixed_cases() -> ProptestConfig {
    ProptestConfig { rng_seed: RngSeed::Fixed(42), failure_persistence: None, cases: 512, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(fixed_cases())]

    #[test]
    fn a_request_comes_back_as_it_went(request in request()) {
        let encoded = request.encode();
        prop_assert!(serde_json::from_str::<serde_json::Value>(&encoded).is_ok(), "{}", encoded);
        prop_assert_eq!(PassRequest::decode(encoded.as_bytes()), Ok(request));
    }

    #[test]
    fn arbitrary_bytes_never_panic(value in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = PassRequest::decode(&value);
    }
}
