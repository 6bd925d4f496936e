//! A few thousand operations on an engine, compared with a `BTreeMap`, across reopenings, buffered and
//! durable. It tests the adapter rather than the engine.

use std::collections::BTreeMap;
use std::path::Path;

use crate::engine::{Engine, Res, Settings};
use crate::engines;
use crate::keys::{Key, hash_key};
use crate::random::Random;
use crate::session::remove_if_there;

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// Numbers of the keys, few enough that they meet.
const KEYS: u64 = 2_000;

pub fn check(name: &str, dir: &Path) -> Res<()> {
    remove_if_there(dir)?;
    let mut test = Test { model: BTreeMap::new(), random: Random::new(1) };
    for (durable, operations) in [(false, 3_000), (true, 200), (false, 3_000)] {
        let settings = Settings { dir: dir.to_owned(), durable, cache_bytes: 64 << 20 };
        let engine = engines::open(name, &settings)?;
        for _ in 0..operations {
            test.operation(&*engine)?;
        }
        test.everything(&*engine)?;
        engine.sync()?;
        engine.settle()?;
        engine.close()?;
    }
    remove_if_there(dir)
}

struct Test {
    model: BTreeMap<Vec<u8>, Vec<u8>>,
    random: Random,
}

impl Test {
    fn key(&mut self) -> Key {
        hash_key(self.random.below(KEYS) as i64)
    }

    fn operation(&mut self, engine: &dyn Engine) -> Res<()> {
        let (key, other) = (self.key(), self.key());
        let value = self.random.next().to_string().into_bytes();
        match self.random.below(10) {
            0..4 => {
                engine.put(&key, &value)?;
                self.model.insert(key.to_vec(), value);
                Ok(())
            }
            4 => {
                engine.delete(&key)?;
                self.model.remove(&*key);
                Ok(())
            }
            5 => {
                engine.delete_batch(&[&key, &other])?;
                self.model.remove(&*key);
                self.model.remove(&*other);
                Ok(())
            }
            6 => {
                engine.put_batch(&[(&key, &value), (&other, b"second")])?;
                self.model.insert(key.to_vec(), value);
                self.model.insert(other.to_vec(), b"second".to_vec());
                Ok(())
            }
            7 => self.ranges(engine, &key),
            _ => self.gets(engine, &key),
        }
    }

    fn gets(&self, engine: &dyn Engine, key: &[u8]) -> Res<()> {
        let mut got = None;
        let found = engine.get(key, &mut |value| got = Some(value.to_vec()))?;
        same("found", &found, &got.is_some())?;
        same("get", &got.as_ref(), &self.model.get(key))?;
        if let Some(mut reader) = engine.reader()? {
            let mut again = None;
            reader.get(key, &mut |value| again = Some(value.to_vec()))?;
            same("reader", &again, &got)?;
        }
        Ok(())
    }

    fn ranges(&self, engine: &dyn Engine, key: &[u8]) -> Res<()> {
        const MOST: usize = 20;
        let owned = |(key, value): (&Vec<u8>, &Vec<u8>)| (key.clone(), value.clone());
        let after: Entries = self.model.range(key.to_vec()..).take(MOST).map(owned).collect();
        let before: Entries = self.model.range(..key.to_vec()).rev().take(MOST).map(owned).collect();

        let mut got = Entries::new();
        let visit = &mut |key: &[u8], value: &[u8]| {
            got.push((key.to_vec(), value.to_vec()));
            got.len() < MOST
        };
        engine.scan(key, visit)?;
        same("scan", &got, &after)?;

        let mut got = Entries::new();
        let visit = &mut |key: &[u8], value: &[u8]| {
            got.push((key.to_vec(), value.to_vec()));
            got.len() < MOST
        };
        engine.scan_back(key, visit)?;
        same("scan_back", &got, &before)?;

        let mut got = Entries::new();
        engine.scan_owned(key, &mut |key, value| {
            got.push((key, value));
            got.len() < MOST
        })?;
        same("scan_owned", &got, &after)
    }

    fn everything(&self, engine: &dyn Engine) -> Res<()> {
        let mut got = BTreeMap::new();
        let mut count = 0;
        engine.scan(b"", &mut |key, value| {
            got.insert(key.to_vec(), value.to_vec());
            count += 1;
            true
        })?;
        same("number of entries", &count, &self.model.len())?;
        same("entries", &got, &self.model)
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, got: &T, wanted: &T) -> Res<()> {
    if got == wanted { Ok(()) } else { Err(format!("{what}: got {got:?}, not {wanted:?}").into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_adapter_agrees_with_the_model() {
        for name in engines::names().into_iter().chain(["model"]) {
            let dir = std::env::temp_dir()
                .join(format!("hestiastore-benchmarks-check-{name}-{}", std::process::id()));
            check(name, &dir).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}
