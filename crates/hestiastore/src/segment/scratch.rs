//! Memory of jobs at work, measured now and then by themselves.

use std::sync::atomic::{AtomicU64, Ordering};

/// The sum over all jobs of an index.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    bytes: AtomicU64,
}

impl Scratch {
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn of_job(&self) -> JobScratch<'_> {
        JobScratch { scratch: self, bytes: 0 }
    }
}

/// What one job holds, as it said last; nothing once it is dropped.
#[derive(Debug)]
pub(crate) struct JobScratch<'a> {
    scratch: &'a Scratch,
    bytes: u64,
}

impl JobScratch<'_> {
    pub(crate) fn set(&mut self, bytes: u64) {
        self.scratch.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.scratch.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.bytes = bytes;
    }
}

impl Drop for JobScratch<'_> {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_counted_while_they_are_at_work() {
        let scratch = Scratch::default();
        let (mut first, mut second) = (scratch.of_job(), scratch.of_job());
        first.set(10);
        second.set(5);
        first.set(7);
        assert_eq!(scratch.bytes(), 12);
        drop(first);
        assert_eq!(scratch.bytes(), 5);
    }
}
