//! Scrubbing: a check that reads no faster than it may, when a caller asks for it or in the background.
//!
//! In the background it is a job of the maintenance threads like others, one step at a time and after all
//! others, so that nothing ever waits for more than a step.

#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use super::check::{CheckReport, IndexCheck};
use super::core::Core;
use super::counters::add;
use crate::error::Result;
use crate::sync::atomic::Ordering;

/// How a scrub is to go about.
///
/// ```
/// use hestiastore::{ScrubOptions, SegmentIndex};
///
/// let index = SegmentIndex::<u64, u64>::in_memory().create()?;
/// index.put(&1, &2)?;
/// let mut seen = 0;
/// let options = ScrubOptions::default().bytes_per_second(100 << 20).on_progress(|so_far| seen = so_far.bytes);
/// assert!(index.scrub(options)?.is_clean());
/// assert!(seen > 0);
/// # Ok::<(), hestiastore::Error>(())
/// ```
#[derive(Default)]
pub struct ScrubOptions<'a> {
    bytes_per_second: u64,
    progress: Option<Box<dyn FnMut(ScrubProgress) + 'a>>,
}

impl<'a> ScrubOptions<'a> {
    /// Reads no more than this from disk in a second, over a while; 0, as by default, sets no limit.
    #[must_use]
    pub fn bytes_per_second(mut self, bytes: u64) -> Self {
        self.bytes_per_second = bytes;
        self
    }

    /// Is told after each step how far the scrub has come.
    #[must_use]
    pub fn on_progress(mut self, tell: impl FnMut(ScrubProgress) + 'a) -> Self {
        self.progress = Some(Box::new(tell));
        self
    }
}

impl fmt::Debug for ScrubOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScrubOptions")
            .field("bytes_per_second", &self.bytes_per_second)
            .finish_non_exhaustive()
    }
}

/// How far a scrub has come.
///
/// ```
/// use hestiastore::{ScrubOptions, SegmentIndex};
///
/// let index = SegmentIndex::<u64, u64>::in_memory().create()?;
/// index.scrub(ScrubOptions::default().on_progress(|so_far| {
///     println!("{} of about {} bytes", so_far.bytes, so_far.total_bytes);
/// }))?;
/// # Ok::<(), hestiastore::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScrubProgress {
    /// Bytes gone through.
    pub bytes: u64,
    /// About how many there are in all; writes meanwhile change that.
    pub total_bytes: u64,
}

/// When the next bytes may be read.
#[derive(Debug, Clone, Copy)]
struct Pace {
    bytes_per_second: u64,
}

impl Pace {
    /// When to go on after a step that began at `start_micros` and read so many bytes.
    fn next_micros(self, start_micros: u64, bytes: u64) -> u64 {
        let micros = u128::from(bytes) * 1_000_000 / u128::from(self.bytes_per_second.max(1));
        let micros = if self.bytes_per_second == 0 { 0 } else { micros };
        start_micros.saturating_add(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

/// The scrub that the maintenance threads are at.
#[derive(Debug, Default)]
pub(crate) struct BackgroundScrub {
    check: Option<Box<IndexCheck>>,
    started_micros: u64,
}

impl Core {
    pub(crate) fn scrub(&self, mut options: ScrubOptions<'_>) -> Result<CheckReport> {
        let _span = self.scrub_span().entered();
        let pace = Pace { bytes_per_second: options.bytes_per_second };
        let clock = &self.environment.clock;
        let mut so_far = ScrubProgress { bytes: 0, total_bytes: self.scrubbed_in_all_bytes() };
        let mut check = IndexCheck::new();
        loop {
            let start_micros = clock.monotonic_micros();
            let Some(bytes) = check.step(self)? else { break };
            so_far.bytes += bytes;
            if let Some(tell) = &mut options.progress {
                tell(so_far);
            }
            self.scheduler.pause_until(&**clock, pace.next_micros(start_micros, bytes));
        }
        self.note_scrubbed();
        Ok(check.into_report())
    }

    fn scrubbed_in_all_bytes(&self) -> u64 {
        let mut runs = std::collections::BTreeMap::new();
        for segment in self.route.load_full().segments() {
            runs.extend(segment.version().runs().map(|run| (run.handle.uid, run.handle.file_bytes)));
        }
        runs.values().sum::<u64>() + self.logs.live_size().1
    }

    /// A check of everything has come to its end.
    pub(super) fn note_scrubbed(&self) {
        add(&self.counters.scrubs_finished, 1);
        let now = self.environment.clock.wall_micros();
        self.counters.last_scrub_micros.store(now, Ordering::Relaxed);
    }

    /// The first background scrub of an open begins with it: nobody knows when there was one before.
    pub(super) fn start_scrubbing(&self) {
        if self.config.maintenance.scrub_bytes_per_second > 0 {
            self.scheduler.schedule_scrub(self.environment.clock.monotonic_micros());
        }
    }

    /// One step of the background scrub, and when the next is due.
    pub(super) fn scrub_step(&self) -> Result<()> {
        let _span = self.scrub_span().entered();
        let start_micros = self.environment.clock.monotonic_micros();
        let mut scrub = self.background_scrub.lock();
        if scrub.check.is_none() {
            scrub.started_micros = start_micros;
        }
        let mut check = scrub.check.take().unwrap_or_else(|| Box::new(IndexCheck::new()));
        let due_micros = match check.step(self)? {
            Some(bytes) => {
                scrub.check = Some(check);
                let bytes_per_second = self.config.maintenance.scrub_bytes_per_second;
                Pace { bytes_per_second }.next_micros(start_micros, bytes)
            }
            None => {
                self.note_scrubbed();
                let interval = self.config.maintenance.scrub_interval;
                scrub.started_micros.saturating_add(micros(interval)).max(start_micros)
            }
        };
        drop(scrub);
        self.scheduler.schedule_scrub(due_micros);
        Ok(())
    }

    /// Lets go of what a background scrub holds.
    pub(super) fn stop_scrubbing(&self) {
        self.background_scrub.lock().check = None;
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
