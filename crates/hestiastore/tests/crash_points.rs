//! Short scripts, stopped at every operation of the directory and cut off from power there: what is
//! found is a legal prefix, and a second crash during the recovery changes nothing about that.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::sync::Arc;

use hestiastore::config::Durability;
use hestiastore::directory::{CrashPolicy, SimulatedDirectory};
use hestiastore::environment::Environment;
use hestiastore::{Result, SegmentIndex, WriteBatch};

type Index = SegmentIndex<u32, Vec<u8>>;
type State = BTreeMap<u32, Vec<u8>>;

/// One line of a script.
#[derive(Debug, Clone, Copy)]
enum Line {
    /// So many puts, from this key on.
    Put(u32, u32),
    Delete(u32, u32),
    /// The same in one batch.
    Batch(u32, u32),
    Flush,
    Compact,
    Sync,
    Reopen,
    /// With merges and splits in the background, until nothing is left to do.
    Settle,
}

use Line::{Batch, Compact, Delete, Flush, Put, Reopen, Settle, Sync};

/// What a script has done so far.
#[derive(Default)]
struct Done {
    /// The state after each acknowledged write; the last one may be of a write that ended in an error.
    states: Vec<State>,
    /// Of these states, the least that must survive.
    durable: usize,
    writes: u32,
}

fn open(directory: &SimulatedDirectory, mode: Durability, automatic: bool) -> Result<Index> {
    Index::builder_in(Arc::new(directory.clone()))
        .environment(Environment::repeatable(directory.operation_count()))
        .write_buffer(|w| w.budget_bytes(4 << 20).delta_cache_bytes(0))
        .segment(|s| s.target_bytes(4 << 10).delta_fan_in(2))
        .chunk(|c| c.max_keys(4).max_bytes(512))
        .maintenance(|m| m.threads(1).automatic(automatic))
        .log(|l| l.durability(mode).first_file_bytes(16 << 10).max_file_bytes(16 << 10))
        .open_or_create()
}

impl Done {
    fn run(&mut self, script: &[Line], directory: &SimulatedDirectory, mode: Durability) -> Result<()> {
        self.states.push(State::new());
        let automatic = script.iter().any(|line| matches!(line, Settle));
        let mut index = open(directory, mode, automatic)?;
        for line in script {
            match *line {
                Put(from, count) => {
                    (from..from + count).try_for_each(|key| self.write(&index, &[key], true))?
                }
                Delete(from, count) => {
                    (from..from + count).try_for_each(|key| self.write(&index, &[key], false))?;
                }
                Batch(from, count) => self.write(&index, &(from..from + count).collect::<Vec<_>>(), true)?,
                Flush => index.flush_and_wait()?,
                Compact => index.compact_and_wait()?,
                Sync => index.sync()?,
                Settle => index.wait_until_idle()?,
                Reopen => {
                    index.close()?;
                    self.durable = self.states.len() - 1;
                    index = open(directory, mode, automatic)?;
                }
            }
            if matches!(line, Flush | Compact | Sync) {
                self.durable = self.states.len() - 1;
            }
        }
        index.close()?;
        self.durable = self.states.len() - 1;
        Ok(())
    }

    fn write(&mut self, index: &Index, keys: &[u32], put: bool) -> Result<()> {
        self.writes += 1;
        let value = self.writes.to_be_bytes().repeat(20);
        let mut state = self.states.last().cloned().unwrap_or_default();
        let mut batch = WriteBatch::new();
        for key in keys {
            if put {
                batch.put(key, &value[..])?;
                state.insert(*key, value.clone());
            } else {
                batch.delete(key)?;
                state.remove(key);
            }
        }
        self.states.push(state);
        index.write(batch)?;
        if index.config().log.durability >= Durability::GroupSync {
            self.durable = self.states.len() - 1;
        }
        Ok(())
    }

    fn assert_legal(&self, found: &State, place: &str) {
        let legal = self.states[self.durable..].contains(found);
        assert!(
            legal,
            "{place}: {} entries are no prefix of at least {} of {} writes",
            found.len(),
            self.durable,
            self.writes
        );
    }
}

fn everything(index: &Index) -> State {
    index.iter().unwrap().map(|entry| entry.unwrap()).collect()
}

fn assert_clean(index: &Index, place: &str) {
    let report = index.check().unwrap();
    assert!(report.is_clean(), "{place}: {report}");
}

/// Opens what a crash left, compares, writes five more, closes, opens again, compares.
fn go_on(image: &SimulatedDirectory, done: &Done, mode: Durability, place: &str) {
    let index = open(image, mode, false).unwrap_or_else(|error| panic!("{place}: {error}"));
    let mut state = everything(&index);
    done.assert_legal(&state, place);
    assert_clean(&index, place);
    for key in 1_000_000..1_000_005 {
        index.put(key, &[7u8; 30][..]).unwrap();
        state.insert(key, vec![7; 30]);
    }
    let quarantined = index.metrics_snapshot().io.quarantined_files;
    // Without a log, nothing else holds the entries of a run that nobody names.
    assert!(quarantined == 0 || mode == Durability::Off, "{place}: {quarantined} files in quarantine");
    index.close().unwrap();
    let index = open(image, mode, false).unwrap();
    assert!(everything(&index) == state, "{place}: after five more writes and a close");
    assert_clean(&index, place);
}

/// Lets the recovery fail at operations chosen by `count`, and cuts the power again.
fn fail_in_recovery(image: &SimulatedDirectory, done: &Done, mode: Durability, count: u64, place: &str) {
    for again in [count % 5, 5 + count % 11, 16 + count % 23] {
        let image = image.kill();
        image.fail_after(Some(again));
        if let Ok(index) = open(&image, mode, false) {
            // It fails, at the latest when it is closed, or it does not: both are fine.
            let _ = index.delete(2_000_000).and_then(|()| index.flush_and_wait());
        }
        let policy = CrashPolicy::ALL[(count + again) as usize % CrashPolicy::ALL.len()];
        let twice = image.crash(policy, count);
        go_on(&twice, done, mode, &format!("{place}, then at {again} of the recovery, {policy:?}"));
    }
}

/// The script, stopped at each operation in turn until it comes through.
fn sweep(script: &[Line], mode: Durability) {
    for count in 0.. {
        let directory = SimulatedDirectory::new();
        directory.fail_after(Some(count));
        let mut done = Done::default();
        let outcome = done.run(script, &directory, mode);
        for (number, policy) in CrashPolicy::ALL.into_iter().enumerate() {
            let place = format!("{script:?} at operation {count}, {policy:?}");
            let image = directory.crash(policy, count);
            go_on(&image.kill(), &done, mode, &place);
            if count % CrashPolicy::ALL.len() as u64 == number as u64 {
                fail_in_recovery(&image, &done, mode, count, &place);
            }
        }
        if outcome.is_ok() {
            return;
        }
        assert!(count < 5_000, "the script does not end");
    }
}

#[test]
fn a_first_put() {
    sweep(&[Put(1, 1)], Durability::Sync);
}

#[test]
fn puts_and_deletes_in_the_log() {
    sweep(&[Put(0, 6), Sync, Delete(2, 2), Put(3, 2)], Durability::Buffered);
}

#[test]
fn synced_puts() {
    sweep(&[Put(0, 5), Delete(0, 2)], Durability::GroupSync);
}

#[test]
fn batches() {
    sweep(&[Batch(0, 20), Batch(10, 30), Flush, Batch(5, 10)], Durability::Buffered);
}

#[test]
fn a_flush() {
    sweep(&[Put(0, 10), Flush, Put(5, 10)], Durability::Buffered);
}

#[test]
fn flushes_and_a_compaction() {
    sweep(&[Put(0, 10), Flush, Delete(3, 4), Flush, Put(2, 3), Compact, Put(0, 2)], Durability::Buffered);
}

#[test]
fn close_and_reopen() {
    sweep(&[Put(0, 5), Reopen, Put(5, 5), Reopen, Flush, Reopen, Delete(0, 8)], Durability::Buffered);
}

#[test]
fn logs_turn_and_go() {
    sweep(
        &[Batch(0, 150), Batch(150, 150), Flush, Batch(0, 170), Flush, Batch(9, 150)],
        Durability::Buffered,
    );
}

#[test]
fn a_split() {
    sweep(&[Batch(0, 200), Flush, Settle, Batch(100, 100), Flush, Settle], Durability::Buffered);
}

#[test]
fn without_a_log_everything_comes_with_the_flush() {
    sweep(&[Put(0, 8), Flush, Put(4, 8), Reopen, Put(0, 2)], Durability::Off);
}

#[test]
fn a_compaction_that_leaves_nothing() {
    sweep(&[Put(0, 5), Flush, Delete(0, 5), Compact, Put(1, 1), Compact], Durability::Buffered);
}
