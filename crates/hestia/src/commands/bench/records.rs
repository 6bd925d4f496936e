//! Generated records: every key and value follows from the record's number, so that each can be verified.

/// Length of a key.
pub(super) const KEY_BYTES: usize = 32;

/// A bijection of 64-bit numbers that looks random (the finalizer of SplitMix64).
#[inline]
pub(super) fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The key of a record: 32 hexadecimal digits, different for different numbers.
#[inline]
pub(super) fn key(number: u64, out: &mut [u8; KEY_BYTES]) {
    let first = mix(number);
    let bits = u128::from(first) << 64 | u128::from(mix(!first));
    for (digit, shift) in out.iter_mut().zip((0..KEY_BYTES).rev()) {
        let value = (bits >> (shift * 4)) as u8 & 15;
        *digit = if value < 10 { b'0' + value } else { b'a' - 10 + value };
    }
}

/// The value of a record: letters, half of which repeat, as texts compress to about half.
#[inline]
pub(super) fn value(number: u64, bytes: usize, out: &mut Vec<u8>) {
    out.clear();
    let mut state = mix(number ^ 0x5bd1_e995);
    while out.len() < bytes {
        state = mix(state);
        out.extend(state.to_be_bytes().map(|byte| b'a' + byte % 16));
        out.extend_from_slice(b"hestia, ");
    }
    out.truncate(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_different_and_values_have_their_length() {
        let mut keys: Vec<[u8; KEY_BYTES]> = (0..10_000)
            .map(|number| {
                let mut out = [0; KEY_BYTES];
                key(number, &mut out);
                out
            })
            .collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 10_000);
        assert!(keys.iter().flatten().all(u8::is_ascii_hexdigit));
        let mut out = Vec::new();
        for bytes in [0, 1, 8, 23, 100] {
            value(7, bytes, &mut out);
            assert_eq!(out.len(), bytes);
        }
    }
}
