//! Which partition a key belongs to: as Kafka's Java clients decide it, so that every writer agrees.

/// The partition of `key` among `partitions`: `toPositive(murmur2(key)) % partitions`.
///
/// Source: `org.apache.kafka.clients.producer.internals.BuiltInPartitioner.partitionForKey`.
pub fn partition_of(key: &[u8], partitions: u32) -> u32 {
    (murmur2(key) & 0x7fff_ffff) % partitions.max(1)
}

/// 32-bit murmur2 with Kafka's seed.
fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const MIX: u32 = 0x5bd1_e995;
    // Kafka's keys are shorter than 4 GiB; a longer one's length wraps as Java's int does.
    #[expect(clippy::cast_possible_truncation, reason = "Java's length is an int")]
    let mut hash = SEED ^ data.len() as u32;
    let mut words = data.chunks_exact(4);
    for word in words.by_ref() {
        let mut mixed = word.iter().rev().fold(0_u32, |sum, byte| (sum << 8) | u32::from(*byte));
        mixed = mixed.wrapping_mul(MIX);
        mixed ^= mixed >> 24;
        mixed = mixed.wrapping_mul(MIX);
        hash = hash.wrapping_mul(MIX) ^ mixed;
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        hash ^= rest.iter().rev().fold(0_u32, |sum, byte| (sum << 8) | u32::from(*byte));
        hash = hash.wrapping_mul(MIX);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(MIX);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From Kafka's own `UtilsTest.testMurmur2`.
    #[test]
    fn hashes_as_kafka_does() {
        let cases: [(&str, i32); 7] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
            ("", 275_646_681),
        ];
        for (text, expected) in cases {
            assert_eq!(murmur2(text.as_bytes()).cast_signed(), expected, "{text:?}");
        }
    }

    #[test]
    fn spreads_over_all_partitions_and_never_beyond() {
        let mut seen = [false; 12];
        for user in 1..1000 {
            seen[partition_of(user.to_string().as_bytes(), 12) as usize] = true;
        }
        assert_eq!(seen, [true; 12]);
        assert_eq!(partition_of(b"x", 0), 0);
    }
}
