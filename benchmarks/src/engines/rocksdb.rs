//! RocksDB with default options, an LRU block cache and full Bloom filters of 10 bits a key, as its tuning
//! guide advises. Buffered: WAL on, not synced (default). Durable: `WriteOptions::sync`.

use std::path::Path;

use ::rocksdb::{
    BlockBasedOptions, Cache, DB, DBRawIterator, Options, WaitForCompactOptions, WriteBatch, WriteOptions,
};

use super::{mebibytes, versions};
use crate::engine::{Engine, Found, Res, Settings, Visit};

pub struct Rocks {
    db: DB,
    writing: WriteOptions,
    settings: Settings,
}

impl Rocks {
    pub fn open(settings: &Settings) -> Res<Self> {
        let mut tables = BlockBasedOptions::default();
        tables.set_block_cache(&Cache::new_lru_cache(usize::try_from(settings.cache_bytes)?));
        tables.set_bloom_filter(10.0, false);
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_block_based_table_factory(&tables);
        let mut writing = WriteOptions::default();
        writing.set_sync(settings.durable);
        Ok(Self { db: DB::open(&options, &settings.dir)?, writing, settings: settings.clone() })
    }
}

fn visit_all<'a>(
    entries: &mut DBRawIterator<'a>,
    visit: &mut Visit,
    step: fn(&mut DBRawIterator<'a>),
) -> Res<()> {
    while let Some((key, value)) = entries.item() {
        if !visit(key, value) {
            break;
        }
        step(entries);
    }
    Ok(entries.status()?)
}

impl Engine for Rocks {
    fn describe(&self) -> String {
        format!(
            "rocksdb {} (librocksdb-sys {}): defaults, LRU block cache {}, full Bloom filter of 10 bits, \
             snappy and lz4 built in, sync {}",
            versions::of("rocksdb"),
            versions::of("librocksdb-sys"),
            mebibytes(self.settings.cache_bytes),
            self.settings.durable
        )
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Res<()> {
        Ok(self.db.put_opt(key, value, &self.writing)?)
    }

    fn put_batch(&self, entries: &[(&[u8], &[u8])]) -> Res<()> {
        let mut batch = WriteBatch::default();
        for (key, value) in entries {
            batch.put(key, value);
        }
        Ok(self.db.write_opt(batch, &self.writing)?)
    }

    fn delete(&self, key: &[u8]) -> Res<()> {
        Ok(self.db.delete_opt(key, &self.writing)?)
    }

    fn get(&self, key: &[u8], found: &mut Found) -> Res<bool> {
        Ok(self.db.get_pinned(key)?.map(|value| found(&value)).is_some())
    }

    fn scan(&self, from: &[u8], visit: &mut Visit) -> Res<()> {
        let mut entries = self.db.raw_iterator();
        entries.seek(from);
        visit_all(&mut entries, visit, DBRawIterator::next)
    }

    fn scan_back(&self, before: &[u8], visit: &mut Visit) -> Res<()> {
        let mut entries = self.db.raw_iterator();
        entries.seek_for_prev(before);
        if entries.key() == Some(before) {
            entries.prev();
        }
        visit_all(&mut entries, visit, DBRawIterator::prev)
    }

    fn sync(&self) -> Res<()> {
        Ok(self.db.flush_wal(true)?)
    }

    fn settle(&self) -> Res<()> {
        Ok(self.db.wait_for_compact(&WaitForCompactOptions::default())?)
    }

    fn is_log(&self, path: &Path) -> bool {
        path.extension().is_some_and(|extension| extension == "log")
    }

    fn close(self: Box<Self>) -> Res<()> {
        Ok(())
    }
}
