//! A run: one immutable file of sorted versions, with sparse index, Bloom filter and properties (F4 to F6).
//!
//! Entries ascend by key and descend by seq under one key. A run is written once by a [`RunWriter`]
//! and read by any number of threads through a [`Run`], which keeps the sparse index and the filter in memory and
//! reaches its chunks through a [`ChunkCache`].
//!
//! Promises: everything read is checked before use, and damage is reported with its place; a forged
//! length allocates nothing; a cached `get` neither allocates, locks, nor makes a system call.
//!
//! Invariants neighbours may rely on: (1) a file under its final name is complete and synced, its name is
//! durable once the caller has synced the directory; (2) values above [`VALUE_CHUNK_BYTES`] are
//! chunks of their own, and readers see their kind and value as if they were not; (3) a seq of 0 means
//! "zeroed": it is older than every snapshot and does not count for the seqs covered.

#[cfg(feature = "benching")]
pub(crate) mod benching;
mod bloom;
mod cache;
mod cursor;
mod dump;
mod entries;
mod footer;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod get;
mod keys;
mod open;
mod properties;
mod read_ahead;
mod remains;
mod settings;
mod sparse;
mod value;
mod verify;
mod writer;

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use self::settings::split_expiry;
pub(crate) use crate::chunk::FilterPipeline;
#[cfg(test)]
pub(crate) use bloom::BloomSettings;
pub(crate) use cache::ChunkCache;
pub(crate) use cursor::{CursorPurpose, RunCursor};
pub(crate) use dump::dump_run;
pub(crate) use get::{Found, Probe};
pub(crate) use open::Run;
pub(crate) use properties::RunProperties;
pub(crate) use remains::{LostKeys, RemainingValue, RunHints, RunRemains};
pub(crate) use settings::{
    EntryKind, RUN_MAGIC, RUN_VERSION, RunIdentity, RunSettings, key_hash, parse_run_file_name, run_file_name,
};
pub(crate) use value::ValueGuard;
pub(crate) use verify::RunCheck;
pub(crate) use writer::{RunSummary, RunWriter};
