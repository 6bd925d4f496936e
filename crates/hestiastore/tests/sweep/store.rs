//! A small store with every kind of file, what it held after each commit, and what it looked like earlier.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::time::Duration;

use hestiastore::directory::{CrashPolicy, Directory, SimulatedDirectory};
use hestiastore::environment::Environment;
use hestiastore::inspect::{LogContent, LogItem, LogRecord};
use hestiastore::{IndexBuilder, Result, SegmentIndex, WriteBatch, inspect};

pub type Bytes = Vec<u8>;
pub type Index = SegmentIndex<Bytes, Bytes>;
pub type State = BTreeMap<Bytes, Bytes>;
/// All files by name.
pub type Files = BTreeMap<String, Bytes>;

/// Small segments, chunks and logs; no sync and no merge by itself.
pub fn builder(directory: &SimulatedDirectory, seed: u64) -> IndexBuilder<Bytes, Bytes> {
    Index::builder_in(Arc::new(directory.clone()))
        .environment(Environment::repeatable(seed))
        .write_buffer(|w| w.budget_bytes(8 << 20).delta_cache_bytes(0))
        .segment(|s| s.target_bytes(6 << 10))
        .chunk(|c| c.max_keys(8).max_bytes(512))
        .maintenance(|m| m.automatic(false).threads(1))
        .log(|l| {
            l.first_file_bytes(16 << 10).max_file_bytes(16 << 10).sync_interval(Duration::from_secs(3_600))
        })
}

/// A copy that goes its own way.
pub fn copy(directory: &SimulatedDirectory) -> SimulatedDirectory {
    directory.crash(CrashPolicy::KeepAll, 0)
}

pub fn files(directory: &SimulatedDirectory) -> Files {
    let names = directory.list().unwrap();
    names.into_iter().map(|name| (name.clone(), directory.read_all(&name).unwrap())).collect()
}

/// A SYNC mark that is witness for all that came before a seq.
#[derive(Debug)]
pub struct Witness {
    pub file: String,
    pub place: Range<usize>,
    pub seq: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Store {
    pub directory: SimulatedDirectory,
    pub files: Files,
    /// Earlier ones of the same index, oldest first.
    pub generations: Vec<Files>,
    /// After each commit: its last seq, and what was there.
    pub states: Vec<(u64, State)>,
    /// Everything through this seq is proven by the manifest.
    pub proven_seq: u64,
    pub witnesses: Vec<Witness>,
    /// Every key there ever was, and some that never were.
    pub keys: Vec<Bytes>,
}

/// How the last process that wrote ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With writes in the log.
    Closed,
    /// With everything in runs, and no log.
    Flushed,
    Killed,
}

impl End {
    pub const ALL: [End; 3] = [End::Closed, End::Flushed, End::Killed];
}

/// Builds one: everything follows from the seed.
#[derive(Debug)]
struct Building {
    directory: SimulatedDirectory,
    index: Index,
    seed: u64,
    seq: u64,
    states: Vec<(u64, State)>,
    generations: Vec<Files>,
}

const MARK_BYTES: usize = 32;

impl Store {
    /// Of the seed depends who the index and its files are, and what the values say.
    pub fn new(seed: u64, end: End) -> Self {
        let mut building = Building::begin(seed);
        building.main_runs();
        building.delta_runs();
        building.reopen();
        let flushed = building.log_only();
        let proven_seq = if end == End::Killed { flushed } else { building.seq };
        building.end(end, proven_seq)
    }

    pub fn last(&self) -> &State {
        &self.states.last().unwrap().1
    }

    /// The number of the first state that holds everything through a seq.
    pub fn state_at(&self, seq: u64) -> usize {
        self.states.iter().position(|(last, _)| *last >= seq).unwrap()
    }

    pub fn names(&self, prefix: &str) -> Vec<&str> {
        self.files.keys().map(String::as_str).filter(|name| name.starts_with(prefix)).collect()
    }
}

impl Building {
    fn begin(seed: u64) -> Self {
        let directory = SimulatedDirectory::new();
        let index = builder(&directory, seed).create().unwrap();
        let states = vec![(0, State::new())];
        Self { directory, index, seed, seq: 0, states, generations: Vec::new() }
    }

    fn value(&self, number: u32, length: usize) -> Bytes {
        let mut value = format!("{} {} {number} ", self.seed, self.seq).into_bytes();
        let noise = (number as u64 + self.seq).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        if length > 1_000 {
            // Compressed it is small, as the file is to be.
            value.resize(length, b'v');
            return value;
        }
        value.extend((0..length).map(|at| (noise >> (at % 8 * 8)) as u8 ^ at as u8));
        value
    }

    /// One commit: so many puts, or deletes, from key to key.
    fn write(&mut self, keys: impl Iterator<Item = u32>, length: Option<usize>) {
        let mut batch = WriteBatch::new();
        let mut state = self.states.last().unwrap().1.clone();
        for number in keys {
            self.seq += 1;
            let key = key(number);
            match length {
                Some(length) => {
                    let value = self.value(number, length);
                    batch.put(&key, &value).unwrap();
                    state.insert(key, value);
                }
                None => {
                    batch.delete(&key).unwrap();
                    state.remove(&key);
                }
            }
        }
        self.index.write(batch).unwrap();
        self.states.push((self.seq, state));
    }

    fn note_generation(&mut self) {
        self.generations.push(files(&self.directory));
    }

    /// Several segments with a main run each; two values that are stored apart.
    fn main_runs(&mut self) {
        for from in (0..160).step_by(8) {
            self.write(from..from + 8, Some(90));
        }
        self.write([50, 51].into_iter(), Some(70_000));
        self.note_generation();
        self.index.compact_and_wait().unwrap();
        self.index.close().unwrap();
        self.note_generation();
        // Splits begin by themselves only.
        let index =
            builder(&self.directory, self.seed + 1).maintenance(|m| m.automatic(true)).open().unwrap();
        self.index = index;
        self.write(0..1, Some(60));
        self.index.flush_and_wait().unwrap();
        self.index.wait_until_idle().unwrap();
        self.note_generation();
        self.reopen();
    }

    /// Delta runs above them, with tombstones.
    fn delta_runs(&mut self) {
        for from in [3, 5] {
            self.write((from..150).step_by(7), Some(40));
            self.write((from..150).step_by(11), None);
            self.index.flush_and_wait().unwrap();
            self.note_generation();
        }
    }

    fn reopen(&mut self) {
        self.index.close().unwrap();
        self.note_generation();
        let seed = self.seed + self.seq;
        self.index = builder(&self.directory, seed).maintenance(|m| m.automatic(false)).open().unwrap();
    }

    /// Two logs with writes that are in no run, some of them synced. The last seq that is in runs.
    fn log_only(&mut self) -> u64 {
        let flushed = self.seq;
        for number in 0..22 {
            match number % 4 {
                0 => self.write(number * 5..number * 5 + 6, Some(200)),
                1 => self.write(number * 3..number * 3 + 2, None),
                _ => self.write(number + 200..number + 201, Some(900)),
            }
            if number % 7 == 4 {
                self.index.sync().unwrap();
                self.note_generation();
            }
        }
        flushed
    }

    fn end(self, end: End, proven_seq: u64) -> Store {
        let directory = match end {
            End::Closed => {
                self.index.close().unwrap();
                self.directory
            }
            End::Flushed => {
                self.index.flush_and_wait().unwrap();
                self.index.close().unwrap();
                self.directory
            }
            End::Killed => self.directory.kill(),
        };
        let directory = copy(&directory);
        let files = files(&directory);
        let witnesses = files.keys().filter(|name| name.starts_with("log-"));
        let witnesses = witnesses.flat_map(|name| marks(&directory, name)).collect();
        let Self { states, generations, .. } = self;
        let never = [&b""[..], b"absent", b"key 5", b"zzz"].map(<[u8]>::to_vec);
        let keys = never.into_iter().chain((0..230).map(key)).collect();
        Store { directory, files, generations, states, proven_seq, witnesses, keys }
    }
}

pub fn key(number: u32) -> Bytes {
    format!("key {:03}", number * 7 % 997).into_bytes()
}

fn marks(directory: &SimulatedDirectory, name: &str) -> Vec<Witness> {
    let mut marks = Vec::new();
    let _: Result<_> = inspect::read_log(directory, name, None, &mut |item| {
        let mark = match item {
            LogItem::Record(LogRecord { content: LogContent::Sync { synced_seq, .. }, offset, .. }) => {
                Some((offset, synced_seq))
            }
            LogItem::Later(later) => later.synced_seq.map(|synced| (later.offset, synced)),
            _ => None,
        };
        marks.extend(mark.map(|(offset, seq)| {
            let offset = offset as usize;
            Witness { file: name.to_owned(), place: offset..offset + MARK_BYTES, seq }
        }));
        Ok(ControlFlow::Continue(()))
    });
    marks
}

/// The store is what the sweeps think it is.
#[test]
fn the_store_has_every_kind_of_file() {
    for end in End::ALL {
        let store = Store::new(1, end);
        let index = builder(&store.directory, 9).open().unwrap();
        let report = index.check().unwrap();
        assert!(report.is_clean() && report.segments >= 3, "{report}");
        assert!(store.names("run-").len() >= 6, "{:?}", store.files.keys());
        let has_logs = store.names("log-").len() >= 2 && store.witnesses.len() >= 3;
        assert_eq!(has_logs, end != End::Flushed, "{:?}", store.witnesses);
        assert!(store.proven_seq > 0);
        let found: State = index.iter().unwrap().map(|entry| entry.unwrap()).collect();
        assert!(found == *store.last());
        let bytes: usize = store.files.values().map(Vec::len).sum();
        assert!(bytes < 400 << 10, "{bytes}");
    }
}
