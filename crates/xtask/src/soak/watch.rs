//! A thread's stopwatch, which also tells what a long operation spent its time on.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use super::latency::{Kind, Latencies};
use crate::outcome::Outcome;

/// Operations from here on are looked at.
const LONG: Duration = Duration::from_millis(20);
/// The kernel is not asked more often, and is wrong by as much.
const EVERY: Duration = Duration::from_millis(1);

/// Of one thread.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    latencies: &'a Latencies,
    /// Time on a CPU, and time ready to run without one.
    times: File,
    asked: Instant,
    busy: Duration,
    begun: Instant,
}

impl<'a> Watch<'a> {
    /// For the thread that calls.
    pub(super) fn new(latencies: &'a Latencies) -> Outcome<Self> {
        let times = File::open("/proc/thread-self/schedstat")?;
        let now = Instant::now();
        Ok(Self { latencies, asked: now, busy: busy(&times), times, begun: now })
    }

    pub(super) fn begin(&mut self) {
        self.begun = Instant::now();
        if self.begun - self.asked > EVERY {
            self.busy = busy(&self.times);
            self.asked = self.begun;
        }
    }

    /// An operation that was due then has ended.
    pub(super) fn end(&mut self, kind: Kind, due: Instant) {
        let now = Instant::now();
        let since_due = now.saturating_duration_since(due);
        self.latencies.note(kind, (now - self.begun).as_nanos() as u64, since_due.as_nanos() as u64);
        if now - self.begun > LONG {
            let busy = busy(&self.times).saturating_sub(self.busy);
            let blocked = (now - self.asked).saturating_sub(busy).min(now - self.begun);
            self.latencies.note_blocked(kind, blocked.as_nanos() as u64);
        }
    }
}

fn busy(times: &File) -> Duration {
    let mut text = [0; 64];
    let length = times.read_at(&mut text, 0).unwrap_or(0);
    let text = String::from_utf8_lossy(text.get(..length).unwrap_or_default());
    let nanos = text.split_whitespace().take(2).filter_map(|nanos| nanos.parse::<u64>().ok());
    Duration::from_nanos(nanos.sum())
}
