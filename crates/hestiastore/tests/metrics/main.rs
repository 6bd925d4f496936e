//! What an index tells of itself, against what was done to it.

#![allow(clippy::unwrap_used, reason = "test helpers fail by panicking")]

mod amplification;
mod counters;
mod snapshots;

use hestiastore::SegmentIndex;

type Index = SegmentIndex<u64, Vec<u8>>;

fn spread(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
