//! # HestiaStore
//!
//! An embedded, ordered, persistent key-value store for one process and one directory.

pub mod config;
pub mod directory;
pub mod environment;
pub mod inspect;
pub mod metrics;
pub mod repair;
pub mod types;

#[cfg(feature = "benching")]
#[doc(hidden)]
pub mod benching;
mod block;
mod bytes;
mod chunk;
mod counted;
mod error;
mod file_header;
#[cfg(any(test, feature = "fuzzing"))]
mod fuzz_input;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod index;
mod manifest;
mod obstacle;
mod problems;
mod registry;
mod route;
mod run;
mod segment;
mod sync;
mod wal;

pub use error::{Error, Result};
pub use index::{
    CheckReport, Cursor, IndexBuilder, IndexState, Iter, LogLoss, MAX_KEY_BYTES, MAX_VALUE_BYTES,
    MaintenancePause, RunBeyondCut, Runtime, RuntimeBuilder, ScrubOptions, ScrubProgress, SegmentIndex,
    Snapshot, ValueRef, WriteBatch,
};
pub use wal::RecoveryPolicy;
