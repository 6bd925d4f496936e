//! `RwLock<BTreeMap>`: an ordered map in memory. Kept in a static, so that a reopen finds it.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::engine::{Engine, Found, Res, Visit};

type Map = BTreeMap<Box<[u8]>, Box<[u8]>>;

static MAP: RwLock<Map> = RwLock::new(BTreeMap::new());

pub struct Model;

fn read() -> RwLockReadGuard<'static, Map> {
    MAP.read().unwrap_or_else(PoisonError::into_inner)
}

fn write() -> RwLockWriteGuard<'static, Map> {
    MAP.write().unwrap_or_else(PoisonError::into_inner)
}

impl Engine for Model {
    fn describe(&self) -> String {
        "std RwLock<BTreeMap>, nothing on disk".into()
    }

    fn put(&self, key: &[u8], value: &[u8]) -> Res<()> {
        write().insert(key.into(), value.into());
        Ok(())
    }

    fn put_batch(&self, entries: &[(&[u8], &[u8])]) -> Res<()> {
        write().extend(entries.iter().map(|(key, value)| ((*key).into(), (*value).into())));
        Ok(())
    }

    fn delete(&self, key: &[u8]) -> Res<()> {
        write().remove(key);
        Ok(())
    }

    fn get(&self, key: &[u8], found: &mut Found) -> Res<bool> {
        Ok(read().get(key).map(|value| found(value)).is_some())
    }

    fn scan(&self, from: &[u8], visit: &mut Visit) -> Res<()> {
        let map = read();
        let mut entries = map.range::<[u8], _>((Bound::Included(from), Bound::Unbounded));
        let _ = entries.all(|(key, value)| visit(key, value));
        Ok(())
    }

    fn scan_back(&self, before: &[u8], visit: &mut Visit) -> Res<()> {
        let map = read();
        let entries = map.range::<[u8], _>((Bound::Unbounded, Bound::Excluded(before)));
        let _ = entries.rev().all(|(key, value)| visit(key, value));
        Ok(())
    }

    fn sync(&self) -> Res<()> {
        Ok(())
    }

    fn close(self: Box<Self>) -> Res<()> {
        Ok(())
    }
}
