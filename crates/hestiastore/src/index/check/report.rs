//! What a check tells.

use std::fmt;

use crate::counted::Counted;
use crate::error::Error;
use crate::problems::{Problems, list};

/// What a check or scrub went through and what it found.
///
/// ```
/// use hestiastore::SegmentIndex;
///
/// let index = SegmentIndex::<u64, u64>::in_memory().create()?;
/// index.put(&1, &2)?;
/// index.flush_and_wait()?;
/// let report = index.check()?;
/// assert!(report.is_clean());
/// assert_eq!((report.runs, report.problems.len()), (1, 0));
/// # Ok::<(), hestiastore::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CheckReport {
    /// Segments gone through.
    pub segments: u64,
    /// Run files verified whole.
    pub runs: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Entries in them, old versions and tombstones included.
    pub entries: u64,
    /// Files in the directory that the manifest does not name: what a crash left behind, or what jobs that
    /// are under way have not yet named or not yet removed. The first write of an open tidies up. No problem.
    pub unnamed_files: Vec<String>,
    /// What is wrong, the first hundred of it.
    pub problems: Vec<Error>,
    /// How much more is wrong than is listed.
    pub unlisted_problems: u64,
}

impl CheckReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problem_count() == 0
    }

    /// How much is wrong in all.
    pub fn problem_count(&self) -> u64 {
        self.problems.len() as u64 + self.unlisted_problems
    }

    pub(super) fn add(&mut self, problem: Error) {
        list(&mut self.problems, &mut self.unlisted_problems, problem);
    }

    pub(super) fn add_all(&mut self, problems: Problems) {
        let (listed, unlisted) = problems.into_parts();
        listed.into_iter().for_each(|problem| self.add(problem));
        self.unlisted_problems += unlisted;
    }
}

/// The report on an index that damage does not even let open.
impl From<Error> for CheckReport {
    fn from(problem: Error) -> Self {
        Self { problems: vec![problem], ..Self::default() }
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let segments = Counted(self.segments, "segment", "segments");
        let runs = Counted(self.runs, "run", "runs");
        let entries = Counted(self.entries, "entry", "entries");
        write!(f, "{segments}, {runs}, {entries}, {} bytes: ", self.bytes)?;
        match self.problem_count() {
            0 => writeln!(f, "no problem")?,
            count => writeln!(f, "{}", Counted(count, "problem", "problems"))?,
        }
        self.problems.iter().try_for_each(|problem| writeln!(f, "  {problem}"))?;
        match self.unlisted_problems {
            0 => {}
            more => writeln!(f, "  and {more} more")?,
        }
        self.unnamed_files.iter().try_for_each(|name| writeln!(f, "  not named by the manifest: {name}"))
    }
}
