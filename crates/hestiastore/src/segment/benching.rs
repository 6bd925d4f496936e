//! The write buffer, for `benches/`.

use std::sync::Arc;

use super::write_buffer::{BufferView, SlabPool, WriteBuffer};
use crate::run::{EntryKind, key_hash};

/// A write buffer with a pool of its own.
pub struct Buffer(Arc<WriteBuffer>);

impl Buffer {
    /// Empty.
    pub fn with_expected(keys: usize) -> Self {
        Self(Arc::new(WriteBuffer::in_pool(keys, &SlabPool::new(256 << 20))))
    }

    /// Puts a version.
    pub fn insert(&self, key: &[u8], seq: u64, value: &[u8]) {
        let _ = self.0.insert(key, key_hash(0, key), seq, EntryKind::Put, value);
    }

    /// The newest value.
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.0.get(key, key_hash(0, key), u64::MAX).map(|version| version.value)
    }

    /// Stamps it and sorts it as a flush does. How many keys there are.
    pub fn freeze(&self, cut: u64, threads: usize) -> usize {
        self.0.freeze(cut);
        BufferView::in_one_list(&self.0, threads).list_len(0)
    }
}
