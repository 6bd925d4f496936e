//! What an index does when the disk fails, is full, or gives back something else (PROTOCOL D8, L3).

#![allow(clippy::unwrap_used, clippy::panic, reason = "test helpers fail by panicking")]

mod damaged_log;
mod faults;
mod forgotten_sync;
mod full;
mod full_disk;
mod read_only;
mod support;
