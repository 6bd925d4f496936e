//! A chunk of entries (F4): columns that are used in place.
//!
//! Layout of the payload, all integers big-endian:
//!
//! ```text
//!  0  u8   flags: 1 = kinds are present
//!  1  u8   width of a key offset: 0 (all suffixes have one length), 1, 2 or 4
//!  2  u8   width of a value offset: likewise
//!  3  u8   width of a seq: 0 (all are the least), 1, 2, 4 or 8
//!  4  u32  number of entries n, at least 1
//!  8  u32  length of the prefix that all keys share
//! 12  u32  length of all key suffixes together
//! 16  u32  length of all values together
//! 20  u32  zero
//! 24  u64  least seq
//! 32       n fingerprints (the low byte of the key's hash), zeros up to a multiple of 16
//!          prefix
//!          n + 1 key offsets, key suffixes
//!          n kinds, if present
//!          n seqs as differences from the least
//!          n + 1 value offsets, values
//! ```
//!
//! Entries ascend by key, and by descending seq under one key, so all versions of a key are adjacent.
//! Everything that is derived from these bytes is checked once, when they are decoded; after that no
//! access can go wrong.

mod builder;
mod chunk;
mod column;
mod fingerprints;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
#[cfg(test)]
mod tests;

pub(crate) use builder::EntryChunkBuilder;
pub(crate) use chunk::{EntryChunk, ParseError};

const HEADER_BYTES: usize = 32;
const HAS_KINDS: u8 = 1;
/// Fingerprints are padded to whole vectors, so that a search needs no tail.
const FINGERPRINT_UNIT: usize = 16;
