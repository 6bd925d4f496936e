//! Settings that an index is opened with: tiny, so that every path is met.

use std::time::Duration;

use hestiastore::SegmentIndex;
use hestiastore::config::{Durability, FilterNames};
use hestiastore::directory::SimulatedDirectory;
use hestiastore::environment::Environment;

pub type Index = SegmentIndex<Vec<u8>, Vec<u8>>;
pub type Builder = hestiastore::IndexBuilder<Vec<u8>, Vec<u8>>;

/// Filters of new runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bloom {
    Off,
    Rate(f64),
    Bytes(u64),
}

/// See the module. Sizes are in bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    pub budget: u64,
    pub delta_cache: u64,
    pub target: u64,
    pub fan_in: u32,
    pub main_percent: u32,
    pub chunk_keys: u32,
    pub chunk_bytes: u64,
    pub compress: bool,
    pub bloom: Bloom,
    pub block: u64,
    pub io_buffer: u64,
    pub cache: u64,
    pub cached_segments: Option<u32>,
    pub loaded: u64,
    pub threads: u32,
    pub automatic: bool,
    pub durability: Durability,
    pub log_file: u64,
    pub log_growth: u64,
    pub tight_log: bool,
    pub group_delay_micros: u64,
    /// Of a scrub in the background.
    pub scrub: u64,
    pub idle_after_millis: u64,
}

impl Settings {
    /// The middle of everything.
    pub const PLAIN: Settings = Settings {
        budget: 64 << 10,
        delta_cache: 0,
        target: 8 << 10,
        fan_in: 2,
        main_percent: 50,
        chunk_keys: 4,
        chunk_bytes: 512,
        compress: true,
        bloom: Bloom::Rate(0.01),
        block: 4 << 10,
        io_buffer: 4 << 10,
        cache: 64 << 10,
        cached_segments: None,
        loaded: 1 << 20,
        threads: 1,
        automatic: false,
        durability: Durability::Buffered,
        log_file: 16 << 10,
        log_growth: 1,
        tight_log: true,
        group_delay_micros: 0,
        scrub: 0,
        idle_after_millis: 3_600_000,
    };

    pub fn has_log(&self) -> bool {
        self.durability != Durability::Off
    }

    /// Whether a write is safe from a power cut when it returns.
    pub fn syncs_each_write(&self) -> bool {
        self.durability >= Durability::GroupSync
    }

    /// Begins to open an index in `directory` with these.
    pub fn builder(&self, directory: &SimulatedDirectory, seed: u64) -> Builder {
        let filters: &[&str] =
            if self.compress { &["magic-number", "crc32", "lz4"] } else { &["magic-number", "crc32"] };
        let limit = (self.budget * 3).max(self.log_file * 2);
        Index::builder_in(std::sync::Arc::new(directory.clone()))
            .environment(Environment::repeatable(seed))
            .write_buffer(|w| w.budget_bytes(self.budget).delta_cache_bytes(self.delta_cache))
            .segment(|s| {
                s.target_bytes(self.target).delta_fan_in(self.fan_in).main_merge_percent(self.main_percent)
            })
            .chunk(|c| {
                c.max_keys(self.chunk_keys)
                    .max_bytes(self.chunk_bytes.min(self.target / 4))
                    .filters(FilterNames::from_iter(filters.iter().copied()))
            })
            .bloom(|b| match self.bloom {
                Bloom::Off => b.enabled(false),
                Bloom::Rate(rate) => b.enabled(true).false_positive_rate(rate).size_bytes(None).hashes(None),
                Bloom::Bytes(bytes) => b.enabled(true).size_bytes(Some(bytes)).hashes(Some(3)),
            })
            .io(|i| i.block_bytes(self.block).buffer_bytes(self.io_buffer))
            .cache(|c| c.chunk_bytes(self.cache).segments(self.cached_segments).loaded_bytes(self.loaded))
            .maintenance(|m| {
                m.threads(self.threads)
                    .automatic(self.automatic)
                    .scrub_bytes_per_second(self.scrub)
                    .idle_after(Duration::from_millis(self.idle_after_millis))
            })
            .log(|l| {
                l.durability(self.durability)
                    .sync_interval(Duration::from_millis(1))
                    .group_delay(Duration::from_micros(self.group_delay_micros))
                    .first_file_bytes(self.log_file)
                    .max_file_bytes(self.log_file * self.log_growth)
                    .limit_bytes(self.tight_log.then_some(limit))
            })
    }
}
