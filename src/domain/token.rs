//! A rider's bearer token: a secret that can be used, compared by fingerprint, and never printed.

use std::fmt;

use sha2::{Digest, Sha256};

/// A bearer token. Its `Debug` form hides it; it has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Takes `text` as a token; an empty one counts as none.
    pub fn new(text: String) -> Option<Self> {
        (!text.is_empty()).then_some(Self(text))
    }

    /// The token itself, for the `Authorization` header alone.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// SHA-256 of the token, 64 lowercase hex digits: tells whether a token is another one without keeping it.
    pub fn fingerprint(&self) -> String {
        use fmt::Write as _;
        Sha256::digest(self.0.as_bytes()).iter().fold(String::with_capacity(64), |mut hex, byte| {
            let _infallible = write!(hex, "{byte:02x}");
            hex
        })
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_token_is_none() {
        assert_eq!(Token::new(String::new()), None);
    }

    #[test]
    fn its_fingerprint_is_sha256_in_hex_and_its_debug_form_hides_it() {
        let token = Token::new("abc".to_owned()).unwrap();
        assert_eq!(token.fingerprint(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(!format!("{token:?}").contains("abc"));
    }
}
