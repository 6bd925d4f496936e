//! Keys and values of the workloads.

use std::io::Write;

use md5::{Digest, Md5};

use crate::random::{Random, fnv};

/// A key of at most 32 bytes, held inline.
#[derive(Clone, Copy)]
pub struct Key {
    bytes: [u8; 32],
    length: u8,
}

impl std::ops::Deref for Key {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

/// The reference's `HashDataProvider.makeHash(long)`: MD5 of the number's decimal text, as 32 upper-case
/// hexadecimal digits.
pub fn hash_key(number: i64) -> Key {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut text = [0u8; 20];
    let mut rest = &mut text[..];
    // An `i64` has at most 20 characters.
    let _ = write!(rest, "{number}");
    let left = rest.len();
    let digest = Md5::digest(&text[..text.len() - left]);
    let mut bytes = [0u8; 32];
    for (pair, byte) in bytes.chunks_exact_mut(2).zip(digest.iter()) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    Key { bytes, length: 32 }
}

/// The reference's value.
pub const HASH_VALUE: &[u8] = b"opice skace po stromech";

/// Another of the same length, because sled leaves out a put that changes nothing.
pub const HASH_VALUE_AFTER: &[u8] = b"OPICE SKACE PO STROMECH";

/// db_bench's key of 16 bytes: the number, most significant byte first, and eight '0'.
pub fn db_bench_key(number: u64) -> Key {
    let mut bytes = [b'0'; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Key { bytes, length: 16 }
}

/// db_bench's key of `readmissing`: with a '.' behind.
pub fn db_bench_missing(number: u64) -> Key {
    let mut key = db_bench_key(number);
    key.bytes[16] = b'.';
    key.length = 17;
    key
}

/// YCSB's key: "user" and the hash of the number.
pub fn ycsb_key(number: u64) -> Key {
    let mut bytes = [0u8; 32];
    let mut rest = &mut bytes[..];
    let _ = write!(rest, "user{}", fnv(number));
    let length = 32 - rest.len() as u8;
    Key { bytes, length }
}

/// Values cut from one megabyte of which each 100 bytes are 50 random ones, twice: about half compressible,
/// as db_bench's.
pub struct Values {
    bytes: Vec<u8>,
    value_len: usize,
}

impl Values {
    pub fn new(value_len: usize) -> Self {
        let mut random = Random::new(301);
        let mut bytes = Vec::with_capacity((1 << 20) + 200);
        while bytes.len() < 1 << 20 {
            let half: Vec<u8> = (0..50).map(|_| b' ' + random.below(95) as u8).collect();
            bytes.extend_from_slice(&half);
            bytes.extend_from_slice(&half);
        }
        Self { bytes, value_len }
    }

    /// The value of a number, always the same; neighbours differ.
    pub fn of(&self, number: u64) -> &[u8] {
        let places = (self.bytes.len() - self.value_len) as u64;
        let at = (number.wrapping_mul(self.value_len as u64 + 1) % places) as usize;
        &self.bytes[at..at + self.value_len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_keys_are_upper_hexadecimal_md5_of_decimal() {
        assert_eq!(&*hash_key(0), b"CFCD208495D565EF66E7DFF9F98764DA");
        assert_eq!(&*hash_key(-1), b"6BB61E3B7BCE0931DA574D19D1D82C88");
    }

    #[test]
    fn keys_have_their_lengths() {
        assert_eq!((db_bench_key(1).len(), db_bench_missing(1).len()), (16, 17));
        assert!(ycsb_key(7).starts_with(b"user") && ycsb_key(7).iter().skip(4).all(u8::is_ascii_digit));
    }
}
