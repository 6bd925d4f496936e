//! What is measured, one phase after the other.

use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use hestiastore::SegmentIndex;
use hestiastore::config::ConfigPatch;

use super::records::{self, KEY_BYTES};
use super::table::{Done, Table};
use super::{Arguments, make};
use crate::failure::{Failure, Outcome};
use crate::settings;

type Index = SegmentIndex<Vec<u8>, Vec<u8>>;

/// Measures in an empty directory, or one that is made.
pub(super) fn run(arguments: &Arguments, directory: &Path) -> Result<Outcome, Failure> {
    let (patch, mut problems) = settings::parse(&arguments.settings);
    problems.extend(settings::problems_together(&patch));
    settings::refuse(&problems)?;
    if !directory.exists() {
        make(directory)?;
    }
    let bench = Bench {
        records: arguments.n,
        threads: u64::from(arguments.threads),
        value_bytes: arguments.value_bytes as usize,
        wrong: AtomicU64::new(0),
    };
    let mut table = Table::new()?;
    let (records, threads, value_bytes) = (bench.records, bench.threads, bench.value_bytes);
    table.line(format_args!(
        "{records} records, keys of {KEY_BYTES} bytes, values of {value_bytes}, {threads} thread{}, in {}\n",
        if threads == 1 { "" } else { "s" },
        directory.display()
    ))?;
    bench.all_phases(directory, patch, &mut table)?;
    let wrong = bench.wrong.into_inner();
    table.line(match wrong {
        0 => "\nEverything read was right.".to_owned(),
        _ => format!("\n{wrong} answers were WRONG."),
    })?;
    table.finish()?;
    Ok(if wrong == 0 { Outcome::Done } else { Outcome::No })
}

struct Bench {
    records: u64,
    threads: u64,
    value_bytes: usize,
    /// Answers that were not what was stored.
    wrong: AtomicU64,
}

impl Bench {
    fn all_phases(&self, directory: &Path, patch: ConfigPatch, table: &mut Table) -> Result<(), Failure> {
        let index = Index::builder(directory).settings(patch).create()?;
        table.head()?;
        table.measure("load", || self.load(&index))?;
        table.measure("settle", || settle(&index))?;
        table.measure("read", || self.read(&index))?;
        table.measure("miss", || self.miss(&index))?;
        table.measure("scan", || self.scan(&index))?;
        let mut reopened = None;
        table.measure("reopen", || {
            index.close()?;
            reopened = Some(Index::builder(directory).open()?);
            Ok(Done::default())
        })?;
        let Some(index) = reopened else { return Ok(()) };
        table.measure("verify", || self.verify(&index))?;
        table.measure("check", || self.check(&index))?;
        Ok(index.close()?)
    }

    fn load(&self, index: &Index) -> Result<Done, Failure> {
        self.on_all_threads(|numbers| {
            let (mut key, mut value) = ([0; KEY_BYTES], Vec::new());
            numbers.into_iter().try_for_each(|number| {
                records::key(number, &mut key);
                records::value(number, self.value_bytes, &mut value);
                index.put(key, &*value)
            })
        })?;
        let stalls = index.metrics_snapshot().write_path.stall_micros / 1000;
        let note = if stalls == 0 { String::new() } else { format!("writers waited {stalls} ms") };
        Ok(Done { records: self.records, note })
    }

    fn read(&self, index: &Index) -> Result<Done, Failure> {
        let before = index.metrics_snapshot();
        self.read_each(index, |number| records::mix(number ^ 0xbead) % self.records)?;
        let after = index.metrics_snapshot();
        let chunks = after.io.chunk_reads.saturating_sub(before.io.chunk_reads);
        let note =
            format!("random order, {:.2} chunk reads from disk a hit", chunks as f64 / self.records as f64);
        Ok(Done { records: self.records, note })
    }

    fn verify(&self, index: &Index) -> Result<Done, Failure> {
        self.read_each(index, |number| number)?;
        Ok(Done { records: self.records, note: "every record".to_owned() })
    }

    fn read_each(&self, index: &Index, choose: impl Fn(u64) -> u64 + Sync) -> Result<(), Failure> {
        self.on_all_threads(|numbers| {
            let (mut key, mut value) = ([0; KEY_BYTES], Vec::new());
            for number in numbers.into_iter().map(&choose) {
                records::key(number, &mut key);
                records::value(number, self.value_bytes, &mut value);
                let right = index.get_with(key, |found| found == value)?;
                self.expect(right == Some(true));
            }
            Ok(())
        })
    }

    fn miss(&self, index: &Index) -> Result<Done, Failure> {
        let before = index.metrics_snapshot().bloom;
        self.on_all_threads(|numbers| {
            let mut key = [0; KEY_BYTES];
            numbers.into_iter().try_for_each(|number| {
                records::key(number + self.records, &mut key);
                self.expect(!index.contains_key(key)?);
                Ok(())
            })
        })?;
        let after = index.metrics_snapshot().bloom;
        let requests = after.requests.saturating_sub(before.requests).max(1);
        let false_positives = after.false_positives.saturating_sub(before.false_positives);
        let percent = 100.0 * false_positives as f64 / requests as f64;
        Ok(Done { records: self.records, note: format!("filters let {percent:.2} % through") })
    }

    fn scan(&self, index: &Index) -> Result<Done, Failure> {
        let mut cursor = index.cursor()?;
        let (mut count, mut bytes) = (0, 0);
        let mut last = Vec::new();
        let mut on_entry = cursor.seek_to_first()?;
        while on_entry {
            self.expect(*last < *cursor.key_bytes());
            last.clear();
            last.extend_from_slice(cursor.key_bytes());
            count += 1;
            bytes += cursor.key_bytes().len() + cursor.value_bytes()?.len();
            on_entry = cursor.next()?;
        }
        self.expect(count == self.records);
        Ok(Done { records: count, note: format!("{} MiB of keys and values", bytes >> 20) })
    }

    fn check(&self, index: &Index) -> Result<Done, Failure> {
        let report = index.check()?;
        self.expect(report.is_clean());
        Ok(Done { records: report.entries, note: report.to_string() })
    }

    fn expect(&self, right: bool) {
        if !right {
            self.wrong.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Gives every thread its part of the record numbers.
    fn on_all_threads(
        &self,
        work: impl Fn(Range<u64>) -> hestiastore::Result<()> + Sync,
    ) -> Result<(), Failure> {
        let part =
            |thread: u64| (u128::from(self.records) * u128::from(thread) / u128::from(self.threads)) as u64;
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..self.threads)
                .map(|thread| {
                    let numbers = part(thread)..part(thread + 1);
                    scope.spawn(|| work(numbers))
                })
                .collect();
            threads.into_iter().try_for_each(|thread| match thread.join() {
                Ok(outcome) => Ok(outcome?),
                Err(_) => Err(Failure::Message("a thread of the bench panicked".to_owned())),
            })
        })
    }
}

/// Flushes what was loaded, and waits for the merges that it caused.
fn settle(index: &Index) -> Result<Done, Failure> {
    index.flush_and_wait()?;
    index.wait_until_idle()?;
    let segments = index.metrics_snapshot().segments;
    let note = format!(
        "{} segments, {} runs, {} MiB on disk",
        segments.count,
        segments.runs,
        segments.stored_bytes >> 20
    );
    Ok(Done { records: 0, note })
}
