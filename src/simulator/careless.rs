//! The same JSON value written in another way: `JSON.stringify(JSON.parse())` of it gives the text back.

use fastrand::Rng;

/// Which liberties one text takes.
#[expect(clippy::struct_excessive_bools, reason = "each liberty is taken or not, by itself")]
struct Liberties {
    byte_order_mark: bool,
    white_space: bool,
    escapes: bool,
    numbers: bool,
}

impl Liberties {
    /// At least one of them.
    fn drawn(dice: &mut Rng) -> Self {
        let bits = dice.u8(1..8);
        Self {
            byte_order_mark: dice.u8(0..8) == 0,
            white_space: bits & 1 != 0,
            escapes: bits & 2 != 0,
            numbers: bits & 4 != 0,
        }
    }
}

/// Writes canonical JSON text in another way.
pub(super) fn careless(canonical: &str, dice: &mut Rng) -> String {
    let liberties = Liberties::drawn(dice);
    let mut out = String::with_capacity(canonical.len() * 2);
    if liberties.byte_order_mark {
        out.push('\u{feff}');
    }
    let mut rest = canonical;
    while let Some(first) = rest.chars().next() {
        let (token, after) = rest.split_at(token_len(rest, first));
        match first {
            '"' if liberties.escapes => push_escaped(&mut out, token, dice),
            '-' | '0'..='9' if liberties.numbers => push_number(&mut out, token, dice),
            '{' | '[' | ',' | ':' if liberties.white_space => push_spaced(&mut out, token, dice),
            _ => out.push_str(token),
        }
        rest = after;
    }
    out
}

fn token_len(rest: &str, first: char) -> usize {
    match first {
        '"' => string_len(rest),
        '-' | '0'..='9' => {
            let is_past = |character: char| !matches!(character, '-' | '+' | '.' | 'e' | 'E' | '0'..='9');
            rest.find(is_past).unwrap_or(rest.len())
        }
        other => other.len_utf8(),
    }
}

fn string_len(rest: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Escapes some characters that need not be; what is escaped already stays so.
fn push_escaped(out: &mut String, token: &str, dice: &mut Rng) {
    let mut escape_left = 0;
    let mut before = '"';
    for character in token.chars() {
        match character {
            'u' if escape_left == 1 && before == '\\' => escape_left = 4,
            _ if escape_left > 0 => escape_left -= 1,
            '\\' => escape_left = 1,
            '"' => {}
            '/' if dice.bool() => out.push('\\'),
            _ if !character.is_ascii() || dice.u8(0..16) == 0 => {
                push_unicode(out, character, dice);
                continue;
            }
            _ => {}
        }
        out.push(character);
        before = character;
    }
}

fn push_unicode(out: &mut String, character: char, dice: &mut Rng) {
    let mut units = [0; 2];
    for unit in character.encode_utf16(&mut units) {
        let escape = if dice.bool() { format!("\\u{unit:04x}") } else { format!("\\u{unit:04X}") };
        out.push_str(&escape);
    }
}

fn push_number(out: &mut String, token: &str, dice: &mut Rng) {
    if token.contains('e') {
        return out.push_str(&token.to_uppercase());
    }
    out.push_str(token);
    let is_whole = !token.contains('.');
    out.push_str(match dice.u8(0..3) {
        0 if is_whole => ".0",
        0 => "00",
        1 => "e0",
        _ => "E+0",
    });
}

fn push_spaced(out: &mut String, token: &str, dice: &mut Rng) {
    out.push_str(token);
    out.push_str(match dice.u8(0..8) {
        0 => "\t",
        1 => "\r\n",
        2 => "",
        3 => " ",
        _ => "\n  ",
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::dice::dice;

    /// Integers and floats of the same value are the same number to JavaScript.
    fn value(text: &str) -> serde_json::Value {
        fn as_floats(value: &mut serde_json::Value) {
            match value {
                serde_json::Value::Number(number) => *value = number.as_f64().into(),
                serde_json::Value::Array(items) => items.iter_mut().for_each(as_floats),
                serde_json::Value::Object(members) => members.values_mut().for_each(as_floats),
                _ => {}
            }
        }
        let mut value = serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap();
        as_floats(&mut value);
        value
    }

    #[test]
    fn another_text_of_the_same_value() {
        let canonical = r#"{"a/ä😀":[1,-2.5,1e-7,1e+21,true,null],"q\"\\\n\u0001":{"x":"","y":[]}}"#;
        let mut texts = std::collections::HashSet::new();
        for seed in 0..500 {
            let text = careless(canonical, &mut dice(&[seed]));
            assert_eq!(value(&text), value(canonical), "{text}");
            texts.insert(text);
        }
        assert!(texts.len() > 300 && !texts.contains(canonical));
    }

    #[test]
    fn a_lone_surrogate_stays_alone() {
        let text = careless(r#""\ud83d😀""#, &mut dice(&[1]));
        assert!(text.to_lowercase().starts_with(r#""\ud83d"#), "{text}");
    }
}
