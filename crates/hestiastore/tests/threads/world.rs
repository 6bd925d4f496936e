//! Chance, settings, and what keys and values look like.

use std::sync::Arc;
use std::time::Instant;

use hestiastore::config::Durability;
use hestiastore::directory::SimulatedDirectory;
use hestiastore::environment::{Clock, Environment};
use hestiastore::{IndexBuilder, SegmentIndex};

pub type Index = SegmentIndex<u64, Vec<u8>>;

/// SplitMix64.
pub struct Dice(u64);

impl Dice {
    pub fn of(parts: &[u64]) -> Self {
        let mix = |seed: u64, part: &u64| Dice(seed ^ part).roll();
        Self(parts.iter().fold(0, mix))
    }

    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit
    }

    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

/// Settings so small that flushes, merges, splits, evictions and waits for room go on all the time.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub durability: Durability,
    budget_bytes: u64,
    delta_cache_bytes: u64,
    chunk_cache_bytes: u64,
    segments: Option<u32>,
    target_bytes: u64,
    threads: u32,
    /// How much faster than the system's the index's clock goes: what is to wait for seconds comes in time. Sleeps
    /// become longer by as much.
    haste: u64,
}

impl Settings {
    pub fn of(dice: &mut Dice, durability: Durability) -> Self {
        Self {
            durability,
            budget_bytes: dice.pick(&[64 << 10, 256 << 10, 2 << 20, 8 << 20, 16 << 20]),
            delta_cache_bytes: dice.pick(&[0, 16 << 10, 256 << 10]),
            chunk_cache_bytes: dice.pick(&[0, 4 << 10, 64 << 10]),
            segments: dice.pick(&[None, Some(3)]),
            target_bytes: dice.pick(&[4 << 10, 8 << 10, 32 << 10, 256 << 10]),
            threads: dice.pick(&[1, 2, 3]),
            haste: dice.pick(&[1, 20, 100]),
        }
    }

    /// A new store without entries, of as many segments as there may be: they are so small that neighbours are merged
    /// from the first write on.
    pub fn create(&self, directory: &SimulatedDirectory) -> Index {
        const FILLERS: u64 = 300;
        let index = self.builder(directory).segment(|s| s.target_bytes(4 << 10)).create().unwrap();
        let keys = || (0..FILLERS).map(|number| watched_key(number, FILLERS) + 1);
        keys().for_each(|key| index.put(key, vec![0; 300]).unwrap());
        index.compact_and_wait().unwrap();
        index.wait_until_idle().unwrap();
        keys().for_each(|key| index.delete(key).unwrap());
        index.close().unwrap();
        self.builder(directory).open().unwrap()
    }

    pub fn builder(&self, directory: &SimulatedDirectory) -> IndexBuilder<u64, Vec<u8>> {
        let clock = Arc::new(HastyClock { begun: Instant::now(), haste: self.haste });
        Index::builder_in(Arc::new(directory.clone()))
            .environment(Environment { clock, ..Environment::default() })
            .write_buffer(|w| w.budget_bytes(self.budget_bytes).delta_cache_bytes(self.delta_cache_bytes))
            .segment(|s| s.target_bytes(self.target_bytes).delta_fan_in(2))
            .chunk(|c| c.max_keys(8).max_bytes(512))
            .cache(|c| c.chunk_bytes(self.chunk_cache_bytes).loaded_bytes(64 << 10).segments(self.segments))
            .maintenance(|m| m.threads(self.threads))
            .log(|l| l.durability(self.durability).first_file_bytes(16 << 10).max_file_bytes(64 << 10))
    }
}

#[derive(Debug)]
struct HastyClock {
    begun: Instant,
    haste: u64,
}

impl Clock for HastyClock {
    fn wall_micros(&self) -> u64 {
        1 + self.monotonic_micros()
    }

    fn monotonic_micros(&self) -> u64 {
        self.begun.elapsed().as_micros() as u64 * self.haste
    }
}

/// Of the keys that are watched: far apart, so that they belong to different segments.
pub fn watched_key(number: u64, of: u64) -> u64 {
    (number + 1) * (u64::MAX / (of + 1))
}

/// Bytes that follow from the number that they stand for: some short, some long, a few in chunks of their own.
pub fn padded(mut value: Vec<u8>, number: u64) -> Vec<u8> {
    let length = match Dice::of(&[number]).below(500) {
        0 => 70_000,
        1..=5 => 3_000,
        short => short as usize / 2,
    };
    value.resize(value.len() + length, number as u8);
    value
}

pub fn be_u64(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(bytes.try_into().unwrap())
}
