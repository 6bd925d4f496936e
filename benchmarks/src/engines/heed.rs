//! LMDB through heed, with its defaults and a map of 64 GiB; loads put 1,000 entries into a transaction. It has no
//! cache but the page cache. Buffered: `MDB_NOSYNC`, and `mdb_env_sync` for a sync. Durable: default flags.
#![allow(unsafe_code, reason = "opening a memory map is unsafe: nobody else may change the file")]

use std::ops::Bound;

use ::heed::types::Bytes;
use ::heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions, RoTxn, WithTls};

use super::versions;
use crate::engine::{Engine, Found, Reader, Res, Settings, Visit};

pub struct Lmdb {
    env: Env,
    db: Database<'static, Bytes, Bytes>,
    settings: Settings,
}

impl Lmdb {
    pub fn open(settings: &Settings) -> Res<Self> {
        let mut options = EnvOpenOptions::new();
        options.map_size(64 << 30);
        if !settings.durable {
            // SAFETY: a crash of the machine may cost data, which a benchmark does not need.
            unsafe { options.flags(EnvFlags::NO_SYNC) };
        }
        // SAFETY: the folder is this process's own.
        let env = unsafe { options.open(&settings.dir)? };
        let creation = env.write_txn()?;
        let db = env
            .create_databases_and_commit(creation, |creation, transaction| {
                creation.create_database(transaction, None).map(CommitOrAbort::<_, ()>::Commit)
            })?
            .unwrap_commit();
        Ok(Self { env, db, settings: settings.clone() })
    }
}

impl Engine for Lmdb {
    fn describe(&self) -> String {
        format!(
            "heed {} (lmdb-master-sys {}): map_size 64 GiB, {}, loads of 1,000 a transaction",
            versions::of("heed"),
            versions::of("lmdb-master-sys"),
            if self.settings.durable { "default flags" } else { "MDB_NOSYNC" }
        )
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Res<()> {
        self.put_batch(&[(key, value)])
    }

    fn put_batch(&self, entries: &[(&[u8], &[u8])]) -> Res<()> {
        let mut transaction = self.env.write_txn()?;
        for (key, value) in entries {
            self.db.put(&mut transaction, key, value)?;
        }
        Ok(transaction.commit()?)
    }

    fn delete(&self, key: &[u8]) -> Res<()> {
        self.delete_batch(&[key])
    }

    fn delete_batch(&self, keys: &[&[u8]]) -> Res<()> {
        let mut transaction = self.env.write_txn()?;
        for key in keys {
            self.db.delete(&mut transaction, key)?;
        }
        Ok(transaction.commit()?)
    }

    fn usual_batch(&self) -> usize {
        1_000
    }

    fn get(&self, key: &[u8], found: &mut Found) -> Res<bool> {
        let transaction = self.env.read_txn()?;
        Ok(self.db.get(&transaction, key)?.map(found).is_some())
    }

    fn scan(&self, from: &[u8], visit: &mut Visit) -> Res<()> {
        let transaction = self.env.read_txn()?;
        // LMDB takes no empty key.
        let start = if from.is_empty() { Bound::Unbounded } else { Bound::Included(from) };
        for entry in self.db.range(&transaction, &(start, Bound::Unbounded))? {
            let (key, value) = entry?;
            if !visit(key, value) {
                break;
            }
        }
        Ok(())
    }

    fn scan_back(&self, before: &[u8], visit: &mut Visit) -> Res<()> {
        let transaction = self.env.read_txn()?;
        for entry in self.db.rev_range(&transaction, &(Bound::Unbounded, Bound::Excluded(before)))? {
            let (key, value) = entry?;
            if !visit(key, value) {
                break;
            }
        }
        Ok(())
    }

    fn sync(&self) -> Res<()> {
        Ok(self.env.force_sync()?)
    }

    fn reader(&self) -> Res<Option<Box<dyn Reader + '_>>> {
        Ok(Some(Box::new(Snapshot { db: self.db, transaction: self.env.read_txn()? })))
    }

    fn close(self: Box<Self>) -> Res<()> {
        self.env.prepare_for_closing().wait();
        Ok(())
    }
}

struct Snapshot<'a> {
    db: Database<'static, Bytes, Bytes>,
    transaction: RoTxn<'a, WithTls>,
}

impl Reader for Snapshot<'_> {
    fn get(&mut self, key: &[u8], found: &mut Found) -> Res<bool> {
        Ok(self.db.get(&self.transaction, key)?.map(found).is_some())
    }
}
