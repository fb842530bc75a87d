//! Writing JSON text as `JSON.stringify` does: compact, keys in the order written, only the needed escapes.

use std::fmt::{Display, Write};

/// Appends `text` as a JSON string, escaped as `JSON.stringify` escapes.
pub(super) fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\0'..='\u{1f}' => push(out, format_args!("\\u{:04x}", u32::from(character))),
            other => out.push(other),
        }
    }
    out.push('"');
}

/// Appends anything that can be displayed.
pub(super) fn push(out: &mut String, value: impl Display) {
    // Writing into a String cannot fail.
    let _ = write!(out, "{value}");
}

/// An object under construction; keys stand in the order in which they are written.
pub(super) struct Object {
    out: String,
}

impl Object {
    pub fn new() -> Self {
        Self::with_capacity(64)
    }

    pub fn with_capacity(bytes: usize) -> Self {
        let mut out = String::with_capacity(bytes);
        out.push('{');
        Self { out }
    }

    fn key(&mut self, key: &str) {
        if self.out.len() > 1 {
            self.out.push(',');
        }
        push_string(&mut self.out, key);
        self.out.push(':');
    }

    /// A member that is a string.
    pub fn text(mut self, key: &str, value: &str) -> Self {
        self.key(key);
        push_string(&mut self.out, value);
        self
    }

    /// A member whose value is JSON text already, in canonical form.
    pub fn json(mut self, key: &str, value: impl Display) -> Self {
        self.key(key);
        push(&mut self.out, value);
        self
    }

    pub fn null(self, key: &str) -> Self {
        self.json(key, "null")
    }

    pub fn end(mut self) -> String {
        self.out.push('}');
        self.out
    }
}

/// An array of JSON texts.
pub(super) fn array<Item: AsRef<str>>(items: impl IntoIterator<Item = Item>) -> String {
    let mut out = String::from("[");
    for item in items {
        if out.len() > 1 {
            out.push(',');
        }
        out.push_str(item.as_ref());
    }
    out.push(']');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_must_be_escaped_is_escaped() {
        let mut out = String::new();
        push_string(&mut out, "a\"\\/\n\u{1}\u{7f}\u{2028}é😀");
        assert_eq!(out, "\"a\\\"\\\\/\\n\\u0001\u{7f}\u{2028}é😀\"");
    }

    #[test]
    fn members_keep_their_order() {
        let object = Object::new().text("b", "x").null("a").json("c", 1.5).end();
        assert_eq!(object, r#"{"b":"x","a":null,"c":1.5}"#);
        assert_eq!(array(["1", "[]"]), "[1,[]]");
        assert_eq!(array::<&str>([]), "[]");
    }
}
