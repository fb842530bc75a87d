//! Bearer tokens: derived from the seed, unless set by hand.

use std::collections::HashMap;

use super::dice::{mix, purpose};

/// Who may ask for what. Has no `Debug`, so that no token gets into an output.
pub(super) struct Tokens {
    seed: u64,
    users: u64,
    set: HashMap<u64, Option<String>>,
    owners: HashMap<String, u64>,
}

impl Tokens {
    /// Users `1..=users` have tokens of their own.
    pub fn new(seed: u64, users: u64) -> Self {
        Self { seed, users, set: HashMap::new(), owners: HashMap::new() }
    }

    /// The token that the API takes for the user.
    pub fn of(&self, user: u64) -> Option<String> {
        match self.set.get(&user) {
            Some(set) => set.clone(),
            None => (1..=self.users).contains(&user).then(|| self.derived(user)),
        }
    }

    /// Whose token it is.
    pub fn owner(&self, token: &str) -> Option<u64> {
        if let Some(user) = self.owners.get(token) {
            return Some(*user);
        }
        let user = u64::from_str_radix(token.get(..14)?, 16).ok()?;
        let is_own = (1..=self.users).contains(&user) && !self.set.contains_key(&user);
        (is_own && token == self.derived(user)).then_some(user)
    }

    /// Replaces the user's token; the one before is unknown from now on.
    pub fn set(&mut self, user: u64, token: Option<String>) {
        if let Some(Some(old)) = self.set.get(&user) {
            self.owners.remove(old);
        }
        if let Some(token) = &token {
            self.owners.insert(token.clone(), user);
        }
        self.set.insert(user, token);
    }

    /// The user's number and a signature, so that no table is needed to find the user.
    fn derived(&self, user: u64) -> String {
        let signature = mix(&[self.seed, purpose::TOKEN, user]);
        format!("{user:014x}{signature:016x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_user_has_a_token_of_their_own() {
        let tokens = Tokens::new(1, 200_000);
        let token = tokens.of(200_000).unwrap();
        assert_eq!(tokens.owner(&token), Some(200_000));
        assert_eq!(tokens.of(200_001), None);
        assert_eq!(tokens.of(0), None);
        assert_eq!(tokens.owner(&format!("{token}0")), None);
        assert_eq!(Tokens::new(2, 200_000).owner(&token), None);
        assert_eq!(tokens.owner("é"), None);
    }

    #[test]
    fn a_replaced_token_is_unknown() {
        let mut tokens = Tokens::new(1, 10);
        let old = tokens.of(3).unwrap();
        tokens.set(3, Some("new".to_owned()));
        assert_eq!((tokens.owner(&old), tokens.owner("new")), (None, Some(3)));
        tokens.set(3, None);
        assert_eq!((tokens.owner("new"), tokens.of(3)), (None, None));
    }
}
