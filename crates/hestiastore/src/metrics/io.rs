//! Bytes that go to files and come from them, by what the files are.

use super::counter::Tally;

/// What a file is, as far as its traffic is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum FileKind {
    Run,
    Log,
    /// All else is small: the lock, what a tool leaves.
    Manifest,
}

const KINDS: usize = 3;

/// Traffic of one kind of file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) read_bytes: u64,
    pub(crate) reads: u64,
    pub(crate) written_bytes: u64,
    pub(crate) syncs: u64,
}

const FIGURES: usize = 4;

/// Counts traffic.
#[derive(Debug, Default)]
pub(crate) struct IoCounters {
    tally: Tally<{ KINDS * FIGURES }>,
}

impl IoCounters {
    #[inline]
    pub(crate) fn note_read(&self, kind: FileKind, bytes: u64) {
        let first = kind as usize * FIGURES;
        self.tally.add(first, bytes);
        self.tally.add(first + 1, 1);
    }

    #[inline]
    pub(crate) fn note_write(&self, kind: FileKind, bytes: u64) {
        self.tally.add(kind as usize * FIGURES + 2, bytes);
    }

    pub(crate) fn note_sync(&self, kind: FileKind) {
        self.tally.add(kind as usize * FIGURES + 3, 1);
    }

    pub(crate) fn traffic(&self, kind: FileKind) -> Traffic {
        let sums = self.tally.sums();
        let first = kind as usize * FIGURES;
        let [read_bytes, reads, written_bytes, syncs] = std::array::from_fn(|figure| sums[first + figure]);
        Traffic { read_bytes, reads, written_bytes, syncs }
    }
}
