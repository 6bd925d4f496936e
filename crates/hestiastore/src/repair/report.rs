//! What a repair found, did, and could not save.

use std::fmt;

use crate::counted::Counted;

/// A range of encoded keys: lower bound inclusive, upper bound exclusive.
///
/// ```
/// use hestiastore::repair::KeyRange;
///
/// let range = KeyRange::new(b"a", Some(b"c"));
/// assert!(range.contains(b"b") && !range.contains(b"c"));
/// assert_eq!(range.to_string(), r#"from "a" to before "c""#);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyRange {
    /// Inclusive; empty: from the first key.
    pub lower: Vec<u8>,
    /// Exclusive; `None`: to the last key.
    pub upper: Option<Vec<u8>>,
}

impl KeyRange {
    /// The keys from `lower` to before `upper`.
    pub fn new(lower: &[u8], upper: Option<&[u8]>) -> Self {
        Self { lower: lower.to_vec(), upper: upper.map(<[u8]>::to_vec) }
    }

    /// Whether the key lies in the range.
    pub fn contains(&self, key: &[u8]) -> bool {
        key >= &*self.lower && self.upper.as_deref().is_none_or(|upper| key < upper)
    }

    pub(crate) fn all() -> Self {
        Self::default()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.upper.as_ref().is_some_and(|upper| *upper <= self.lower)
    }

    /// The keys in both; `None` if there are none.
    pub(crate) fn meet(&self, other: &Self) -> Option<Self> {
        let lower = (&self.lower).max(&other.lower).clone();
        let upper = match (&self.upper, &other.upper) {
            (Some(a), Some(b)) => Some(a.min(b).clone()),
            (a, b) => a.clone().or_else(|| b.clone()),
        };
        let met = Self { lower, upper };
        (!met.is_empty()).then_some(met)
    }

    /// The keys that are not in `other`, in up to two ranges.
    pub(crate) fn without(&self, other: &Self) -> Vec<Self> {
        let before = Self { lower: Vec::new(), upper: Some(other.lower.clone()) };
        let behind = other.upper.clone().map(|lower| Self { lower, upper: None });
        [Some(before), behind].into_iter().flatten().filter_map(|part| self.meet(&part)).collect()
    }

    /// The least range that holds both.
    pub(crate) fn joined(&self, other: &Self) -> Self {
        let lower = (&self.lower).min(&other.lower).clone();
        let upper = self.upper.as_ref().zip(other.upper.as_ref()).map(|(a, b)| a.max(b).clone());
        Self { lower, upper }
    }

    /// Whether all of `other` lies in this range.
    pub(crate) fn holds(&self, other: &Self) -> bool {
        other.without(self).is_empty()
    }
}

impl fmt::Display for KeyRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&*self.lower, &self.upper) {
            ([], None) => f.write_str("all keys"),
            (lower, None) => write!(f, "from {}", Shown(lower)),
            ([], Some(upper)) => write!(f, "to before {}", Shown(upper)),
            (lower, Some(upper)) => write!(f, "from {} to before {}", Shown(lower), Shown(upper)),
        }
    }
}

/// A key, escaped, and cut where it is long.
struct Shown<'a>(&'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN_BYTES: usize = 60;
        match self.0.split_at_checked(SHOWN_BYTES) {
            Some((shown, rest)) if !rest.is_empty() => {
                write!(f, "\"{}\".. ({} bytes)", shown.escape_ascii(), self.0.len())
            }
            _ => write!(f, "\"{}\"", self.0.escape_ascii()),
        }
    }
}

/// Operations that may be missing: those on a key in `keys` with a seq in `seqs`.
///
/// What stood below a lost operation shows again where it is still stored: an older value, or an entry whose
/// deletion was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loss {
    /// The keys.
    pub keys: KeyRange,
    /// The seqs, first and last. `u64::MAX`: to the last that there was.
    pub seqs: (u64, u64),
    /// Not more entries than this, where that is known.
    pub entries_at_most: Option<u64>,
    /// Older values may come back, and deletions may be undone.
    pub older_may_return: bool,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.entries_at_most {
            Some(count) => write!(f, "at most {}, ", Counted(count, "entry", "entries"))?,
            None => f.write_str("entries, ")?,
        }
        write!(f, "{}", self.keys)?;
        match self.seqs {
            (0 | 1, u64::MAX) => {}
            (first, u64::MAX) => write!(f, ", written as seq {first} and later")?,
            (first, last) => write!(f, ", written as seq {first} to {last}")?,
        }
        match self.older_may_return {
            true => f.write_str("; older values may come back, and deletions be undone"),
            false => Ok(()),
        }
    }
}

/// What is done about a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// The run's entries are all there: they are written into a new run.
    RunRebuilt,
    /// What can be read of the run is written into a new one.
    RunSalvaged,
    /// Nothing can be read of the run: the manifest names it no longer.
    RunDropped,
    /// The log ends where the damage begins.
    LogCut,
    /// The same state is written into a new manifest.
    ManifestRewritten,
    /// A new manifest is made from what runs and logs prove.
    ManifestRebuilt,
    /// The file is moved to the quarantine.
    Quarantined,
    /// Only a part of the file counts: it stays, and a copy goes to the quarantine.
    Kept,
    /// Nothing can be done; the finding is for people to know.
    Told,
}

impl Action {
    /// A short name that does not change.
    pub fn name(self) -> &'static str {
        match self {
            Self::RunRebuilt => "run-rebuilt",
            Self::RunSalvaged => "run-salvaged",
            Self::RunDropped => "run-dropped",
            Self::LogCut => "log-cut",
            Self::ManifestRewritten => "manifest-rewritten",
            Self::ManifestRebuilt => "manifest-rebuilt",
            Self::Quarantined => "quarantined",
            Self::Kept => "kept",
            Self::Told => "told",
        }
    }

    /// What follows "it is" or "it would be".
    fn sentence(self) -> &'static str {
        match self {
            Self::RunRebuilt => "written anew, whole",
            Self::RunSalvaged => "written anew from what can be read",
            Self::RunDropped => "left out",
            Self::LogCut => "cut there, and copied to quarantine",
            Self::ManifestRewritten => "written anew",
            Self::ManifestRebuilt => "made anew from runs and logs",
            Self::Quarantined => "moved to quarantine",
            Self::Kept => "kept for these, and copied to quarantine",
            Self::Told => "left as it is",
        }
    }
}

/// Something wrong, what is done about it, and what that leaves lost.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The file's name inside the directory.
    pub file: String,
    /// What is wrong with it.
    pub damage: String,
    /// What was done, or would be.
    pub action: Action,
    /// What is lost by it; empty: nothing.
    pub losses: Vec<Loss>,
    /// Records of the log behind the damage that could be read, and are given up with it.
    pub records_given_up: u64,
}

/// Everything that a repair found; of a plan, what it would do.
///
/// ```
/// use hestiastore::SegmentIndex;
///
/// # let folder = tempfile::tempdir().unwrap();
/// let index = SegmentIndex::<u64, u64>::builder(folder.path()).create()?;
/// index.close()?;
/// let report = SegmentIndex::<u64, u64>::builder(folder.path()).check_and_repair()?;
/// assert!(report.is_sound());
/// assert_eq!(report.to_string(), "nothing to repair\n");
/// # Ok::<(), hestiastore::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RepairReport {
    /// What is wrong, file by file.
    pub findings: Vec<Finding>,
    /// The actions were carried out.
    pub applied: bool,
    /// Where in the directory this report was written to, before the new manifest took its place.
    pub kept_in: Option<String>,
}

impl RepairReport {
    /// Nothing is wrong: nothing was changed.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }

    /// Something is lost, or may be.
    pub fn is_lossy(&self) -> bool {
        self.losses().next().is_some()
    }

    /// All losses of all findings.
    pub fn losses(&self) -> impl Iterator<Item = &Loss> {
        self.findings.iter().flat_map(|finding| &finding.losses)
    }

    pub(super) fn add(
        &mut self,
        file: impl Into<String>,
        damage: impl Into<String>,
        action: Action,
    ) -> &mut Finding {
        let (file, damage) = (file.into(), damage.into());
        let finding = Finding { file, damage, action, losses: Vec::new(), records_given_up: 0 };
        self.findings.push(finding);
        let last = self.findings.len() - 1;
        &mut self.findings[last]
    }
}

impl fmt::Display for RepairReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_sound() {
            return writeln!(f, "nothing to repair");
        }
        let verb = if self.applied { "it was" } else { "it would be" };
        for finding in &self.findings {
            writeln!(f, "{}: {}", finding.file, finding.damage)?;
            match finding.action {
                Action::Told => {}
                action => writeln!(f, "  {verb} {}", action.sentence())?,
            }
            finding.losses.iter().try_for_each(|loss| writeln!(f, "  lost: {loss}"))?;
        }
        let state = match (self.is_lossy(), self.applied) {
            (false, _) => "nothing is lost",
            (true, true) => "what is lost is told above",
            (true, false) => "what would be lost is told above",
        };
        writeln!(f, "{}; {state}", Counted(self.findings.len() as u64, "finding", "findings"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(lower: &str, upper: &str) -> KeyRange {
        let upper = (upper != "-").then_some(upper.as_bytes());
        KeyRange::new(lower.as_bytes(), upper)
    }

    #[test]
    fn ranges_meet_part_and_hold() {
        assert_eq!(range("a", "m").meet(&range("c", "-")), Some(range("c", "m")));
        assert_eq!(range("a", "c").meet(&range("c", "-")), None);
        assert_eq!(range("", "-").without(&range("c", "m")), [range("", "c"), range("m", "-")]);
        assert_eq!(range("c", "m").without(&range("", "-")), []);
        assert_eq!(range("c", "m").without(&range("x", "-")), [range("c", "m")]);
        assert_eq!(range("c", "m").without(&range("d", "-")), [range("c", "d")]);
        assert!(range("a", "-").holds(&range("c", "m")) && !range("a", "k").holds(&range("c", "m")));
        assert_eq!(range("a", "c").joined(&range("x", "-")), range("a", "-"));
    }
}
