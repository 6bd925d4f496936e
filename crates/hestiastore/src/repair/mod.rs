//! Repair of a directory that cannot be opened, or that `check` finds damage in.
//!
//! A repair first *surveys* the directory, reading everything and changing nothing; then makes a *plan*: what
//! is wrong, what will be done about it, and what is lost; and only then *applies* it. [`plan_repair`] stops
//! after the plan. What each kind of damage leads to is in `docs/repair.md`.
//!
//! Promises:
//! 1. A directory without damage is not changed, by not one byte.
//! 2. Nothing damaged or replaced is deleted: it is moved to `quarantine/`, or a copy of it is there.
//! 3. Every operation that the store may have lost is covered by a [`Loss`]: its key lies in the loss's keys and
//!    its seq in the loss's seqs. So an entry that no loss covers is the right one.
//! 4. The new manifest's rename is the one moment at which the repaired store takes the place of the damaged
//!    one. New runs and copies are on disk before it; what was replaced is moved away after it. A crash or a full
//!    disk at any I/O leaves the one or the other, and both can be repaired again.
//!
//! Nobody else may have the directory open: the exclusive lock is held all the time. A plan shares the lock with
//! readers, and does without on a file system where nobody can write.

mod apply;
mod known;
mod logs;
mod options;
mod placing;
mod plan;
mod quarantine;
mod rebuild;
mod report;
mod salvage;
mod survey;
mod types;

use std::io;
use std::sync::Arc;

use crate::directory::{Directory, DirectoryLock, LockMode};
use crate::error::{Error, Result};

use plan::Plan;

pub use options::RepairOptions;
pub use report::{Action, Finding, KeyRange, Loss, RepairReport};

/// Repairs the index in a directory, and tells what was wrong, what was done and what is lost.
///
/// ```
/// use std::sync::Arc;
///
/// use hestiastore::SegmentIndex;
/// use hestiastore::directory::{Directory, FsDirectory};
/// use hestiastore::repair::{RepairOptions, repair};
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path();
/// let index = SegmentIndex::<u64, u64>::builder(path).create()?;
/// (0..1000).try_for_each(|n| index.put(&n, &n))?;
/// index.flush_and_wait()?;
/// index.close()?;
///
/// let directory: Arc<dyn Directory> = Arc::new(FsDirectory::open(path).unwrap());
/// let name = directory.list().unwrap().into_iter().find(|name| name.ends_with(".sst")).unwrap();
/// let run = std::fs::File::options().write(true).open(path.join(name)).unwrap();
/// run.set_len(run.metadata().unwrap().len() - 64).unwrap(); // the footer is gone, every entry is there
///
/// let report = repair(&directory, &RepairOptions::default())?;
/// assert_eq!(report.findings.len(), 1);
/// assert!(!report.is_lossy());
/// let index = SegmentIndex::<u64, u64>::builder(path).open()?;
/// assert_eq!(index.get(&7)?, Some(7));
/// assert!(index.check()?.is_clean());
/// # Ok::<(), hestiastore::Error>(())
/// ```
///
/// # Errors
/// `Locked` while anybody has the index open, `NotAnIndex` where nothing of an index is found, `Unsupported`
/// for files of a later version, `InvalidConfig` if the types are known from nowhere or do not fit what the
/// log holds, `TypeMismatch` if they are stored and others are given, and I/O errors; after an
/// error the directory holds what it held, or the repaired index.
pub fn repair(directory: &Arc<dyn Directory>, options: &RepairOptions) -> Result<RepairReport> {
    let _lock = lock(&**directory, LockMode::Exclusive)?;
    let plan = make_plan(directory, options)?;
    if plan.report.is_sound() {
        return Ok(plan.report);
    }
    apply::apply(directory, options, plan)
}

/// What [`repair`] would do and what would be lost. Changes nothing.
///
/// # Errors
/// As [`repair`].
pub fn plan_repair(directory: &Arc<dyn Directory>, options: &RepairOptions) -> Result<RepairReport> {
    let _lock = lock(&**directory, LockMode::Shared)?;
    make_plan(directory, options).map(|plan| plan.report)
}

fn make_plan(directory: &Arc<dyn Directory>, options: &RepairOptions) -> Result<Plan> {
    let plan = plan::make(directory, options)?;
    types::check_given(directory, options, &plan)?;
    Ok(plan)
}

/// The lock, after a look whether there is anything of ours: it must leave no file in what is somebody else's.
fn lock(directory: &dyn Directory, mode: LockMode) -> Result<Option<Box<dyn DirectoryLock>>> {
    if !survey::list(directory)?.iter().any(|name| survey::is_ours(name)) {
        return Err(crate::manifest::not_an_index(directory));
    }
    match directory.lock(mode) {
        Ok(lock) => Ok(Some(lock)),
        // Nobody can write there, so a look is as safe as with the lock.
        Err(error) if mode == LockMode::Shared && error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
            Ok(None)
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(Error::Locked { directory: directory.location(), holder: error.to_string() })
        }
        Err(error) => Err(Error::io("lock", directory.location(), error)),
    }
}
