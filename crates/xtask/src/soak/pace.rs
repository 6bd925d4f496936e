//! Work at a steady rate that does not wait for the work (an open loop).
//!
//! Each piece of work has a time at which it is due. Who comes late because the piece before took long counts from
//! that time, so that a stall shows in everything that it held up. Who slept until the time counts from waking:
//! the rest is the kernel's timer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// When the next piece of work is due.
#[derive(Debug)]
pub(super) struct Pace {
    next: Option<Instant>,
    interval: Duration,
}

impl Pace {
    pub(super) fn per_second(rate: f64) -> Self {
        Self { next: Some(Instant::now()), interval: Duration::from_secs_f64(1.0 / rate.max(0.001)) }
    }

    /// One piece after the other.
    pub(super) fn unlimited() -> Self {
        Self { next: None, interval: Duration::ZERO }
    }

    /// Waits for the next time. From when the work is to be counted; none when `stop` is set.
    pub(super) fn next(&mut self, stop: &AtomicBool) -> Option<Instant> {
        const LONGEST_SLEEP: Duration = Duration::from_millis(200);
        let mut late = true;
        loop {
            if stop.load(Ordering::Relaxed) {
                return None;
            }
            let now = Instant::now();
            let Some(due) = self.next else { return Some(now) };
            if now >= due {
                self.next = Some(due + self.interval);
                return Some(if late { due } else { now });
            }
            late = false;
            std::thread::sleep((due - now).min(LONGEST_SLEEP));
        }
    }
}
