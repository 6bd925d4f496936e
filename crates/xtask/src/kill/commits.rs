//! What is written: every commit follows from its number, so that parent and child agree about it
//! without a word, and data that nobody wrote is recognised.

use std::collections::BTreeMap;

use crate::chance::Chance;

/// Encoded entries in key order.
pub(super) type Entries = BTreeMap<Vec<u8>, Vec<u8>>;

/// Each lane is one writer's and has keys of its own, strewn among those of the others.
pub(super) const LANES: u8 = 4;

const KEYS_PER_LANE: u64 = 2_000;
const HOT_KEYS: u64 = 40;

/// Which commit of all.
#[derive(Debug, Clone, Copy)]
pub(super) struct CommitId {
    pub(super) seed: u64,
    pub(super) store: u64,
    /// Numbers begin anew with every life of the writing process.
    pub(super) round: u64,
    pub(super) lane: u8,
    /// From 1.
    pub(super) number: u64,
}

/// A put, or a delete.
pub(super) type Operation = (Vec<u8>, Option<Vec<u8>>);

/// Operations that take effect together.
#[derive(Debug)]
pub(super) struct Commit {
    pub(super) operations: Vec<Operation>,
    /// Written as a batch also if it holds one operation only.
    pub(super) as_batch: bool,
    /// Asks for a sync of its own.
    pub(super) strengthened: bool,
}

impl CommitId {
    pub(super) fn commit(&self) -> Commit {
        let chance = Chance::of(&[self.seed, self.store, self.round, u64::from(self.lane), self.number]);
        let as_batch = chance.one_in(6);
        let count = if as_batch { 1 + chance.below(24) } else { 1 };
        Commit {
            operations: (0..count).map(|_| self.operation(&chance)).collect(),
            as_batch,
            strengthened: as_batch && chance.one_in(30),
        }
    }

    fn operation(&self, chance: &Chance) -> Operation {
        let keys = chance.pick(KEYS_PER_LANE, &[HOT_KEYS]);
        let key = key(self.lane, chance.below(keys));
        let value = (!chance.one_in(5)).then(|| self.value(chance));
        (key, value)
    }

    /// Says whose it is, then noise; now and then one that is stored in a chunk of its own.
    fn value(&self, chance: &Chance) -> Vec<u8> {
        let length = match chance.below(4_000) {
            0 => 66_000 + chance.below(20_000),
            1..20 => chance.below(6_000),
            20..200 => 0,
            _ => chance.below(150),
        } as usize;
        let mut value = [self.round.to_be_bytes(), self.number.to_be_bytes()].concat();
        if length.is_multiple_of(2) {
            value.extend(chance.fill(length));
        } else {
            value.resize(value.len() + length, self.number as u8);
        }
        value
    }
}

/// Keys of different lengths; the last byte names the lane.
fn key(lane: u8, number: u64) -> Vec<u8> {
    let place = Chance::of(&[number, u64::from(lane)]).below(u64::MAX);
    let mut key = place.to_be_bytes().to_vec();
    key.resize(8 + number as usize % 24, b'k');
    key.push(lane);
    key
}

/// The lane that a key belongs to.
pub(super) fn lane_of(key: &[u8]) -> Option<u8> {
    key.last().copied().filter(|lane| *lane < LANES)
}

/// What a value says of the commit that wrote it.
pub(super) fn origin(value: &[u8]) -> String {
    let number = |at: usize| {
        let bytes = value.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or_else(|| "?".to_owned(), |bytes| u64::from_be_bytes(bytes).to_string())
    };
    format!("{} bytes of round {}, commit {}", value.len(), number(0), number(8))
}

impl Commit {
    pub(super) fn apply(self, entries: &mut Entries) {
        for (key, value) in self.operations {
            match value {
                Some(value) => entries.insert(key, value),
                None => entries.remove(&key),
            };
        }
    }
}
