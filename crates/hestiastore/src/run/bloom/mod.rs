//! The Bloom filter of a run: whether a key can be in it, without a read.
//!
//! A key's bits all lie in one block of 512 bits, so a question touches one cache line. Its size
//! follows from the real number of keys: m = -n ln p / (ln 2)^2 bits and k = m/n ln 2 probes, or is set
//! by hand.
//!
//! Payload, all integers big-endian: u32 blocks b, u32 probes k, then b blocks of eight u64. A hash h
//! takes block `(h * b) >> 64` and the bits that [`probes`] derives from it; bit i of a block is
//! bit `i % 64` of its word `i / 64`.
//!
//! Promise: never refuses a key that was put in.

mod filter;
#[cfg(test)]
mod tests;

pub(crate) use filter::{BloomFilter, encode_filter};

use crate::error::Error;

/// How large the filter is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum BloomSettings {
    Off,
    /// The share of absent keys that may pass, above 0 and below 1.
    Rate(f64),
    Fixed {
        bytes: u64,
        hashes: u32,
    },
}

/// Blocks and probes of a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BloomShape {
    pub(crate) blocks: u32,
    pub(crate) probes: u32,
}

const BLOCK_BYTES: u64 = 64;
const MAX_PROBES: u32 = 32;
/// 1 GiB.
const MAX_BLOCKS: u64 = 1 << 24;

impl BloomSettings {
    pub(crate) fn check(self) -> Result<(), Error> {
        let problem = match self {
            Self::Rate(rate) if !(rate > 0.0 && rate < 1.0) => {
                format!("bloom filter rate {rate}: must lie between 0 and 1")
            }
            Self::Fixed { bytes: 0, .. } => "bloom filter bytes: must be more than 0".into(),
            Self::Fixed { hashes, .. } if !(1..=MAX_PROBES).contains(&hashes) => {
                format!("bloom filter hashes {hashes}: must be 1 to {MAX_PROBES}")
            }
            _ => return Ok(()),
        };
        Err(Error::InvalidConfig { problems: vec![problem] })
    }

    /// `None`: no filter.
    pub(crate) fn shape(self, keys: u64) -> Option<BloomShape> {
        let (bytes, probes) = match self {
            _ if keys == 0 => return None,
            Self::Off => return None,
            Self::Rate(rate) => {
                let bits_per_key = -rate.ln() / std::f64::consts::LN_2.powi(2);
                let probes = (bits_per_key * std::f64::consts::LN_2).round() as u32;
                ((keys as f64 * bits_per_key / 8.0) as u64, probes)
            }
            Self::Fixed { bytes, hashes } => (bytes, hashes),
        };
        let blocks = bytes.div_ceil(BLOCK_BYTES).clamp(1, MAX_BLOCKS) as u32;
        Some(BloomShape { blocks, probes: probes.clamp(1, MAX_PROBES) })
    }
}
