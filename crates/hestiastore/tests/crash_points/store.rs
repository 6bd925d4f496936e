//! The index under test: as small as it can be, so that a case takes a millisecond.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hestiastore::config::Durability;
use hestiastore::directory::{CrashPolicy, Directory, SimulatedDirectory};
use hestiastore::environment::Environment;
use hestiastore::{Result, SegmentIndex, WriteBatch};

use crate::script::{MODES, Start};

/// A moment at which a thread stands still is no idleness.
const NEVER: Duration = Duration::from_secs(24 * 3_600);

pub type Index = SegmentIndex<u32, Vec<u8>>;

/// Keys, and the number of the write that gave each its value.
pub type State = BTreeMap<u32, u32>;

/// How an index is opened.
#[derive(Debug, Clone, Copy)]
pub struct Opening {
    pub mode: Durability,
    /// Whether merges and splits go on in the background.
    pub automatic: bool,
    /// Of a segment.
    pub target_bytes: u64,
    pub seed: u64,
}

/// A usual target of segments.
pub const TARGET_BYTES: u64 = 4 << 10;

pub fn open(directory: Arc<dyn Directory>, opening: Opening) -> Result<Index> {
    Index::builder_in(directory)
        .environment(Environment::repeatable(opening.seed))
        .write_buffer(|w| w.budget_bytes(4 << 20).delta_cache_bytes(0))
        .segment(|s| s.target_bytes(opening.target_bytes).delta_fan_in(2))
        // Uncompressed, so that the same few values again and again fill segments.
        .chunk(|c| c.max_keys(4).max_bytes(512).filters(["magic-number", "crc32"].into()))
        .maintenance(|m| m.threads(1).automatic(opening.automatic).idle_after(NEVER))
        .log(|l| l.durability(opening.mode).first_file_bytes(16 << 10).max_file_bytes(16 << 10))
        .open_or_create()
}

/// The bytes of the write with this number.
pub fn value(write: u32) -> Vec<u8> {
    write.to_be_bytes().repeat(20)
}

/// What stands in the index. A value that nobody wrote is shown as the number [`INVENTED`].
pub fn found(index: &Index) -> Result<State> {
    let mut state = State::new();
    for entry in index.iter()? {
        let (key, bytes) = entry?;
        let write = bytes.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
        state.insert(key, write.filter(|write| value(*write) == bytes).unwrap_or(INVENTED));
    }
    Ok(state)
}

/// The number of no write.
pub const INVENTED: u32 = u32::MAX;

/// A directory as a script finds it, and what stands in it.
pub fn start(start: Start, mode: Durability) -> (SimulatedDirectory, State) {
    match start {
        Start::Empty => (SimulatedDirectory::new(), State::new()),
        Start::Segments => {
            static BUILT: [OnceLock<SimulatedDirectory>; 4] = [const { OnceLock::new() }; 4];
            let number = MODES.iter().position(|known| *known == mode).unwrap();
            let built = BUILT[number].get_or_init(|| several_segments(mode));
            (built.crash(CrashPolicy::KeepAll, 0), (0..200).map(|key| (key, 0)).collect())
        }
    }
}

fn several_segments(mode: Durability) -> SimulatedDirectory {
    let directory = SimulatedDirectory::new();
    let opening = Opening { mode, automatic: true, target_bytes: TARGET_BYTES, seed: 1 };
    let index = open(Arc::new(directory.clone()), opening).unwrap();
    let mut batch = WriteBatch::new();
    for key in 0..200 {
        batch.put(key, &value(0)[..]).unwrap();
    }
    index.write(batch).unwrap();
    index.flush_and_wait().unwrap();
    index.wait_until_idle().unwrap();
    assert!(index.metrics_snapshot().segments.count > 2);
    index.close().unwrap();
    directory
}
