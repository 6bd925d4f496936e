//! How often a test is repeated, and with which seeds.

use std::time::{Duration, Instant};

fn number_from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Calls `round` with one seed after the other: `least` times, or for as long as the environment says. Prints the
/// seed of a round that panics.
pub fn repeat(least: u64, mut round: impl FnMut(u64)) -> u64 {
    let lasting = number_from_environment("HESTIA_THREADS_SECONDS").map(Duration::from_secs);
    let first = number_from_environment("HESTIA_THREADS_SEED").unwrap_or(1);
    let start = Instant::now();
    let mut rounds = 0;
    while lasting.map_or(rounds < least, |lasting| start.elapsed() < lasting) {
        let named = NameOnPanic(first + rounds);
        round(named.0);
        rounds += 1;
    }
    rounds
}

struct NameOnPanic(u64);

impl Drop for NameOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this was HESTIA_THREADS_SEED={}", self.0);
        }
    }
}
