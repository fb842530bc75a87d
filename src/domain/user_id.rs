//! The rider's number, as it stands in `bytemark_tokens.user_id` and in every topic and document.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A user id in `1..=2^53-1`: the documents hold it as a number that JavaScript must be able to read exactly.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct UserId(i64);

/// The number is outside `1..=2^53-1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("user_id {0} is outside 1..=9007199254740991")]
pub struct OutOfRange(pub i64);

impl UserId {
    /// The greatest user id, 2^53 - 1.
    pub const MAX: i64 = (1 << 53) - 1;

    /// Takes `number` as a user id.
    ///
    /// # Errors
    /// [`OutOfRange`] when it is not in `1..=2^53-1`.
    pub fn new(number: i64) -> Result<Self, OutOfRange> {
        if (1..=Self::MAX).contains(&number) { Ok(Self(number)) } else { Err(OutOfRange(number)) }
    }

    /// The number itself.
    #[must_use]
    pub fn get(self) -> i64 {
        self.0
    }
}

impl TryFrom<i64> for UserId {
    type Error = OutOfRange;

    fn try_from(number: i64) -> Result<Self, OutOfRange> {
        Self::new(number)
    }
}

impl From<UserId> for i64 {
    fn from(user: UserId) -> Self {
        user.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserId({})", self.0)
    }
}
