//! sled with its defaults and the cache of all engines. Buffered: a background flush every 500 ms (default).
//! Durable: `flush` after each write.

use ::sled::{Batch, Config, Db, IVec};

use super::{mebibytes, versions};
use crate::engine::{Engine, Found, Res, Settings, Visit};

pub struct Sled {
    db: Db,
    settings: Settings,
}

impl Sled {
    pub fn open(settings: &Settings) -> Res<Self> {
        let db = Config::new().path(&settings.dir).cache_capacity(settings.cache_bytes).open()?;
        Ok(Self { db, settings: settings.clone() })
    }

    fn after_write(&self) -> Res<()> {
        if self.settings.durable { self.sync() } else { Ok(()) }
    }
}

fn visit_all(entries: impl Iterator<Item = ::sled::Result<(IVec, IVec)>>, visit: &mut Visit) -> Res<()> {
    for entry in entries {
        let (key, value) = entry?;
        if !visit(&key, &value) {
            break;
        }
    }
    Ok(())
}

impl Engine for Sled {
    fn describe(&self) -> String {
        format!(
            "sled {}: defaults, cache_capacity {}, flush after each write {}",
            versions::of("sled"),
            mebibytes(self.settings.cache_bytes),
            self.settings.durable
        )
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Res<()> {
        self.db.insert(key, value)?;
        self.after_write()
    }

    fn put_batch(&self, entries: &[(&[u8], &[u8])]) -> Res<()> {
        let mut batch = Batch::default();
        for (key, value) in entries {
            batch.insert(*key, *value);
        }
        self.db.apply_batch(batch)?;
        self.after_write()
    }

    fn delete(&self, key: &[u8]) -> Res<()> {
        self.db.remove(key)?;
        self.after_write()
    }

    fn get(&self, key: &[u8], found: &mut Found) -> Res<bool> {
        Ok(self.db.get(key)?.map(|value| found(&value)).is_some())
    }

    fn scan(&self, from: &[u8], visit: &mut Visit) -> Res<()> {
        visit_all(self.db.range(from..), visit)
    }

    fn scan_back(&self, before: &[u8], visit: &mut Visit) -> Res<()> {
        visit_all(self.db.range(..before).rev(), visit)
    }

    fn sync(&self) -> Res<()> {
        self.db.flush()?;
        Ok(())
    }

    fn close(self: Box<Self>) -> Res<()> {
        Ok(())
    }
}
