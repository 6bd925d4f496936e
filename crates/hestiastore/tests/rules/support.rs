//! What several of these tests need.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hestiastore::directory::{Directory, SimulatedDirectory};
use hestiastore::{IndexBuilder, SegmentIndex};

use crate::observed::Observed;

pub type Index = SegmentIndex<u64, Vec<u8>>;

/// Small files, no merge by itself, no sync by itself.
pub fn quiet(directory: &SimulatedDirectory) -> IndexBuilder<u64, Vec<u8>> {
    quiet_in(Arc::new(directory.clone()))
}

/// The same, and every operation is seen.
pub fn watched(directory: &Observed) -> IndexBuilder<u64, Vec<u8>> {
    quiet_in(Arc::new(directory.clone()))
}

/// A new index with one synced write, whose second log is ready: nothing goes on in the background.
pub fn settled(directory: &Observed) -> Index {
    let index = watched(directory).create().unwrap();
    directory.second_log.arm();
    index.put(0, b"first").unwrap();
    directory.second_log.wait_held();
    directory.second_log.open();
    // Once it has made the log, the thread syncs what was visible then.
    wait_until(|| {
        let log = index.metrics_snapshot().log;
        (log.files, log.synced_seq) == (2, 1)
    });
    directory.take();
    index
}

fn quiet_in(directory: Arc<dyn Directory>) -> IndexBuilder<u64, Vec<u8>> {
    Index::builder_in(directory)
        .write_buffer(|w| w.budget_bytes(1 << 20))
        .chunk(|c| c.max_keys(16).max_bytes(1 << 10))
        .segment(|s| s.target_bytes(16 << 10))
        .maintenance(|m| m.automatic(false))
        .log(|l| {
            l.first_file_bytes(16 << 10).max_file_bytes(16 << 10).sync_interval(Duration::from_secs(3_600))
        })
}

/// Small segments that are split.
pub fn splitting(directory: &SimulatedDirectory) -> IndexBuilder<u64, Vec<u8>> {
    quiet(directory).write_buffer(|w| w.budget_bytes(8 << 20)).maintenance(|m| m.automatic(true))
}

pub fn spread(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

pub fn all(index: &Index) -> Vec<(u64, Vec<u8>)> {
    index.iter().unwrap().map(Result::unwrap).collect()
}

/// Every file with its content, but for those that go meanwhile.
pub fn bytes_of(directory: &SimulatedDirectory) -> BTreeMap<String, Vec<u8>> {
    let names = directory.list().unwrap();
    names.into_iter().filter_map(|name| Some((name.clone(), directory.read_all(&name)?))).collect()
}

pub fn count_of(directory: &SimulatedDirectory, prefix: &str) -> usize {
    directory.list().unwrap().iter().filter(|name| name.starts_with(prefix)).count()
}

/// Waits, without sleeping, for what another thread will do.
pub fn wait_until(done: impl Fn() -> bool) {
    while !done() {
        std::thread::yield_now();
    }
}
