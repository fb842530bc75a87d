//! MD5 with one message in each lane of a vector; lanes that finish take the next message.

#![expect(clippy::inline_always, reason = "measured: vectors stay in registers")]

mod compress;
mod word;

use compress::compress;
use fearless_simd::{Level, Simd, dispatch, u32x4, u32x8, u32x16};
use word::Word;

const BLOCK: usize = 64;
const START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// The MD5 of one text.
pub(super) fn digest(text: &[u8]) -> [u8; 16] {
    finish_alone(Message::new(0, text), START)
}

/// The MD5 of each text, in the order of `texts`.
pub(super) fn digest_many(texts: &[&[u8]]) -> Vec<[u8; 16]> {
    digest_many_at(Level::new(), texts)
}

fn digest_many_at(level: Level, texts: &[&[u8]]) -> Vec<[u8; 16]> {
    let mut digests = vec![[0; 16]; texts.len()];
    match texts.len() {
        0 | 1 => digest_in_lanes::<u32, 1>((), texts, &mut digests),
        _ => dispatch!(level, simd => digest_in_vectors(simd, texts, &mut digests)),
    }
    digests
}

/// Widths by measurement: a vector that is mostly idle costs as much as a full one.
#[inline(always)]
fn digest_in_vectors<S: Simd>(simd: S, texts: &[&[u8]], digests: &mut [[u8; 16]]) {
    match texts.len() {
        ..=4 => digest_in_lanes::<u32x4<S>, 4>(simd, texts, digests),
        5..=8 => digest_in_lanes::<u32x8<S>, 8>(simd, texts, digests),
        _ => digest_in_lanes::<u32x16<S>, 16>(simd, texts, digests),
    }
}

/// A text being hashed: its whole blocks where they lie, then its last bytes with MD5's padding.
struct Message<'a> {
    index: usize,
    whole: &'a [[u8; BLOCK]],
    tail: [u8; 2 * BLOCK],
    tail_blocks: usize,
    blocks_done: usize,
}

impl<'a> Message<'a> {
    fn new(index: usize, text: &'a [u8]) -> Self {
        let (whole, rest) = text.as_chunks::<BLOCK>();
        // The padding is one 1 bit, then zeros, then the length in bits in the last 8 bytes.
        let tail_blocks = if rest.len() + 1 + 8 > BLOCK { 2 } else { 1 };
        let mut tail = [0; 2 * BLOCK];
        tail[..rest.len()].copy_from_slice(rest);
        tail[rest.len()] = 0x80;
        let length_in_bits = (text.len() as u64).wrapping_mul(8);
        let end = tail_blocks * BLOCK;
        tail[end - 8..end].copy_from_slice(&length_in_bits.to_le_bytes());
        Self { index, whole, tail, tail_blocks, blocks_done: 0 }
    }

    /// The blocks that lie next to each other from here on; empty when the message is done.
    fn blocks_ahead(&self) -> &[[u8; BLOCK]] {
        let whole_left = self.whole.get(self.blocks_done..).unwrap_or_default();
        if !whole_left.is_empty() {
            return whole_left;
        }
        let (tail, _) = self.tail.as_chunks::<BLOCK>();
        let tail_done = self.blocks_done - self.whole.len();
        tail.get(tail_done..self.tail_blocks).unwrap_or_default()
    }
}

#[inline(always)]
fn digest_in_lanes<W: Word<N>, const N: usize>(token: W::Token, texts: &[&[u8]], digests: &mut [[u8; 16]]) {
    // Longest first, so that no long message is left alone at the end.
    let mut order: Vec<usize> = (0..texts.len()).collect();
    order.sort_unstable_by_key(|&index| std::cmp::Reverse(texts[index].len()));
    let mut waiting = order.into_iter().map(|index| Message::new(index, texts[index]));

    let mut lanes: [Option<Message<'_>>; N] = [const { None }; N];
    let mut states = [[0; N]; 4];
    loop {
        let active = refill(&mut lanes, &mut states, &mut waiting);
        if active <= 1 {
            break;
        }
        let run = run_blocks::<W, N>(token, &lanes, &mut states);
        retire(&mut lanes, &states, run, digests);
    }
    for (lane, message) in lanes.into_iter().enumerate() {
        let Some(message) = message else { continue };
        let index = message.index;
        digests[index] = finish_alone(message, state_of(&states, lane));
    }
}

/// Gives each empty lane the next waiting message; returns how many lanes are busy.
fn refill<'a, const N: usize>(
    lanes: &mut [Option<Message<'a>>; N],
    states: &mut [[u32; N]; 4],
    waiting: &mut impl Iterator<Item = Message<'a>>,
) -> usize {
    for (lane, message) in lanes.iter_mut().enumerate() {
        if message.is_none() {
            *message = waiting.next();
            for (state, start) in states.iter_mut().zip(START) {
                state[lane] = start;
            }
        }
    }
    lanes.iter().flatten().count()
}

/// Hashes blocks in all lanes until the first of them has to change its place to read from; returns how many blocks.
#[inline(always)]
fn run_blocks<W: Word<N>, const N: usize>(
    token: W::Token,
    lanes: &[Option<Message<'_>>; N],
    states: &mut [[u32; N]; 4],
) -> usize {
    let idle: &[[u8; BLOCK]] = lanes.iter().flatten().next().map_or(&[], Message::blocks_ahead);
    // An idle lane hashes what another one does: its state is never looked at.
    let ahead: [&[[u8; BLOCK]]; N] =
        std::array::from_fn(|lane| lanes[lane].as_ref().map_or(idle, Message::blocks_ahead));
    let run = ahead.iter().map(|blocks| blocks.len()).min().unwrap_or(0);

    let [a, b, c, d] = *states;
    let mut state =
        [W::from_lanes(token, a), W::from_lanes(token, b), W::from_lanes(token, c), W::from_lanes(token, d)];
    for place in 0..run {
        let blocks: [&[u8; BLOCK]; N] = ahead.map(|blocks| &blocks[place]);
        compress(token, &mut state, &W::of_blocks(token, blocks));
    }
    let [a, b, c, d] = state;
    *states = [a.into_lanes(), b.into_lanes(), c.into_lanes(), d.into_lanes()];
    run
}

/// Counts the run in every lane, and takes out the digests of the messages that are done.
fn retire<const N: usize>(
    lanes: &mut [Option<Message<'_>>; N],
    states: &[[u32; N]; 4],
    run: usize,
    digests: &mut [[u8; 16]],
) {
    for (lane, slot) in lanes.iter_mut().enumerate() {
        let Some(message) = slot else { continue };
        message.blocks_done += run;
        if message.blocks_ahead().is_empty() {
            digests[message.index] = digest_of(state_of(states, lane));
            *slot = None;
        }
    }
}

/// Hashes the rest of one message without neighbours.
fn finish_alone(mut message: Message<'_>, state: [u32; 4]) -> [u8; 16] {
    let mut state = state;
    while !message.blocks_ahead().is_empty() {
        let blocks = message.blocks_ahead();
        for block in blocks {
            compress((), &mut state, &u32::of_blocks((), [block]));
        }
        message.blocks_done += blocks.len();
    }
    digest_of(state)
}

fn state_of<const N: usize>(states: &[[u32; N]; 4], lane: usize) -> [u32; 4] {
    states.map(|word| word[lane])
}

fn digest_of(state: [u32; 4]) -> [u8; 16] {
    let mut digest = [0; 16];
    for (bytes, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *bytes = word.to_le_bytes();
    }
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_gives_the_same_with_the_vectors_of_this_cpu_and_the_least_ones() {
        let text: Vec<u8> = (0..=255).cycle().take(20_000).collect();
        for count in [2, 4, 5, 8, 9, 16, 40] {
            let texts: Vec<&[u8]> = (0..count).map(|index| &text[index..index * 37 % 1_000 * 3 + index]).collect();
            let alone: Vec<[u8; 16]> = texts.iter().map(|text| digest(text)).collect();
            for level in [Level::baseline(), Level::new()] {
                assert_eq!(digest_many_at(level, &texts), alone, "{count} texts, {level:?}");
            }
        }
    }
}
