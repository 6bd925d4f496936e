//! The registry loads with one loader for each run, and evicts by bytes.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Barrier, Mutex};

use hestiastore::SegmentIndex;
use hestiastore::directory::{Directory, DirectoryLock, File, LockMode, MemoryDirectory, OpenMode};

/// Counts how often each run is opened, and takes its time over it.
#[derive(Debug)]
struct CountingDirectory {
    inner: MemoryDirectory,
    opened: Mutex<HashMap<String, usize>>,
}

impl CountingDirectory {
    fn forget(&self) {
        self.opened.lock().unwrap().clear();
    }

    fn times_opened(&self) -> Vec<usize> {
        self.opened.lock().unwrap().values().copied().collect()
    }
}

impl Directory for CountingDirectory {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        self.inner.create(name)
    }

    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        if name.starts_with("run-") {
            *self.opened.lock().unwrap().entry(name.to_owned()).or_default() += 1;
            (0..200).for_each(|_| std::thread::yield_now());
        }
        self.inner.open(name, mode)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.inner.list()
    }

    fn create_folder(&self, name: &str) -> io::Result<()> {
        self.inner.create_folder(name)
    }

    fn sync(&self) -> io::Result<()> {
        self.inner.sync()
    }

    fn lock(&self, mode: LockMode) -> io::Result<Box<dyn DirectoryLock>> {
        self.inner.lock(mode)
    }
}

const KEYS: u64 = 8_000;

/// An index of several segments, just opened: nothing is loaded.
fn reopened(loaded_bytes: u64) -> (Arc<CountingDirectory>, SegmentIndex<u64, Vec<u8>>) {
    let directory = Arc::new(CountingDirectory { inner: MemoryDirectory::new(), opened: Mutex::default() });
    let builder = || {
        SegmentIndex::builder_in(Arc::clone(&directory) as Arc<dyn Directory>)
            .segment(|s| s.target_bytes(64 << 10))
            .chunk(|c| c.max_keys(1))
            .cache(|c| c.chunk_bytes(0).loaded_bytes(loaded_bytes))
            .maintenance(|m| m.threads(1))
    };
    let index: SegmentIndex<u64, Vec<u8>> = builder().create().unwrap();
    for n in 0..KEYS {
        index.put(n, value(n)).unwrap();
    }
    index.compact_and_wait().unwrap();
    index.close().unwrap();
    let index = builder().open().unwrap();
    directory.forget();
    (directory, index)
}

fn value(n: u64) -> Vec<u8> {
    // Nothing that compresses.
    (0..10).flat_map(|i| (n * 10 + i).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()).collect()
}

fn read_on_many_threads(index: &SegmentIndex<u64, Vec<u8>>, step: usize, check: impl Fn() + Sync) {
    const THREADS: u64 = 8;
    let barrier = Barrier::new(THREADS as usize);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (barrier, check) = (&barrier, &check);
            scope.spawn(move || {
                barrier.wait();
                for n in (0..KEYS).step_by(step) {
                    let n = (n + thread / 2 * 1_000) % KEYS;
                    assert_eq!(index.get(n).unwrap(), Some(value(n)));
                    check();
                }
            });
        }
    });
}

#[test]
fn m1_of_many_readers_one_loads_a_run() {
    let (directory, index) = reopened(256 << 20);
    read_on_many_threads(&index, 100, || ());
    let opened = directory.times_opened();
    assert!(!opened.is_empty());
    assert!(opened.iter().all(|times| *times == 1), "{opened:?}");
}

#[test]
fn m1_the_registry_evicts_by_bytes_beside_many_readers() {
    const BUDGET_BYTES: u64 = 64 << 10;
    let (directory, index) = reopened(BUDGET_BYTES);
    index.get(0).unwrap();
    let one_run_bytes = index.metrics_snapshot().registry.loaded_bytes;
    read_on_many_threads(&index, 50, || {
        let loaded = index.metrics_snapshot().registry.loaded_bytes;
        assert!(loaded <= BUDGET_BYTES + 2 * one_run_bytes, "{loaded}, and {one_run_bytes} of one run");
    });
    assert!(directory.times_opened().iter().any(|times| *times > 1), "nothing was evicted");
}
