//! Comparing sixteen fingerprints at once, in plain integers.

use super::FINGERPRINT_UNIT;

/// Units whose matches fit into 64 bits.
pub(super) const UNITS_PER_MASK: usize = u64::BITS as usize / FINGERPRINT_UNIT;

/// Bit i is set where fingerprint i is the wanted one.
#[inline]
pub(super) fn matches(unit: &[u8; FINGERPRINT_UNIT], wanted: u8) -> u16 {
    let (words, _) = unit.as_chunks::<8>();
    let mask = |word: &[u8; 8]| {
        const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
        // A byte that matches becomes 0, and only for it the sum keeps the top bit clear.
        let x = u64::from_le_bytes(*word) ^ (u64::from(wanted) * 0x0101_0101_0101_0101);
        let zeros = !(((x & LOW) + LOW) | x | LOW) >> 7;
        // Gathers bit 0 of each byte into the top byte.
        (zeros.wrapping_mul(0x0102_0408_1020_4080) >> 56) as u16
    };
    words.iter().rev().fold(0, |bits, word| bits << 8 | mask(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_all_and_only_the_wanted() {
        let mut x = 1u32;
        for _ in 0..20_000 {
            let unit: [u8; 16] = std::array::from_fn(|_| {
                x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                [0, 1, 0x7f, 0x80, 0x81, 0xff][(x >> 24) as usize % 6]
            });
            for wanted in [0, 1, 2, 0x7f, 0x80, 0x81, 0xff] {
                let expected =
                    unit.iter().enumerate().fold(0, |bits, (i, &f)| bits | u16::from(f == wanted) << i);
                assert_eq!(matches(&unit, wanted), expected);
            }
        }
    }
}
