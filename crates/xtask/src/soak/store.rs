//! The index under load, and what each key must hold.
//!
//! A value names its key and a version, and follows from the two. Versions of a key never go back: a reader finds one
//! between what was acknowledged before it looked and what was begun by the time that it had looked.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use hestiastore::SegmentIndex;

use super::Arguments;
use crate::outcome::{Outcome, failure};

pub(super) type Index = SegmentIndex<u64, Vec<u8>>;

/// Every so many versions of a key is a deletion.
const DELETION_EVERY: u64 = 64;

/// See the module.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) index: Index,
    pub(super) arguments: Arguments,
    pub(super) place: PathBuf,
    keys: Vec<Versions>,
}

/// Of one key. 0: never written.
#[derive(Debug, Default)]
struct Versions {
    begun: AtomicU32,
    acknowledged: AtomicU32,
}

/// What a reader may find of a key: from the first to the second version.
pub(super) type Span = (u64, u64);

impl Store {
    pub(super) fn create(arguments: &Arguments, place: &Path) -> Outcome<Self> {
        let index = Index::builder(place)
            // Less than the data, so that reads go to disk.
            .cache(|c| c.chunk_bytes(32 << 20))
            .log(|l| l.durability(arguments.mode.0))
            .create()?;
        let keys = (0..arguments.keys).map(|_| Versions::default()).collect();
        Ok(Self { index, arguments: arguments.clone(), place: place.to_owned(), keys })
    }

    /// How many keys there are; key numbers from here on are never written.
    pub(super) fn key_count(&self) -> u64 {
        self.keys.len() as u64
    }

    /// The key of a number: they lie all over the key space, in no order. The inverse is `number_of`.
    pub(super) fn key(number: u64) -> u64 {
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn number_of(key: u64) -> u64 {
        key.wrapping_mul(0xf1de_83e1_9937_733d)
    }

    /// The value of a version; nothing, if that version is a deletion.
    pub(super) fn value(&self, number: u64, version: u64) -> Option<Vec<u8>> {
        if (version + number).is_multiple_of(DELETION_EVERY) {
            return None;
        }
        let mut value = [number.to_be_bytes(), version.to_be_bytes()].concat();
        let marked = value.len();
        value.resize(marked.max(self.arguments.value_bytes as usize), 0);
        if let Some(rest) = value.get_mut(marked..) {
            fastrand::Rng::with_seed(number ^ version << 32).fill(rest);
        }
        Some(value)
    }

    /// A number that no version before had. Only the one writer of the key may ask.
    pub(super) fn begin_version(&self, number: u64) -> u64 {
        let Some(versions) = self.keys.get(number as usize) else { return 0 };
        u64::from(versions.begun.fetch_add(1, Ordering::SeqCst)) + 1
    }

    pub(super) fn acknowledge(&self, number: u64, version: u64) {
        if let Some(versions) = self.keys.get(number as usize) {
            versions.acknowledged.store(version as u32, Ordering::SeqCst);
        }
    }

    pub(super) fn acknowledged(&self, number: u64) -> u64 {
        let load = |versions: &Versions| versions.acknowledged.load(Ordering::SeqCst);
        self.keys.get(number as usize).map_or(0, |versions| u64::from(load(versions)))
    }

    pub(super) fn begun(&self, number: u64) -> u64 {
        let load = |versions: &Versions| versions.begun.load(Ordering::SeqCst);
        self.keys.get(number as usize).map_or(0, |versions| u64::from(load(versions)))
    }

    /// Whether this may be found of a key.
    pub(super) fn judge(&self, number: u64, found: Option<&[u8]>, span: Span) -> Outcome {
        let fits = match found {
            Some(value) => {
                let version = self.judge_entry(Self::key(number), value)?;
                (span.0..=span.1).contains(&version)
            }
            None => {
                number >= self.key_count()
                    || (span.0..=span.1).any(|version| self.value_is_none(number, version))
            }
        };
        if fits {
            return Ok(());
        }
        let found = found.and_then(|value| value.get(8..16)).map(be_u64);
        failure(format!("key number {number}: version {found:?} was read where {span:?} is right"))
    }

    fn value_is_none(&self, number: u64, version: u64) -> bool {
        version == 0 || (version + number).is_multiple_of(DELETION_EVERY)
    }

    /// Whether somebody wrote this value of this key. Its version.
    pub(super) fn judge_entry(&self, key: u64, value: &[u8]) -> Outcome<u64> {
        let number = Self::number_of(key);
        let version = value.get(8..16).map_or(0, be_u64);
        if self.value(number, version).as_deref() != Some(value) || version > self.begun(number) {
            return failure(format!("nobody wrote this of key number {number}: version {version}"));
        }
        Ok(version)
    }

    /// When nobody writes any more: everything is as acknowledged, before and after a close, and `check` is clean.
    pub(super) fn verify_all_and_close(self) -> Outcome {
        self.verify_all(&self.index)?;
        self.verify_check(&self.index)?;
        self.index.close()?;
        let index = Index::builder(&self.place).open()?;
        self.verify_all(&index)?;
        Ok(index.close()?)
    }

    fn verify_check(&self, index: &Index) -> Outcome {
        let report = index.check()?;
        if report.is_clean() { Ok(()) } else { failure(format!("check: {report}")) }
    }

    fn verify_all(&self, index: &Index) -> Outcome {
        let mut found = 0;
        for entry in index.iter()? {
            let (key, value) = entry?;
            let number = Self::number_of(key);
            let version = self.acknowledged(number);
            self.judge(number, Some(&value), (version, version))?;
            found += 1;
        }
        let live = |number: &u64| !self.value_is_none(*number, self.acknowledged(*number));
        let expected = (0..self.key_count()).filter(live).count();
        if found == expected {
            Ok(())
        } else {
            failure(format!("{found} entries where {expected} are right"))
        }
    }
}

fn be_u64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
