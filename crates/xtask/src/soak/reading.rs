//! The reading threads.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use hestiastore::Iter;

use super::latency::Kind;
use super::pace::Pace;
use super::store::{Index, Store};
use super::watch::Watch;
use crate::chance::Chance;
use crate::outcome::{Outcome, failure};

/// One reading thread.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    pub(super) store: &'a Store,
    pub(super) watch: Watch<'a>,
    pub(super) chance: Chance,
}

impl<'a> Reader<'a> {
    fn index(&self) -> &'a Index {
        &self.store.index
    }

    /// Four of five keys were written.
    fn any_key(&self) -> u64 {
        let keys = self.store.key_count();
        self.chance.below(keys) + if self.chance.one_in(5) { keys } else { 0 }
    }

    pub(super) fn get_until(&mut self, mut pace: Pace, stop: &AtomicBool) -> Outcome {
        while let Some(due) = pace.next(stop) {
            let number = self.any_key();
            let least = self.store.acknowledged(number);
            self.watch.begin();
            let found = self.index().get(Store::key(number))?;
            self.watch.end(Kind::Get, due);
            self.store.judge(number, found.as_deref(), (least, self.store.begun(number)))?;
        }
        Ok(())
    }

    /// A hundred entries from anywhere, forwards and backwards.
    pub(super) fn range_until(&mut self, mut pace: Pace, stop: &AtomicBool) -> Outcome {
        let mut backwards = false;
        while let Some(due) = pace.next(stop) {
            backwards = !backwards;
            let from = Store::key(self.any_key());
            self.watch.begin();
            let (mut range, mut entries) = (self.index().range(from..)?, Vec::with_capacity(100));
            if backwards {
                range = self.index().range(..from)?;
            }
            take(&mut range, backwards, 100, &mut entries)?;
            self.watch.end(Kind::Range, due);
            let in_range = |key: u64| if backwards { key < from } else { key >= from };
            if !entries.iter().all(|(key, _)| in_range(*key)) {
                return failure("a range gave a key beyond its bounds");
            }
            self.judge_entries(&entries, backwards)?;
        }
        Ok(())
    }

    fn judge_entries(&self, entries: &[(u64, Vec<u8>)], backwards: bool) -> Outcome {
        let ascending = |pair: &[(u64, Vec<u8>)]| match pair {
            [first, second] => (first.0 < second.0) != backwards && first.0 != second.0,
            _ => true,
        };
        if !entries.windows(2).all(ascending) {
            return failure("entries are not in order");
        }
        entries.iter().try_for_each(|(key, value)| self.store.judge_entry(*key, value).map(drop))
    }

    /// Everything, forwards and backwards in turn.
    pub(super) fn scan_until(&mut self, mut pace: Pace, stop: &AtomicBool) -> Outcome {
        let mut backwards = false;
        while pace.next(stop).is_some() {
            backwards = !backwards;
            let mut all = self.index().iter()?;
            let mut entries = Vec::with_capacity(100);
            let mut paced_by_itself = Pace::unlimited();
            while let Some(begun) = paced_by_itself.next(stop) {
                // The last one stays, so that the order is seen from step to step.
                entries.drain(..entries.len().saturating_sub(1));
                let before = entries.len();
                self.watch.begin();
                take(&mut all, backwards, 100, &mut entries)?;
                self.watch.end(Kind::ScanStep, begun);
                self.judge_entries(&entries, backwards)?;
                if entries.len() == before {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Takes a snapshot, looks at it for a while, and finds it unchanged.
    pub(super) fn snapshots_until(&mut self, stop: &AtomicBool) -> Outcome {
        const KEYS: u64 = 1_000;
        const LOOKS_PER_SECOND: f64 = 500.0;
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            let numbers: Vec<u64> = (0..KEYS).map(|_| self.any_key()).collect();
            let least: Vec<u64> = numbers.iter().map(|number| self.store.acknowledged(*number)).collect();
            let begun = Instant::now();
            self.watch.begin();
            let snapshot = self.index().snapshot()?;
            self.watch.end(Kind::Snapshot, begun);
            let most: Vec<u64> = numbers.iter().map(|number| self.store.begun(*number)).collect();
            let first = snapshot.get_many(numbers.iter().map(|number| Store::key(*number)))?;
            for (at, number) in numbers.iter().enumerate() {
                let span = (least.get(at).copied().unwrap_or(0), most.get(at).copied().unwrap_or(0));
                self.store.judge(*number, first.get(at).and_then(|value| value.as_deref()), span)?;
            }
            // From two to twelve seconds.
            let looks = 1_000 + self.chance.below(5_000);
            let mut pace = Pace::per_second(LOOKS_PER_SECOND);
            for _ in 0..looks {
                let Some(due) = pace.next(stop) else { break };
                let at = self.chance.below(KEYS) as usize;
                let Some((number, expected)) = numbers.get(at).zip(first.get(at)) else { continue };
                self.watch.begin();
                let found = snapshot.get(Store::key(*number))?;
                self.watch.end(Kind::HeldGet, due);
                if found != *expected {
                    return failure(format!("a snapshot changed: key number {number}"));
                }
            }
        }
        Ok(())
    }
}

/// So many entries more, from one end.
fn take(
    from: &mut Iter<u64, Vec<u8>>,
    backwards: bool,
    count: usize,
    into: &mut Vec<(u64, Vec<u8>)>,
) -> Outcome {
    for _ in 0..count {
        let entry = if backwards { from.next_back() } else { from.next() };
        let Some(entry) = entry else { break };
        into.push(entry?);
    }
    Ok(())
}
