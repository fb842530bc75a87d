//! JSON text as BSON, in the types that mongoose gives.
//!
//! - Whole numbers in the range of 32 bits are int32 (`-0` too), all others doubles; never int64.
//! - Keys keep their order. Of equal keys the last value stands at the first one's place.
//! - What BSON can't hold is replaced: U+0000 in a key and a lone surrogate by U+FFFD, a value deeper than
//!   [`DEPTH_MAX`] by its text. Who needs the text back keeps it beside the value.

use mongodb::bson::{Bson, Document};

/// Nesting of a stored value, at most: the server takes 100 levels of a whole document.
pub(super) const DEPTH_MAX: usize = 90;

/// The text is no JSON, from this byte on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not JSON from byte {0} on")]
pub(super) struct NotJson(pub(super) usize);

/// The one value in `text`.
pub(super) fn to_bson(text: &[u8]) -> Result<Bson, NotJson> {
    let text = str::from_utf8(text).map_err(|error| NotJson(error.valid_up_to()))?;
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    if reader.peek().is_some() {
        return Err(NotJson(reader.at));
    }
    Ok(value)
}

/// A number as mongoose stores it.
pub(super) fn number(double: f64) -> Bson {
    #[expect(clippy::cast_possible_truncation, reason = "a whole number within the range")]
    let whole = double as i32;
    #[expect(clippy::float_cmp, reason = "asks whether nothing was lost")]
    if f64::from(whole) == double { Bson::Int32(whole) } else { Bson::Double(double) }
}

/// A whole number as mongoose stores it. Exact up to 2^53, which none of ours passes.
pub(super) fn whole(number: i64) -> Bson {
    i32::try_from(number).map_or(Bson::Double(number as f64), Bson::Int32)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.text.as_bytes().get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn wrong<T>(&self) -> Result<T, NotJson> {
        Err(NotJson(self.at))
    }

    fn value(&mut self, depth: usize) -> Result<Bson, NotJson> {
        match self.peek() {
            Some(b'{' | b'[') if depth == DEPTH_MAX => self.skipped().map(|text| Bson::String(text.to_owned())),
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'"') => self.string().map(Bson::String),
            Some(b't') => self.word("true", Bson::Boolean(true)),
            Some(b'f') => self.word("false", Bson::Boolean(false)),
            Some(b'n') => self.word("null", Bson::Null),
            _ => self.number(),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Bson, NotJson> {
        let mut object = Document::new();
        self.at += 1;
        if self.take(b'}') {
            return Ok(Bson::Document(object));
        }
        loop {
            if self.peek() != Some(b'"') {
                return self.wrong();
            }
            let key = self.string()?;
            if !self.take(b':') {
                return self.wrong();
            }
            let value = self.value(depth)?;
            object.insert(if key.contains('\0') { key.replace('\0', "\u{fffd}") } else { key }, value);
            if self.take(b'}') {
                return Ok(Bson::Document(object));
            }
            if !self.take(b',') {
                return self.wrong();
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Bson, NotJson> {
        let mut items = Vec::new();
        self.at += 1;
        if self.take(b']') {
            return Ok(Bson::Array(items));
        }
        loop {
            items.push(self.value(depth)?);
            if self.take(b']') {
                return Ok(Bson::Array(items));
            }
            if !self.take(b',') {
                return self.wrong();
            }
        }
    }

    fn word(&mut self, word: &str, value: Bson) -> Result<Bson, NotJson> {
        if !self.rest().starts_with(word) {
            return self.wrong();
        }
        self.at += word.len();
        Ok(value)
    }

    fn number(&mut self) -> Result<Bson, NotJson> {
        let rest = self.rest();
        let is_part = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
        let end = rest.bytes().position(|byte| !is_part(byte)).unwrap_or(rest.len());
        let digits = rest.get(..end).filter(|digits| digits.starts_with(|c: char| c == '-' || c.is_ascii_digit()));
        let Some(double) = digits.and_then(|digits| digits.parse().ok()) else { return self.wrong() };
        self.at += end;
        // JSON.stringify writes what is too large for a double as null.
        Ok(if f64::is_finite(double) { number(double) } else { Bson::Null })
    }

    /// The text inside the quotes, unescaped.
    fn string(&mut self) -> Result<String, NotJson> {
        self.at += 1;
        let mut string = String::new();
        loop {
            let rest = self.rest();
            let Some(end) = rest.find(['"', '\\']) else { return self.wrong() };
            string.push_str(rest.get(..end).unwrap_or_default());
            self.at += end + 1;
            if rest.as_bytes().get(end) == Some(&b'"') {
                return Ok(string);
            }
            string.push(self.escape()?);
        }
    }

    /// The character of the escape whose backslash was read.
    fn escape(&mut self) -> Result<char, NotJson> {
        let Some(letter) = self.text.as_bytes().get(self.at) else { return self.wrong() };
        let c = match letter {
            b'"' | b'\\' | b'/' => char::from(*letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return self.wrong(),
        };
        self.at += 1;
        Ok(c)
    }

    fn unicode(&mut self) -> Result<char, NotJson> {
        let Some(first) = self.unit(self.at) else { return self.wrong() };
        self.at += 5;
        if let Some(c) = char::from_u32(first) {
            return Ok(c);
        }
        let is_high = first < 0xdc00;
        let next_is_escape = self.text.as_bytes().get(self.at) == Some(&b'\\');
        let second = if is_high && next_is_escape { self.unit(self.at + 1) } else { None };
        let Some(low @ 0xdc00..=0xdfff) = second else { return Ok('\u{fffd}') };
        self.at += 6;
        Ok(char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (low - 0xdc00)).unwrap_or('\u{fffd}'))
    }

    /// The number in `uXXXX` at `at`.
    fn unit(&self, at: usize) -> Option<u32> {
        let digits = self.text.get(at..at + 5)?.strip_prefix('u')?;
        digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The text of the array or object that begins here, however deep it is.
    fn skipped(&mut self) -> Result<&'a str, NotJson> {
        let start = self.at;
        let (mut open, mut in_string) = (0_usize, false);
        while let Some(byte) = self.text.as_bytes().get(self.at) {
            self.at += 1;
            match byte {
                b'\\' if in_string => self.at += 1,
                b'"' => in_string = !in_string,
                b'{' | b'[' if !in_string => open += 1,
                b'}' | b']' if !in_string => open = open.saturating_sub(1),
                _ => {}
            }
            if open == 0 && !in_string {
                return self.text.get(start..self.at).ok_or(NotJson(start));
            }
        }
        self.wrong()
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{bson, doc};

    use super::*;

    fn of(text: &str) -> Bson {
        to_bson(text.as_bytes()).unwrap()
    }

    #[test]
    fn numbers_have_the_types_that_mongoose_gives() {
        for (text, expected) in [
            ("0", Bson::Int32(0)),
            ("-0", Bson::Int32(0)),
            ("2147483647", Bson::Int32(i32::MAX)),
            ("-2147483648", Bson::Int32(i32::MIN)),
            ("2147483648", Bson::Double(2_147_483_648.0)),
            ("1.0", Bson::Int32(1)),
            ("1.5", Bson::Double(1.5)),
            ("1e+21", Bson::Double(1e21)),
            ("9007199254740993", Bson::Double(9_007_199_254_740_992.0)),
            ("1e999", Bson::Null),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
        assert_eq!(whole(i64::from(i32::MAX) + 1), Bson::Double(2_147_483_648.0));
    }

    #[test]
    fn keys_keep_their_order_and_the_last_of_equal_ones_counts() {
        let Bson::Document(object) = of(r#" { "z" : 1 , "10":[ ], "a":{}, "z":true } "#) else { panic!() };
        assert_eq!(object.keys().collect::<Vec<_>>(), ["z", "10", "a"]);
        assert_eq!(object, doc! {"z": true, "10": [], "a": {}});
    }

    #[test]
    fn strings_are_unescaped_and_what_bson_lacks_is_replaced() {
        assert_eq!(of(r#""\"\\\/\b\f\n\r\tAé\ud83d\ude00 \u0000""#), bson!("\"\\/\u{8}\u{c}\n\r\tAé😀 \0"));
        assert_eq!(
            of(r#""\ud800x\udc00\ud800\u0041\ud800\ud800\udc00""#),
            bson!("\u{fffd}x\u{fffd}\u{fffd}A\u{fffd}\u{10000}")
        );
        assert_eq!(of(r#"{"a\u0000b":1,"$x":2,"c.d":3}"#), bson!({"a\u{fffd}b": 1, "$x": 2, "c.d": 3}));
    }

    #[test]
    fn what_is_too_deep_is_kept_as_text() {
        let deep = format!("{}{}{}", "[".repeat(200_000), r#"{"a":"]\"["}"#, "]".repeat(200_000));
        let mut value = of(&deep);
        for _ in 0..DEPTH_MAX {
            let Bson::Array(mut items) = value else { panic!("too flat") };
            value = items.remove(0);
        }
        assert_eq!(value, Bson::String(deep[DEPTH_MAX..deep.len() - DEPTH_MAX].to_owned()));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "{",
            "[1",
            "[1,]",
            "{\"a\"}",
            "{a:1}",
            "tru",
            "\"",
            "\"\\x\"",
            "\"\\u12\"",
            "1 2",
            "+1",
            "--1",
            "nulll",
        ] {
            assert!(to_bson(text.as_bytes()).is_err(), "{text}");
        }
        assert_eq!(to_bson(b"\xff"), Err(NotJson(0)));
    }
}
