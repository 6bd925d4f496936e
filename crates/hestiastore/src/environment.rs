//! Time and randomness, injected so that every run of a test can be repeated.

mod memory_limit;

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

pub use memory_limit::MemoryLimit;
use memory_limit::{SystemLimit, UnknownLimit};

/// Tells the time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Wall-clock time in microseconds since 1970-01-01 UTC. May jump.
    fn wall_micros(&self) -> u64;
    /// Microseconds since some fixed moment. Never goes back.
    fn monotonic_micros(&self) -> u64;
}

/// Gives random numbers for file identities and seeds.
///
/// An index mixes them with its epoch, which grows with each open that writes: a source that begins anew with the
/// same numbers names no file of an earlier life again.
pub trait RandomSource: Send + Sync + fmt::Debug {
    /// The next 64 random bits.
    fn next_u64(&self) -> u64;
}

/// What an index takes from the world besides its directory.
///
/// ```
/// use hestiastore::environment::Environment;
///
/// let repeatable = Environment::repeatable(42);
/// assert_eq!(repeatable.random.next_u64(), Environment::repeatable(42).random.next_u64());
/// ```
#[derive(Debug, Clone)]
pub struct Environment {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The source of file identities and seeds.
    pub random: Arc<dyn RandomSource>,
    /// How much memory there is: budgets that are left at their defaults take at most half of it.
    pub memory: Arc<dyn MemoryLimit>,
    /// How many processors the process may use, by its affinity and the quotas of its control groups, if that is known:
    /// `maintenance.threads` that is left at its default is no more than that.
    pub processors: Option<NonZeroUsize>,
}

impl Default for Environment {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock { start: Instant::now() }),
            random: Arc::new(SystemRandom),
            memory: Arc::new(SystemLimit::new()),
            processors: std::thread::available_parallelism().ok(),
        }
    }
}

impl Environment {
    /// The same randomness for the same seed, a clock whose times move one microsecond a call, each for itself, and
    /// memory and processors of which nothing is known.
    pub fn repeatable(seed: u64) -> Self {
        Self {
            clock: Arc::new(CountingClock { wall: AtomicU64::new(1), monotonic: AtomicU64::new(1) }),
            random: Arc::new(SplitMix(AtomicU64::new(seed))),
            memory: Arc::new(UnknownLimit),
            processors: None,
        }
    }

    /// The same with other random numbers in each epoch (PROTOCOL F10). In epoch 0 they are the source's own.
    pub(crate) fn in_epoch(self, epoch: u64) -> Self {
        let random = InEpoch { source: self.random, salt: mix(epoch) };
        Self { random: Arc::new(random), ..self }
    }
}

#[derive(Debug)]
struct InEpoch {
    source: Arc<dyn RandomSource>,
    salt: u64,
}

impl RandomSource for InEpoch {
    fn next_u64(&self) -> u64 {
        self.source.next_u64() ^ self.salt
    }
}

#[derive(Debug)]
struct SystemClock {
    start: Instant,
}

impl Clock for SystemClock {
    fn wall_micros(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
    }

    fn monotonic_micros(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }
}

#[derive(Debug)]
struct CountingClock {
    // Apart: files hold wall-clock time, and threads look at the other one as often as they happen to wake.
    wall: AtomicU64,
    monotonic: AtomicU64,
}

impl Clock for CountingClock {
    fn wall_micros(&self) -> u64 {
        self.wall.fetch_add(1, Ordering::Relaxed)
    }

    fn monotonic_micros(&self) -> u64 {
        self.monotonic.fetch_add(1, Ordering::Relaxed)
    }
}

#[derive(Debug)]
struct SystemRandom;

impl RandomSource for SystemRandom {
    fn next_u64(&self) -> u64 {
        // The system's source fails only where there is none; the time is then the best there is.
        getrandom::u64().unwrap_or_else(|_| {
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
        })
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Debug)]
struct SplitMix(AtomicU64);

impl RandomSource for SplitMix {
    fn next_u64(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        mix(self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP))
    }
}

/// The finaliser of SplitMix64: every number to another one, 0 to 0.
fn mix(value: u64) -> u64 {
    let z = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
