//! SurrealKV with its defaults and the cache of all engines; a transaction a write, waited for where it is
//! called. Buffered: `Durability::Eventual` (default). Durable: `Durability::Immediate`.

use std::path::Path;

use ::surrealkv::{Durability, Error, LSMIterator, Mode, ReadOptions, Transaction, Tree, TreeBuilder};
use tokio::runtime::Runtime;

use super::{mebibytes, versions};
use crate::engine::{Engine, Found, Reader, Res, Settings, Visit};

pub struct Surreal {
    tree: Tree,
    runtime: Runtime,
    settings: Settings,
}

impl Surreal {
    pub fn open(settings: &Settings) -> Res<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let inside = runtime.enter();
        let builder = TreeBuilder::new().with_path(settings.dir.clone());
        let tree = builder.with_block_cache_capacity(settings.cache_bytes).build()?;
        drop(inside);
        Ok(Self { tree, runtime, settings: settings.clone() })
    }

    fn durability(&self) -> Durability {
        if self.settings.durable { Durability::Immediate } else { Durability::Eventual }
    }

    /// Done again after a conflict with another writer of the same key, as transactions ask for.
    fn write(&self, change: impl Fn(&mut Transaction) -> ::surrealkv::Result<()>) -> Res<()> {
        loop {
            let mut transaction =
                self.tree.begin_with_mode(Mode::WriteOnly)?.with_durability(self.durability());
            change(&mut transaction)?;
            match self.runtime.block_on(transaction.commit()) {
                Err(Error::TransactionWriteConflict | Error::TransactionRetry) => {}
                outcome => return Ok(outcome?),
            }
        }
    }

    fn begin_read(&self) -> Res<Transaction> {
        Ok(self.tree.begin_with_mode(Mode::ReadOnly)?)
    }
}

impl Engine for Surreal {
    fn describe(&self) -> String {
        format!(
            "surrealkv {}: defaults, block_cache_capacity {}, durability {:?}, a transaction a write",
            versions::of("surrealkv"),
            mebibytes(self.settings.cache_bytes),
            self.durability()
        )
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Res<()> {
        self.write(|transaction| transaction.set(key, value))
    }

    fn put_batch(&self, entries: &[(&[u8], &[u8])]) -> Res<()> {
        self.write(|transaction| entries.iter().try_for_each(|(key, value)| transaction.set(*key, *value)))
    }

    fn delete(&self, key: &[u8]) -> Res<()> {
        self.write(|transaction| transaction.delete(key))
    }

    fn get(&self, key: &[u8], found: &mut Found) -> Res<bool> {
        Ok(self.begin_read()?.get(key)?.map(|value| found(&value)).is_some())
    }

    fn scan(&self, from: &[u8], visit: &mut Visit) -> Res<()> {
        let transaction = self.begin_read()?;
        let mut options = ReadOptions::default();
        if !from.is_empty() {
            options.set_iterate_lower_bound(Some(from.to_vec()));
        }
        let mut entries = transaction.range_with_options(&options)?;
        entries.seek_first()?;
        while entries.valid() && visit(entries.key().user_key(), &entries.value()?) {
            entries.next()?;
        }
        Ok(())
    }

    fn scan_back(&self, before: &[u8], visit: &mut Visit) -> Res<()> {
        let transaction = self.begin_read()?;
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(Some(before.to_vec()));
        let mut entries = transaction.range_with_options(&options)?;
        entries.seek_last()?;
        while entries.valid() && visit(entries.key().user_key(), &entries.value()?) {
            entries.prev()?;
        }
        Ok(())
    }

    fn sync(&self) -> Res<()> {
        Ok(self.tree.flush_wal(true)?)
    }

    fn is_log(&self, path: &Path) -> bool {
        path.extension().is_some_and(|extension| extension == "wal")
    }

    fn reader(&self) -> Res<Option<Box<dyn Reader + '_>>> {
        Ok(Some(Box::new(Snapshot(self.begin_read()?))))
    }

    fn close(self: Box<Self>) -> Res<()> {
        Ok(self.runtime.block_on(self.tree.close())?)
    }
}

struct Snapshot(Transaction);

impl Reader for Snapshot {
    fn get(&mut self, key: &[u8], found: &mut Found) -> Res<bool> {
        Ok(self.0.get(key)?.map(|value| found(&value)).is_some())
    }
}
