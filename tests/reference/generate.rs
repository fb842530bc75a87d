//! JSON texts as nobody writes them, for property tests.

use proptest::prelude::*;

/// White space of all kinds, mostly none.
fn space() -> impl Strategy<Value = String> {
    prop_oneof![4 => Just(String::new()), 1 => "[ \t\r\n]{1,3}"]
}

/// The inside of a string: plain text, escapes of all kinds, surrogates alone and in pairs.
fn inside() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => "[a-z ]{1,12}",
        1 => "[a-z]{60,80}",
        1 => "[éß€𐍈\u{2028}\u{7f}]{1,2}",
        1 => prop::sample::select(vec!["\\\"", "\\\\", "\\/", "\\b", "\\f", "\\n", "\\r", "\\t"])
            .prop_map(str::to_owned),
        1 => "\\\\u[dD][89abAB][0-9a-f]{2}",
        1 => "\\\\u[dD][c-fC-F][0-9a-fA-F]{2}",
        1 => "\\\\u[dD]83[dD]\\\\u[dD][eE]0[0-9]",
        1 => "\\\\u00[0-7][0-9a-fA-F]",
    ];
    prop::collection::vec(piece, 0..3).prop_map(|pieces| pieces.concat())
}

/// Keys of few kinds, so that many are equal, or equal once unescaped, or array indices.
fn key() -> impl Strategy<Value = String> {
    let few = vec![
        "a",
        "b",
        "\\u0061",
        "uuid",
        "\\u0075uid",
        "__proto__",
        "",
        "time_created",
        "time_modified",
        "0",
        "1",
        "2",
        "10",
        "\\u0031",
        "01",
        "-1",
        "1.5",
        "4294967294",
        "4294967295",
        "4294967296",
        "99999999999",
        "+1",
    ];
    prop_oneof![4 => prop::sample::select(few).prop_map(str::to_owned), 1 => inside()]
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => "-?(0|[1-9][0-9]{0,3})",
        1 => "-?(0|[1-9][0-9]{0,24})",
        2 => "-?(0|[1-9][0-9]{0,3})\\.[0-9]{1,4}",
        1 => "-?0\\.0{0,8}[0-9]{1,18}",
        1 => "-?[1-9][0-9]{0,12}\\.[0-9]{1,12}0{0,3}",
        1 => "-?(0|[1-9][0-9]{0,5})(\\.[0-9]{1,3})?[eE][+-]?[0-9]{1,3}",
        1 => any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(|number| format!("{number:e}")),
        1 => any::<i64>().prop_map(|number| number.to_string()),
    ]
}

/// Any JSON text.
pub(crate) fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        number(),
        inside().prop_map(|inside| format!("\"{inside}\"")),
        prop::sample::select(vec!["true", "false", "null", "[]", "{}"]).prop_map(str::to_owned),
    ];
    let nested = leaf.prop_recursive(5, 60, 8, |inner| {
        let element = (space(), inner.clone(), space()).prop_map(|(a, value, b)| format!("{a}{value}{b}"));
        let member =
            (space(), key(), space(), inner).prop_map(|(a, key, b, value)| format!("{a}\"{key}\"{b}:{a}{value}{b}"));
        prop_oneof![
            prop::collection::vec(element, 0..6).prop_map(|elements| format!("[{}]", elements.join(","))),
            prop::collection::vec(member, 0..9).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    });
    (space(), nested, space()).prop_map(|(a, value, b)| format!("{a}{value}{b}"))
}

/// A JSON text with a few bytes changed, inserted or taken away.
pub(crate) fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        3 => prop::sample::select(b"{}[]\",:\\0123456789.eE+-truefalsn \n/u\x00\x1f\x80\xc3\xa9\xed\xa0\xf0\x9f\xff".to_vec()),
        1 => any::<u8>(),
    ];
    let edit = (any::<prop::sample::Index>(), 0..3, byte);
    (json(), prop::collection::vec(edit, 0..4)).prop_map(|(text, edits)| {
        let mut bytes = text.into_bytes();
        for (place, kind, byte) in edits {
            let place = place.index(bytes.len() + 1);
            match kind {
                0 => bytes.insert(place, byte),
                1 if place < bytes.len() => bytes[place] = byte,
                _ => bytes.truncate(place.max(bytes.len().saturating_sub(3))),
            }
        }
        bytes
    })
}
