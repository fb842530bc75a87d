//! `JSON.stringify(JSON.parse(text))` the slow and simple way: a tree, recursion, no shortcut. What the fast one is held against.

use std::fmt::Write as _;

/// A JSON value; strings are UTF-16, as in JavaScript.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Literal(&'static str),
    Number(f64),
    String(Vec<u16>),
    Array(Vec<Json>),
    Object(Vec<(Vec<u16>, Json)>),
}

pub(crate) fn canonical(bytes: &[u8]) -> Option<String> {
    let json = parse(bytes)?;
    let mut text = String::new();
    write(&json, &mut text);
    Some(text)
}

pub(crate) fn parse(bytes: &[u8]) -> Option<Json> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut parser = Parser { rest: &text.encode_utf16().collect::<Vec<_>>() };
    let json = parser.value()?;
    parser.space();
    parser.rest.is_empty().then_some(json)
}

pub(crate) fn text_of(json: &Json) -> String {
    let mut text = String::new();
    write(json, &mut text);
    text
}

impl Json {
    /// The member with the key, by JavaScript's rules.
    pub(crate) fn member(&self, key: &str) -> Option<&Json> {
        let Json::Object(members) = self else {
            return None;
        };
        let key: Vec<u16> = key.encode_utf16().collect();
        members.iter().find(|(other, _)| *other == key).map(|(_, value)| value)
    }

    pub(crate) fn as_string(&self) -> Option<String> {
        match self {
            Json::String(units) => Some(String::from_utf16_lossy(units)),
            _ => None,
        }
    }
}

struct Parser<'a> {
    rest: &'a [u16],
}

impl Parser<'_> {
    fn next(&mut self) -> Option<u16> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    fn take(&mut self, character: char) -> bool {
        let is_next = self.rest.first() == Some(&(character as u16));
        if is_next {
            self.next();
        }
        is_next
    }

    fn space(&mut self) {
        while self.take(' ') || self.take('\t') || self.take('\n') || self.take('\r') {}
    }

    fn value(&mut self) -> Option<Json> {
        self.space();
        match char::from_u32(u32::from(*self.rest.first()?))? {
            '{' => self.object(),
            '[' => self.array(),
            '"' => self.string().map(Json::String),
            't' => self.literal("true"),
            'f' => self.literal("false"),
            'n' => self.literal("null"),
            _ => self.number(),
        }
    }

    fn literal(&mut self, literal: &'static str) -> Option<Json> {
        literal.chars().all(|character| self.take(character)).then_some(Json::Literal(literal))
    }

    fn array(&mut self) -> Option<Json> {
        let mut elements = Vec::new();
        self.take('[');
        self.space();
        if self.take(']') {
            return Some(Json::Array(elements));
        }
        loop {
            elements.push(self.value()?);
            self.space();
            if self.take(']') {
                return Some(Json::Array(elements));
            }
            self.take(',').then_some(())?;
        }
    }

    fn object(&mut self) -> Option<Json> {
        let mut members: Vec<(Vec<u16>, Json)> = Vec::new();
        self.take('{');
        self.space();
        if self.take('}') {
            return Some(Json::Object(members));
        }
        loop {
            self.space();
            let key = self.string()?;
            self.space();
            self.take(':').then_some(())?;
            let value = self.value()?;
            match members.iter_mut().find(|(other, _)| *other == key) {
                Some(member) => member.1 = value,
                None => members.push((key, value)),
            }
            self.space();
            if self.take('}') {
                members.sort_by_key(|(key, _)| index(key).unwrap_or(u64::MAX));
                return Some(Json::Object(members));
            }
            self.take(',').then_some(())?;
        }
    }

    fn string(&mut self) -> Option<Vec<u16>> {
        let mut units = Vec::new();
        self.take('"').then_some(())?;
        loop {
            let unit = self.next()?;
            match char::from_u32(u32::from(unit)) {
                Some('"') => return Some(units),
                Some('\\') => units.push(self.escape()?),
                Some('\0'..='\u{1f}') => return None,
                _ => units.push(unit),
            }
        }
    }

    fn escape(&mut self) -> Option<u16> {
        let character = char::from_u32(u32::from(self.next()?))?;
        Some(match character {
            '"' | '\\' | '/' => character as u16,
            'b' => 8,
            't' => 9,
            'n' => 10,
            'f' => 12,
            'r' => 13,
            'u' => {
                let mut unit = 0;
                for _ in 0..4 {
                    let digit = char::from_u32(u32::from(self.next()?))?.to_digit(16)?;
                    unit = unit * 16 + u16::try_from(digit).unwrap();
                }
                unit
            }
            _ => return None,
        })
    }

    fn digits(&mut self, text: &mut String) -> Option<()> {
        let before = text.len();
        while let Some(&unit) = self.rest.first()
            && (48..58).contains(&unit)
        {
            self.next();
            text.push(char::from_u32(u32::from(unit)).unwrap());
        }
        (text.len() > before).then_some(())
    }

    fn number(&mut self) -> Option<Json> {
        let mut text = String::new();
        if self.take('-') {
            text.push('-');
        }
        let whole = text.len();
        self.digits(&mut text)?;
        if text[whole..].starts_with('0') && text.len() > whole + 1 {
            return None;
        }
        if self.take('.') {
            text.push('.');
            self.digits(&mut text)?;
        }
        if self.take('e') || self.take('E') {
            text.push('e');
            if self.take('-') {
                text.push('-');
            } else {
                self.take('+');
            }
            self.digits(&mut text)?;
        }
        Some(Json::Number(text.parse().unwrap()))
    }
}

fn index(key: &[u16]) -> Option<u64> {
    let text = String::from_utf16(key).ok()?;
    let number: u64 = text.parse().ok()?;
    (number < 4_294_967_295 && number.to_string() == text).then_some(number)
}

fn write(json: &Json, text: &mut String) {
    match json {
        Json::Literal(literal) => text.push_str(literal),
        Json::Number(number) if number.is_finite() => {
            text.push_str(ryu_js::Buffer::new().format(*number));
        }
        Json::Number(_) => text.push_str("null"),
        Json::String(units) => write_string(units, text),
        Json::Array(elements) => {
            text.push('[');
            for (place, element) in elements.iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                write(element, text);
            }
            text.push(']');
        }
        Json::Object(members) => {
            text.push('{');
            for (place, (key, value)) in members.iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                write_string(key, text);
                text.push(':');
                write(value, text);
            }
            text.push('}');
        }
    }
}

fn write_string(units: &[u16], text: &mut String) {
    text.push('"');
    for character in char::decode_utf16(units.iter().copied()) {
        match character {
            Ok('"') => text.push_str("\\\""),
            Ok('\\') => text.push_str("\\\\"),
            Ok('\u{8}') => text.push_str("\\b"),
            Ok('\t') => text.push_str("\\t"),
            Ok('\n') => text.push_str("\\n"),
            Ok('\u{c}') => text.push_str("\\f"),
            Ok('\r') => text.push_str("\\r"),
            Ok(control @ '\0'..='\u{1f}') => write!(text, "\\u{:04x}", u32::from(control)).unwrap(),
            Ok(character) => text.push(character),
            Err(lone) => write!(text, "\\u{:04x}", lone.unpaired_surrogate()).unwrap(),
        }
    }
    text.push('"');
}
