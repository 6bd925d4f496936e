//! Keys and values that are hard on an index.

use crate::step::{KeyNumber, ValueSpec};

/// Keys have numbers below this.
pub const KEY_NUMBERS: u16 = 900;

/// The key of a number: the empty key, strings of 0x00s and of 0xFFs, prefixes of each other, long
/// shared prefixes, long keys, and ordinary ones.
pub fn key(number: KeyNumber) -> Vec<u8> {
    let n = number / 9;
    let [high, low] = n.to_be_bytes();
    match number % 9 {
        0 => vec![0x00; usize::from(n)],
        1 => vec![0xff; usize::from(n)],
        2 => vec![b'a'; usize::from(n)],
        3 => format!("user/{n:08}/name").into_bytes(),
        4 => [vec![b'p'; 200], vec![high, low]].concat(),
        5 => vec![low, 0x00],
        6 => vec![low, 0xff],
        7 => [vec![low.wrapping_mul(37)], vec![b'x'; usize::from(n % 7) * 150]].concat(),
        _ => u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes().to_vec(),
    }
}

/// The value that write number `write` stores.
pub fn value(spec: ValueSpec, write: u64) -> Vec<u8> {
    let length = spec.length as usize;
    let mut bytes = write.to_be_bytes()[4..].to_vec();
    let mut state = write | 1;
    while bytes.len() < length {
        if spec.plain {
            bytes.resize(length, b'v');
        } else {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            bytes.extend_from_slice(&state.to_be_bytes());
        }
    }
    bytes.truncate(length);
    bytes
}
