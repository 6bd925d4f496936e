//! The one interface to an engine.
//!
//! To add one: `src/engines/<name>.rs` with an [`Engine`], a feature in `Cargo.toml`, a line in
//! `src/engines/mod.rs`; then `benchmarks check <name>`.

use std::path::{Path, PathBuf};

pub type Res<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// How an engine is opened.
#[derive(Debug, Clone)]
pub struct Settings {
    pub dir: PathBuf,
    /// Every write is on stable storage when it returns; otherwise the engine's documented buffered mode.
    pub durable: bool,
    /// Budget of the block or page cache, for engines that have one.
    pub cache_bytes: u64,
}

/// Called with each entry of a scan; `false` ends it.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> bool + 'a;

/// Called with a value that was found.
pub type Found<'a> = dyn FnMut(&[u8]) + 'a;

/// A key-value engine, opened.
pub trait Engine: Send + Sync {
    /// Its version and every option that is not its default, in one line.
    fn describe(&self) -> String;

    fn put(&self, key: &[u8], value: &[u8]) -> Res<()>;

    /// Writes all or nothing, by the engine's batch or transaction.
    fn put_batch(&self, entries: &[(&[u8], &[u8])]) -> Res<()>;

    fn delete(&self, key: &[u8]) -> Res<()>;

    fn delete_batch(&self, keys: &[&[u8]]) -> Res<()> {
        keys.iter().try_for_each(|key| self.delete(key))
    }

    /// Entries of a write in loads: 1, or more where a transaction is the only way to write.
    fn usual_batch(&self) -> usize {
        1
    }

    /// Whether the key was found, by the engine's cheapest documented way.
    fn get(&self, key: &[u8], found: &mut Found) -> Res<bool>;

    /// Entries in ascending order, from the first key not less than `from`, lent where the engine can.
    fn scan(&self, from: &[u8], visit: &mut Visit) -> Res<()>;

    /// Entries in descending order, from the last key less than `before`.
    fn scan_back(&self, before: &[u8], visit: &mut Visit) -> Res<()>;

    /// As `scan`, with each key and value owned by the caller.
    fn scan_owned(&self, from: &[u8], visit: &mut dyn FnMut(Vec<u8>, Vec<u8>) -> bool) -> Res<()> {
        self.scan(from, &mut |key, value| visit(key.to_vec(), value.to_vec()))
    }

    /// Makes durable what was written so far.
    fn sync(&self) -> Res<()>;

    /// Waits for background work, where the engine has a call for it.
    fn settle(&self) -> Res<()> {
        Ok(())
    }

    /// Whether a file in the engine's folder is a log.
    fn is_log(&self, _path: &Path) -> bool {
        false
    }

    /// A long-lived view for point reads, where beginning a read is a cost of its own.
    fn reader(&self) -> Res<Option<Box<dyn Reader + '_>>> {
        Ok(None)
    }

    fn close(self: Box<Self>) -> Res<()>;
}

/// A view of an engine's data as of one moment.
pub trait Reader {
    fn get(&mut self, key: &[u8], found: &mut Found) -> Res<bool>;
}
