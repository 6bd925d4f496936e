//! Maintenance forced all the time, and entries between the watched ones that come and go, so that segments split
//! and become small again.

use std::sync::atomic::{AtomicBool, Ordering};

use hestiastore::WriteBatch;

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
        match self.dice.below(12) {
            0 => index.compact(),
            1..=2 => index.compact_and_wait(),
            3 => index.flush(),
            4 => index.sync(),
            5..=7 => index.flush_and_wait(),
            _ => {
                self.fill();
                Ok(())
            }
        }
        .unwrap();
    }

    /// Into one place, so that one segment grows.
    fn fill(&mut self) {
        let place = self.dice.roll();
        let mut batch = WriteBatch::new();
        for _ in 0..40 {
            let key = place.wrapping_add(self.dice.below(1 << 50));
            if !(self.is_watched)(key) {
                batch.put(key, vec![key as u8; self.dice.below(400) as usize]).unwrap();
                self.fillers.push(key);
            }
        }
        self.index.write(batch).unwrap();
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
