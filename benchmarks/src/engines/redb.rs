//! redb with its defaults and the cache of all engines; loads put 1,000 entries into a transaction. Buffered:
//! `Durability::None`, and one empty transaction of `Durability::Immediate` for a sync. Durable: `Immediate`.

use ::redb::{Builder, Database, Durability, ReadOnlyTable, ReadableDatabase, Table, TableDefinition};

use super::{mebibytes, versions};
use crate::engine::{Engine, Found, Reader, Res, Settings, Visit};

const DATA: TableDefinition<&[u8], &[u8]> = TableDefinition::new("data");

pub struct Redb {
    db: Database,
    settings: Settings,
}

impl Redb {
    pub fn open(settings: &Settings) -> Res<Self> {
        let mut builder = Builder::new();
        builder.set_cache_size(usize::try_from(settings.cache_bytes)?);
        let db = builder.create(settings.dir.join("data.redb"))?;
        let creation = db.begin_write()?;
        creation.open_table(DATA)?;
        creation.commit()?;
        Ok(Self { db, settings: settings.clone() })
    }

    fn durability(&self) -> Durability {
        if self.settings.durable { Durability::Immediate } else { Durability::None }
    }

    fn write(&self, change: impl FnOnce(&mut Table<'_, &'static [u8], &'static [u8]>) -> Res<()>) -> Res<()> {
        let mut transaction = self.db.begin_write()?;
        transaction.set_durability(self.durability())?;
        change(&mut transaction.open_table(DATA)?)?;
        Ok(transaction.commit()?)
    }
}

impl Engine for Redb {
    fn describe(&self) -> String {
        format!(
            "redb {}: defaults, cache_size {}, durability {:?}, loads of 1,000 a transaction",
            versions::of("redb"),
            mebibytes(self.settings.cache_bytes),
            self.durability()
        )
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Res<()> {
        self.put_batch(&[(key, value)])
    }

    fn put_batch(&self, entries: &[(&[u8], &[u8])]) -> Res<()> {
        self.write(|table| {
            for (key, value) in entries {
                table.insert(key, value)?;
            }
            Ok(())
        })
    }

    fn delete(&self, key: &[u8]) -> Res<()> {
        self.delete_batch(&[key])
    }

    fn delete_batch(&self, keys: &[&[u8]]) -> Res<()> {
        self.write(|table| {
            for key in keys {
                table.remove(key)?;
            }
            Ok(())
        })
    }

    fn usual_batch(&self) -> usize {
        1_000
    }

    fn get(&self, key: &[u8], found: &mut Found) -> Res<bool> {
        let table = self.db.begin_read()?.open_table(DATA)?;
        Ok(table.get(key)?.map(|value| found(value.value())).is_some())
    }

    fn scan(&self, from: &[u8], visit: &mut Visit) -> Res<()> {
        let table = self.db.begin_read()?.open_table(DATA)?;
        for entry in table.range::<&[u8]>(from..)? {
            let (key, value) = entry?;
            if !visit(key.value(), value.value()) {
                break;
            }
        }
        Ok(())
    }

    fn scan_back(&self, before: &[u8], visit: &mut Visit) -> Res<()> {
        let table = self.db.begin_read()?.open_table(DATA)?;
        for entry in table.range::<&[u8]>(..before)?.rev() {
            let (key, value) = entry?;
            if !visit(key.value(), value.value()) {
                break;
            }
        }
        Ok(())
    }

    fn sync(&self) -> Res<()> {
        Ok(self.db.begin_write()?.commit()?)
    }

    fn reader(&self) -> Res<Option<Box<dyn Reader + '_>>> {
        Ok(Some(Box::new(Snapshot(self.db.begin_read()?.open_table(DATA)?))))
    }

    fn close(self: Box<Self>) -> Res<()> {
        Ok(())
    }
}

struct Snapshot(ReadOnlyTable<&'static [u8], &'static [u8]>);

impl Reader for Snapshot {
    fn get(&mut self, key: &[u8], found: &mut Found) -> Res<bool> {
        Ok(self.0.get(key)?.map(|value| found(value.value())).is_some())
    }
}
