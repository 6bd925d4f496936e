//! A script at work, and what it has been promised so far.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hestiastore::config::Durability;
use hestiastore::directory::{Directory, SimulatedDirectory};
use hestiastore::{Result, WriteBatch};

use crate::script::{Line, Script};
use crate::store::{Index, Opening, State, TARGET_BYTES, open, value};

/// Every state that the index went through, one for each write that was issued.
#[derive(Debug, Clone)]
pub struct History {
    pub states: Vec<State>,
    pub mode: Durability,
    pub promised: Arc<Promised>,
    /// The directory as it was when a line of the script failed.
    pub at_failure: Option<SimulatedDirectory>,
}

/// Which states a crash may leave, seen from any thread.
#[derive(Debug, Default)]
pub struct Promised {
    /// The first.
    durable: AtomicUsize,
    /// The last; of a write that may not have been acknowledged.
    issued: AtomicUsize,
}

impl Promised {
    pub fn durable(&self) -> usize {
        self.durable.load(Ordering::SeqCst)
    }

    pub fn issued(&self) -> usize {
        self.issued.load(Ordering::SeqCst)
    }
}

impl History {
    pub fn new(states: Vec<State>, mode: Durability) -> Self {
        let promised = Promised::default();
        promised.issued.store(states.len() - 1, Ordering::SeqCst);
        Self { states, mode, promised: Arc::new(promised), at_failure: None }
    }

    /// Everything that was issued is durable now.
    pub fn all_durable(&self) {
        self.promised.durable.store(self.states.len() - 1, Ordering::SeqCst);
    }

    /// Writes these keys as one batch, with the number of the write as value; or deletes them.
    pub fn write(&mut self, index: &Index, keys: impl IntoIterator<Item = u32>, put: bool) -> Result<()> {
        let number = self.states.len() as u32;
        let mut state = self.states[self.states.len() - 1].clone();
        let mut batch = WriteBatch::new();
        for key in keys {
            if put {
                batch.put(key, &value(number)[..])?;
                state.insert(key, number);
            } else {
                batch.delete(key)?;
                state.remove(&key);
            }
        }
        self.states.push(state);
        self.promised.issued.store(self.states.len() - 1, Ordering::SeqCst);
        index.write(batch)?;
        if self.mode >= Durability::GroupSync {
            self.all_durable();
        }
        Ok(())
    }

    /// Runs a script to its end and closes the index, or stops at the first error; then the index is
    /// closed in whatever state it is.
    pub fn run(
        &mut self,
        script: &Script,
        directory: &Arc<dyn Directory>,
        simulated: &SimulatedDirectory,
    ) -> Result<()> {
        let mut target_bytes = TARGET_BYTES;
        let opening = |target_bytes| Opening {
            mode: script.mode,
            automatic: script.settles(),
            target_bytes,
            seed: simulated.operation_count(),
        };
        let mut index = open(Arc::clone(directory), opening(target_bytes))?;
        for line in &script.lines {
            let outcome = self.step(&index, *line);
            if outcome.is_err() {
                self.at_failure = Some(simulated.kill());
                let _ = index.close();
                return outcome;
            }
            if *line == Line::Widen {
                target_bytes = 16 * TARGET_BYTES;
            }
            if matches!(line, Line::Reopen | Line::Widen) {
                index = open(Arc::clone(directory), opening(target_bytes))?;
            }
        }
        index.close()?;
        self.all_durable();
        Ok(())
    }

    fn step(&mut self, index: &Index, line: Line) -> Result<()> {
        match line {
            Line::Put(from, count) => {
                (from..from + count).try_for_each(|key| self.write(index, [key], true))?;
            }
            Line::Delete(from, count) => {
                (from..from + count).try_for_each(|key| self.write(index, [key], false))?;
            }
            Line::Batch(from, count) => self.write(index, from..from + count, true)?,
            Line::Wide(from, count) => self.write(index, (0..count).map(|n| from + 40 * n), true)?,
            Line::Flush => index.flush_and_wait()?,
            Line::Compact => index.compact_and_wait()?,
            Line::Sync => index.sync()?,
            Line::Settle => index.wait_until_idle()?,
            Line::CompactRange(from, count) => index.compact_range(from..from + count)?,
            Line::Reopen | Line::Widen => index.close()?,
        }
        if matches!(line, Line::Flush | Line::Compact | Line::Sync | Line::Reopen | Line::Widen) {
            self.all_durable();
        }
        Ok(())
    }
}
