//! Maintenance forced all the time, and entries between the watched ones that come and go, so that segments split
//! and become small again.

use std::sync::atomic::{AtomicBool, Ordering};

use hestiastore::{Result, WriteBatch};

use crate::world::{Dice, Index};

/// Sets the flag when its scope is left, also by a panic.
pub struct StopOnDrop<'a>(pub &'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// The watched keys are none of these.
pub struct Unrest<'a> {
    index: &'a Index,
    dice: Dice,
    is_watched: &'a dyn Fn(u64) -> bool,
    fillers: Vec<u64>,
}

/// So many entries between the watched ones, then they go again.
const MOST_FILLERS: usize = 400;

impl<'a> Unrest<'a> {
    pub fn new(index: &'a Index, dice: Dice, is_watched: &'a dyn Fn(u64) -> bool) -> Self {
        Self { index, dice, is_watched, fillers: Vec::new() }
    }

    pub fn go_on_until(&mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Acquire) {
            self.stir();
            if self.fillers.len() > MOST_FILLERS {
                self.clear();
            }
        }
    }

    fn stir(&mut self) {
        let index = self.index;
        match self.dice.below(15) {
            0 => index.compact(),
            1..=2 => index.compact_and_wait(),
            3 => index.flush(),
            4 => index.sync(),
            5..=7 => index.flush_and_wait(),
            8..=9 => {
                let bounds = [self.dice.roll(), self.dice.roll()];
                index.compact_range(bounds[0].min(bounds[1])..=bounds[0].max(bounds[1]))
            }
            10 => self.pause(),
            _ => self.fill(),
        }
        .unwrap();
    }

    /// Layers pile up; writers must come through all the same.
    fn pause(&mut self) -> Result<()> {
        let _pause = self.index.pause_maintenance();
        for _ in 0..self.dice.below(6) {
            self.fill()?;
            self.index.flush_and_wait()?;
        }
        self.index.wait_until_idle()
    }

    /// Into one place, so that one segment grows.
    fn fill(&mut self) -> Result<()> {
        let place = self.dice.roll();
        let mut batch = WriteBatch::new();
        for _ in 0..40 {
            let key = place.wrapping_add(self.dice.below(1 << 50));
            if !(self.is_watched)(key) {
                batch.put(key, vec![key as u8; self.dice.below(400) as usize])?;
                self.fillers.push(key);
            }
        }
        self.index.write(batch)
    }

    fn clear(&mut self) {
        for keys in std::mem::take(&mut self.fillers).chunks(50) {
            let mut batch = WriteBatch::new();
            for key in keys {
                batch.delete(*key).unwrap();
            }
            self.index.write(batch).unwrap();
        }
        self.index.compact_and_wait().unwrap();
    }
}
