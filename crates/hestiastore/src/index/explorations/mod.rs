//! Scenes that are run under many schedules: `cargo xtask explore`. What each would catch is in `docs/reliability.md`.
//!
//! Those of one component go deepest, having the fewest steps; those of a whole index show that the components fit.

#![allow(clippy::unwrap_used, clippy::panic, reason = "scenes fail by panicking")]

mod budget;
mod closing;
mod compacting;
mod logging;
mod merging;
mod pausing;
mod publisher;
mod reading;
mod registry;
mod sharing;
mod slot;
mod sync_gate;
mod write_buffer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::directory::{Directory, SimulatedDirectory};
use crate::environment::Environment;
use crate::segment::Segment;
use crate::{IndexBuilder, SegmentIndex, WriteBatch};

type Index = SegmentIndex<u64, Vec<u8>>;

/// An index that does only what it is asked for, in a time that is the same in every run. What is flushed is read from
/// runs, which hold no version that nobody needs.
fn builder(directory: &SimulatedDirectory) -> IndexBuilder<u64, Vec<u8>> {
    builder_in(Arc::new(directory.clone()))
}

fn builder_in(directory: Arc<dyn Directory>) -> IndexBuilder<u64, Vec<u8>> {
    Index::builder_in(directory)
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

/// Splits the segment at this place, if it is still there and offers a key; its parts may be merged again at once.
fn split(index: &Index, place: usize) -> bool {
    let segment = &segments(index)[place];
    let slots = (segment.structural_slot.take(), segment.flush_slot.take());
    let is_split = !segment.is_retired() && index.core.split_segment(segment, 2).unwrap();
    drop(slots);
    segments(index).iter().for_each(|part| part.apart_until_micros.store(0, Ordering::SeqCst));
    is_split
}

/// Both keys hold the same value, always. They lie far enough from each other for a split between them.
const PAIR: [u64; 2] = [1, 11];

fn write_pair(index: &Index, number: u8) {
    let mut batch = WriteBatch::new();
    for key in PAIR {
        batch.put(key, value(number)).unwrap();
    }
    index.write(batch).unwrap();
}

/// The value of the pair, which is not older than `least`.
fn whole_pair(found: [Option<Vec<u8>>; 2], least: u64) -> u64 {
    let pair = found.map(|found| found.map_or(0, |found| value_of(&found)));
    assert!(pair[0] == pair[1] && pair[0] >= least, "{pair:?} after {least}");
    pair[0]
}

/// Two main runs, between which a segment can be split, and the pair in a buffer.
fn index_to_split(files: &SimulatedDirectory) -> Index {
    let index = builder(files).create().unwrap();
    for keys in [[0, 5], [10, 15]] {
        keys.iter().for_each(|key| index.put(*key, value(1)).unwrap());
        flush(&index);
    }
    write_pair(&index, 1);
    index
}

/// The index as it is, and as it would be after a kill, are sound and hold these entries.
fn assert_sound(index: &Index, files: &SimulatedDirectory, expected: &[(u64, u8)]) {
    let survivor = builder(&files.kill()).open().unwrap();
    for index in [index, &survivor] {
        let entries = index.iter().unwrap().map(|entry| entry.unwrap());
        let found: Vec<(u64, u8)> = entries.map(|(key, value)| (key, value[0])).collect();
        assert_eq!(found, expected);
        assert_eq!(index.check().unwrap().problems.len(), 0);
    }
    survivor.close().unwrap();
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
