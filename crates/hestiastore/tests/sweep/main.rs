//! Everything that can befall the files of a small store: each byte flipped, each length cut, each sector
//! lost or misplaced, each file gone, old or another's. Whatever is read then is right or an error that
//! names the file.
//!
//! CI takes a sample; `HESTIA_SWEEP=full` (`cargo xtask sweep --full`) takes every place.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test helpers fail by panicking")]

mod bytes;
mod files;
mod judge;
mod sample;
mod sectors;
mod store;
