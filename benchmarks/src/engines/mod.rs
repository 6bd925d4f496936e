//! The engines, each in a file of its own.

use crate::engine::{Engine, Res, Settings};

mod hestiastore;
mod model;
mod null;
mod versions;

#[cfg(feature = "fjall")]
mod fjall;
#[cfg(feature = "heed")]
mod heed;
#[cfg(feature = "redb")]
mod redb;
#[cfg(feature = "rocksdb")]
mod rocksdb;
#[cfg(feature = "sled")]
mod sled;
#[cfg(feature = "surrealkv")]
mod surrealkv;

type Open = fn(&Settings) -> Res<Box<dyn Engine>>;

/// Ours, its peers, and the yardsticks (`model` and `null`), in the order of the tables.
const ENGINES: &[(&str, Open)] = &[
    ("hestiastore", |settings| Ok(Box::new(hestiastore::Hestia::open(settings)?))),
    #[cfg(feature = "rocksdb")]
    ("rocksdb", |settings| Ok(Box::new(rocksdb::Rocks::open(settings)?))),
    #[cfg(feature = "fjall")]
    ("fjall", |settings| Ok(Box::new(fjall::Fjall::open(settings)?))),
    #[cfg(feature = "surrealkv")]
    ("surrealkv", |settings| Ok(Box::new(surrealkv::Surreal::open(settings)?))),
    #[cfg(feature = "sled")]
    ("sled", |settings| Ok(Box::new(sled::Sled::open(settings)?))),
    #[cfg(feature = "redb")]
    ("redb", |settings| Ok(Box::new(redb::Redb::open(settings)?))),
    #[cfg(feature = "heed")]
    ("heed", |settings| Ok(Box::new(heed::Lmdb::open(settings)?))),
    ("model", |_| Ok(Box::new(model::Model))),
    ("null", |settings| Ok(Box::new(null::Null::open(settings)?))),
];

/// Names of what is compiled in, without the yardsticks.
pub fn names() -> Vec<&'static str> {
    ENGINES.iter().map(|(name, _)| *name).filter(|name| !matches!(*name, "model" | "null")).collect()
}

pub fn open(name: &str, settings: &Settings) -> Res<Box<dyn Engine>> {
    std::fs::create_dir_all(&settings.dir)?;
    let known = ENGINES.iter().find(|(known, _)| *known == name);
    let (_, open) = known.ok_or_else(|| format!("no engine named {name} was compiled in"))?;
    open(settings)
}

/// The budget of the cache, as `describe` says it.
fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}
