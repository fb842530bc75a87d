//! MD5's compression function (RFC 1321, 3.4) over words that are single numbers or vectors of them.

use super::word::Word;

/// `floor(2^32 * abs(sin(i + 1)))`
#[rustfmt::skip]
const SINES: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee,
    0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be,
    0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa,
    0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed,
    0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c,
    0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05,
    0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039,
    0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1,
    0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];

macro_rules! step {
    ($token:ident, $mix:ident, $a:ident, $b:ident, $c:ident, $d:ident, $words:ident[$word:expr], $sine:expr, $left:literal) => {
        let constant = W::splat($token, SINES[$sine]);
        let sum = $mix($a.plus($words[$word % 16].plus(constant)), $b, $c, $d);
        $a = $b.plus(sum.rotate_left_by::<$left, { 32 - $left }>());
    };
}

/// Four steps, after which the four state words are back in their places.
macro_rules! four_steps {
    ($token:ident, $mix:ident, $state:tt, $words:ident, $first:expr, $factor:literal, $offset:literal, $turns:tt) => {
        four_steps!(@ $token, $mix, $state, $words, $first, $factor, $offset, $turns)
    };
    (@ $token:ident, $mix:ident, ($a:ident $b:ident $c:ident $d:ident), $words:ident, $first:expr, $factor:literal, $offset:literal,
     ($r0:literal $r1:literal $r2:literal $r3:literal)) => {
        step!($token, $mix, $a, $b, $c, $d, $words[$first * $factor + $offset], $first, $r0);
        step!($token, $mix, $d, $a, $b, $c, $words[($first + 1) * $factor + $offset], $first + 1, $r1);
        step!($token, $mix, $c, $d, $a, $b, $words[($first + 2) * $factor + $offset], $first + 2, $r2);
        step!($token, $mix, $b, $c, $d, $a, $words[($first + 3) * $factor + $offset], $first + 3, $r3);
    };
}

macro_rules! round {
    ($token:ident, $mix:ident, $state:tt, $words:ident, $first:literal, $factor:literal, $offset:literal, $turns:tt) => {
        four_steps!($token, $mix, $state, $words, $first, $factor, $offset, $turns);
        four_steps!($token, $mix, $state, $words, $first + 4, $factor, $offset, $turns);
        four_steps!($token, $mix, $state, $words, $first + 8, $factor, $offset, $turns);
        four_steps!($token, $mix, $state, $words, $first + 12, $factor, $offset, $turns);
    };
}

/// Takes one block's 16 words into `state`, in every lane.
#[expect(clippy::many_single_char_names, reason = "the names of the RFC")]
#[inline(always)]
pub(super) fn compress<W: Word<N>, const N: usize>(token: W::Token, state: &mut [W; 4], words: &[W; 16]) {
    // `b` is known last, so each waits for it as late as it can.
    let f = |sum: W, b: W, c: W, d: W| sum.plus(d ^ (b & (c ^ d)));
    let g = |sum: W, b: W, c: W, d: W| sum.plus(c & !d).plus(b & d);
    let h = |sum: W, b: W, c: W, d: W| sum.plus(b ^ (c ^ d));
    let i = |sum: W, b: W, c: W, d: W| sum.plus(c ^ (b | !d));

    let [mut a, mut b, mut c, mut d] = *state;
    round!(token, f, (a b c d), words, 0, 1, 0, (7 12 17 22));
    round!(token, g, (a b c d), words, 16, 5, 1, (5 9 14 20));
    round!(token, h, (a b c d), words, 32, 3, 5, (4 11 16 23));
    round!(token, i, (a b c d), words, 48, 7, 0, (6 10 15 21));

    let [a0, b0, c0, d0] = *state;
    *state = [a0.plus(a), b0.plus(b), c0.plus(c), d0.plus(d)];
}
