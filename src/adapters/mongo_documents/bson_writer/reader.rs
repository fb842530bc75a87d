//! Canonical JSON text, read once and written as it is read.

use memchr::memchr2;

use super::{
    super::json_to_bson::{DEPTH_MAX, NotJson},
    ARRAY, BOOLEAN, BsonWriter, DOCUMENT, NULL, STRING,
};
use crate::domain::js_json::unescape;

pub(super) struct Reader<'a, 'w> {
    text: &'a str,
    at: usize,
    out: &'w mut BsonWriter,
    lossy: bool,
}

impl<'a, 'w> Reader<'a, 'w> {
    pub(super) fn new(text: &'a str, out: &'w mut BsonWriter) -> Self {
        Self { text, at: 0, out, lossy: false }
    }

    /// Writes the one value; tells its type, and whether something stands in place of what BSON can't hold.
    pub(super) fn only_value(mut self) -> Result<(u8, bool), NotJson> {
        let kind = self.value(0)?;
        if self.at < self.text.len() { Err(NotJson(self.at)) } else { Ok((kind, self.lossy)) }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn expect(&mut self, byte: u8) -> Result<(), NotJson> {
        if self.take(byte) { Ok(()) } else { Err(NotJson(self.at)) }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Writes the value and tells its type.
    fn value(&mut self, depth: usize) -> Result<u8, NotJson> {
        match self.peek() {
            Some(b'{' | b'[') if depth == DEPTH_MAX => {
                let text = self.skipped()?;
                self.out.string(text);
                self.lossy = true;
                Ok(STRING)
            }
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'"') => {
                let text = self.string()?;
                self.write_string(text);
                Ok(STRING)
            }
            Some(b't') => self.word("true", BOOLEAN, &[1]),
            Some(b'f') => self.word("false", BOOLEAN, &[0]),
            Some(b'n') => self.word("null", NULL, &[]),
            _ => self.number(),
        }
    }

    fn object(&mut self, depth: usize) -> Result<u8, NotJson> {
        let open = self.out.open();
        self.at += 1;
        if !self.take(b'}') {
            loop {
                let kind_at = self.out.len();
                let key = self.string()?;
                self.write_key(key);
                self.expect(b':')?;
                let kind = self.value(depth)?;
                self.out.set_kind(kind_at, kind);
                if self.take(b'}') {
                    break;
                }
                self.expect(b',')?;
            }
        }
        self.out.close(open);
        Ok(DOCUMENT)
    }

    fn array(&mut self, depth: usize) -> Result<u8, NotJson> {
        let open = self.out.open();
        self.at += 1;
        if !self.take(b']') {
            for index in 0_u32.. {
                let kind_at = self.out.len();
                self.out.element(0, &index.to_string());
                let kind = self.value(depth)?;
                self.out.set_kind(kind_at, kind);
                if self.take(b']') {
                    break;
                }
                self.expect(b',')?;
            }
        }
        self.out.close(open);
        Ok(ARRAY)
    }

    fn word(&mut self, word: &str, kind: u8, bytes: &[u8]) -> Result<u8, NotJson> {
        if !self.rest().starts_with(word) {
            return Err(NotJson(self.at));
        }
        self.at += word.len();
        self.out.bytes.extend_from_slice(bytes);
        Ok(kind)
    }

    fn number(&mut self) -> Result<u8, NotJson> {
        let rest = self.rest();
        let is_part = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
        let end = rest.bytes().position(|byte| !is_part(byte)).unwrap_or(rest.len());
        let digits = rest.get(..end).unwrap_or_default();
        self.at += end;
        if let Ok(small) = digits.parse::<i32>() {
            return Ok(self.out.whole(i64::from(small)));
        }
        let double: f64 = digits.parse().map_err(|_| NotJson(self.at - end))?;
        Ok(self.out.double(double))
    }

    /// The string at the front as it stands between its quotes.
    fn string(&mut self) -> Result<&'a str, NotJson> {
        let wrong = NotJson(self.at);
        self.expect(b'"')?;
        let start = self.at;
        let bytes = self.text.as_bytes();
        loop {
            let found = memchr2(b'"', b'\\', bytes.get(self.at..).unwrap_or_default()).ok_or(wrong)?;
            self.at += found + 1;
            if bytes.get(self.at - 1) == Some(&b'"') {
                return self.text.get(start..self.at - 1).ok_or(wrong);
            }
            self.at += 1;
        }
    }

    fn write_string(&mut self, inside: &str) {
        if !inside.as_bytes().contains(&b'\\') {
            return self.out.string(inside);
        }
        let text = unescape(inside);
        self.note_surrogates(inside, &text);
        self.out.string(&text);
    }

    fn write_key(&mut self, inside: &str) {
        if !inside.as_bytes().contains(&b'\\') {
            return self.out.element(0, inside);
        }
        let key = unescape(inside);
        self.lossy |= key.contains('\0');
        self.note_surrogates(inside, &key);
        self.out.element(0, &key);
    }

    /// Half a pair has become U+FFFD.
    fn note_surrogates(&mut self, inside: &str, text: &str) {
        let replaced = |text: &str| text.matches(char::REPLACEMENT_CHARACTER).count();
        self.lossy |= replaced(text) > replaced(inside);
    }

    /// The text of the array or object that begins here, however deep it is.
    fn skipped(&mut self) -> Result<&'a str, NotJson> {
        let start = self.at;
        let mut open = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => drop(self.string()?),
                _ => self.at += 1,
            }
            match byte {
                b'{' | b'[' => open += 1,
                b'}' | b']' => open = open.saturating_sub(1),
                _ => {}
            }
            if open == 0 {
                return self.text.get(start..self.at).ok_or(NotJson(start));
            }
        }
        Err(NotJson(self.at))
    }
}
