//! A 32-bit word of several messages at once, in the widest vectors of the CPU that the program runs on.

use std::ops::{BitAnd, BitOr, BitXor, Not};

use fearless_simd::{Simd, SimdBase, SimdCombine as _, SimdFrom as _, u32x4, u32x8, u32x16};

use super::BLOCK;

/// A 32-bit word of `N` messages.
pub(super) trait Word<const N: usize>:
    Copy + BitAnd<Output = Self> + BitOr<Output = Self> + BitXor<Output = Self> + Not<Output = Self>
{
    /// What proves that the CPU can do it.
    type Token: Copy;

    fn splat(token: Self::Token, word: u32) -> Self;
    fn from_lanes(token: Self::Token, lanes: [u32; N]) -> Self;
    fn into_lanes(self) -> [u32; N];
    /// The 16 words of a block of each message.
    fn of_blocks(token: Self::Token, blocks: [&[u8; BLOCK]; N]) -> [Self; 16];
    fn plus(self, other: Self) -> Self;
    fn rotate_left_by<const LEFT: u32, const RIGHT: u32>(self) -> Self;
}

impl Word<1> for u32 {
    type Token = ();

    #[inline(always)]
    fn splat((): (), word: u32) -> Self {
        word
    }
    #[inline(always)]
    fn from_lanes((): (), [word]: [u32; 1]) -> Self {
        word
    }
    #[inline(always)]
    fn into_lanes(self) -> [u32; 1] {
        [self]
    }
    #[inline(always)]
    fn of_blocks((): (), [block]: [&[u8; BLOCK]; 1]) -> [Self; 16] {
        let (words, _) = block.as_chunks::<4>();
        std::array::from_fn(|place| Self::from_le_bytes(words[place]))
    }
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self.wrapping_add(other)
    }
    #[inline(always)]
    fn rotate_left_by<const LEFT: u32, const RIGHT: u32>(self) -> Self {
        self.rotate_left(LEFT)
    }
}

macro_rules! vector_word {
    ($vector:ident, $lanes:literal, $of_blocks:item) => {
        impl<S: Simd> Word<$lanes> for $vector<S> {
            type Token = S;

            #[inline(always)]
            fn splat(simd: S, word: u32) -> Self {
                <Self as SimdBase<S>>::splat(simd, word)
            }
            #[inline(always)]
            fn from_lanes(simd: S, lanes: [u32; $lanes]) -> Self {
                Self::simd_from(simd, lanes)
            }
            #[inline(always)]
            fn into_lanes(self) -> [u32; $lanes] {
                self.into()
            }
            #[inline(always)]
            $of_blocks
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self + other
            }
            #[inline(always)]
            fn rotate_left_by<const LEFT: u32, const RIGHT: u32>(self) -> Self {
                (self << LEFT) | (self >> RIGHT)
            }
        }
    };
}

// Loops, not `map` and `from_fn`: a closure in those need not be compiled for the CPU's vectors.
vector_word!(
    u32x4,
    4,
    fn of_blocks(simd: S, [a, b, c, d]: [&[u8; BLOCK]; 4]) -> [Self; 16] {
        let mut words = [<Self as SimdBase<S>>::splat(simd, 0); 16];
        for quarter in 0..4 {
            let load = |block: &[u8; BLOCK]| four_words(simd, block, quarter);
            let four = transposed([load(a), load(b), load(c), load(d)]);
            words[4 * quarter..4 * quarter + 4].copy_from_slice(&four);
        }
        words
    }
);

vector_word!(
    u32x8,
    8,
    fn of_blocks(simd: S, [a, b, c, d, e, f, g, h]: [&[u8; BLOCK]; 8]) -> [Self; 16] {
        let low = u32x4::of_blocks(simd, [a, b, c, d]);
        let high = u32x4::of_blocks(simd, [e, f, g, h]);
        let mut words = [<Self as SimdBase<S>>::splat(simd, 0); 16];
        for place in 0..16 {
            words[place] = low[place].combine(high[place]);
        }
        words
    }
);

vector_word!(
    u32x16,
    16,
    fn of_blocks(simd: S, blocks: [&[u8; BLOCK]; 16]) -> [Self; 16] {
        let [a, b, c, d, e, f, g, h, rest @ ..] = blocks;
        let low = u32x8::of_blocks(simd, [a, b, c, d, e, f, g, h]);
        let high = u32x8::of_blocks(simd, rest);
        let mut words = [<Self as SimdBase<S>>::splat(simd, 0); 16];
        for place in 0..16 {
            words[place] = low[place].combine(high[place]);
        }
        words
    }
);

#[inline(always)]
fn four_words<S: Simd>(simd: S, block: &[u8; BLOCK], quarter: usize) -> u32x4<S> {
    let (words, _) = block.as_chunks::<4>();
    let word = |place: usize| u32::from_le_bytes(words[4 * quarter + place]);
    u32x4::simd_from(simd, [word(0), word(1), word(2), word(3)])
}

/// The first words of the four, their second words, and so on.
#[inline(always)]
fn transposed<S: Simd>([a, b, c, d]: [u32x4<S>; 4]) -> [u32x4<S>; 4] {
    let (ac01, bd01) = (a.zip_low(c), b.zip_low(d));
    let (ac23, bd23) = (a.zip_high(c), b.zip_high(d));
    [ac01.zip_low(bd01), ac01.zip_high(bd01), ac23.zip_low(bd23), ac23.zip_high(bd23)]
}
