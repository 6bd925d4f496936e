//! Room for writes: one budget in bytes over all write buffers (PROTOCOL C2, M3).
//!
//! Room is taken before the commit section, as one amount, all or nothing. Below a soft mark it is there for
//! the taking. Beyond it writers are slowed, the more the fuller it is ([`super::pace`]), and at the limit they
//! wait. Both happen in one line: whoever comes later passes later, even with less. A single amount
//! larger than the budget is let through alone.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::pace::{Pace, PressurePerMille, Turn};
use super::stalls::StallCause;
use crate::environment::Clock;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Condvar, Mutex, MutexGuard};

/// See the module.
#[derive(Debug)]
pub(crate) struct WriteBudget {
    limit_bytes: u64,
    soft_bytes: u64,
    used_bytes: AtomicU64,
    /// Up to here room is there for the taking: the soft mark, or nothing while somebody waits or merges
    /// fall behind.
    open_bytes: AtomicU64,
    /// Somebody waits: nobody may pass by taking what is free.
    crowded: AtomicBool,
    stopped: AtomicBool,
    line: Mutex<Line>,
    moved: Condvar,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Default)]
struct Line {
    waiting: VecDeque<Waiting>,
    next_number: u64,
    /// What the first in line was held up by when it looked last.
    cause: Option<StallCause>,
    /// Numbers of those who were let in by others, and may not know it yet.
    admitted: Vec<u64>,
    /// How far merges have fallen behind.
    crowding: PressurePerMille,
    pace: Pace,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    bytes: u64,
}

/// Why somebody who waited gets no room.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoRoom {
    /// None will come for now, and why.
    Refused(Arc<str>),
    /// The index has failed or ended.
    Stopped,
}

/// What the first in line found.
enum Found {
    Room,
    NoRoom,
    /// Too early: to sleep so long.
    TooEarly(Duration),
}

/// Somebody who wants room, since when it is the first in line.
struct Asking {
    bytes: u64,
    since_nanos: u64,
    has_slept: bool,
    /// A sleep took its time, whatever the clock shows.
    has_paid: bool,
}

impl WriteBudget {
    pub(crate) fn new(limit_bytes: u64, clock: Arc<dyn Clock>) -> Self {
        let soft_bytes = limit_bytes / 8 * 5;
        Self {
            limit_bytes,
            soft_bytes,
            used_bytes: AtomicU64::new(0),
            open_bytes: AtomicU64::new(soft_bytes),
            crowded: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            line: Mutex::default(),
            moved: Condvar::new(),
            clock,
        }
    }

    pub(crate) fn limit_bytes(&self) -> u64 {
        self.limit_bytes
    }

    pub(crate) fn used_bytes(&self) -> u64 {
        self.used_bytes.load(Ordering::Relaxed)
    }

    /// Takes `bytes` if they lie below the soft mark and nobody waits.
    #[inline]
    pub(crate) fn try_take(&self, bytes: u64) -> bool {
        let open_bytes = self.open_bytes.load(Ordering::Relaxed);
        self.change_used(|used| used + bytes <= open_bytes, bytes)
    }

    fn take_if_free(&self, bytes: u64) -> bool {
        self.change_used(|used| used == 0 || used + bytes <= self.limit_bytes, bytes)
    }

    #[inline]
    fn change_used(&self, fits: impl Fn(u64) -> bool, bytes: u64) -> bool {
        let taken = |used: u64| fits(used).then_some(used + bytes);
        self.used_bytes.fetch_update(Ordering::SeqCst, Ordering::SeqCst, taken).is_ok()
    }

    /// Whether anybody is in line.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.crowded.load(Ordering::Acquire)
    }

    /// The amount that the first in line waits for.
    pub(crate) fn wanted_bytes(&self) -> Option<u64> {
        if !self.is_waited_for() {
            return None;
        }
        self.line.lock().waiting.front().map(|first| first.bytes)
    }

    /// Takes `bytes` in line, slowed and waiting as the module says. `on_wait` is called before each sleep at
    /// the front of the line of one for whom there is no room, to ask for flushes until what
    /// [`WriteBudget::wanted_bytes`] says fits; it says what room must be waited for.
    ///
    /// Gives up when there is no room and `refused` says why none will come for now; see
    /// [`WriteBudget::wake`]. Nobody is slowed then. Also tells what held it up, if anything did.
    pub(crate) fn take(
        &self,
        bytes: u64,
        on_wait: impl Fn() -> StallCause,
        refused: impl Fn() -> Option<Arc<str>>,
    ) -> (Result<(), NoRoom>, Option<StallCause>) {
        let mut line = self.line.lock();
        let number = line.next_number;
        line.next_number += 1;
        line.waiting.push_back(Waiting { number, bytes });
        self.set_open(&line);
        let mut asking = None;
        let mut held_up_by = None;
        let taken = loop {
            if let Some(place) = line.admitted.iter().position(|admitted| *admitted == number) {
                line.admitted.swap_remove(place);
                return (Ok(()), held_up_by);
            }
            if self.stopped.load(Ordering::Acquire) {
                break Err(NoRoom::Stopped);
            }
            if line.waiting.front().is_some_and(|first| first.number != number) {
                held_up_by = held_up_by.max(line.cause);
                self.moved.wait(&mut line);
                continue;
            }
            let asking = asking.get_or_insert_with(|| Asking {
                bytes,
                since_nanos: self.now_nanos(),
                has_slept: false,
                has_paid: false,
            });
            let refusal = refused();
            match self.look(&mut line, asking, refusal.is_some()) {
                Found::Room => break Ok(()),
                Found::NoRoom => {
                    line.cause = Some(on_wait());
                    if let Some(cause) = refusal {
                        break Err(NoRoom::Refused(cause));
                    }
                    self.moved.wait(&mut line);
                }
                Found::TooEarly(time) => {
                    line.cause = Some(StallCause::Slowed);
                    asking.has_slept = true;
                    asking.has_paid |= self.moved.wait_for(&mut line, time).timed_out();
                }
            }
            held_up_by = held_up_by.max(line.cause);
        };
        self.leave(line, number);
        (taken, held_up_by)
    }

    /// What the first in line is to do. Takes the room that it finds.
    fn look(&self, line: &mut Line, asking: &Asking, is_refused: bool) -> Found {
        let now_nanos = self.now_nanos();
        // No flush will come whose pace could be kept.
        let pressure = if is_refused { 0 } else { self.pressure(line) };
        let turn = line.pace.turn(asking.bytes, pressure, asking.since_nanos, now_nanos, asking.has_slept);
        let paid_until_nanos = match turn {
            Turn::Go { paid_until_nanos } => paid_until_nanos,
            Turn::Sleep { .. } if asking.has_paid => now_nanos,
            Turn::Sleep { nanos } => return Found::TooEarly(Duration::from_nanos(nanos)),
        };
        if !self.take_if_free(asking.bytes) {
            return Found::NoRoom;
        }
        line.pace.set_paid(paid_until_nanos);
        Found::Room
    }

    /// How far from the soft mark to the limit it is, or how far merges are behind if that is more.
    fn pressure(&self, line: &Line) -> PressurePerMille {
        let beyond_soft = self.used_bytes().saturating_sub(self.soft_bytes);
        (beyond_soft * 1000 / (self.limit_bytes - self.soft_bytes)).max(line.crowding)
    }

    fn leave(&self, mut line: MutexGuard<'_, Line>, number: u64) {
        line.waiting.retain(|waiting| waiting.number != number);
        line.cause = None;
        self.admit_others(&mut line);
        self.set_open(&line);
        let others_wait = !line.waiting.is_empty() || !line.admitted.is_empty();
        drop(line);
        if others_wait {
            self.moved.notify_all();
        }
    }

    /// Gives their room to those next in line for whom it is there by now. If each had to wake up first to take it,
    /// whoever was let in before would come back meanwhile and stand behind: the line would never end, and each
    /// write cost a change of threads.
    fn admit_others(&self, line: &mut Line) {
        while let Some(bytes) = line.waiting.front().map(|first| first.bytes) {
            let asking = Asking { bytes, since_nanos: self.now_nanos(), has_slept: false, has_paid: false };
            let is_let_in = !self.stopped.load(Ordering::Acquire)
                && matches!(self.look(line, &asking, false), Found::Room);
            let Some(first) = line.waiting.pop_front_if(|_| is_let_in) else { return };
            line.admitted.push(first.number);
        }
    }

    /// Says whether anybody may pass the line.
    fn set_open(&self, line: &Line) {
        let crowded = !line.waiting.is_empty();
        self.crowded.store(crowded, Ordering::SeqCst);
        let open_bytes = if crowded || line.crowding > 0 { 0 } else { self.soft_bytes };
        self.open_bytes.store(open_bytes, Ordering::SeqCst);
    }

    fn now_nanos(&self) -> u64 {
        self.clock.monotonic_micros() * 1_000
    }

    /// Whether writers are slowed down because merges have fallen behind.
    pub(crate) fn is_held_up_by_merges(&self) -> bool {
        self.line.lock().crowding > 0
    }

    /// Slows writers down by how far merges have fallen behind.
    pub(crate) fn set_crowding(&self, crowding: PressurePerMille) {
        let mut line = self.line.lock();
        if line.crowding != crowding {
            line.crowding = crowding;
            self.set_open(&line);
            drop(line);
            self.moved.notify_all();
        }
    }

    /// A flush begins that will give room back. It ends when the guard is dropped.
    pub(crate) fn begin_flush(&self) -> FlushUnderWay<'_> {
        self.line.lock().pace.flushes.begin_flush(self.now_nanos());
        FlushUnderWay(self)
    }

    /// Takes `bytes` whatever is free: for replay, whose writes are in the log already, and for tables of buffers,
    /// which grow when a write has been let in.
    pub(crate) fn force(&self, bytes: u64) {
        self.used_bytes.fetch_add(bytes, Ordering::AcqRel);
    }

    /// Gives `bytes` back.
    pub(crate) fn release(&self, bytes: u64) {
        self.used_bytes.fetch_sub(bytes, Ordering::SeqCst);
        if self.crowded.load(Ordering::SeqCst) {
            self.wake();
        }
    }

    /// Gives back what a flush has written.
    pub(crate) fn release_flushed(&self, bytes: u64) {
        self.line.lock().pace.flushes.give_back(bytes);
        self.release(bytes);
    }

    /// Lets everyone who waits look again.
    pub(crate) fn wake(&self) {
        drop(self.line.lock());
        self.moved.notify_all();
    }

    /// Wakes everyone with an error, now and later.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.wake();
    }
}

/// See [`WriteBudget::begin_flush`].
pub(crate) struct FlushUnderWay<'a>(&'a WriteBudget);

impl Drop for FlushUnderWay<'_> {
    fn drop(&mut self) {
        let now_nanos = self.0.now_nanos();
        self.0.line.lock().pace.flushes.end_flush(now_nanos);
    }
}

#[cfg(test)]
mod tests;
