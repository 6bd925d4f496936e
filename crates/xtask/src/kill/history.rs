//! What a lane's entries may be after a kill.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use super::commits::{CommitId, Entries, origin};
use crate::outcome::{Outcome, failure};

/// The commits of one lane in one life of the writing process.
#[derive(Debug)]
pub(super) struct History<'a> {
    /// Before the first of them.
    pub(super) base: &'a Entries,
    /// Any of them; the number does not matter.
    pub(super) id: CommitId,
    pub(super) acknowledged: u64,
    pub(super) flushed: u64,
    /// Whether the lane may have had a commit under way.
    pub(super) at_work: bool,
}

/// What commits, by number, left of a key: a value, or nothing.
type Versions = Vec<(u64, Option<Vec<u8>>)>;

impl History<'_> {
    fn commit(&self, number: u64) -> super::commits::Commit {
        CommitId { number, ..self.id }.commit()
    }

    /// The last commit that may be found.
    fn issued(&self) -> u64 {
        self.acknowledged + u64::from(self.at_work)
    }

    /// With a log: exactly the acknowledged commits, or the one under way too.
    pub(super) fn check_whole(&self, found: &Entries) -> Outcome {
        let mut expected = self.base.clone();
        (1..=self.acknowledged).for_each(|number| self.commit(number).apply(&mut expected));
        if *found == expected {
            return Ok(());
        }
        let acknowledged = expected.clone();
        (self.acknowledged + 1..=self.issued()).for_each(|number| self.commit(number).apply(&mut expected));
        if *found == expected {
            return Ok(());
        }
        failure(format!(
            "lane {}, {} commits acknowledged: {}",
            self.id.lane,
            self.acknowledged,
            difference(&acknowledged, found)
        ))
    }

    /// Without a log (PROTOCOL L1): each segment a prefix of its own, at least to the last flush. Where the
    /// segments' bounds are is not known here, so that the fewest prefixes are sought that explain
    /// everything in key order; they may not be more than there are segments.
    pub(super) fn check_segments(&self, found: &Entries, segments: u64) -> Outcome {
        let versions = self.versions();
        let keys: BTreeSet<&Vec<u8>> = self.base.keys().chain(versions.keys()).chain(found.keys()).collect();
        let mut prefixes = 1;
        let mut cuts = Cuts::all(self.flushed..=self.issued());
        for key in keys {
            let fitting = self.cuts_of(versions.get(key), self.base.get(key), found.get(key));
            if fitting.0.is_empty() {
                let (lane, value) = (self.id.lane, found.get(key).map(|value| origin(value)));
                let (flushed, issued) = (self.flushed, self.issued());
                return failure(format!(
                    "lane {lane}, key {}: {value:?} was not its value after any of the commits {flushed} to {issued}",
                    key.escape_ascii()
                ));
            }
            cuts = cuts.intersect(&fitting);
            if cuts.0.is_empty() {
                prefixes += 1;
                cuts = fitting;
            }
        }
        if prefixes > segments {
            let lane = self.id.lane;
            return failure(format!("lane {lane}: {prefixes} different prefixes in {segments} segments"));
        }
        Ok(())
    }

    /// For each key that was written to, the commits that did and what they left.
    fn versions(&self) -> BTreeMap<Vec<u8>, Versions> {
        let mut versions: BTreeMap<Vec<u8>, Versions> = BTreeMap::new();
        for number in 1..=self.issued() {
            for (key, value) in self.commit(number).operations {
                let of_key = versions.entry(key).or_default();
                // Within a commit the last operation on a key counts.
                of_key.retain(|(earlier, _)| *earlier != number);
                of_key.push((number, value));
            }
        }
        versions
    }

    /// The prefixes after which a key would be found as it was.
    fn cuts_of(&self, versions: Option<&Versions>, base: Option<&Vec<u8>>, found: Option<&Vec<u8>>) -> Cuts {
        let first = [(0, base.cloned())];
        let all: Vec<_> = first.iter().chain(versions.into_iter().flatten()).collect();
        let ends = all.iter().skip(1).map(|(next, _)| next - 1).chain([self.issued()]);
        let fitting = all.iter().zip(ends).filter(|((_, value), _)| value.as_ref() == found);
        let ranges = fitting.map(|((from, _), through)| (*from).max(self.flushed)..=through);
        Cuts(ranges.filter(|range| !range.is_empty()).collect())
    }
}

/// Numbers of commits, as ascending ranges.
#[derive(Debug)]
struct Cuts(Vec<RangeInclusive<u64>>);

impl Cuts {
    fn all(range: RangeInclusive<u64>) -> Self {
        Self(vec![range])
    }

    fn intersect(&self, other: &Self) -> Self {
        let common = |a: &RangeInclusive<u64>, b: &RangeInclusive<u64>| {
            *a.start().max(b.start())..=*a.end().min(b.end())
        };
        let pairs = self.0.iter().flat_map(|a| other.0.iter().map(move |b| common(a, b)));
        Self(pairs.filter(|range| !range.is_empty()).collect())
    }
}

/// The first few keys that differ.
fn difference(expected: &Entries, found: &Entries) -> String {
    const SHOWN: usize = 5;
    let keys: BTreeSet<&Vec<u8>> = expected.keys().chain(found.keys()).collect();
    let differing: Vec<&Vec<u8>> =
        keys.into_iter().filter(|key| expected.get(*key) != found.get(*key)).collect();
    let told = |value: Option<&Vec<u8>>| value.map_or_else(|| "nothing".to_owned(), |value| origin(value));
    let lines = differing.iter().take(SHOWN).map(|key| {
        let (expected, found) = (told(expected.get(*key)), told(found.get(*key)));
        format!("\n  key {}: expected {expected}, found {found}", key.escape_ascii())
    });
    format!("{} keys differ{}", differing.len(), lines.collect::<String>())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by a panic")]
mod tests {
    use super::*;

    const ID: CommitId = CommitId { seed: 1, store: 2, round: 3, lane: 0, number: 0 };

    fn after(count: u64) -> Entries {
        let mut entries = Entries::new();
        (1..=count).for_each(|number| CommitId { number, ..ID }.commit().apply(&mut entries));
        entries
    }

    fn history(base: &Entries) -> History<'_> {
        History { base, id: ID, acknowledged: 300, flushed: 100, at_work: true }
    }

    #[test]
    fn with_a_log_only_the_commit_under_way_is_free() {
        let base = Entries::new();
        for (count, legal) in [(280, false), (300, true), (301, true), (320, false)] {
            assert_eq!(history(&base).check_whole(&after(count)).is_ok(), legal, "{count}");
        }
    }

    #[test]
    fn without_a_log_each_segment_has_its_own_prefix() {
        let base = Entries::new();
        let history = history(&base);
        for (count, legal) in [(90, false), (100, true), (200, true), (301, true)] {
            assert_eq!(history.check_segments(&after(count), 1).is_ok(), legal, "{count}");
        }
        let (early, late) = (after(150), after(290));
        let middle = late.keys().nth(late.len() / 2).unwrap().clone();
        let mut torn: Entries = early.range(..middle.clone()).map(|(k, v)| (k.clone(), v.clone())).collect();
        torn.extend(late.range(middle..).map(|(k, v)| (k.clone(), v.clone())));
        assert!(history.check_segments(&torn, 1).is_err());
        history.check_segments(&torn, 2).unwrap();
        torn.insert(b"invented\0".to_vec(), Vec::new());
        assert!(history.check_segments(&torn, 100).is_err());
    }
}
