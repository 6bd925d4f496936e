//! What is noted each second.

use std::fmt::Write;
use std::time::Duration;

use hestiastore::metrics::MetricsSnapshot;

use super::latency::{Histogram, Kind, Times};
use super::process::Usage;
use super::store::Store;
use super::verdict::Record;
use crate::outcome::Outcome;

/// One second.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) at: Duration,
    pub(super) latencies: Vec<Histogram>,
    pub(super) usage: Usage,
    pub(super) metrics: MetricsSnapshot,
}

/// Notes, and says how it goes.
#[derive(Debug)]
pub(super) struct Sampler<'a> {
    store: &'a Store,
    json: bool,
    record: Record,
    /// Since the last line that was shown.
    shown: Vec<Histogram>,
}

impl<'a> Sampler<'a> {
    pub(super) fn new(store: &'a Store, json: bool) -> Self {
        Self { store, json, record: Record::default(), shown: vec![Histogram::default(); Kind::ALL.len()] }
    }

    pub(super) fn sample(&mut self, at: Duration, latencies: Vec<Histogram>) -> Outcome {
        const SHOWN_EVERY: usize = 10;
        let usage = Usage::now(&self.store.place)?;
        let sample = Sample { at, latencies, usage, metrics: self.store.index.metrics_snapshot() };
        if self.json {
            println!("{}", sample.to_json());
        }
        self.shown.iter_mut().zip(&sample.latencies).for_each(|(sum, more)| sum.add(more));
        if (self.record.sample_count() + 1).is_multiple_of(SHOWN_EVERY) {
            eprintln!("{}", sample.line(&self.shown));
            self.shown = vec![Histogram::default(); Kind::ALL.len()];
        }
        self.record.add(&sample);
        Ok(())
    }

    pub(super) fn record(self) -> Record {
        self.record
    }
}

/// The quantiles of one kind.
pub(super) fn put_latencies(out: &mut String, histogram: &Histogram) {
    let (count, blocked) = (histogram.count(), histogram.blocked_nanos / 1_000);
    let _ = write!(out, r#"{{"count":{count},"blocked_micros":{blocked},"took":"#);
    put_times(out, &histogram.took);
    out.push_str(r#","since_due":"#);
    put_times(out, &histogram.since_due);
    out.push('}');
}

fn put_times(out: &mut String, times: &Times) {
    let micros = |share| times.quantile_nanos(share) / 1_000;
    let _ = write!(
        out,
        r#"{{"p50_micros":{},"p99_micros":{},"p999_micros":{},"p9999_micros":{},"max_micros":{}}}"#,
        micros(0.5),
        micros(0.99),
        micros(0.999),
        micros(0.9999),
        times.max_nanos / 1_000,
    );
}

/// Of all kinds, as members of an object.
pub(super) fn put_all_latencies(out: &mut String, histograms: &[Histogram]) {
    for (kind, histogram) in Kind::ALL.iter().zip(histograms) {
        let _ = write!(out, r#""{}":"#, kind.name());
        put_latencies(out, histogram);
        out.push(',');
    }
}

impl Sample {
    fn to_json(&self) -> String {
        let mut out = format!(r#"{{"second":{:.3},"#, self.at.as_secs_f64());
        put_all_latencies(&mut out, &self.latencies);
        let usage = &self.usage;
        let _ = write!(
            out,
            r#""anonymous_bytes":{},"file_bytes":{},"descriptors":{},"threads":{},"files":{},"disk_bytes":{},"#,
            usage.anonymous_bytes,
            usage.file_bytes,
            usage.descriptors,
            usage.threads,
            usage.files,
            usage.disk_bytes
        );
        let (cpu, wait) = (usage.cpu_micros, usage.cpu_wait_micros);
        let _ = write!(
            out,
            r#""cpu_micros":{cpu},"cpu_wait_micros":{wait},"metrics":{}}}"#,
            self.metrics.to_json()
        );
        out
    }

    fn line(&self, shown: &[Histogram]) -> String {
        let mut out = format!("{:>5} s", self.at.as_secs());
        for (kind, histogram) in Kind::ALL.iter().zip(shown) {
            let micros = |share| histogram.took.quantile_nanos(share) / 1_000;
            let (count, name, max) = (histogram.count(), kind.name(), histogram.took.max_nanos / 1_000);
            let since_due = histogram.since_due.max_nanos / 1_000;
            let _ = write!(out, " | {name} {count}: {}/{}/{max}/{since_due}", micros(0.5), micros(0.999));
        }
        let (usage, metrics) = (&self.usage, &self.metrics);
        let _ = write!(
            out,
            " us | {} MiB, {} files, {} MiB on disk, {} fd, {} threads | {} segments, {} deltas, {} MiB in buffers, \
             {} stalls of {} ms",
            usage.anonymous_bytes >> 20,
            usage.files,
            usage.disk_bytes >> 20,
            usage.descriptors,
            usage.threads,
            metrics.segments.count,
            metrics.segments.delta_runs,
            metrics.write_path.buffered_bytes >> 20,
            metrics.write_path.stall_count,
            metrics.write_path.stall_micros / 1_000,
        );
        out
    }
}
