//! What a soak comes to.
//!
//! - No operation takes over a second. A scan over everything counts by hundred entries.
//! - The writers keep up: at the end no more than one in a hundred operations that were due is missing. How late they were
//!   meanwhile is told: at 80 % of what the whole machine can do a burst of merges may take what is left for a while.
//! - Memory: the anonymous memory of the process never above the bounds.
//! - Growth: the key space is fixed and is written over and over, so the store is as full in the middle as at the end. Of
//!   each figure the median of the last fifth is compared with that of the fifth around the middle: it may be more by a tenth
//!   and a small constant, since merges let files and space come and go.

use std::fmt::Write;

use std::time::Duration;

use super::bounds::Bounds;
use super::latency::{Histogram, Kind};
use super::process::Usage;
use super::sample::{Sample, put_all_latencies};
use super::writing::BATCH;

const SLOWEST_NANOS: u64 = 1_000_000_000;

/// What is kept of a soak.
#[derive(Debug)]
pub(super) struct Record {
    seconds: Vec<Second>,
    totals: Vec<Histogram>,
}

/// What is kept of a sample: little, because the memory of this very process is judged.
#[derive(Debug)]
struct Second {
    at: Duration,
    usage: Usage,
    longest: [Longest; Kind::ALL.len()],
}

/// Of one kind of operation.
#[derive(Debug, Clone, Copy, Default)]
struct Longest {
    took_nanos: u64,
    since_due_nanos: u64,
    blocked_nanos: u64,
}

/// A figure that must not grow for ever.
struct Figure {
    name: &'static str,
    of: fn(&Usage) -> u64,
    /// Beside a tenth.
    more: u64,
}

const FIGURES: [Figure; 5] = [
    Figure { name: "anonymous bytes of memory", of: |usage| usage.anonymous_bytes, more: 16 << 20 },
    Figure { name: "open descriptors", of: |usage| usage.descriptors, more: 16 },
    Figure { name: "threads", of: |usage| usage.threads, more: 0 },
    Figure { name: "files", of: |usage| usage.files, more: 16 },
    Figure { name: "bytes on disk", of: |usage| usage.disk_bytes, more: 64 << 20 },
];

impl Default for Record {
    fn default() -> Self {
        Self { seconds: Vec::new(), totals: vec![Histogram::default(); Kind::ALL.len()] }
    }
}

impl Record {
    pub(super) fn add(&mut self, sample: &Sample) {
        self.totals.iter_mut().zip(&sample.latencies).for_each(|(sum, more)| sum.add(more));
        let mut longest = [Longest::default(); Kind::ALL.len()];
        for (longest, kind) in longest.iter_mut().zip(&sample.latencies) {
            *longest = Longest {
                took_nanos: kind.took.max_nanos,
                since_due_nanos: kind.since_due.max_nanos,
                blocked_nanos: kind.blocked_nanos,
            };
        }
        self.seconds.push(Second { at: sample.at, usage: sample.usage, longest });
    }

    pub(super) fn sample_count(&self) -> usize {
        self.seconds.len()
    }

    /// What is wrong, a sentence each.
    pub(super) fn faults(&self, rate: u64, bounds: &Bounds) -> Vec<String> {
        let mut faults = self.slow_operations();
        faults.extend(self.fallen_behind(rate));
        faults.extend(self.memory(bounds));
        faults.extend(FIGURES.iter().filter_map(|figure| self.growth(figure)));
        faults
    }

    fn slow_operations(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (number, kind) in Kind::ALL.iter().enumerate() {
            let longest = |second: &Second| second.longest.get(number).copied().unwrap_or_default();
            let max_nanos = |second: &Second| longest(second).took_nanos;
            let Some(slowest) = self.seconds.iter().max_by_key(|second| max_nanos(second)) else { continue };
            if max_nanos(slowest) > SLOWEST_NANOS {
                let seconds = self.seconds.iter().filter(|second| max_nanos(second) > SLOWEST_NANOS).count();
                let (name, at) = (kind.name(), slowest.at.as_secs());
                let millis = max_nanos(slowest) / 1_000_000;
                let blocked = longest(slowest).blocked_nanos / 1_000_000;
                faults.push(format!(
                    "a {name} took {millis} ms, at {at} s; in that second one was blocked for {blocked} ms; over a \
                     second in {seconds} samples"
                ));
            }
        }
        faults
    }

    fn fallen_behind(&self, rate: u64) -> Option<String> {
        let written: u64 = [Kind::Put, Kind::Delete].iter().map(|kind| self.count(*kind)).sum();
        let written = written + self.count(Kind::Batch) * BATCH;
        let due = self.seconds.last()?.at.as_secs_f64() * rate as f64;
        let missing = due - written as f64;
        (missing > due / 100.0).then(|| format!("{written} writes done of {due:.0} that were due"))
    }

    fn count(&self, kind: Kind) -> u64 {
        let totals = Kind::ALL.iter().zip(&self.totals);
        totals.filter(|(other, _)| **other == kind).map(|(_, total)| total.count()).sum()
    }

    fn memory(&self, bounds: &Bounds) -> Option<String> {
        let fullest = self.seconds.iter().max_by_key(|second| second.usage.anonymous_bytes)?;
        let (bytes, most) = (fullest.usage.anonymous_bytes, bounds.most_bytes());
        (bytes > most).then(|| {
            format!(
                "{} MiB of memory at {} s where {} are right: {bounds}",
                bytes >> 20,
                fullest.at.as_secs(),
                most >> 20
            )
        })
    }

    fn growth(&self, figure: &Figure) -> Option<String> {
        let seconds = self.seconds.len();
        let median = |from: usize, to: usize| {
            let mut values: Vec<u64> =
                self.seconds.get(from..to)?.iter().map(|second| (figure.of)(&second.usage)).collect();
            values.sort_unstable();
            values.get(values.len() / 2).copied()
        };
        let middle = median(seconds * 2 / 5, seconds * 3 / 5)?;
        let end = median(seconds * 4 / 5, seconds)?;
        let most = middle + middle / 10 + figure.more;
        let grown = figure.more == 0 && end > middle || end > most;
        grown.then(|| format!("{} grow: {middle} in the middle, {end} at the end", figure.name))
    }

    /// For the closing line.
    pub(super) fn figures(&self, rate: u64) -> String {
        let slowest = self.totals.iter().map(|kind| kind.took.max_nanos).max().unwrap_or(0) / 1_000;
        let latest =
            |second: &Second| second.longest.iter().map(|kind| kind.since_due_nanos).max().unwrap_or(0);
        let late_seconds = self.seconds.iter().filter(|second| latest(second) > SLOWEST_NANOS).count();
        let latest = self.seconds.iter().map(latest).max().unwrap_or(0) / 1_000_000;
        let operations: u64 = self.totals.iter().map(Histogram::count).sum();
        let memory = self.seconds.iter().map(|second| second.usage.anonymous_bytes).max().unwrap_or(0) >> 20;
        format!(
            "{rate} writes a second, {operations} operations, the slowest {slowest} us, at most {latest} ms behind the \
             plan, over a second in {late_seconds} samples, {memory} MiB at most"
        )
    }

    /// For people.
    pub(super) fn table(&self) -> String {
        let mut out = format!(
            "{:<10} {:>12} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10} {:>12} {:>10}\n",
            "us", "count", "p50", "p99", "p99.9", "p99.99", "max", "blocked", "due p99.9", "due max"
        );
        for (kind, total) in Kind::ALL.iter().zip(&self.totals) {
            let micros = |share| total.took.quantile_nanos(share) / 1_000;
            let _ = writeln!(
                out,
                "{:<10} {:>12} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10} {:>12} {:>10}",
                kind.name(),
                total.count(),
                micros(0.5),
                micros(0.99),
                micros(0.999),
                micros(0.9999),
                total.took.max_nanos / 1_000,
                total.blocked_nanos / 1_000,
                total.since_due.quantile_nanos(0.999) / 1_000,
                total.since_due.max_nanos / 1_000
            );
        }
        if let (Some(first), Some(last)) = (self.seconds.first(), self.seconds.last()) {
            let cpu = last.usage.cpu_micros.saturating_sub(first.usage.cpu_micros) / 1_000;
            let wait = last.usage.cpu_wait_micros.saturating_sub(first.usage.cpu_wait_micros) / 1_000;
            let _ = write!(out, "{cpu} ms on a CPU, {wait} ms ready to run and waiting for one");
        }
        out
    }

    pub(super) fn to_json(&self, rate: u64) -> String {
        let mut out = String::from(r#"{"total":{"#);
        put_all_latencies(&mut out, &self.totals);
        let _ = write!(out, r#""writes_per_second":{rate}}}}}"#);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With its histograms a sample was 62 KiB: in half an hour 110 MiB, which looked like a leak of the engine.
    #[test]
    fn a_soak_of_hours_takes_little_memory_itself() {
        assert!(size_of::<Second>() <= 512, "{}", size_of::<Second>());
    }
}
