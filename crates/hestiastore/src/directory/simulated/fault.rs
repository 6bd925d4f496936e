//! Faults, and the rules that say which operations they befall.

use std::io;

use super::chance::Chance;
use super::operation::{OperationKind, Request};

/// What goes wrong with an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// It fails and has no effect.
    FailBefore(io::ErrorKind),
    /// It has its effect and fails nevertheless.
    FailAfter(io::ErrorKind),
    /// A sync fails, and what was pending is never written: the next sync finds nothing to do and
    /// succeeds, and reads show what is not durable. So ext4 does.
    FailSyncAndForget,
    /// A sync succeeds and makes nothing durable; a later honest one does.
    LieAboutSync,
    /// The system gives fewer bytes than there are, at first; who asks for the rest gets it.
    ShortRead,
    /// One bit of what is read is wrong, this time.
    FlipBitOnRead,
    /// One bit of what is written is wrong.
    FlipBitOnWrite,
    /// A write succeeds and the old bytes stay; a file becomes longer all the same.
    LoseWrite,
    /// A read or write goes to a place so many bytes further on, and succeeds.
    Misdirect {
        /// How far from the right place.
        by: u64,
    },
}

impl Fault {
    /// The operations that it can befall.
    fn fits(self, kind: OperationKind) -> bool {
        use OperationKind::{Read, SyncFile, SyncNames, Write};
        match self {
            Fault::FailBefore(_) | Fault::FailAfter(_) => true,
            Fault::FailSyncAndForget | Fault::LieAboutSync => matches!(kind, SyncFile | SyncNames),
            Fault::ShortRead | Fault::FlipBitOnRead => kind == Read,
            Fault::FlipBitOnWrite | Fault::LoseWrite => kind == Write,
            Fault::Misdirect { .. } => matches!(kind, Read | Write),
        }
    }
}

/// Which operations a fault befalls: by default every one that it can.
///
/// ```
/// use std::io::ErrorKind;
///
/// use hestiastore::directory::{Directory, Fault, FaultRule, OperationKind, SimulatedDirectory};
///
/// # fn main() -> std::io::Result<()> {
/// let directory = SimulatedDirectory::new();
/// let second_sync = FaultRule::new(Fault::FailSyncAndForget).names("*.wal").from_nth(1).times(1);
/// directory.inject(second_sync.on(&[OperationKind::SyncFile]));
///
/// let log = directory.create("7.wal")?;
/// log.sync()?;
/// log.write_at(0, b"lost")?;
/// assert_eq!(log.sync().unwrap_err().kind(), ErrorKind::Other);
/// log.sync()?;
/// assert_eq!(directory.fault_count(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct FaultRule {
    fault: Fault,
    kinds: Option<Vec<OperationKind>>,
    names: String,
    spared: u64,
    limit: u64,
    per_mille: u64,
    seed: u64,
}

impl FaultRule {
    /// The fault for every operation that it can befall.
    pub fn new(fault: Fault) -> Self {
        let names = "*".to_owned();
        Self { fault, kinds: None, names, spared: 0, limit: u64::MAX, per_mille: 1000, seed: 0 }
    }

    /// Only operations of these kinds.
    pub fn on(self, kinds: &[OperationKind]) -> Self {
        Self { kinds: Some(kinds.to_vec()), ..self }
    }

    /// Only names of this pattern, in which `*` stands for any text. A file goes by the name that it
    /// was opened or made by, a rename by the old name, a sync of the names by the empty name.
    pub fn names(self, pattern: &str) -> Self {
        Self { names: pattern.to_owned(), ..self }
    }

    /// Not the first `count` operations that the rule matches.
    pub fn from_nth(self, count: u64) -> Self {
        Self { spared: count, ..self }
    }

    /// At most `count` operations.
    pub fn times(self, count: u64) -> Self {
        Self { limit: count, ..self }
    }

    /// By chance: so many of a thousand, the same ones for the same seed.
    pub fn by_chance(self, per_mille: u64, seed: u64) -> Self {
        Self { per_mille, seed, ..self }
    }

    fn matches(&self, request: &Request<'_>) -> bool {
        self.fault.fits(request.kind)
            && self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&request.kind))
            && fits(&self.names, request.name)
    }
}

/// Whether `name` fits a pattern in which `*` stands for any text.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(behind) = name.strip_prefix(head) else {
        return false;
    };
    let ends = behind.char_indices().map(|(at, _)| at).chain([behind.len()]);
    ends.into_iter().any(|at| fits(rest, &behind[at..]))
}

/// The rules of a directory and what they have done so far.
#[derive(Debug, Default)]
pub(super) struct Faults {
    rules: Vec<Counted>,
    count: u64,
}

#[derive(Debug)]
struct Counted {
    rule: FaultRule,
    matched: u64,
    hits: u64,
    chance: Chance,
}

impl Faults {
    pub(super) fn add(&mut self, rule: FaultRule) {
        let chance = Chance::of(rule.seed);
        self.rules.push(Counted { rule, matched: 0, hits: 0, chance });
    }

    pub(super) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The fault of the first rule that befalls this operation. Every rule counts what it matches.
    pub(super) fn befall(&mut self, request: &Request<'_>) -> Option<Fault> {
        let mut found = None;
        for counted in &mut self.rules {
            let hit = counted.hits_next(request);
            if found.is_none() && hit {
                counted.hits += 1;
                found = Some(counted.rule.fault);
            }
        }
        self.count += u64::from(found.is_some());
        found
    }
}

impl Counted {
    fn hits_next(&mut self, request: &Request<'_>) -> bool {
        if !self.rule.matches(request) {
            return false;
        }
        self.matched += 1;
        let chosen = self.chance.below(1000) < self.rule.per_mille;
        chosen && self.matched > self.rule.spared && self.hits < self.rule.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for name in ["", "a", "a.wal"] {
            assert!(fits("*", name));
        }
        assert!(fits("*.wal", "a.wal") && fits("a*", "a.wal") && fits("a*w*l", "a.wal"));
        assert!(fits("a.wal", "a.wal") && fits("", ""));
        assert!(!fits("*.wal", "a.sst") && !fits("a", "ab") && !fits("", "a") && !fits("*.wal", ".wa"));
    }
}
