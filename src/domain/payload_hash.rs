//! placeholder
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
/// MD5 of a payload's canonical JSON text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PayloadHash(pub [u8; 16]);
impl PayloadHash {
    /// Hash of one text.
    pub fn of(text: &[u8]) -> Self {
        use md5::Digest;
        Self(md5::Md5::digest(text).into())
    }
}
impl fmt::Display for PayloadHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}
impl fmt::Debug for PayloadHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
/// Not 32 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a payload hash is 32 hex digits")]
pub struct NotAHash;
impl FromStr for PayloadHash {
    type Err = NotAHash;
    fn from_str(text: &str) -> Result<Self, NotAHash> {
        if text.len() != 32 || !text.is_ascii() {
            return Err(NotAHash);
        }
        let mut hash = [0; 16];
        for (index, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).map_err(|_| NotAHash)?;
        }
        Ok(Self(hash))
    }
}
impl TryFrom<String> for PayloadHash {
    type Error = NotAHash;
    fn try_from(text: String) -> Result<Self, NotAHash> {
        text.parse()
    }
}
impl From<PayloadHash> for String {
    fn from(hash: PayloadHash) -> Self {
        hash.to_string()
    }
}
