//! MD5 in lanes, held against RFC 1321's own vectors and against the `md-5` crate.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]

use md5::{Digest as _, Md5};
use passflow::domain::payload_hash::{MalformedHash, PayloadHash, hash_many};
use proptest::prelude::*;

/// RFC 1321, A.5.
const RFC_1321: [(&str, &str); 7] = [
    ("", "d41d8cd98f00b204e9800998ecf8427e"),
    ("a", "0cc175b9c0f1b6a831c399e269772661"),
    ("abc", "900150983cd24fb0d6963f7d28e17f72"),
    ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
    ("abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"),
    ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "d174ab98d277d9f5a5611c2c9f419d9f"),
    (
        "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
        "57edf4a22be3c955ac49da2e2107b67a",
    ),
];

fn reference(text: &[u8]) -> PayloadHash {
    let digest = u128::from_be_bytes(Md5::digest(text).into());
    let hex = format!("{digest:032x}");
    hex.parse().unwrap()
}

fn check_together(texts: &[Vec<u8>]) {
    let slices: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
    let expected: Vec<PayloadHash> = slices.iter().map(|text| reference(text)).collect();
    assert_eq!(hash_many(&slices), expected, "lengths {:?}", texts.iter().map(Vec::len).collect::<Vec<_>>());
}

#[test]
fn vectors_of_the_rfc_alone_and_together() {
    for (text, hash) in RFC_1321 {
        assert_eq!(PayloadHash::of(text.as_bytes()).to_string(), hash);
    }
    for count in 0..=RFC_1321.len() {
        let texts = RFC_1321.map(|(text, _)| text.as_bytes());
        let hashes: Vec<String> = hash_many(&texts[..count]).iter().map(PayloadHash::to_string).collect();
        let expected: Vec<&str> = RFC_1321.iter().take(count).map(|(_, hash)| *hash).collect();
        assert_eq!(hashes, expected);
    }
}

#[test]
fn every_length_around_the_padding() {
    let lengths = (0..=70).chain(110..=140).chain([1_000, 100_000]);
    let texts: Vec<Vec<u8>> =
        lengths.map(|length| (0..length).map(|place| (place * 7 % 251) as u8).collect()).collect();
    for text in &texts {
        assert_eq!(PayloadHash::of(text), reference(text), "length {}", text.len());
    }
    check_together(&texts);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_number_of_any_texts(texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 0..30)) {
        check_together(&texts);
    }
}

#[test]
fn hex_goes_both_ways_and_nothing_else_does() {
    let hash = PayloadHash::of(b"abc");
    assert_eq!(hash.to_string().parse(), Ok(hash));
    assert_eq!(serde_json::to_string(&hash).unwrap(), "\"900150983cd24fb0d6963f7d28e17f72\"");
    assert_eq!(serde_json::from_str::<PayloadHash>("\"900150983cd24fb0d6963f7d28e17f72\"").unwrap(), hash);
    for text in
        ["", "900150983cd24fb0d6963f7d28e17f7", "900150983CD24FB0D6963F7D28E17F72", "+00150983cd24fb0d6963f7d28e17f72"]
    {
        assert_eq!(text.parse::<PayloadHash>(), Err(MalformedHash), "{text}");
    }
}
