//! Threads that write, read, scan and close at once, with settings so small that flushes, merges and splits
//! go on all the time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test helpers fail by panicking")]

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use hestiastore::config::Durability;
use hestiastore::directory::SimulatedDirectory;
use hestiastore::{Error, IndexBuilder, Result, SegmentIndex, WriteBatch};

type Index = SegmentIndex<u64, Vec<u8>>;

const THREADS: u64 = 4;

fn busy(directory: &SimulatedDirectory, budget_bytes: u64) -> IndexBuilder<u64, Vec<u8>> {
    Index::builder_in(Arc::new(directory.clone()))
        .write_buffer(|w| w.budget_bytes(budget_bytes).delta_cache_bytes(64 << 10))
        .segment(|s| s.target_bytes(8 << 10).delta_fan_in(2))
        .chunk(|c| c.max_keys(16).max_bytes(512))
        .cache(|c| c.chunk_bytes(32 << 10).loaded_bytes(64 << 10).segments(Some(3)))
        .maintenance(|m| m.threads(3))
        .log(|l| l.first_file_bytes(16 << 10).max_file_bytes(64 << 10))
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit
    }
}

/// Flushes and compacts until `stop`.
fn keep_busy(index: &Index, stop: &AtomicBool) -> Result<()> {
    let mut dice = Dice(77);
    while !stop.load(Ordering::Acquire) {
        match dice.below(8) {
            0 => index.compact()?,
            1 => index.compact_and_wait()?,
            2 => index.flush()?,
            3 => index.sync()?,
            _ => index.flush_and_wait()?,
        }
    }
    Ok(())
}

struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Keys spread over the whole space, so that neighbours belong to different threads.
fn spread(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn own_keys_against_a_model(index: &Index, owner: u64, operations: u64) -> Result<BTreeMap<u64, Vec<u8>>> {
    let mut dice = Dice(owner * 1_000 + 1);
    let mut model = BTreeMap::new();
    for step in 0..operations {
        let key = spread(dice.below(400) * THREADS + owner);
        match dice.below(20) {
            0..=9 => {
                let mut value = vec![owner as u8; dice.below(120) as usize];
                value.extend_from_slice(&step.to_be_bytes());
                index.put(key, &value)?;
                model.insert(key, value);
            }
            10..=11 => {
                index.delete(key)?;
                model.remove(&key);
            }
            12 => {
                let mut batch = WriteBatch::new();
                for _ in 0..dice.below(20) {
                    let key = spread(dice.below(400) * THREADS + owner);
                    if dice.below(3) == 0 {
                        batch.delete(key)?;
                        model.remove(&key);
                    } else {
                        batch.put(key, step.to_be_bytes().as_slice())?;
                        model.insert(key, step.to_be_bytes().to_vec());
                    }
                }
                index.write(batch)?;
            }
            13 => scan_against(index, &model, owner, key, dice.below(2) == 0)?,
            _ => assert_eq!(index.get(key)?, model.get(&key).cloned(), "key {key} at step {step}"),
        }
    }
    Ok(model)
}

fn scan_against(
    index: &Index,
    model: &BTreeMap<u64, Vec<u8>>,
    owner: u64,
    key: u64,
    backward: bool,
) -> Result<()> {
    // Multiplication by an odd number has an inverse: the owner of a key can be found again.
    const INVERSE: u64 = 0xf1de_83e1_9937_733d;
    let mine = |key: u64| key.wrapping_mul(INVERSE) % THREADS == owner;
    let end = key.saturating_add(u64::MAX / 16);
    let mut found = Vec::new();
    let range = index.range(key..end)?;
    let mut keep = |entry: Result<(u64, Vec<u8>)>| -> Result<()> {
        let (key, value) = entry?;
        if mine(key) {
            found.push((key, value));
        }
        Ok(())
    };
    if backward {
        range.rev().try_for_each(&mut keep)?;
        found.reverse();
    } else {
        range.into_iter().try_for_each(&mut keep)?;
    }
    let expected: Vec<(u64, Vec<u8>)> = model
        .range((Bound::Included(key), Bound::Excluded(end)))
        .map(|(key, value)| (*key, value.clone()))
        .collect();
    assert!(found == expected, "{} found, {} expected", found.len(), expected.len());
    Ok(())
}

fn nothing_is_lost_and_nothing_invented(budget_bytes: u64, durability: Durability) {
    let directory = SimulatedDirectory::new();
    let index = busy(&directory, budget_bytes).log(|l| l.durability(durability)).create().unwrap();
    let stop = AtomicBool::new(false);
    let mut model = BTreeMap::new();
    thread::scope(|scope| {
        let _stop = StopOnDrop(&stop);
        scope.spawn(|| keep_busy(&index, &stop).unwrap());
        let writers: Vec<_> = (0..THREADS)
            .map(|owner| {
                let index = &index;
                scope.spawn(move || own_keys_against_a_model(index, owner, 4_000).unwrap())
            })
            .collect();
        for writer in writers {
            model.extend(writer.join().unwrap());
        }
    });
    let expected: Vec<(u64, Vec<u8>)> = model.into_iter().collect();
    let all = |index: &Index| index.iter().unwrap().collect::<Result<Vec<_>>>().unwrap();
    assert!(all(&index) == expected);
    let report = index.check().unwrap();
    assert!(report.is_clean(), "{report}");
    index.close().unwrap();
    let index = busy(&directory, budget_bytes).open().unwrap();
    assert!(all(&index) == expected);
    assert!(index.iter().unwrap().rev().map(Result::unwrap).eq(expected.iter().rev().cloned()));
}

#[test]
fn nothing_is_lost_and_nothing_invented_with_many_segments() {
    nothing_is_lost_and_nothing_invented(16 << 20, Durability::Buffered);
}

#[test]
fn nothing_is_lost_and_nothing_invented_with_full_buffers() {
    nothing_is_lost_and_nothing_invented(64 << 10, Durability::Buffered);
}

#[test]
fn nothing_is_lost_and_nothing_invented_without_a_log() {
    nothing_is_lost_and_nothing_invented(256 << 10, Durability::Off);
}

#[test]
fn nothing_is_lost_and_nothing_invented_with_shared_syncs() {
    nothing_is_lost_and_nothing_invented(1 << 20, Durability::GroupSync);
}

fn number(value: &[u8]) -> u64 {
    u64::from_be_bytes(value[..8].try_into().unwrap())
}

#[test]
fn what_a_reader_has_seen_of_a_key_never_goes_back() {
    const KEYS: u64 = 64;
    let directory = SimulatedDirectory::new();
    let index = busy(&directory, 16 << 20).create().unwrap();
    for key in 0..KEYS {
        index.put(spread(key), 0u64.to_be_bytes().as_slice()).unwrap();
    }
    let stop = AtomicBool::new(false);
    let acknowledged: Vec<AtomicU64> = (0..KEYS).map(|_| AtomicU64::new(0)).collect();
    thread::scope(|scope| {
        let _stop = StopOnDrop(&stop);
        scope.spawn(|| keep_busy(&index, &stop).unwrap());
        let writers: Vec<_> = (0..2)
            .map(|owner| {
                let (index, acknowledged) = (&index, &acknowledged);
                scope.spawn(move || {
                    for round in 1..=200u64 {
                        for key in (owner..KEYS).step_by(2) {
                            index.put(spread(key), round.to_be_bytes().as_slice()).unwrap();
                            acknowledged[key as usize].store(round, Ordering::Release);
                        }
                    }
                })
            })
            .collect();
        for reader in 0..2 {
            let (index, stop, acknowledged) = (&index, &stop, &acknowledged);
            scope.spawn(move || {
                let mut seen = BTreeMap::new();
                let mut check = |key: u64, least: u64, value: &[u8]| {
                    let last = seen.insert(key, number(value)).unwrap_or(0).max(least);
                    assert!(number(value) >= last, "key {key} went from {last} to {}", number(value));
                };
                let mut dice = Dice(reader);
                while !stop.load(Ordering::Acquire) {
                    let n = dice.below(KEYS);
                    let least = acknowledged[n as usize].load(Ordering::Acquire);
                    check(spread(n), least, &index.get(spread(n)).unwrap().unwrap());
                    let least = acknowledged[n as usize].load(Ordering::Acquire);
                    check(spread(n), least, &index.get_ref(spread(n)).unwrap().unwrap());
                    if dice.below(10) == 0 {
                        let mut count = 0;
                        for entry in index.iter().unwrap() {
                            let (key, value) = entry.unwrap();
                            check(key, 0, &value);
                            count += 1;
                        }
                        assert_eq!(count, KEYS);
                    }
                }
            });
        }
        writers.into_iter().for_each(|writer| writer.join().unwrap());
    });
}

#[test]
fn an_iterator_shows_its_moment_through_many_splits() {
    let directory = SimulatedDirectory::new();
    let index = busy(&directory, 16 << 20).create().unwrap();
    for n in 0..2_000 {
        index.put(spread(n), n.to_be_bytes().as_slice()).unwrap();
    }
    let mut expected: Vec<(u64, u64)> = (0..2_000).map(|n| (spread(n), n)).collect();
    expected.sort_unstable();
    let mut forward = index.iter().unwrap();
    let mut backward = index.iter().unwrap().rev();
    let snapshot = index.snapshot().unwrap();
    let mut cursor = snapshot.cursor().unwrap();
    for (round, (front, back)) in expected.iter().zip(expected.iter().rev()).enumerate() {
        let n = round as u64;
        index.put(spread(n), vec![0; 300]).unwrap();
        index.put(spread(10_000 + n), vec![1; 300]).unwrap();
        index.delete(spread(1_999 - n)).unwrap();
        if n.is_multiple_of(50) {
            index.flush_and_wait().unwrap();
        }
        if n % 500 == 499 {
            index.compact_and_wait().unwrap();
        }
        let entry = forward.next().unwrap().unwrap();
        assert_eq!((entry.0, number(&entry.1)), *front);
        let entry = backward.next().unwrap().unwrap();
        assert_eq!((entry.0, number(&entry.1)), *back);
        assert!(cursor.seek(front.0).unwrap());
        assert_eq!((cursor.key().unwrap(), number(&cursor.value_bytes().unwrap())), *front);
        assert_eq!(snapshot.get(back.0).unwrap().map(|value| number(&value)), Some(back.1));
    }
    assert!(forward.next().is_none() && backward.next().is_none());
    assert_eq!(snapshot.len().unwrap(), 2_000);
    let metrics = index.metrics_snapshot();
    assert!(metrics.segments.splits > 0, "{metrics}");
}

/// Waits, without sleeping, until every one of `counters` has moved.
fn all_have_begun(counters: &[AtomicU64]) {
    while counters.iter().any(|counter| counter.load(Ordering::Acquire) == 0) {
        thread::yield_now();
    }
}

/// Without a log a close may yet leave the index open while it saves what is in memory: writes are refused
/// for now.
fn put_unless_closed(index: &Index, key: u64, value: &[u8]) -> Result<()> {
    loop {
        match index.put(key, value) {
            Err(Error::WritesRefused { .. }) => thread::yield_now(),
            outcome => return outcome,
        }
    }
}

fn close_while_others_work(budget_bytes: u64, durability: Durability, begun: bool) {
    let directory = SimulatedDirectory::new();
    let index = busy(&directory, budget_bytes).log(|l| l.durability(durability)).create().unwrap();
    let written: Vec<AtomicU64> = (0..3).map(|_| AtomicU64::new(0)).collect();
    let ends_closed = |outcome: Result<()>| match outcome {
        Err(Error::Closed) => {}
        other => panic!("{other:?}"),
    };
    thread::scope(|scope| {
        for (owner, counter) in written.iter().enumerate() {
            let index = &index;
            let work = move || -> Result<()> {
                for n in 0u64.. {
                    put_unless_closed(index, spread(n * 3 + owner as u64), &[owner as u8; 100])?;
                    counter.store(n + 1, Ordering::Release);
                }
                Ok(())
            };
            scope.spawn(move || ends_closed(work()));
        }
        scope.spawn(|| {
            ends_closed((|| {
                loop {
                    index.get(spread(1))?;
                    index.iter()?.take(100).try_for_each(|entry| entry.map(drop))?;
                }
            })())
        });
        scope.spawn(|| {
            ends_closed((|| {
                loop {
                    index.flush_and_wait()?;
                    index.compact_and_wait()?;
                }
            })())
        });
        scope.spawn(|| {
            ends_closed((|| {
                loop {
                    index.wait_until_idle()?;
                    index.sync()?;
                    let report = index.check()?;
                    assert!(report.is_clean(), "{report}");
                }
            })())
        });
        if begun {
            all_have_begun(&written);
        }
        index.close().unwrap();
        index.close().unwrap();
    });
    assert!(matches!(index.get(1), Err(Error::Closed)));
    let index = busy(&directory, budget_bytes).open().unwrap();
    for (owner, counter) in written.iter().enumerate() {
        for n in 0..counter.load(Ordering::Acquire) {
            let key = spread(n * 3 + owner as u64);
            assert_eq!(index.get(key).unwrap(), Some(vec![owner as u8; 100]), "{n} of {owner}");
        }
    }
    assert!(index.check().unwrap().is_clean());
}

#[test]
fn c7_close_while_others_work_answers_closed_to_all() {
    close_while_others_work(1 << 20, Durability::Buffered, true);
}

#[test]
fn c7_close_while_writers_wait_for_room() {
    close_while_others_work(64 << 10, Durability::Buffered, true);
}

#[test]
fn c7_close_beside_the_first_write() {
    for _ in 0..20 {
        close_while_others_work(1 << 20, Durability::Buffered, false);
    }
}

#[test]
fn c7_close_while_others_work_without_a_log() {
    close_while_others_work(1 << 20, Durability::Off, true);
}

#[test]
fn c7_close_while_others_wait_for_syncs() {
    close_while_others_work(1 << 20, Durability::GroupSync, true);
}

#[test]
fn c7_a_dropped_handle_closes_and_what_is_left_of_it_answers_closed() {
    let directory = SimulatedDirectory::new();
    let index = busy(&directory, 1 << 20).create().unwrap();
    for n in 0..5_000 {
        index.put(spread(n), vec![3; 100]).unwrap();
    }
    let mut forward = index.iter().unwrap();
    let mut backward = index.iter().unwrap().rev();
    let mut cursor = index.cursor().unwrap();
    let untouched = index.iter().unwrap();
    let snapshot = index.snapshot().unwrap();
    let pinned = index.get_ref(spread(0)).unwrap().unwrap();
    forward.next().unwrap().unwrap();
    backward.next().unwrap().unwrap();
    assert!(cursor.seek_to_first().unwrap());
    drop(index);

    // The directory is free at once.
    let again = busy(&directory, 1 << 20).open().unwrap();
    assert_eq!(again.len().unwrap(), 5_000);
    assert!(matches!(forward.next(), Some(Err(Error::Closed))));
    assert!(forward.next().is_none());
    assert!(matches!(backward.next(), Some(Err(Error::Closed))));
    assert!(matches!(untouched.last(), Some(Err(Error::Closed))));
    assert!(matches!(cursor.next(), Err(Error::Closed)));
    assert!(matches!(cursor.seek(0), Err(Error::Closed)));
    assert!(matches!(snapshot.get(spread(0)), Err(Error::Closed)));
    assert!(matches!(snapshot.iter(), Err(Error::Closed)));
    assert!(matches!(snapshot.clone().len(), Err(Error::Closed)));
    assert_eq!(*pinned, vec![3; 100]);
    again.put(1, vec![1]).unwrap();
}

#[test]
fn dropping_while_maintenance_is_in_full_swing() {
    let directory = SimulatedDirectory::new();
    for round in 0..10u64 {
        let index = busy(&directory, 16 << 20).open_or_create().unwrap();
        for n in 0..500 {
            index.put(spread(round * 500 + n), vec![round as u8; 150]).unwrap();
        }
        index.flush().unwrap();
        index.compact().unwrap();
    }
    let index = busy(&directory, 16 << 20).open().unwrap();
    assert_eq!(index.len().unwrap(), 5_000);
    assert!(index.check().unwrap().is_clean());
}
