//! What a directory looks like after the power was cut: which of its pending changes survived.

use std::collections::BTreeMap;

use super::CrashPolicy;
use super::chance::Chance;
use super::inode::{Change, Content};
use super::names::{Entries, Fate, LostNames, NameChange, Names, with_images};
use crate::directory::image::{Image, pieces};
use crate::sync::RwLockReadGuard;

/// A disk writes this many bytes as one.
const SECTOR_BYTES: u64 = 512;

/// A policy at work.
struct Cut {
    policy: CrashPolicy,
    chance: Chance,
    /// Under [`CrashPolicy::Prefix`] changes with lower stamps survive.
    end: u64,
    /// The stamp of the write that [`CrashPolicy::TornLastWrite`] tears.
    last_write: Option<u64>,
}

/// The names after a crash, with files of their own. `names` is locked by the caller.
pub(super) fn survivors(names: &Names, policy: CrashPolicy, seed: u64) -> Entries {
    let files = names.reachable();
    // All at once, so that the cut is one moment for all files.
    let contents: BTreeMap<u64, RwLockReadGuard<'_, Content>> =
        files.iter().map(|(id, inode)| (*id, inode.content.read())).collect();
    let cut = Cut::new(names, &contents, policy, seed);
    let mut lost = LostNames::default();
    let entries = names.after(|stamp, change| cut.name(stamp, change, &mut lost));
    let images = contents.iter().map(|(id, content)| (*id, cut.image(content))).collect();
    with_images(&entries, &images)
}

impl Cut {
    fn new(
        names: &Names,
        contents: &BTreeMap<u64, RwLockReadGuard<'_, Content>>,
        policy: CrashPolicy,
        seed: u64,
    ) -> Self {
        let chance = Chance::of(seed);
        let of_content = || contents.values().flat_map(|content| content.pending());
        let writes = of_content().filter(|p| matches!(p.change, Change::Write { .. }));
        let last_write = writes.map(|p| p.stamp).max();
        let end = match policy {
            CrashPolicy::Prefix => {
                let of_names = names.pending.iter().map(|(stamp, _)| *stamp);
                let mut stamps: Vec<u64> = of_names.chain(of_content().map(|p| p.stamp)).collect();
                stamps.sort_unstable();
                let kept = chance.below(stamps.len() as u64 + 1) as usize;
                stamps.get(kept).copied().unwrap_or(u64::MAX)
            }
            _ => u64::MAX,
        };
        Self { policy, chance, end, last_write }
    }

    fn name(&self, stamp: u64, change: &NameChange, lost: &mut LostNames) -> Fate {
        match self.policy {
            CrashPolicy::LoseAll | CrashPolicy::LoseNames => Fate::Lost,
            CrashPolicy::Prefix if stamp >= self.end => Fate::Lost,
            CrashPolicy::RandomSectors => {
                if !lost.concerns(change) && self.chance.below(2) == 0 {
                    return Fate::Survives;
                }
                lost.add(change);
                Fate::Lost
            }
            CrashPolicy::HalfRenames if self.chance.below(2) == 0 => Fate::Both,
            CrashPolicy::HalfRenames => Fate::Neither,
            _ => Fate::Survives,
        }
    }

    fn image(&self, content: &Content) -> Image {
        let durable = content.durable();
        match self.policy {
            CrashPolicy::LoseAll | CrashPolicy::LoseContent => durable.clone(),
            CrashPolicy::RandomSectors => random_image(content, &self.chance),
            CrashPolicy::LengthWithoutContent => {
                let mut image = durable.clone();
                let ends = content.pending().iter().map(|p| p.change.end());
                image.extend(ends.max().unwrap_or(0));
                image
            }
            CrashPolicy::ContentWithoutLength => {
                let mut image = self.prefix(content);
                image.set_length(durable.length());
                image
            }
            _ => self.prefix(content),
        }
    }

    /// All changes before the end, with the last write torn if it is to be.
    fn prefix(&self, content: &Content) -> Image {
        let mut image = content.durable().clone();
        for pending in content.pending().iter().take_while(|p| p.stamp < self.end) {
            match pending.change {
                Change::Write { offset, kept_at, length } => {
                    let torn =
                        self.policy == CrashPolicy::TornLastWrite && Some(pending.stamp) == self.last_write;
                    let length = if torn { self.chance.below(length as u64) as usize } else { length };
                    image.write(offset, content.kept(kept_at, length));
                }
                Change::Extend { length } => image.extend(length),
            }
        }
        image
    }
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
