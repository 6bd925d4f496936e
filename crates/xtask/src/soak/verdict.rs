//! What a soak comes to.
//!
//! - No operation over a second, counted from when it was due. A scan over everything counts by hundred entries.
//! - Memory: the anonymous memory of the process never above the bounds.
//! - Growth: the key space is fixed and is written over and over, so the store is as full in the middle as at the end. Of
//!   each figure the median of the last fifth is compared with that of the fifth around the middle: it may be more by a tenth
//!   and a small constant, since merges let files and space come and go.

use std::fmt::Write;

use super::bounds::Bounds;
use super::latency::{Histogram, Kind};
use super::process::Usage;
use super::sample::{Sample, put_all_latencies};

const SLOWEST_NANOS: u64 = 1_000_000_000;

/// All samples of a soak.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) samples: Vec<Sample>,
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

impl Record {
    fn totals(&self) -> Vec<Histogram> {
        let mut totals = vec![Histogram::default(); Kind::ALL.len()];
        for sample in &self.samples {
            totals.iter_mut().zip(&sample.latencies).for_each(|(sum, more)| sum.add(more));
        }
        totals
    }

    /// What is wrong, a sentence each.
    pub(super) fn faults(&self, bounds: &Bounds) -> Vec<String> {
        let mut faults = self.slow_operations();
        faults.extend(self.memory(bounds));
        faults.extend(FIGURES.iter().filter_map(|figure| self.growth(figure)));
        faults
    }

    fn slow_operations(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (number, kind) in Kind::ALL.iter().enumerate() {
            let max_nanos = |sample: &Sample| sample.latencies.get(number).map_or(0, |kind| kind.max_nanos);
            let Some(slowest) = self.samples.iter().max_by_key(|sample| max_nanos(sample)) else { continue };
            if max_nanos(slowest) > SLOWEST_NANOS {
                let seconds = self.samples.iter().filter(|sample| max_nanos(sample) > SLOWEST_NANOS).count();
                let (name, at) = (kind.name(), slowest.at.as_secs());
                let millis = max_nanos(slowest) / 1_000_000;
                let blocked = slowest.latencies.get(number).map_or(0, |kind| kind.blocked_nanos) / 1_000_000;
                faults.push(format!(
                    "a {name} took {millis} ms from when it was due, at {at} s; in that second one was blocked for \
                     {blocked} ms; over a second in {seconds} samples"
                ));
            }
        }
        faults
    }

    fn memory(&self, bounds: &Bounds) -> Option<String> {
        let fullest = self.samples.iter().max_by_key(|sample| sample.usage.anonymous_bytes)?;
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
        let samples = self.samples.len();
        let median = |from: usize, to: usize| {
            let mut values: Vec<u64> =
                self.samples.get(from..to)?.iter().map(|sample| (figure.of)(&sample.usage)).collect();
            values.sort_unstable();
            values.get(values.len() / 2).copied()
        };
        let middle = median(samples * 2 / 5, samples * 3 / 5)?;
        let end = median(samples * 4 / 5, samples)?;
        let most = middle + middle / 10 + figure.more;
        let grown = figure.more == 0 && end > middle || end > most;
        grown.then(|| format!("{} grow: {middle} in the middle, {end} at the end", figure.name))
    }

    /// For the closing line.
    pub(super) fn figures(&self, rate: u64) -> String {
        let totals = self.totals();
        let slowest = totals.iter().map(|kind| kind.max_nanos).max().unwrap_or(0) / 1_000;
        let operations: u64 = totals.iter().map(Histogram::count).sum();
        let memory = self.samples.iter().map(|sample| sample.usage.anonymous_bytes).max().unwrap_or(0) >> 20;
        format!(
            "{rate} writes a second, {operations} operations, the slowest {slowest} us, {memory} MiB at most"
        )
    }

    /// For people.
    pub(super) fn table(&self) -> String {
        let mut out = format!(
            "{:<10} {:>12} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10}\n",
            "us", "count", "p50", "p99", "p99.9", "p99.99", "max", "blocked"
        );
        for (kind, total) in Kind::ALL.iter().zip(self.totals()) {
            let micros = |share| total.quantile_nanos(share) / 1_000;
            let _ = writeln!(
                out,
                "{:<10} {:>12} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10}",
                kind.name(),
                total.count(),
                micros(0.5),
                micros(0.99),
                micros(0.999),
                micros(0.9999),
                total.max_nanos / 1_000,
                total.blocked_nanos / 1_000
            );
        }
        if let (Some(first), Some(last)) = (self.samples.first(), self.samples.last()) {
            let cpu = last.usage.cpu_micros.saturating_sub(first.usage.cpu_micros) / 1_000;
            let wait = last.usage.cpu_wait_micros.saturating_sub(first.usage.cpu_wait_micros) / 1_000;
            let _ = write!(out, "{cpu} ms on a CPU, {wait} ms ready to run and waiting for one");
        }
        out
    }

    pub(super) fn to_json(&self, rate: u64) -> String {
        let mut out = String::from(r#"{"total":{"#);
        put_all_latencies(&mut out, &self.totals());
        let _ = write!(out, r#""writes_per_second":{rate}}}}}"#);
        out
    }
}
