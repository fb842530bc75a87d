//! The riders' tokens.

use async_trait::async_trait;

use super::PortError;
use crate::domain::{token::Token, user_id::UserId};

/// The riders' tokens (`bytemark_tokens`).
#[async_trait]
pub trait Tokens: Send + Sync + 'static {
    /// The present tokens of `users`, in the same order. Of several rows the one with the greatest key and a token
    /// counts; an empty token is none.
    async fn tokens(&self, users: &[UserId]) -> Result<Vec<Option<Token>>, PortError>;

    /// Users with a token, ascending, each once, behind `after`.
    async fn users(&self, after: Option<UserId>, limit: usize) -> Result<Vec<UserId>, PortError>;

    /// How many users have a token. Stores that can count do better than this walk over all of them.
    async fn count(&self) -> Result<u64, PortError> {
        const PAGE: usize = 10_000;
        let mut count = 0;
        let mut after = None;
        loop {
            let users = self.users(after, PAGE).await?;
            count += users.len() as u64;
            if users.len() < PAGE {
                return Ok(count);
            }
            after = users.last().copied();
        }
    }
}
