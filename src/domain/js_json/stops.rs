//! Where a string's plain text stops, found for a block of bytes at once.

use fearless_simd::{Simd, SimdBase as _, SimdFrom as _, SimdMask as _, u8x64};

const BLOCK: usize = 64;

/// The stops of one block of the input: quotes, backslashes and control characters.
///
/// Most strings are short, so one block serves several of them, and where one ends is a shift away: there is no loop
/// whose end the CPU would have to guess for each string.
pub(super) struct Stops {
    block_start: usize,
    /// A bit for each byte of the block, the lowest for the first.
    mask: u64,
}

impl Stops {
    /// Stops of no block as yet.
    pub(super) fn new() -> Self {
        Self { block_start: usize::MAX, mask: 0 }
    }

    /// The position of the first stop from `position` on, or the end of `bytes`, which must be the same each time.
    #[inline(always)]
    pub(super) fn next<S: Simd>(&mut self, simd: S, bytes: &[u8], position: usize) -> usize {
        if position - position % BLOCK == self.block_start {
            let ahead = self.mask >> (position % BLOCK);
            if ahead != 0 {
                return position + ahead.trailing_zeros() as usize;
            }
        }
        self.next_elsewhere(simd, bytes, position)
    }

    /// Not inlined: where strings are read the registers are needed for other things.
    #[inline(never)]
    fn next_elsewhere<S: Simd>(&mut self, simd: S, bytes: &[u8], position: usize) -> usize {
        simd.vectorize(
            #[inline(always)]
            || {
                // The block at hand has no stop ahead, or `next` would have found it.
                let mut from = position;
                if from - from % BLOCK == self.block_start {
                    from = self.block_start + BLOCK;
                }
                while from < bytes.len() {
                    let block_start = from - from % BLOCK;
                    *self = Self { block_start, mask: mask_of(simd, bytes, block_start) };
                    let ahead = self.mask >> (from % BLOCK);
                    if ahead != 0 {
                        return from + ahead.trailing_zeros() as usize;
                    }
                    from = block_start + BLOCK;
                }
                bytes.len()
            },
        )
    }
}

/// The mask of the block at `start`; the end of `bytes` is a stop, too.
#[inline(always)]
fn mask_of<S: Simd>(simd: S, bytes: &[u8], start: usize) -> u64 {
    let rest = bytes.get(start..).unwrap_or_default();
    let filled_up;
    let block = if let Some(block) = rest.first_chunk::<BLOCK>() {
        block
    } else {
        filled_up = fill_up(rest);
        &filled_up
    };
    // Called in one place: of two masks that meet the compiler makes 64 single bits.
    mask_of_block(simd, block)
}

#[cold]
#[inline(never)]
fn fill_up(rest: &[u8]) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    block[..rest.len()].copy_from_slice(rest);
    block
}

#[inline(always)]
fn mask_of_block<S: Simd>(simd: S, block: &[u8; BLOCK]) -> u64 {
    let block = u8x64::simd_from(simd, *block);
    let quotes = block.simd_eq(b'"');
    let backslashes = block.simd_eq(b'\\');
    let controls = block.simd_le(0x1f);
    (quotes | backslashes | controls).to_bitmask()
}

#[cfg(test)]
mod tests {
    use fearless_simd::{Level, dispatch};

    use super::*;

    #[test]
    fn stops_are_found_with_the_vectors_of_this_cpu_and_the_least_ones() {
        let every_byte: Vec<u8> = (0..=255).rev().collect();
        let sparse = [&[b'a'; 200][..], b"\"", &[0xff; 63], b"\\", &[b' '; 130], b"\x1f!"].concat();
        for bytes in [every_byte, sparse] {
            let is_stop = |byte: &u8| matches!(byte, b'"' | b'\\' | ..=0x1f);
            for level in [Level::baseline(), Level::new()] {
                let mut stops = Stops::new();
                for position in 0..bytes.len() {
                    let rest = &bytes[position..];
                    let expected = position + rest.iter().position(is_stop).unwrap_or(rest.len());
                    let found = dispatch!(level, simd => stops.next(simd, &bytes, position));
                    assert_eq!(found, expected, "from {position}, {level:?}");
                }
            }
        }
    }
}
