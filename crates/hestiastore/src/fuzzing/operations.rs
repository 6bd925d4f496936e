//! Operations that the input names, on an index with tiny settings and on a `BTreeMap`.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::{Durability, FilterNames};
use crate::directory::MemoryDirectory;
use crate::environment::Environment;
use crate::fuzz_input::Input;
use crate::{SegmentIndex, Snapshot, WriteBatch};

type Bytes = Vec<u8>;
type Model = BTreeMap<Bytes, Bytes>;
type Index = SegmentIndex<Bytes, Bytes>;

/// More operations are not done for one input.
const MAX_OPERATIONS: usize = 200;

/// An index and what it must hold.
struct World {
    directory: MemoryDirectory,
    settings: [u8; 4],
    /// Absent only while it is opened anew.
    index: Option<Index>,
    model: Model,
    snapshot: Option<(Snapshot<Bytes, Bytes>, Model)>,
}

/// Operations and reopenings; every read is compared, and at the end everything.
pub fn operations(data: &[u8]) {
    let mut input = Input::new(data);
    let settings = input.array();
    let directory = MemoryDirectory::new();
    let index = builder(&directory, settings).create().unwrap();
    let mut world = World { directory, settings, index: Some(index), model: Model::new(), snapshot: None };
    for _ in 0..MAX_OPERATIONS {
        if input.is_empty() {
            break;
        }
        world.step(&mut input);
    }
    world.reopen(true);
    world.compare();
    assert!(world.index().check().unwrap().is_clean());
    world.index().close().unwrap();
}

fn builder(directory: &MemoryDirectory, settings: [u8; 4]) -> crate::IndexBuilder<Bytes, Bytes> {
    let [chunk_keys, bits, sizes, durability] = settings;
    let filters: &[&str] =
        if bits & 1 == 0 { &["magic-number", "crc32", "lz4"] } else { &["magic-number", "crc32"] };
    let durability = match durability {
        0..0xa0 => Durability::Buffered,
        0xa0..0xc0 => Durability::Off,
        0xc0..0xe0 => Durability::GroupSync,
        _ => Durability::Sync,
    };
    let target_bytes = 8192u64 << (sizes % 3);
    SegmentIndex::builder_in(Arc::new(directory.clone()))
        .environment(Environment::repeatable(bits.into()))
        .write_buffer(|w| w.budget_bytes(64 << 10).delta_cache_bytes(u64::from(bits & 2) << 12))
        .segment(|s| {
            s.target_bytes(target_bytes).delta_fan_in(2 + u32::from(sizes >> 6)).main_merge_percent(50)
        })
        .chunk(|c| {
            c.max_keys(1 + u32::from(chunk_keys % 16))
                .max_bytes(512)
                .filters(FilterNames::from_iter(filters.iter().copied()))
        })
        .bloom(|b| b.enabled(bits & 4 == 0))
        .io(|i| i.buffer_bytes(4096))
        .cache(|c| c.chunk_bytes(if bits & 8 == 0 { 64 << 10 } else { 0 }))
        .maintenance(|m| m.threads(1).automatic(bits & 16 != 0))
        .log(|l| l.durability(durability).first_file_bytes(16 << 10).max_file_bytes(16 << 10))
}

impl World {
    fn index(&self) -> &Index {
        self.index.as_ref().unwrap()
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.u8() % 16 {
            0..=4 => {
                let (key, value) = (key(input), value(input));
                self.index().put(&key, &value).unwrap();
                self.model.insert(key, value);
            }
            5 => {
                let key = key(input);
                self.index().delete(&key).unwrap();
                self.model.remove(&key);
            }
            6 => self.batch(input),
            7 => {
                let key = key(input);
                assert!(self.index().get(&key).unwrap().as_ref() == self.model.get(&key), "{key:02x?}");
            }
            8 => self.range(input),
            9 => self.index().flush_and_wait().unwrap(),
            10 => self.index().compact_and_wait().unwrap(),
            11 => self.reopen(true),
            12 => self.reopen(false),
            13 => {
                self.compare_snapshot();
                self.snapshot = Some((self.index().snapshot().unwrap(), self.model.clone()));
            }
            14 => self.compare(),
            _ => self.many(input),
        }
    }

    fn batch(&mut self, input: &mut Input<'_>) {
        let mut batch = WriteBatch::new();
        for _ in 0..input.u8() % 8 {
            let key = key(input);
            if input.u8().is_multiple_of(4) {
                batch.delete(&key).unwrap();
                self.model.remove(&key);
            } else {
                let value = value(input);
                batch.put(&key, &value).unwrap();
                self.model.insert(key, value);
            }
        }
        self.index().write(batch).unwrap();
    }

    /// Many entries for a few bytes of input, so that chunks, runs and segments fill.
    fn many(&mut self, input: &mut Input<'_>) {
        let (first, step, count) = (input.u16(), input.u8(), input.u8() % 64);
        let mut value = value(input);
        value.truncate(3000);
        for n in 0..u16::from(count) {
            let key = first.wrapping_add(n.wrapping_mul(step.into())).to_be_bytes().to_vec();
            self.index().put(&key, &value).unwrap();
            self.model.insert(key, value.clone());
        }
    }

    fn range(&self, input: &mut Input<'_>) {
        let (a, b) = (key(input), key(input));
        let (lower, upper) = if a <= b { (a, b) } else { (b, a) };
        let found = self.index().range(lower.clone()..upper.clone()).unwrap();
        assert_all(found, self.model.range(lower..upper));
    }

    /// After a close, or with only the handle dropped.
    fn reopen(&mut self, close: bool) {
        self.compare_snapshot();
        self.snapshot = None;
        let without_log = self.index().config().log.durability == Durability::Off;
        if close || without_log {
            self.index().close().unwrap();
        }
        self.index = None;
        self.index = Some(builder(&self.directory, self.settings).open().unwrap());
    }

    fn compare(&self) {
        assert_all(self.index().iter().unwrap(), self.model.iter());
        let mut cursor = self.index().cursor().unwrap();
        let mut backward = self.model.iter().rev();
        let mut on_entry = cursor.seek_to_last().unwrap();
        while on_entry {
            let (key, value) = backward.next().unwrap();
            assert_eq!(cursor.key_bytes(), key);
            assert!(*cursor.value_bytes().unwrap() == **value, "another value of {key:02x?}");
            on_entry = cursor.prev().unwrap();
        }
        assert!(backward.next().is_none());
        self.compare_snapshot();
    }

    fn compare_snapshot(&self) {
        if let Some((snapshot, model)) = &self.snapshot {
            assert_all(snapshot.iter().unwrap(), model.iter());
        }
    }
}

fn assert_all<'m>(
    entries: impl Iterator<Item = crate::Result<(Bytes, Bytes)>>,
    mut expected: impl Iterator<Item = (&'m Bytes, &'m Bytes)>,
) {
    for entry in entries {
        let (key, value) = entry.unwrap();
        let (expected_key, expected_value) = expected.next().unwrap();
        assert_eq!(key, *expected_key);
        assert!(value == *expected_value, "another value of {key:02x?}");
    }
    assert_eq!(expected.next().map(|(key, _)| key), None);
}

/// Of few shapes, so that keys meet.
fn key(input: &mut Input<'_>) -> Bytes {
    let byte = input.u8();
    match byte >> 6 {
        0 => vec![byte & 7],
        1 => vec![0, byte & 7, input.u8()],
        2 => vec![b'k'; usize::from(byte & 15)],
        _ => input.bytes(usize::from(byte & 15)).to_vec(),
    }
}

fn value(input: &mut Input<'_>) -> Bytes {
    let byte = input.u8();
    match byte {
        0..=0xdf => vec![byte; usize::from(byte & 63)],
        0xe0..=0xfd => input.bytes(usize::from(byte & 31)).to_vec(),
        0xfe => vec![byte; 3000],
        0xff => (0..70_000u32).map(|n| (n % 251) as u8).collect(),
    }
}
