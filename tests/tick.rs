//! Ticks as they come and go.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

use jiff::Timestamp;
use passflow::domain::poison::Code;
use passflow::domain::tick::{Kind, Record, Tick};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

const RECORD: Record<'static> =
    Record { key: Some(b"hourly-7"), place: "bytemark.ticks/0/7", timestamp_ms: 1_795_256_366_500 };

fn decode(value: &str) -> Result<Tick, Code> {
    Tick::decode(value.as_bytes(), RECORD).map_err(|poison| poison.code)
}

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

#[test]
fn an_empty_tick_takes_all_from_its_record() {
    let expected =
        Tick { id: "hourly-7".to_owned(), kind: Kind::Refresh, scheduled_at: time("2026-11-21T10:19:26.5Z") };
    assert_eq!(decode("{}"), Ok(expected.clone()));
    let nulls = r#"{"tick_id":null,"kind":null,"scheduled_at":null,"more":1}"#;
    assert_eq!(decode(nulls), Ok(expected));
}

#[test]
fn the_id_is_told_or_made_of_kind_and_time_or_of_the_record() {
    let at = r#""kind":"backfill","scheduled_at":"2026-11-20T04:00:00.9-06:00""#;
    let id_of = |value: &str, key: Option<&'static [u8]>| {
        let record = Record { key, ..RECORD };
        Tick::decode(value.as_bytes(), record).expect("a tick").id
    };
    let told = format!(r#"{{"tick_id":"mine",{at}}}"#);
    assert_eq!(id_of(&told, RECORD.key), "mine");
    assert_eq!(id_of(&format!("{{{at}}}"), RECORD.key), "backfill@2026-11-20T10:00:00Z");
    assert_eq!(id_of("{}", RECORD.key), "hourly-7");
    assert_eq!(id_of(r#"{"tick_id":""}"#, RECORD.key), "hourly-7");
    let long: &'static [u8] = &[b'a'; 257];
    for no_id in [None, Some(b"".as_slice()), Some(b"\xff".as_slice()), Some(long)] {
        assert_eq!(id_of("{}", no_id), "bytemark.ticks/0/7");
    }
}

#[test]
fn two_tickers_put_the_same_tick() {
    let one = Tick::new(Kind::CheckStatus, time("2026-11-20T10:00:00.25Z"));
    let two = Tick::new(Kind::CheckStatus, time("2026-11-20T10:00:00Z"));
    assert_eq!(one, two);
    assert_eq!(
        one.encode(),
        r#"{"tick_id":"check-status@2026-11-20T10:00:00Z","kind":"check-status","scheduled_at":"2026-11-20T10:00:00Z"}"#
    );
}

#[test]
fn bad_ticks_are_refused() {
    for (value, code) in [
        ("", Code::NotJson),
        ("{", Code::NotJson),
        ("null", Code::WrongType),
        ("[]", Code::WrongType),
        (r#"{"kind":"hourly"}"#, Code::WrongType),
        (r#"{"kind":1}"#, Code::WrongType),
        (r#"{"tick_id":1}"#, Code::WrongType),
        (r#"{"scheduled_at":1795256366}"#, Code::WrongType),
        (r#"{"scheduled_at":"10:00"}"#, Code::WrongType),
    ] {
        assert_eq!(decode(value), Err(code), "{value}");
    }
}

#[test]
fn a_time_must_come_from_somewhere() {
    for timestamp_ms in [-1, i64::MIN, i64::MAX] {
        let record = Record { timestamp_ms, ..RECORD };
        assert!(Tick::decode(b"{}", record).is_err());
        let told = br#"{"scheduled_at":"2026-11-20T10:00:00Z"}"#;
        assert!(Tick::decode(told, record).is_ok());
    }
}

/// The same cases in every run.
fn fixed_cases() -> ProptestConfig {
    ProptestConfig { rng_seed: RngSeed::Fixed(42), failure_persistence: None, cases: 512, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(fixed_cases())]

    #[test]
    fn a_tick_comes_back_as_it_went(second in 0..4_000_000_000_i64, kind in 0..3_usize) {
        let kind = [Kind::Refresh, Kind::Backfill, Kind::CheckStatus][kind];
        let tick = Tick::new(kind, Timestamp::from_second(second).expect("in range"));
        prop_assert_eq!(Tick::decode(tick.encode().as_bytes(), RECORD), Ok(tick));
    }

    #[test]
    fn arbitrary_bytes_never_panic(value in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = Tick::decode(&value, RECORD);
    }
}
