//! One simulated pass: kept as a few numbers, its JSON text made on demand.

use fastrand::Rng;

use super::dice::{below, dice, mix, purpose};
use super::product::{PRODUCTS, Product};

/// One minute in milliseconds.
pub(super) const MINUTE_MS: i64 = 60_000;

/// A pass as the API would show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// The pass's `uuid`.
    pub uuid: String,
    /// The pass's `status`.
    pub status: String,
    /// The text that `JSON.stringify` gives for the pass, that is, the text that its payload hash is made of.
    pub text: String,
}

/// The status of a generated pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Usable,
    Using,
    Expired,
    UsesGone,
    /// A value that is documented nowhere: it must pass through unharmed.
    Undocumented,
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Self::Usable => "USABLE",
            Self::Using => "USING",
            Self::Expired => "EXPIRED",
            Self::UsesGone => "USES_GONE",
            Self::Undocumented => "PENDING_TRANSFER",
        }
    }
}

/// A generated pass: what changes stands here, what does not is derived from the seed, the user and the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Generated {
    pub seed: u64,
    pub user: u64,
    /// The how-manieth pass of the user this is.
    pub index: u32,
    pub status: Status,
    pub created_ms: i64,
    pub modified_ms: i64,
    pub first_use_ms: Option<i64>,
    pub expiration_ms: Option<i64>,
    pub uses: u32,
    /// Moves with every change, so that each has a payload of its own.
    pub version: u32,
}

impl Generated {
    /// A pass bought at `created_ms` and not used yet.
    pub fn bought(seed: u64, user: u64, index: u32, created_ms: i64) -> Self {
        let mut pass = Self {
            seed,
            user,
            index,
            status: Status::Usable,
            created_ms,
            modified_ms: created_ms,
            first_use_ms: None,
            expiration_ms: None,
            uses: 0,
            version: 0,
        };
        let shelf_days = pass.constants().i64(90..200);
        if pass.product().shelf_life {
            pass.expiration_ms = Some(created_ms + shelf_days * 1_440 * MINUTE_MS);
        }
        pass
    }

    /// The draw of everything about the pass that never changes.
    pub fn constants(&self) -> Rng {
        dice(&[self.seed, purpose::CONSTANTS, self.user, self.index.into()])
    }

    /// The draw of what is new with each version.
    pub fn payload_dice(&self) -> Rng {
        let version = self.version.into();
        dice(&[self.seed, purpose::PAYLOAD, self.user, self.index.into(), version])
    }

    pub fn product(&self) -> &'static Product {
        let draw = mix(&[self.seed, self.user, self.index.into()]);
        &PRODUCTS[below(draw, PRODUCTS.len())]
    }

    pub fn uuid(&self) -> String {
        let place = [self.user, self.index.into()];
        let high = mix(&[self.seed, purpose::UUID_HIGH, place[0], place[1]]);
        let low = mix(&[self.seed, purpose::UUID_LOW, place[0], place[1]]);
        uuid_text(high, low)
    }

    /// The first use: USABLE becomes USING, and the expiration is counted from now.
    pub fn activate(&mut self, now_ms: i64) {
        self.status = Status::Using;
        self.first_use_ms = Some(now_ms);
        self.expiration_ms = Some(now_ms + self.product().valid_min * MINUTE_MS);
        self.touch(now_ms);
    }

    /// One more use, a new encrypted payload, a new payload expiration.
    pub fn change(&mut self, now_ms: i64) {
        self.uses += 1;
        self.touch(now_ms);
    }

    /// The end of the pass's life.
    pub fn expire(&mut self, now_ms: i64) {
        if self.status != Status::UsesGone {
            self.status = Status::Expired;
        }
        let expiration = self.expiration_ms.unwrap_or(now_ms);
        self.expiration_ms = Some(expiration.min(now_ms));
        self.touch(now_ms);
    }

    fn touch(&mut self, now_ms: i64) {
        self.modified_ms = now_ms;
        self.version += 1;
    }
}

/// 128 bits as the text of a version 4 UUID.
pub(super) fn uuid_text(high: u64, low: u64) -> String {
    let variant = 0x8000 | (low >> 48 & 0x3fff);
    format!(
        "{:08x}-{:04x}-4{:03x}-{variant:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        low & 0xffff_ffff_ffff
    )
}
