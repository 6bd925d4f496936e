//! What a directory looks like after the power was cut: which of its pending changes survived.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLockReadGuard;

use super::inode::{Change, Content, Inode};
use super::names::{Entries, LostNames, Names, with_files};
use crate::directory::image::{Image, pieces};
use crate::environment::{Environment, RandomSource};

/// A disk writes this many bytes as one.
const SECTOR_BYTES: u64 = 512;

/// What survives of the changes that were pending when the power was cut: writes and allocations
/// since the last sync of their file, and names made, changed and removed since the last sync of
/// the directory. What was synced survives always.
///
/// ```
/// use hestiastore::directory::{CrashPolicy, Directory, SimulatedDirectory};
///
/// # fn main() -> std::io::Result<()> {
/// let directory = SimulatedDirectory::new();
/// directory.create("run")?.write_at(0, b"content")?;
/// directory.sync()?; // the name is durable, the content is not
///
/// let after = directory.crash(CrashPolicy::LoseAll, 0);
/// assert_eq!(after.read_all("run"), Some(Vec::new()));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CrashPolicy {
    /// Everything.
    KeepAll,
    /// Nothing.
    LoseAll,
    /// The first so many of all pending changes, in the order in which they were made anywhere in
    /// the directory. How many is random. Each change survives whole or not at all.
    Prefix,
    /// A random part of everything, torn at sectors of 512 bytes.
    ///
    /// A sector holds what it held after any one of the writes to it, for a disk writes a sector
    /// whole; sectors are independent of each other, and of the length of their file, which is
    /// any that it had. A change of a name survives by chance, a rename as one; what rests on a lost
    /// change, at the same name or in the same folder, is lost too.
    RandomSectors,
    /// Content and no names: files appear where they were at the last sync of the directory.
    LoseNames,
    /// Names and no content: files that were renamed before they were synced appear empty.
    LoseContent,
}

impl CrashPolicy {
    /// All policies, for tests that go through them.
    pub const ALL: [CrashPolicy; 6] = [
        CrashPolicy::KeepAll,
        CrashPolicy::LoseAll,
        CrashPolicy::Prefix,
        CrashPolicy::RandomSectors,
        CrashPolicy::LoseNames,
        CrashPolicy::LoseContent,
    ];
}

/// The names after a crash, with files of their own. `names` is locked by the caller.
pub(super) fn survivors(names: &Names, policy: CrashPolicy, seed: u64) -> Entries {
    let files = names.reachable();
    // All at once, so that the cut is one moment for all files.
    let contents: BTreeMap<u64, RwLockReadGuard<'_, Content>> =
        files.iter().map(|(id, inode)| (*id, inode.content.read())).collect();
    let chance = Chance(Environment::repeatable(seed).random);
    let cut = cut(names, &contents, policy, &chance);

    let mut lost = LostNames::default();
    let entries = names.after(|stamp, change| match policy {
        CrashPolicy::RandomSectors => {
            let survives = !lost.concerns(change) && chance.below(2) == 0;
            if !survives {
                lost.add(change);
            }
            survives
        }
        _ => stamp < cut.names,
    });
    let after = contents.iter().map(|(id, content)| {
        let image = match policy {
            CrashPolicy::RandomSectors => random_image(content, &chance),
            _ => image_before(content, cut.content),
        };
        (*id, Inode::new(*id, Content::of(image)))
    });
    with_files(&entries, &after.collect())
}

/// Changes with lower stamps survive.
struct Cut {
    names: u64,
    content: u64,
}

fn cut(
    names: &Names,
    contents: &BTreeMap<u64, RwLockReadGuard<'_, Content>>,
    policy: CrashPolicy,
    chance: &Chance,
) -> Cut {
    let (all, none) = (u64::MAX, 0);
    let (names, content) = match policy {
        CrashPolicy::KeepAll => (all, all),
        CrashPolicy::LoseNames => (none, all),
        CrashPolicy::LoseContent => (all, none),
        CrashPolicy::LoseAll | CrashPolicy::RandomSectors => (none, none),
        CrashPolicy::Prefix => {
            let of_names = names.pending.iter().map(|(stamp, _)| *stamp);
            let of_content = contents.values().flat_map(|content| content.pending());
            let mut stamps: Vec<u64> = of_names.chain(of_content.map(|p| p.stamp)).collect();
            stamps.sort_unstable();
            let kept = chance.below(stamps.len() as u64 + 1) as usize;
            let stamp = stamps.get(kept).copied().unwrap_or(all);
            (stamp, stamp)
        }
    };
    Cut { names, content }
}

fn image_before(content: &Content, stamp: u64) -> Image {
    let mut image = content.durable().clone();
    for pending in content.pending().iter().take_while(|p| p.stamp < stamp) {
        match pending.change {
            Change::Write { offset, kept_at, length } => {
                image.write(offset, content.kept(kept_at, length));
            }
            Change::Extend { length } => image.set_length(length.max(image.length())),
        }
    }
    image
}

fn random_image(content: &Content, chance: &Chance) -> Image {
    let durable_length = content.durable().length();
    let lengths_kept = chance.survivors(content.pending().len() as u64) as usize;
    let lengths = content.pending().iter().take(lengths_kept).map(|p| p.change.end());
    let length = lengths.fold(durable_length, u64::max);

    let mut left = sector_writes(content);
    left.values_mut().for_each(|count| *count = chance.survivors(*count));
    let mut image = content.durable().clone();
    for pending in content.pending() {
        let Change::Write { offset, kept_at, length } = pending.change else {
            continue;
        };
        let (mut offset, mut bytes) = (offset, content.kept(kept_at, length));
        for piece in pieces(offset, length, SECTOR_BYTES) {
            let (head, behind) = bytes.split_at(piece.length);
            if let Some(count) = left.get_mut(&piece.unit).filter(|count| **count > 0) {
                *count -= 1;
                image.write(offset, head);
            }
            offset += piece.length as u64;
            bytes = behind;
        }
    }
    image.set_length(length);
    image
}

/// How many pending writes touch each sector.
fn sector_writes(content: &Content) -> BTreeMap<u64, u64> {
    let mut writes = BTreeMap::new();
    for pending in content.pending() {
        let Change::Write { offset, length, .. } = pending.change else {
            continue;
        };
        for piece in pieces(offset, length, SECTOR_BYTES) {
            *writes.entry(piece.unit).or_insert(0) += 1;
        }
    }
    writes
}

struct Chance(Arc<dyn RandomSource>);

impl Chance {
    fn below(&self, limit: u64) -> u64 {
        self.0.next_u64() % limit.max(1)
    }

    /// How many of `count` changes in a row survive: often all, often none, else any number.
    fn survivors(&self, count: u64) -> u64 {
        match self.below(4) {
            0 | 1 => count,
            2 => 0,
            _ => self.below(count + 1),
        }
    }
}
