//! Which versions of a key a flush or merge keeps (PROTOCOL D4).
//!
//! The seqs in use, snapshots and the newest visible one, cut history into stripes. Of the versions of
//! a key in one stripe only the newest can be seen by anybody.

use crate::run::EntryKind;

/// What becomes of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nobody can see it.
    Drop,
    /// Kept, with this seq.
    Keep(u64),
}

/// Decides version by version; the versions of a key come newest first.
#[derive(Debug, Clone)]
pub(crate) struct Retention {
    /// Seqs that somebody reads at, ascending. Captured in one commit section (PROTOCOL C6).
    snapshots: Vec<u64>,
    visible: u64,
    last_stripe: Option<usize>,
}

impl Retention {
    /// For readers at `snapshots` and at anything from `visible` on.
    pub(crate) fn new(mut snapshots: Vec<u64>, visible: u64) -> Self {
        snapshots.sort_unstable();
        snapshots.dedup();
        Self { snapshots, visible, last_stripe: None }
    }

    /// The next version belongs to another key.
    pub(crate) fn next_key(&mut self) {
        self.last_stripe = None;
    }

    /// `bottom`: no older run outside of the job overlaps the key.
    pub(crate) fn decide(&mut self, seq: u64, kind: EntryKind, bottom: bool) -> Fate {
        let stripe = self.snapshots.partition_point(|snapshot| *snapshot < seq);
        if self.last_stripe.replace(stripe) == Some(stripe) {
            return Fate::Drop;
        }
        let oldest_reader = self.snapshots.first().copied().unwrap_or(self.visible).min(self.visible);
        let below_everybody = seq <= oldest_reader;
        match kind {
            EntryKind::Delete if bottom && below_everybody => Fate::Drop,
            EntryKind::Put if bottom && below_everybody => Fate::Keep(0),
            _ => Fate::Keep(seq),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(snapshots: &[u64], versions: &[(u64, EntryKind)], bottom: bool) -> Vec<u64> {
        let mut retention = Retention::new(snapshots.to_vec(), 100);
        retention.next_key();
        let keep = |(seq, kind): &(u64, EntryKind)| match retention.decide(*seq, *kind, bottom) {
            Fate::Keep(seq) => Some(seq),
            Fate::Drop => None,
        };
        versions.iter().filter_map(keep).collect()
    }

    const PUT: EntryKind = EntryKind::Put;
    const DELETE: EntryKind = EntryKind::Delete;

    #[test]
    fn d4_without_snapshots_only_the_newest_stays() {
        assert_eq!(kept(&[], &[(9, PUT), (5, PUT), (2, DELETE)], false), [9]);
        assert_eq!(kept(&[], &[(9, PUT), (5, PUT)], true), [0]);
    }

    #[test]
    fn d4_a_snapshot_keeps_what_it_sees() {
        assert_eq!(kept(&[5], &[(9, PUT), (6, PUT), (5, PUT), (2, PUT)], false), [9, 5]);
        assert_eq!(kept(&[5], &[(9, PUT), (5, PUT), (2, PUT)], true), [9, 0]);
        assert_eq!(kept(&[5], &[(9, DELETE), (5, PUT)], true), [9, 0]);
    }

    #[test]
    fn d4_a_tombstone_goes_only_at_the_bottom_and_below_everybody() {
        assert_eq!(kept(&[], &[(9, DELETE), (5, PUT)], true), [0u64; 0]);
        assert_eq!(kept(&[], &[(9, DELETE), (5, PUT)], false), [9]);
        assert_eq!(kept(&[7], &[(9, DELETE), (6, DELETE), (5, PUT)], true), [9]);
    }
}
