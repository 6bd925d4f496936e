//! One phase of a run: counters before and after, and one JSON line.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::machine::{self, Counters};
use crate::rounds::{Kind, Outcome};

/// Percentiles of the curves, with the names of their fields.
pub const PERCENTILES: &[(&str, f64)] = &[
    ("p10", 0.1),
    ("p25", 0.25),
    ("p50", 0.5),
    ("p75", 0.75),
    ("p90", 0.9),
    ("p95", 0.95),
    ("p99", 0.99),
    ("p99.5", 0.995),
    ("p99.9", 0.999),
    ("p99.95", 0.999_5),
    ("p99.99", 0.999_9),
    ("p99.999", 0.999_99),
    ("max", 1.0),
];

pub struct Phase {
    line: Map<String, Value>,
    begun: Instant,
    before: Counters,
    operations: Option<u64>,
    preparation_cpu: Duration,
}

impl Phase {
    /// Begins to count. `head` is what all lines of the run begin with.
    pub fn begin(head: &Map<String, Value>, name: &str) -> Self {
        eprintln!("  {name}");
        machine::take_peak_anonymous();
        let mut line = head.clone();
        line.insert("phase".into(), name.into());
        Self {
            line,
            begun: Instant::now(),
            before: Counters::now(),
            operations: None,
            preparation_cpu: Duration::ZERO,
        }
    }

    pub fn set(&mut self, field: &str, value: impl Into<Value>) -> &mut Self {
        self.line.insert(field.into(), value.into());
        self
    }

    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Rate and latencies of what was timed.
    pub fn outcome(&mut self, outcome: &Outcome) -> &mut Self {
        self.rate(outcome.operations, outcome.busy);
        self.preparation_cpu = outcome.preparation_cpu;
        self.set("hits", outcome.hits);
        for (kind, name) in Kind::ALL {
            let Some(histogram) = outcome.latencies(kind) else { continue };
            let micros = |share: f64| rounded(histogram.value_at_quantile(share) as f64 / 1e3);
            let fields =
                PERCENTILES.iter().map(|(field, share)| ((*field).to_owned(), json!(micros(*share))));
            self.set(&format!("{name}_us"), Value::Object(fields.collect()));
        }
        self
    }

    /// A rate; the CPU of the phase, less that of making operations ready, is shared among these operations.
    pub fn rate(&mut self, operations: u64, busy: Duration) -> &mut Self {
        self.operations = Some(operations);
        let seconds = busy.as_secs_f64();
        self.set("operations", operations).set("busy_s", rounded(seconds));
        self.set("rate", rounded(operations as f64 / seconds.max(1e-9)))
    }

    /// What was written for so many bytes given, as `write` calls and as dirtied pages.
    pub fn written_for(&mut self, given_bytes: u64) -> &mut Self {
        let now = Counters::now();
        let per_given =
            |after: u64, before: u64| rounded((after - before) as f64 / given_bytes.max(1) as f64);
        self.set("passed_per_given", per_given(now.passed_bytes, self.before.passed_bytes));
        self.set("dirtied_per_given", per_given(now.dirtied_bytes, self.before.dirtied_bytes))
    }

    /// Prints the line.
    pub fn end(mut self) {
        let now = Counters::now();
        let wall = self.elapsed().as_secs_f64();
        let cpu = now.cpu_seconds - self.before.cpu_seconds;
        let own = now.own_user_seconds - self.before.own_user_seconds;
        let others = now.machine_user_seconds - self.before.machine_user_seconds - own;
        if let Some(operations) = self.operations.filter(|operations| *operations > 0) {
            self.set(
                "cpu_us_per_operation",
                rounded((cpu - self.preparation_cpu.as_secs_f64()) * 1e6 / operations as f64),
            );
        }
        self.set("wall_s", rounded(wall)).set("cpu_s", rounded(cpu)).set("others_user_s", rounded(others));
        self.set("passed_bytes", now.passed_bytes - self.before.passed_bytes);
        self.set("dirtied_bytes", now.dirtied_bytes - self.before.dirtied_bytes);
        self.set("peak_anonymous_bytes", machine::take_peak_anonymous());
        println!("{}", Value::Object(self.line));
    }
}

/// To five significant digits: more is noise.
fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let scale = 10f64.powi(4 - value.abs().log10().floor() as i32);
    (value * scale).round() / scale
}

/// Reports a failure of a run as its last line.
pub fn print_failure(head: &Map<String, Value>, error: &str) {
    let mut line = head.clone();
    line.insert("phase".into(), "failure".into());
    line.insert("error".into(), error.into());
    println!("{}", Value::Object(line));
}
