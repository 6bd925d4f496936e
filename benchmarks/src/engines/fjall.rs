//! fjall with its defaults and the cache of all engines. Buffered: the journal is handed to the operating
//! system, not synced (default). Durable: a batch of one item committed with `PersistMode::SyncAll`.

use std::path::Path;

use ::fjall::{Database, Guard, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{mebibytes, versions};
use crate::engine::{Engine, Found, Res, Settings, Visit};

pub struct Fjall {
    db: Database,
    data: Keyspace,
    settings: Settings,
}

impl Fjall {
    pub fn open(settings: &Settings) -> Res<Self> {
        let db = Database::builder(&settings.dir).cache_size(settings.cache_bytes).open()?;
        let data = db.keyspace("data", KeyspaceCreateOptions::default)?;
        Ok(Self { db, data, settings: settings.clone() })
    }

    fn batch(&self) -> ::fjall::OwnedWriteBatch {
        let batch = self.db.batch();
        if self.settings.durable { batch.durability(Some(PersistMode::SyncAll)) } else { batch }
    }
}

fn visit_all(entries: impl Iterator<Item = Guard>, visit: &mut Visit) -> Res<()> {
    for entry in entries {
        let (key, value) = entry.into_inner()?;
        if !visit(&key, &value) {
            break;
        }
    }
    Ok(())
}

impl Engine for Fjall {
    fn describe(&self) -> String {
        format!(
            "fjall {}: defaults, cache_size {}, durable {}",
            versions::of("fjall"),
            mebibytes(self.settings.cache_bytes),
            self.settings.durable
        )
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Res<()> {
        if self.settings.durable {
            return self.put_batch(&[(key, value)]);
        }
        Ok(self.data.insert(key, value)?)
    }

    fn put_batch(&self, entries: &[(&[u8], &[u8])]) -> Res<()> {
        let mut batch = self.batch();
        for (key, value) in entries {
            batch.insert(&self.data, *key, *value);
        }
        Ok(batch.commit()?)
    }

    fn delete(&self, key: &[u8]) -> Res<()> {
        if self.settings.durable {
            let mut batch = self.batch();
            batch.remove(&self.data, key);
            return Ok(batch.commit()?);
        }
        Ok(self.data.remove(key)?)
    }

    fn get(&self, key: &[u8], found: &mut Found) -> Res<bool> {
        Ok(self.data.get(key)?.map(|value| found(&value)).is_some())
    }

    fn scan(&self, from: &[u8], visit: &mut Visit) -> Res<()> {
        visit_all(self.data.range(from..), visit)
    }

    fn scan_back(&self, before: &[u8], visit: &mut Visit) -> Res<()> {
        visit_all(self.data.range(..before).rev(), visit)
    }

    fn sync(&self) -> Res<()> {
        Ok(self.db.persist(PersistMode::SyncAll)?)
    }

    fn is_log(&self, path: &Path) -> bool {
        path.extension().is_some_and(|extension| extension == "jnl")
    }

    fn close(self: Box<Self>) -> Res<()> {
        Ok(())
    }
}
