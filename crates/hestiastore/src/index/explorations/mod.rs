//! Scenes that are run under many schedules: `cargo xtask explore`. What each would catch is in `docs/reliability.md`.
//!
//! Those of one component go deepest, having the fewest steps; those of a whole index show that the components fit.

#![allow(clippy::unwrap_used, clippy::panic, reason = "scenes fail by panicking")]

mod budget;
mod closing;
mod logging;
mod publisher;
mod reading;
mod registry;
mod sync_gate;
mod write_buffer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::directory::SimulatedDirectory;
use crate::environment::Environment;
use crate::segment::Segment;
use crate::{IndexBuilder, SegmentIndex};

type Index = SegmentIndex<u64, Vec<u8>>;

/// An index that does only what it is asked for, in a time that is the same in every run. What is flushed is read from
/// runs, which hold no version that nobody needs.
fn builder(directory: &SimulatedDirectory) -> IndexBuilder<u64, Vec<u8>> {
    Index::builder_in(Arc::new(directory.clone()))
        .environment(Environment::repeatable(1))
        .maintenance(|m| m.automatic(false).threads(1))
        .write_buffer(|w| w.delta_cache_bytes(0))
        .chunk(|c| c.filters(["magic-number", "crc32"].into()))
        .log(|l| l.first_file_bytes(16 << 10).max_file_bytes(64 << 10))
}

fn segments(index: &Index) -> Vec<Arc<Segment>> {
    index.core.route.load_full().segments().to_vec()
}

/// Flushes in the thread that calls.
fn flush(index: &Index) {
    segments(index).iter().for_each(|segment| index.core.flush_segment(segment).unwrap());
}

fn value(number: u8) -> Vec<u8> {
    vec![number; 16]
}

fn value_of(bytes: &[u8]) -> u64 {
    u64::from(bytes[0])
}

/// Notes of a scene about itself: no points where a schedule is chosen.
#[derive(Debug, Default)]
struct Note(AtomicU64);

impl Note {
    fn get(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn set(&self, value: u64) {
        self.0.store(value, Ordering::SeqCst);
    }

    fn raise(&self, value: u64) -> u64 {
        self.0.fetch_max(value, Ordering::SeqCst)
    }

    fn add(&self, value: u64) -> u64 {
        self.0.fetch_add(value, Ordering::SeqCst)
    }
}
