//! The sparse index of a run: for each entry chunk a *separator*, where it lies and how long it is.
//!
//! A separator is the shortest key that is greater than the last key of the chunk before and not
//! greater than the first key of its own chunk; the first chunk's is its first key. It carries a
//! seq: `u64::MAX`, or, where a key's versions go on from the chunk before, the chunk's first seq. So a
//! version (key, seq) lies in the last chunk whose (separator, seq) is not behind it, or, if that
//! chunk ends with the key, in the next.
//!
//! Payload, all integers big-endian:
//!
//! ```text
//!  0  u32  number of chunks n
//!  4  u32  length of all separators together, without their common prefix
//!  8  u32  length of the common prefix
//! 12  u32  flags: 1 = seqs are present
//! 16       common prefix
//!          n u64 cells where the chunks begin
//!          n u32 stored lengths of the chunks
//!          n u32 ends of the separators
//!          separators without the prefix
//!          n u64 seqs, if present (otherwise all are 2^64 - 1)
//! ```

mod builder;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod heads;
mod index;
#[cfg(test)]
mod tests;

pub(crate) use builder::SparseIndexBuilder;
pub(crate) use index::SparseIndex;

const HEADER_BYTES: usize = 16;
const HAS_SEQS: u32 = 1;
/// The seq of a separator that begins a new key.
const NEW_KEY: u64 = u64::MAX;
