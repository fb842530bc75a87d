//! MD5 with one message in each lane of a vector; lanes that finish take the next message.

#![expect(clippy::inline_always, reason = "measured: vectors stay in registers")]

mod compress;

use compress::{Word, compress};
use wide::{u32x4, u32x8};

const BLOCK: usize = 64;
const START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// The MD5 of one text.
pub(super) fn digest(text: &[u8]) -> [u8; 16] {
    finish_alone(Message::new(0, text), START)
}

/// The MD5 of each text, in the order of `texts`.
pub(super) fn digest_many(texts: &[&[u8]]) -> Vec<[u8; 16]> {
    let mut digests = vec![[0; 16]; texts.len()];
    // Widths by measurement: a vector that is mostly idle costs as much as a full one.
    match texts.len() {
        0 | 1 => digest_in_lanes::<u32, 1>(texts, &mut digests),
        2..=4 => digest_in_lanes::<u32x4, 4>(texts, &mut digests),
        _ => digest_in_lanes::<u32x8, 8>(texts, &mut digests),
    }
    digests
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

fn digest_in_lanes<W: Word<N>, const N: usize>(texts: &[&[u8]], digests: &mut [[u8; 16]]) {
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
        let run = run_blocks::<W, N>(&lanes, &mut states);
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
fn run_blocks<W: Word<N>, const N: usize>(lanes: &[Option<Message<'_>>; N], states: &mut [[u32; N]; 4]) -> usize {
    let idle: &[[u8; BLOCK]] = lanes.iter().flatten().next().map_or(&[], Message::blocks_ahead);
    // An idle lane hashes what another one does: its state is never looked at.
    let ahead: [&[[u8; BLOCK]]; N] =
        std::array::from_fn(|lane| lanes[lane].as_ref().map_or(idle, Message::blocks_ahead));
    let run = ahead.iter().map(|blocks| blocks.len()).min().unwrap_or(0);

    let mut state = states.map(W::from_lanes);
    for place in 0..run {
        let blocks: [&[u8; BLOCK]; N] = ahead.map(|blocks| &blocks[place]);
        compress(&mut state, &words(blocks));
    }
    *states = state.map(W::into_lanes);
    run
}

/// The 16 words of a block, each of all lanes.
#[inline(always)]
fn words<W: Word<N>, const N: usize>(blocks: [&[u8; BLOCK]; N]) -> [W; 16] {
    std::array::from_fn(|word| {
        W::from_lanes(std::array::from_fn(|lane| u32::from_le_bytes(blocks[lane].as_chunks::<4>().0[word])))
    })
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
            compress(&mut state, &words([block]));
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
