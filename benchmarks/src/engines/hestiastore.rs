//! HestiaStore with its defaults and the cache of all engines. Buffered: the default mode, a log that is
//! synced in the background. Durable: `log.durability = sync`.

use std::path::Path;

use ::hestiastore::config::Durability;
use ::hestiastore::{SegmentIndex, WriteBatch};

use super::{mebibytes, versions};
use crate::engine::{Engine, Found, Reader, Res, Settings, Visit};

pub struct Hestia {
    index: SegmentIndex<Vec<u8>, Vec<u8>>,
    settings: Settings,
}

impl Hestia {
    pub fn open(settings: &Settings) -> Res<Self> {
        let builder =
            SegmentIndex::builder(&settings.dir).cache(|cache| cache.chunk_bytes(settings.cache_bytes));
        let builder =
            if settings.durable { builder.log(|log| log.durability(Durability::Sync)) } else { builder };
        Ok(Self { index: builder.open_or_create()?, settings: settings.clone() })
    }
}

impl Engine for Hestia {
    fn describe(&self) -> String {
        format!(
            "hestiastore {}: defaults, cache.chunk_bytes {}, log.durability {}, log.io {}",
            versions::of("hestiastore"),
            mebibytes(self.settings.cache_bytes),
            self.index.config().log.durability.name(),
            self.index.config().log.io.name(),
        )
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Res<()> {
        Ok(self.index.put(key, value)?)
    }

    fn put_batch(&self, entries: &[(&[u8], &[u8])]) -> Res<()> {
        let mut batch = WriteBatch::new();
        for (key, value) in entries {
            batch.put(*key, *value)?;
        }
        Ok(self.index.write(batch)?)
    }

    fn delete(&self, key: &[u8]) -> Res<()> {
        Ok(self.index.delete(key)?)
    }

    fn get(&self, key: &[u8], found: &mut Found) -> Res<bool> {
        Ok(self.index.get_with(key, |value| found(value))?.is_some())
    }

    fn scan(&self, from: &[u8], visit: &mut Visit) -> Res<()> {
        let mut cursor = self.index.cursor()?;
        let mut on_entry = cursor.seek(from)?;
        while on_entry && visit(cursor.key_bytes(), &cursor.value_bytes()?) {
            on_entry = cursor.next()?;
        }
        Ok(())
    }

    fn scan_back(&self, before: &[u8], visit: &mut Visit) -> Res<()> {
        let mut cursor = self.index.cursor()?;
        let mut on_entry = cursor.seek_before(before)?;
        while on_entry && visit(cursor.key_bytes(), &cursor.value_bytes()?) {
            on_entry = cursor.prev()?;
        }
        Ok(())
    }

    fn scan_owned(&self, from: &[u8], visit: &mut dyn FnMut(Vec<u8>, Vec<u8>) -> bool) -> Res<()> {
        for entry in self.index.range(from.to_vec()..)? {
            let (key, value) = entry?;
            if !visit(key, value) {
                break;
            }
        }
        Ok(())
    }

    fn sync(&self) -> Res<()> {
        Ok(self.index.sync()?)
    }

    fn settle(&self) -> Res<()> {
        Ok(self.index.wait_until_idle()?)
    }

    fn is_log(&self, path: &Path) -> bool {
        path.extension().is_some_and(|extension| extension == "wal")
    }

    fn reader(&self) -> Res<Option<Box<dyn Reader + '_>>> {
        Ok(Some(Box::new(Snapshot(self.index.snapshot()?))))
    }

    fn close(self: Box<Self>) -> Res<()> {
        Ok(self.index.close()?)
    }
}

struct Snapshot(::hestiastore::Snapshot<Vec<u8>, Vec<u8>>);

impl Reader for Snapshot {
    fn get(&mut self, key: &[u8], found: &mut Found) -> Res<bool> {
        Ok(self.0.get_ref(key)?.map(|value| found(&value)).is_some())
    }
}
