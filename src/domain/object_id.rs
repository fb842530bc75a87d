//! `ObjectId`s: twelve bytes that name a document or an array's element, written as 24 lowercase hex digits.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::user_id::UserId;

/// The `_id` of a document that passflow creates: derived from the user, so that two inserts of one user collide.
pub fn of_user(user: UserId) -> String {
    let digest = Sha256::digest(format!("passflow/user/{user}"));
    hex(digest.iter().take(12).copied())
}

/// A new `_id` for an array's element, as MongoDB's drivers make it: four bytes of time, big-endian, then eight bytes
/// that tell it from others of that second.
pub fn new(unix_seconds: u32, random: u64) -> String {
    hex(unix_seconds.to_be_bytes().into_iter().chain(random.to_be_bytes()))
}

fn hex(bytes: impl Iterator<Item = u8>) -> String {
    bytes.fold(String::with_capacity(24), |mut digits, byte| {
        let _infallible = write!(digits, "{byte:02x}");
        digits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_id_is_always_the_same_24_hex_digits() {
        let user = UserId::new(42).unwrap();
        assert_eq!(of_user(user), of_user(user));
        assert_eq!(of_user(user).len(), 24);
        assert_ne!(of_user(user), of_user(UserId::new(43).unwrap()));
        // printf 'passflow/user/42' | sha256sum | cut -c1-24
        assert_eq!(of_user(user), "a912d6cac9fe05797c536316");
    }

    #[test]
    fn a_new_id_starts_with_its_time() {
        assert_eq!(new(0x6540_0001, 0xab), "6540000100000000000000ab");
    }
}
