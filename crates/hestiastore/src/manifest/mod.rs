//! The manifest: which files make up the index, and how far each of them counts.
//!
//! One append-only file, `MANIFEST`, is the only commit point: a run, a log, a split or a deletion
//! has happened when the [`Edit`] that names it is synced, and not before. The file holds two copies
//! of a base state and the edits since, numbered and chained by CRC.
//!
//! Promises and invariants that neighbours may rely on:
//! 1. A [`ManifestState`] that was built by [`ManifestState::apply`] or read from a file is valid:
//!    its segments tile the key space, every run reference lies within its segment, references of
//!    one rank are disjoint, logs ascend. An edit that would break this changes nothing.
//! 2. [`ManifestFile::commit`] returns only when the edit is on disk. After a failed write or sync
//!    nothing more is ever written through that file.
//! 3. [`read_manifest`] gives the state of all edits, or of all but a last one that was being
//!    written, or an error. What a manifest alone cannot tell about such a last edit is settled by
//!    [`confirm_torn_tail`].
//!
//! Nothing here is shared between threads: the owner serialises edits.

mod apply;
mod check;
mod decode;
mod dump;
mod edit;
mod encode;
mod file;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod read;
mod state;
mod verify;
mod walk;

#[cfg(test)]
#[cfg(test)]
mod tests;

pub(crate) use dump::dump_manifest;
pub(crate) use edit::{Change, Edit};
pub(crate) use file::ManifestFile;
pub(crate) use read::{
    ProvenManifest, ReadManifest, confirm_torn_tail, manifest_uuid, not_an_index, read_manifest, read_proven,
};
pub(crate) use state::{Closed, LogEnd, LogState, ManifestState, RunReference, SegmentState};
pub(crate) use verify::contradictions;
pub(crate) use walk::Tail;

/// The name of the manifest in its directory.
pub(crate) const MANIFEST_NAME: &str = "MANIFEST";

/// A manifest being written; never read, deleted at open.
pub(crate) const MANIFEST_TEMPORARY_NAME: &str = "MANIFEST.tmp";

/// The incompatible features of an index that this version knows. Others refuse the open.
pub(crate) const KNOWN_INCOMPATIBLE_FEATURES: u32 = 0;
