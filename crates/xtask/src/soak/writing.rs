//! The writing threads. Each key has one writer, so that its versions have an order.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use hestiastore::WriteBatch;

use super::latency::Kind;
use super::pace::Pace;
use super::store::Store;
use super::watch::Watch;
use crate::chance::Chance;
use crate::outcome::Outcome;

pub(super) const WRITERS: u64 = 2;

/// Operations of a batch, and how many operations stand alone for one in a batch.
pub(super) const BATCH: u64 = 10;
const ALONE: u64 = 9;

/// One writing thread.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    pub(super) store: &'a Store,
    pub(super) watch: Watch<'a>,
    /// Operations of all writers.
    pub(super) written: &'a AtomicU64,
    pub(super) number: u64,
    pub(super) chance: Chance,
}

impl Writer<'_> {
    /// Writes each of its keys once, in random order as keys are.
    pub(super) fn fill(&mut self) -> Outcome {
        (self.number..self.store.key_count()).step_by(WRITERS as usize).try_for_each(|number| {
            let begun = Instant::now();
            self.write_one(number, begun)
        })
    }

    pub(super) fn go_on_until(&mut self, mut pace: Pace, stop: &AtomicBool) -> Outcome {
        // A batch comes in its operations' stead, so that the rate is one of operations.
        let mut batched = 0;
        while let Some(due) = pace.next(stop) {
            if batched == 0 && self.chance.one_in(1 + ALONE * BATCH) {
                batched = BATCH;
            }
            match batched {
                0 => self.write_one(self.any_key(), due)?,
                1 => self.write_batch(due)?,
                _ => {}
            }
            batched = batched.saturating_sub(1);
        }
        Ok(())
    }

    fn any_key(&self) -> u64 {
        self.chance.below(self.store.key_count() / WRITERS) * WRITERS + self.number
    }

    fn write_one(&mut self, number: u64, due: Instant) -> Outcome {
        let version = self.store.begin_version(number);
        let key = Store::key(number);
        let value = self.store.value(number, version);
        self.watch.begin();
        let kind = match value {
            Some(value) => {
                self.store.index.put(key, value)?;
                Kind::Put
            }
            None => {
                self.store.index.delete(key)?;
                Kind::Delete
            }
        };
        self.watch.end(kind, due);
        self.store.acknowledge(number, version);
        self.written.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn write_batch(&mut self, due: Instant) -> Outcome {
        let mut batch = WriteBatch::new();
        let mut written = Vec::with_capacity(BATCH as usize);
        for _ in 0..BATCH {
            let number = self.any_key();
            let version = self.store.begin_version(number);
            match self.store.value(number, version) {
                Some(value) => batch.put(Store::key(number), value)?,
                None => batch.delete(Store::key(number))?,
            };
            written.push((number, version));
        }
        self.watch.begin();
        self.store.index.write(batch)?;
        self.watch.end(Kind::Batch, due);
        written.into_iter().for_each(|(number, version)| self.store.acknowledge(number, version));
        self.written.fetch_add(BATCH, Ordering::Relaxed);
        Ok(())
    }
}
