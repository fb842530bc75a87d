//! The canonical text of any bytes, held against a slow and simple reference; and the bounds on depth and time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod reference;

use std::borrow::Cow;

use passflow::domain::js_json::{ErrorKind, Scanner, canonicalize};
use proptest::prelude::*;
use reference::generate::{json, mutated};
use reference::slow;

const DEPTH_MAX: usize = 2_000;

fn check(bytes: &[u8]) -> Result<(), TestCaseError> {
    let ours = canonicalize(bytes, DEPTH_MAX);
    let expected = slow::canonical(bytes);
    prop_assert_eq!(
        ours.as_deref().ok(),
        expected.as_deref().map(str::as_bytes),
        "input {}",
        String::from_utf8_lossy(bytes)
    );
    if let Ok(text) = &ours {
        let value = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let is_same = text[..] == *value.trim_ascii();
        prop_assert_eq!(matches!(text, Cow::Borrowed(_)), is_same, "borrowed when canonical");
        let again = canonicalize(text, DEPTH_MAX);
        prop_assert!(matches!(&again, Ok(Cow::Borrowed(again)) if **again == **text), "stable");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn generated_texts_come_out_as_in_the_reference(text in json()) {
        prop_assert!(slow::canonical(text.as_bytes()).is_some(), "the generator makes JSON");
        check(text.as_bytes())?;
    }

    #[test]
    fn changed_texts_come_out_as_in_the_reference(bytes in mutated()) {
        check(&bytes)?;
    }

    #[test]
    fn any_bytes_come_out_as_in_the_reference(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&bytes)?;
    }

    #[test]
    fn strings_end_where_they_should(length in 0usize..300, shift in 0usize..70, tail in "[^\"\\\\\\x00-\\x1f]{0,70}") {
        let text = format!("{}\"{}{tail}\"", " ".repeat(shift), "x".repeat(length));
        check(text.as_bytes())?;
        check(&text.as_bytes()[..text.len() - 1])?;
    }

    #[test]
    fn members_of_a_value_are_those_of_the_reference(text in json()) {
        let Some(slow::Json::Object(expected)) = slow::parse(text.as_bytes()) else { return Ok(()) };
        let mut scanner = Scanner::new(&text, DEPTH_MAX);
        let value = scanner.value().unwrap();
        for (key, expected) in expected {
            let quoted = slow::text_of(&slow::Json::String(key));
            let [found, absent] = value.members([&quoted[1..quoted.len() - 1], "absent"]);
            prop_assert!(absent.is_none());
            let found = found.expect("the member is there");
            prop_assert_eq!(found.string().map(Cow::into_owned), expected.as_string());
            if !matches!(expected, slow::Json::Object(_) | slow::Json::Array(_)) {
                prop_assert_eq!(found.json(), slow::text_of(&expected));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn many_keys_come_out_as_in_the_reference(keys in prop::collection::vec("[a-b]{4,9}|[0-9]{1,2}|aaaaaaaa[a-c]{1,3}aaaaaaaa", 0..200)) {
        let members: Vec<String> = keys.iter().enumerate().map(|(place, key)| format!("\"{key}\":{place}")).collect();
        check(format!("{{{}}}", members.join(",")).as_bytes())?;
    }
}

#[test]
fn depth_is_bounded_without_recursion() {
    let open = "[".repeat(100_000);
    assert_eq!(canonicalize(open.as_bytes(), DEPTH_MAX).unwrap_err().kind, ErrorKind::TooDeep);
    assert_eq!(canonicalize(open.as_bytes(), DEPTH_MAX).unwrap_err().offset, DEPTH_MAX);
    assert_eq!(canonicalize(open.as_bytes(), usize::MAX).unwrap_err().kind, ErrorKind::UnexpectedEnd);

    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(canonicalize(deep.as_bytes(), 100_000).is_ok());
    assert_eq!(canonicalize(deep.as_bytes(), 99_999).unwrap_err().kind, ErrorKind::TooDeep);

    let objects = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    assert_eq!(canonicalize(objects.as_bytes(), 100_000).unwrap(), objects.as_bytes());
    assert_eq!(canonicalize(objects.as_bytes(), DEPTH_MAX).unwrap_err().kind, ErrorKind::TooDeep);
    assert!(canonicalize(b"1", 0).is_ok());
    assert_eq!(canonicalize(b"[]", 0).unwrap_err().kind, ErrorKind::TooDeep);
}

/// Anything quadratic would take minutes here.
#[test]
fn many_keys_and_many_reorders_take_no_quadratic_time() {
    let members = |keys: &mut dyn Iterator<Item = u32>| {
        let members: Vec<String> = keys.map(|key| format!("\"{key}\":{key}")).collect();
        format!("{{{}}}", members.join(","))
    };
    let descending = members(&mut (0..100_000).rev());
    let ascending = members(&mut (0..100_000));
    assert_eq!(canonicalize(descending.as_bytes(), 9).unwrap(), ascending.as_bytes());

    // The first and last eight bytes, which the quick hash looks at, are all the same.
    let colliding: Vec<String> = (0..100_000).map(|key| format!("\"aaaaaaaa{key:09}aaaaaaaa\":0")).collect();
    let colliding = format!("{{{}}}", colliding.join(","));
    assert!(matches!(canonicalize(colliding.as_bytes(), 9), Ok(Cow::Borrowed(_))));

    // Each level is put in order; eagerly, each would copy all the levels inside.
    let depth = 1_900;
    let inside = "x".repeat(1_000_000);
    let text = format!("{}\"{inside}\"{}", "{\"b\":1,\"0\":".repeat(depth), "}".repeat(depth));
    let expected = format!("{}\"{inside}\"{}", "{\"0\":".repeat(depth), ",\"b\":1}".repeat(depth));
    assert_eq!(canonicalize(text.as_bytes(), DEPTH_MAX).unwrap(), expected.as_bytes());
}

#[test]
fn errors_say_what_and_where() {
    let cases: [(&[u8], ErrorKind, usize); 14] = [
        (b"", ErrorKind::UnexpectedEnd, 0),
        (b" \n", ErrorKind::UnexpectedEnd, 2),
        (b"<html>", ErrorKind::UnexpectedByte, 0),
        (b"\xEF\xBB\xBF<html>", ErrorKind::UnexpectedByte, 3),
        (b"{\"a\":1,}", ErrorKind::UnexpectedByte, 7),
        (b"[1,]", ErrorKind::UnexpectedByte, 3),
        (b"[1}", ErrorKind::UnexpectedByte, 2),
        (b"truth", ErrorKind::UnexpectedByte, 3),
        (b"1 2", ErrorKind::TrailingText, 2),
        (b"01", ErrorKind::UnexpectedByte, 1),
        (b"\"a\nb\"", ErrorKind::ControlCharacter, 2),
        (b"\"a\\x\"", ErrorKind::BadEscape, 2),
        (b"\"a", ErrorKind::UnexpectedEnd, 2),
        (b"1.", ErrorKind::UnexpectedEnd, 2),
    ];
    for (text, kind, offset) in cases {
        let error = canonicalize(text, DEPTH_MAX).unwrap_err();
        assert_eq!((error.kind, error.offset), (kind, offset), "{}", String::from_utf8_lossy(text));
    }
}
