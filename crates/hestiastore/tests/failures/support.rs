//! What several of these tests need.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hestiastore::config::Durability;
use hestiastore::directory::{Directory, SimulatedDirectory};
use hestiastore::{Error, IndexBuilder, Result, SegmentIndex};

pub type Index = SegmentIndex<u64, Vec<u8>>;
pub type Model = BTreeMap<u64, Vec<u8>>;

pub const MODES: [Durability; 4] =
    [Durability::Off, Durability::Buffered, Durability::GroupSync, Durability::Sync];

/// Small files and buffers.
pub fn small(index: IndexBuilder<u64, Vec<u8>>) -> IndexBuilder<u64, Vec<u8>> {
    index
        .write_buffer(|w| w.budget_bytes(256 << 10))
        .chunk(|c| c.max_keys(16).max_bytes(1 << 10).filters(["magic-number", "crc32"].into()))
        .log(|l| l.first_file_bytes(16 << 10).max_file_bytes(64 << 10))
}

pub fn at(directory: &SimulatedDirectory) -> IndexBuilder<u64, Vec<u8>> {
    small(Index::builder_in(Arc::new(directory.clone())))
}

/// No merge by itself, no sync by itself.
pub fn quiet(directory: &SimulatedDirectory) -> IndexBuilder<u64, Vec<u8>> {
    at(directory).maintenance(|m| m.automatic(false)).log(|l| {
        l.first_file_bytes(16 << 10).max_file_bytes(16 << 10).sync_interval(Duration::from_secs(3_600))
    })
}

pub fn spread(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The value of a key that does not compress.
pub fn value(key: u64, bytes: usize) -> Vec<u8> {
    let words = (1u64..).flat_map(|n| spread(key ^ spread(n)).to_be_bytes());
    words.take(bytes).collect()
}

/// All entries, by a scan, which point reads must agree with.
#[track_caller]
pub fn all(index: &Index) -> Model {
    let found: Model = index.iter().unwrap().map(Result::unwrap).collect();
    for (key, value) in found.iter().step_by(7) {
        assert_eq!(index.get(key).unwrap().as_ref(), Some(value));
    }
    found
}

/// Compares without printing megabytes.
#[track_caller]
pub fn assert_same(found: &Model, expected: &Model) {
    let missing = expected.keys().filter(|key| !found.contains_key(key)).count();
    let unexpected = found.keys().filter(|key| !expected.contains_key(key)).count();
    assert!(
        found == expected,
        "{} entries instead of {}: {missing} missing, {unexpected} unexpected",
        found.len(),
        expected.len()
    );
}

#[track_caller]
pub fn assert_clean(index: &Index) {
    let report = index.check().unwrap();
    assert!(report.is_clean(), "{report}");
}

/// Writes entries of so many bytes until one is refused, and gives the refusal.
pub fn fill(index: &Index, model: &mut Model, bytes: usize) -> Error {
    for number in model.len() as u64.. {
        let key = spread(number);
        match index.put(key, value(key, bytes)) {
            Ok(()) => model.insert(key, value(key, bytes)),
            Err(error) => return error,
        };
    }
    unreachable!()
}

/// Writes until a write is taken: refusals end by themselves, though not at once.
pub fn put_when_taken(index: &Index, model: &mut Model, bytes: usize) {
    let key = spread(model.len() as u64);
    loop {
        match index.put(key, value(key, bytes)) {
            Ok(()) => break,
            Err(Error::WritesRefused { .. }) => std::thread::yield_now(),
            Err(other) => panic!("{other}"),
        }
    }
    model.insert(key, value(key, bytes));
}

pub fn used_bytes(directory: &SimulatedDirectory) -> u64 {
    let names = directory.list().unwrap();
    names.iter().map(|name| directory.read_all(name).map_or(0, |bytes| bytes.len() as u64)).sum()
}

pub fn names_of(directory: &SimulatedDirectory, prefix: &str) -> Vec<String> {
    let mut names = directory.list().unwrap();
    names.retain(|name| name.starts_with(prefix));
    names.sort();
    names
}
