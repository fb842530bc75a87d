//! Where a string's plain text stops, found for a block of bytes at once.

use wide::u8x16;

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
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self { block_start: 0, mask: mask_of(bytes, 0) }
    }

    /// The position of the first stop from `position` on, or the end of `bytes`, which must be the same each time.
    #[inline(always)]
    pub(super) fn next(&mut self, bytes: &[u8], position: usize) -> usize {
        let block_start = position - position % BLOCK;
        if block_start != self.block_start {
            *self = Self { block_start, mask: mask_of(bytes, block_start) };
        }
        let ahead = self.mask >> (position % BLOCK);
        if ahead != 0 {
            return position + ahead.trailing_zeros() as usize;
        }
        self.next_in_later_block(bytes)
    }

    fn next_in_later_block(&mut self, bytes: &[u8]) -> usize {
        loop {
            self.block_start += BLOCK;
            if self.block_start >= bytes.len() {
                self.mask = 0;
                return bytes.len();
            }
            self.mask = mask_of(bytes, self.block_start);
            if self.mask != 0 {
                return self.block_start + self.mask.trailing_zeros() as usize;
            }
        }
    }
}

/// The mask of the block at `start`; the end of `bytes` is a stop, too.
#[inline]
fn mask_of(bytes: &[u8], start: usize) -> u64 {
    let rest = bytes.get(start..).unwrap_or_default();
    if let Some(block) = rest.first_chunk::<BLOCK>() {
        return mask_of_block(block);
    }
    let mut block = [0; BLOCK];
    block[..rest.len()].copy_from_slice(rest);
    mask_of_block(&block)
}

#[inline]
fn mask_of_block(block: &[u8; BLOCK]) -> u64 {
    let (parts, _) = block.as_chunks::<16>();
    parts.iter().rev().fold(0, |mask, part| mask << 16 | u64::from(mask_of_part(u8x16::from(*part))))
}

#[inline]
fn mask_of_part(part: u8x16) -> u32 {
    let quotes = part.simd_eq(u8x16::splat(b'"'));
    let backslashes = part.simd_eq(u8x16::splat(b'\\'));
    let controls = part.min(u8x16::splat(0x1f)).simd_eq(part);
    (quotes | backslashes | controls).to_bitmask()
}
