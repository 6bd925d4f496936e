//! Stores whose whole history is known, and what must hold of them after a repair.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hestiastore::directory::{CrashPolicy, Directory, Fault, FaultRule, OperationKind, SimulatedDirectory};
use hestiastore::environment::Environment;
use hestiastore::repair::{Finding, RepairOptions, RepairReport, plan_repair, repair};
use hestiastore::{IndexBuilder, Result, SegmentIndex};

pub type Bytes = Vec<u8>;
pub type Index = SegmentIndex<Bytes, Bytes>;

/// An index and every operation on it: the operation at place n has seq n + 1.
#[derive(Clone)]
pub struct Store {
    pub directory: SimulatedDirectory,
    pub history: Vec<(Bytes, Option<Bytes>)>,
    /// Operations behind this seq were never proven to be on disk: damage may pass for the tail of the log.
    pub proven_seq: u64,
}

pub fn builder(directory: &SimulatedDirectory) -> IndexBuilder<Bytes, Bytes> {
    Index::builder_in(Arc::new(directory.clone()))
        .environment(Environment::repeatable(directory.operation_count() + 77))
        .write_buffer(|w| w.budget_bytes(16 << 20).delta_cache_bytes(0))
        .segment(|s| s.target_bytes(16 << 10).delta_fan_in(4))
        .chunk(|c| c.max_keys(8).max_bytes(1 << 10))
        .maintenance(|m| m.threads(1).automatic(false))
        .log(|l| l.first_file_bytes(64 << 10).max_file_bytes(64 << 10))
}

pub fn key(n: u32) -> Bytes {
    format!("key {n:05}").into_bytes()
}

fn value(n: u32, generation: u32) -> Bytes {
    format!("value {n} of generation {generation} {}", "x".repeat((n % 40) as usize)).into_bytes()
}

/// Builds a history.
pub struct Author {
    pub index: Index,
    store: Store,
    generation: u32,
}

impl Author {
    pub fn new() -> Self {
        Self::with_segments_of(16 << 10)
    }

    pub fn with_segments_of(target_bytes: u64) -> Self {
        let directory = SimulatedDirectory::new();
        let index = builder(&directory).segment(|s| s.target_bytes(target_bytes)).create().unwrap();
        let store = Store { directory, history: Vec::new(), proven_seq: 0 };
        Self { index, store, generation: 0 }
    }

    pub fn put(&mut self, keys: impl IntoIterator<Item = u32>) {
        self.generation += 1;
        for n in keys {
            self.write(key(n), Some(value(n, self.generation)));
        }
    }

    /// Values that are chunks of their own.
    pub fn put_large(&mut self, keys: impl IntoIterator<Item = u32>) {
        self.generation += 1;
        for n in keys {
            let unlike = (0..100_000u64).map(|at| ((at * at * u64::from(n + 7)) >> 9) as u8).collect();
            self.write(key(n), Some(unlike));
        }
    }

    pub fn delete(&mut self, keys: impl IntoIterator<Item = u32>) {
        for n in keys {
            self.write(key(n), None);
        }
    }

    fn write(&mut self, key: Bytes, value: Option<Bytes>) {
        match &value {
            Some(value) => self.index.put(&key, value).unwrap(),
            None => self.index.delete(&key).unwrap(),
        }
        self.store.history.push((key, value));
    }

    pub fn flush(&mut self) {
        self.index.flush_and_wait().unwrap();
        self.store.proven_seq = self.store.history.len() as u64;
    }

    pub fn compact(&self) {
        self.index.compact_and_wait().unwrap();
    }

    /// Merges and splits until there is nothing left to do, as a later open would.
    pub fn settle(&mut self) {
        self.index.close().unwrap();
        let settling = builder(&self.store.directory).maintenance(|m| m.automatic(true)).open().unwrap();
        settling.put(key(0), b"settled").unwrap();
        self.store.history.push((key(0), Some(b"settled".to_vec())));
        settling.flush_and_wait().unwrap();
        settling.wait_until_idle().unwrap();
        settling.close().unwrap();
        self.index = builder(&self.store.directory).open().unwrap();
    }

    pub fn close_and_open(&mut self) {
        self.index.close().unwrap();
        self.index = builder(&self.store.directory).open().unwrap();
    }

    pub fn directory(&self) -> &SimulatedDirectory {
        &self.store.directory
    }

    /// What the death of the process would leave now.
    pub fn killed_now(&self) -> Store {
        Store { directory: self.store.directory.kill(), ..self.store.clone() }
    }

    pub fn close(mut self) -> Store {
        self.index.close().unwrap();
        self.store.proven_seq = self.store.history.len() as u64;
        self.store
    }

    /// As the death of the process leaves it.
    pub fn kill(self) -> Store {
        self.killed_now()
    }
}

/// Several segments with main and delta runs, shared files, tombstones, large values, and a log.
pub fn rich() -> Author {
    let mut author = Author::new();
    author.put(0..600);
    author.put_large([55, 300, 555]);
    author.flush();
    author.settle();
    author.put((0..600).step_by(3));
    author.delete((1..600).step_by(7));
    author.flush();
    author.put((100..400).step_by(2));
    author.put_large([120, 450]);
    author.flush();
    author.put((5..600).step_by(50));
    author.delete((2..600).step_by(60));
    author
}

impl Store {
    pub fn copy(&self) -> Self {
        Self { directory: self.directory.crash(CrashPolicy::KeepAll, 0), ..self.clone() }
    }

    pub fn files(&self, prefix: &str) -> Vec<String> {
        let mut names = self.directory.list().unwrap();
        names.retain(|name| name.starts_with(prefix));
        names.sort();
        names
    }

    pub fn length(&self, file: &str) -> u64 {
        self.directory.read_all(file).unwrap().len() as u64
    }

    pub fn bytes(&self, file: &str) -> Bytes {
        self.directory.read_all(file).unwrap()
    }

    pub fn fill(&self, file: &str, range: std::ops::Range<u64>, byte: u8) {
        let mut bytes = self.bytes(file);
        bytes[range.start as usize..range.end as usize].fill(byte);
        self.directory.write_all(file, &bytes).unwrap();
    }

    pub fn shared(&self) -> Arc<dyn Directory> {
        Arc::new(self.directory.clone())
    }

    pub fn plan(&self) -> Result<RepairReport> {
        plan_repair(&self.shared(), &options())
    }

    pub fn repair(&self) -> Result<RepairReport> {
        repair(
            &self.shared(),
            &options().environment(Environment::repeatable(self.directory.operation_count())),
        )
    }

    /// Plans, repairs, and checks what is left.
    #[track_caller]
    pub fn repaired(&self, what: &str) -> RepairReport {
        let before = self.image();
        let plan = self.plan().unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(self.image() == before, "{what}: a plan changed something");
        let report = self.repair().unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(plan.findings, report.findings, "{what}");
        if report.is_sound() {
            assert!(self.image() == before, "{what}: a sound store was changed");
        }
        self.assert_right(&report, what);
        report
    }

    pub fn image(&self) -> BTreeMap<String, Bytes> {
        let names = self.directory.list().unwrap();
        names.into_iter().map(|name| (name.clone(), self.bytes(&name))).collect()
    }

    /// Every entry is the right one, or a loss covers every operation that would have made it so; and the
    /// store goes on.
    #[track_caller]
    pub fn assert_right(&self, report: &RepairReport, what: &str) {
        let again = self.plan().unwrap();
        assert!(again.is_sound(), "{what}: after the repair: {again}");
        let index =
            builder(&self.directory).open().unwrap_or_else(|error| panic!("{what}: {error}\n{report}"));
        let mut found = everything(&index);
        self.assert_covered(&found, report, what);
        let check = index.check().unwrap();
        assert!(check.is_clean(), "{what}: {check}");
        for n in (0..700).step_by(90) {
            index.put(key(n), b"afterwards").unwrap();
            found.insert(key(n), b"afterwards".to_vec());
        }
        index.compact_and_wait().unwrap();
        assert!(everything(&index) == found, "{what}: after a compaction");
        index.close().unwrap();
        let index = builder(&self.directory).open().unwrap();
        assert!(everything(&index) == found, "{what}: after reopening");
        let check = index.check().unwrap();
        assert!(check.is_clean(), "{what}: {check}");
    }

    #[track_caller]
    pub fn assert_covered(&self, found: &BTreeMap<Bytes, Bytes>, report: &RepairReport, what: &str) {
        let lost = |key: &[u8], seq: u64| {
            seq > self.proven_seq
                || report
                    .losses()
                    .any(|loss| loss.keys.contains(key) && loss.seqs.0.max(1) <= seq && seq <= loss.seqs.1)
        };
        let mut seen: BTreeSet<&[u8]> = BTreeSet::new();
        for (place, (key, _)) in self.history.iter().enumerate().rev() {
            if !seen.insert(key) {
                continue;
            }
            let mut older =
                self.history[..=place].iter().enumerate().rev().filter(|(_, (other, _))| other == key);
            let is = found.get(key);
            let right = loop {
                match older.next() {
                    Some((_, (_, value))) if value.as_ref() == is => break true,
                    Some((place, _)) if lost(key, place as u64 + 1) => {}
                    Some(_) => break false,
                    None => break is.is_none(),
                }
            };
            assert!(
                right,
                "{what}: {:?} is {:?}, and no loss covers that\n{report}",
                String::from_utf8_lossy(key),
                is.map(|value| String::from_utf8_lossy(&value[..value.len().min(40)]).into_owned()),
            );
        }
        let invented = found.keys().find(|key| !seen.contains(&***key));
        assert!(invented.is_none(), "{what}: {invented:?} was never written");
    }

    /// What was written last.
    pub fn newest(&self) -> BTreeMap<Bytes, Bytes> {
        let mut newest = BTreeMap::new();
        for (key, value) in &self.history {
            match value {
                Some(value) => newest.insert(key.clone(), value.clone()),
                None => newest.remove(key),
            };
        }
        newest
    }
}

pub fn options() -> RepairOptions {
    RepairOptions::default().types("bytes", "bytes")
}

pub fn everything(index: &Index) -> BTreeMap<Bytes, Bytes> {
    index.iter().unwrap().map(|entry| entry.unwrap()).collect()
}

#[track_caller]
pub fn only(report: &RepairReport) -> &Finding {
    assert_eq!(report.findings.len(), 1, "{report}");
    &report.findings[0]
}

#[test]
fn a_sound_store_is_left_alone() {
    for (what, store) in [("closed", rich().close()), ("killed", rich().kill())] {
        assert!(store.files("run-").len() > 4, "{:?}", store.files(""));
        let report = store.repaired(what);
        assert!(report.is_sound(), "{what}: {report}");
        assert_eq!(report.to_string(), "nothing to repair\n");
    }
}

#[test]
fn nothing_of_ours_is_no_index() {
    let directory = SimulatedDirectory::new();
    directory.write_all("notes.txt", b"mine").unwrap();
    let shared: Arc<dyn Directory> = Arc::new(directory.clone());
    let error = repair(&shared, &options()).unwrap_err();
    assert!(matches!(error, hestiastore::Error::NotAnIndex { .. }), "{error}");
    assert_eq!(directory.list().unwrap(), ["notes.txt"]);
}

#[test]
fn a_plan_shares_the_lock_and_needs_none_where_nothing_can_be_written() {
    let store = rich().close();
    let reading = builder(&store.directory).open_read_only().unwrap();
    assert!(store.plan().unwrap().is_sound());
    assert!(matches!(store.repair().unwrap_err(), hestiastore::Error::Locked { .. }));
    reading.close().unwrap();
    let read_only = Fault::FailBefore(std::io::ErrorKind::ReadOnlyFilesystem);
    store.directory.inject(FaultRule::new(read_only).on(&[OperationKind::Lock]));
    assert!(store.plan().unwrap().is_sound());
    assert!(matches!(store.repair().unwrap_err(), hestiastore::Error::Io { operation: "lock", .. }));
}

#[test]
fn an_open_index_is_not_repaired() {
    let author = rich();
    let directory: Arc<dyn Directory> = Arc::new(author.close().directory);
    let open = Index::builder_in(Arc::clone(&directory)).open().unwrap();
    let error = repair(&directory, &options()).unwrap_err();
    assert!(matches!(error, hestiastore::Error::Locked { .. }), "{error}");
    open.close().unwrap();
}
