//! The hash that tells whether a pass changed: MD5 (RFC 1321) of its canonical JSON text.
//!
//! MD5 is not used against forgers here. It is what the stored documents hold, and it must come out the same to the byte.
//! One MD5 is a chain of dependent steps that leaves most of a CPU idle, so [`hash_many`] runs several texts side by side.

mod md5_lanes;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The MD5 of one pass's canonical JSON text; shown, read and stored as 32 lowercase hex digits.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PayloadHash([u8; 16]);

/// The text is not 32 lowercase hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a payload hash is 32 lowercase hex digits")]
pub struct MalformedHash;

impl PayloadHash {
    /// Hashes one text. Several at once are much faster through [`hash_many`].
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        Self(md5_lanes::digest(text))
    }

    /// The 16 bytes of the digest.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// Hashes `texts` side by side; the hashes come in the order of the texts.
#[must_use]
pub fn hash_many(texts: &[&[u8]]) -> Vec<PayloadHash> {
    let digests = md5_lanes::digest_many(texts);
    digests.into_iter().map(PayloadHash).collect()
}

impl From<[u8; 16]> for PayloadHash {
    fn from(digest: [u8; 16]) -> Self {
        Self(digest)
    }
}

impl fmt::Display for PayloadHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = [0; 32];
        for (pair, byte) in hex.as_chunks_mut::<2>().0.iter_mut().zip(self.0) {
            *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
        }
        f.write_str(str::from_utf8(&hex).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for PayloadHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PayloadHash({self})")
    }
}

impl FromStr for PayloadHash {
    type Err = MalformedHash;

    fn from_str(text: &str) -> Result<Self, MalformedHash> {
        let is_lowercase_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 32 || !text.bytes().all(is_lowercase_hex) {
            return Err(MalformedHash);
        }
        let number = u128::from_str_radix(text, 16).map_err(|_| MalformedHash)?;
        Ok(Self(number.to_be_bytes()))
    }
}

impl TryFrom<String> for PayloadHash {
    type Error = MalformedHash;

    fn try_from(text: String) -> Result<Self, MalformedHash> {
        text.parse()
    }
}

impl From<PayloadHash> for String {
    fn from(hash: PayloadHash) -> Self {
        hash.to_string()
    }
}
