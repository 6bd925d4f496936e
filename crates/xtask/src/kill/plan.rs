//! The life of a store: how large its buffers are, and how each of its writing processes dies.

use std::path::Path;
use std::time::Duration;

use hestiastore::config::{Durability, LogIo};
use hestiastore::{IndexBuilder, SegmentIndex};

use super::commits::LANES;
use crate::chance::Chance;

pub(super) type Index = SegmentIndex<Vec<u8>, Vec<u8>>;

/// Bytes are shown as bytes: keys and values are what the commits say.
pub(super) fn builder(place: &Path) -> IndexBuilder<Vec<u8>, Vec<u8>> {
    Index::builder(place)
}

/// What the writing process is about when it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Act {
    /// Writes, with flushes now and then.
    Write,
    /// Opens, recovers, and does its first writes.
    Open,
    /// Closes after some writes.
    Close,
    /// Compacts while others write.
    Compact,
}

/// One life of the writing process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Round {
    pub(super) seed: u64,
    pub(super) store: u64,
    pub(super) round: u64,
    pub(super) mode: Durability,
}

impl Round {
    fn chance(&self, what: u64) -> Chance {
        Chance::of(&[self.seed, self.store, self.round, what])
    }

    pub(super) fn act(&self) -> Act {
        self.chance(100).pick(Act::Write, &[Act::Write, Act::Write, Act::Open, Act::Close, Act::Compact])
    }

    pub(super) fn lanes(&self) -> u8 {
        self.chance(101).pick(1, &[1, 2, LANES])
    }

    /// How long after it has begun its act the process is killed.
    pub(super) fn delay(&self) -> Duration {
        let most_micros = match self.act() {
            Act::Write | Act::Compact => 300_000,
            Act::Open => 20_000,
            Act::Close => 10_000,
        };
        // Short ones are the more interesting ones.
        let chance = self.chance(102);
        Duration::from_micros(chance.below(most_micros).min(chance.below(most_micros)).max(50))
    }

    /// How many commits a lane makes before a close.
    pub(super) fn commits_before_close(&self) -> u64 {
        self.chance(103).below(600)
    }

    pub(super) fn flushes(&self, lane: u8) -> Chance {
        self.chance(200 + u64::from(lane))
    }

    /// The index with small files and buffers, so that flushes, merges, splits and new logs come all the
    /// time. Some knobs are the store's, some change with every opening.
    pub(super) fn builder(&self, place: &Path) -> IndexBuilder<Vec<u8>, Vec<u8>> {
        let store = Chance::of(&[self.seed, self.store]);
        let target_bytes = store.pick(16 << 10, &[32 << 10, 128 << 10]);
        let chunk_keys = store.pick(16, &[4, 64]);
        let opening = self.chance(104);
        // Below 2 MiB a store is never split; below that flushes and refusals are frequent.
        let budget_bytes = opening.pick(8 << 20, &[4 << 20, 256 << 10, 64 << 10]);
        let delta_cache_bytes = opening.pick(0, &[64 << 10, 32 << 20]);
        let cache_bytes = opening.pick(0, &[32 << 10, 4 << 20]);
        // Each goes on with what the other left. Some logs are large enough to be made ready piece by piece.
        let io = opening.pick(LogIo::Mapped, &[LogIo::Mapped, LogIo::Written]);
        let log_bytes = store.pick(64 << 10, &[64 << 10, 1 << 20]);
        builder(place)
            .write_buffer(|w| w.budget_bytes(budget_bytes).delta_cache_bytes(delta_cache_bytes))
            .segment(|s| s.target_bytes(target_bytes).delta_fan_in(2))
            .chunk(|c| c.max_keys(chunk_keys).max_bytes(2 << 10))
            .cache(|c| c.chunk_bytes(cache_bytes))
            .log(|l| {
                l.durability(self.mode)
                    .io(io)
                    .sync_interval(Duration::from_millis(5))
                    .first_file_bytes(log_bytes / 4)
                    .max_file_bytes(log_bytes)
            })
    }
}
