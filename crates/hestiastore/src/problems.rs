//! What a verification found wrong: counted whole, listed up to a limit.

use std::fmt;

use crate::error::Error;

/// More problems than this are counted only.
const LISTED: usize = 100;

/// Problems in the order in which they were found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Problems {
    listed: Vec<Error>,
    unlisted: u64,
}

impl Problems {
    pub(crate) fn push(&mut self, problem: Error) {
        list(&mut self.listed, &mut self.unlisted, problem);
    }

    pub(crate) fn count(&self) -> u64 {
        self.listed.len() as u64 + self.unlisted
    }

    /// Whether one is such a problem; of those that are not listed it is taken to be so.
    pub(crate) fn any(&self, is_such: impl Fn(&Error) -> bool) -> bool {
        self.unlisted > 0 || self.listed.iter().any(is_such)
    }

    /// Those that are listed, and how many more there are.
    pub(crate) fn into_parts(self) -> (Vec<Error>, u64) {
        (self.listed, self.unlisted)
    }
}

/// Lists a problem, or counts it where the list is full.
pub(crate) fn list(listed: &mut Vec<Error>, unlisted: &mut u64, problem: Error) {
    match listed.len() {
        LISTED.. => *unlisted += 1,
        _ => listed.push(problem),
    }
}

/// A key or value in a message, cut where it grows long.
pub(crate) struct Shown<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST_BYTES: usize = 32;
        match self.0.get(..MOST_BYTES) {
            Some(head) if self.0.len() > MOST_BYTES => {
                write!(f, "\"{}\".. ({} bytes)", head.escape_ascii(), self.0.len())
            }
            _ => write!(f, "\"{}\"", self.0.escape_ascii()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_the_first_are_listed() {
        let mut problems = Problems::default();
        for at in 0..150 {
            problems.push(Error::corruption("a", at, "x"));
        }
        assert_eq!(problems.count(), 150);
        let (listed, unlisted) = problems.into_parts();
        assert_eq!((listed.len(), unlisted), (LISTED, 150 - LISTED as u64));
    }

    #[test]
    fn long_keys_are_cut() {
        assert_eq!(Shown(b"a\0").to_string(), "\"a\\x00\"");
        assert!(Shown(&[b'x'; 65_000]).to_string().ends_with(".. (65000 bytes)"));
    }
}
