//! MongoDB's ObjectIds as 24 lowercase hex digits.

use sha2::{Digest, Sha256};

use super::user_id::UserId;

/// The `_id` of a cache document that passflow creates: derived from the user, so that two inserts of one user collide.
pub fn of_user(user: UserId) -> String {
    let digest = Sha256::digest(format!("passflow/user/{user}"));
    hex(digest.iter().take(12).copied())
}

/// An `_id` for a new array element: seconds since 1970, then 64 bits of `random`.
pub fn new(now_s: i64, random: u64) -> String {
    // The format has 32 bits for the time; it wraps in 2106 as MongoDB's own does.
    let [_, _, _, _, seconds @ ..] = now_s.to_be_bytes();
    hex(seconds.into_iter().chain(random.to_be_bytes()))
}

fn hex(bytes: impl Iterator<Item = u8>) -> String {
    bytes.flat_map(|byte| [byte >> 4, byte & 15]).filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_id_is_always_the_same_and_anothers_another() {
        let [one, two] = [1, 2].map(|number| of_user(UserId::new(number).unwrap()));
        assert_eq!(one, of_user(UserId::new(1).unwrap()));
        assert_ne!(one, two);
        assert_eq!(one.len(), 24);
    }

    #[test]
    fn an_elements_id_begins_with_its_time() {
        assert_eq!(new(0x6543_2101, 0xab), "6543210100000000000000ab");
    }
}
