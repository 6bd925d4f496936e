//! Reading a manifest: its state, and how sure it is.

use crate::directory::Directory;
use crate::error::{Error, Result};

use super::frame::unknown_features;
use super::state::ManifestState;
use super::walk::{Base, DamagedCopy, Place, Step, Tail, Walk};
use super::{KNOWN_INCOMPATIBLE_FEATURES, MANIFEST_NAME, MANIFEST_TEMPORARY_NAME};

/// How many of a foreign directory's files a message names.
const NAMES_SHOWN: usize = 5;

/// What a manifest file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReadManifest {
    pub(crate) state: ManifestState,
    /// Where the last valid edit ends.
    pub(crate) end_offset: u64,
    pub(crate) tail: Tail,
    /// How many edits follow the base state.
    pub(crate) edits: u64,
    pub(crate) file_uid: u64,
    /// The base copy that could not be used; the other one could.
    pub(crate) damaged_copy: Option<DamagedCopy>,
}

impl ReadManifest {
    /// Whether bytes that are no edit follow the last one.
    pub(crate) fn ends_torn(&self) -> bool {
        matches!(self.tail, Tail::Torn { .. })
    }
}

/// Reads the `MANIFEST` of a directory; changes nothing.
///
/// An open must also ask [`confirm_torn_tail`], whatever the tail.
///
/// # Errors
/// `NotAnIndex` if there is none, `Unsupported` for features, changes and versions of later engines,
/// `Corruption` for damage that is no torn tail.
pub(crate) fn read_manifest(directory: &dyn Directory) -> Result<ReadManifest> {
    match Walk::load(directory, MANIFEST_NAME) {
        Ok(walk) => read(&walk),
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Err(not_an_index(directory))
        }
        Err(error) => Err(error),
    }
}

/// What a damaged manifest proves: the state up to the damage, and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProvenManifest {
    pub(crate) state: ManifestState,
    /// Offset and nature of the damage; `None` if there is none.
    pub(crate) damage: Option<(u64, String)>,
    /// Every edit could be read, if the manifest is not of another time.
    pub(crate) all_edits_read: bool,
    /// Bytes that are no edit follow the last one.
    pub(crate) ends_torn: bool,
}

/// Reads as far as the chain of edits proves, for repair.
///
/// # Errors
/// `Corruption` if not even a base state can be read; otherwise as [`read_manifest`].
pub(crate) fn read_proven(directory: &dyn Directory) -> Result<ProvenManifest> {
    let intact = match read_manifest(directory) {
        Ok(read) => read,
        Err(Error::Corruption { .. }) => return read_up_to_damage(directory),
        Err(other) => return Err(other),
    };
    let ends_torn = intact.ends_torn();
    // As for an open: what damaged a copy may have made the tail.
    let all_edits_read = !ends_torn || intact.damaged_copy.is_none();
    let damage = intact.damaged_copy.map(|copy| (copy.offset, copy.detail));
    Ok(ProvenManifest { state: intact.state, damage, all_edits_read, ends_torn })
}

fn read_up_to_damage(directory: &dyn Directory) -> Result<ProvenManifest> {
    let walk = Walk::load(directory, MANIFEST_NAME)?;
    let base = walk.any_base()?;
    let mut state = base_state(&walk, &base)?;
    let mut at = walk.first_place(&base);
    let damage = loop {
        let step = walk.step(&at).and_then(|step| match step {
            Step::End(_) => Ok(None),
            Step::Edit { frame, next } => {
                apply_edit(&walk, &mut state, &at, &walk.decode(at.offset, &frame)?)?;
                Ok(Some(next))
            }
        });
        match step {
            Ok(Some(next)) => at = next,
            Ok(None) => {
                let detail = format!("the file has only {} bytes", walk.length());
                break (walk.length(), detail);
            }
            Err(Error::Corruption { offset, detail, .. }) => break (offset, detail),
            Err(other) => return Err(other),
        }
    };
    Ok(ProvenManifest { state, damage: Some(damage), all_edits_read: false, ends_torn: true })
}

/// The uuid of the index that a manifest's header names, where it can be read.
pub(crate) fn manifest_uuid(directory: &dyn Directory) -> Option<u128> {
    Walk::load(directory, MANIFEST_NAME).ok().map(|walk| walk.header.index_uuid)
}

fn base_state(walk: &Walk, base: &Base<'_>) -> Result<ManifestState> {
    let edit = walk.decode(base.offset, &base.frame)?;
    let mut state = ManifestState::default();
    state.apply(&edit).map_err(|reason| walk.corruption(base.offset, format!("base state: {reason}")))?;
    state.edit_number = base.frame.head.number;
    if state.segments.is_empty() || state.index_uuid != walk.header.index_uuid {
        let detail = "the base state has no segments, or is another index's";
        return Err(walk.corruption(base.offset, detail));
    }
    check_features(walk, &state)?;
    Ok(state)
}

fn read(walk: &Walk) -> Result<ReadManifest> {
    let base = walk.base()?;
    let mut state = base_state(walk, &base)?;
    let mut at = walk.first_place(&base);
    let mut edits = 0;
    let tail = loop {
        match walk.step(&at)? {
            Step::End(tail) => break tail,
            Step::Edit { frame, next } => {
                apply_edit(walk, &mut state, &at, &walk.decode(at.offset, &frame)?)?;
                edits += 1;
                at = next;
            }
        }
    };
    Ok(ReadManifest {
        state,
        end_offset: at.offset,
        tail,
        edits,
        file_uid: walk.header.file_uid,
        damaged_copy: base.damaged_copy,
    })
}

fn apply_edit(walk: &Walk, state: &mut ManifestState, at: &Place, edit: &super::Edit) -> Result<()> {
    state.apply(edit).map_err(|reason| {
        let number = at.number.saturating_add(1);
        walk.corruption(at.offset, format!("edit {number} does not apply: {reason}"))
    })?;
    check_features(walk, state)
}

fn check_features(walk: &Walk, state: &ManifestState) -> Result<()> {
    let unknown = state.incompatible_features & !KNOWN_INCOMPATIBLE_FEATURES;
    if unknown != 0 {
        return Err(walk.unsupported(unknown_features(unknown)));
    }
    Ok(())
}

/// The conditions of D6 that the manifest alone cannot see: no log or run names an edit that is lost, and
/// every file of the state exists. Asked whatever the tail, since a lost last edit may also have left
/// zeros, or nothing, and the whole file may be an old one.
///
/// `highest_edit_named`: the greatest edit number in the BEGIN of any log found, listed or not, and in the
/// properties of any run that the state does not name. Both name edits that were synced before.
/// `missing_files`: files that the state refers to and that are not there.
pub(crate) fn confirm_torn_tail(
    read: &ReadManifest,
    highest_edit_named: Option<u64>,
    missing_files: &[String],
) -> Result<()> {
    let last = read.state.edit_number;
    let found = match read.tail {
        Tail::Clean => "the manifest ends".to_string(),
        Tail::Torn { bytes, .. } => format!("{bytes} damaged bytes follow"),
    };
    let evidence = match (highest_edit_named, &read.tail, &read.damaged_copy) {
        (Some(named), _, _) if named > last => format!("a log or a run names edit {named}"),
        // No crash damages a copy, which was synced before the file got its name, and one tail is torn:
        // whatever did the one may have done the other to edits that were synced.
        (_, Tail::Torn { .. }, Some(copy)) => format!("the base copy at {} is damaged too", copy.offset),
        _ if missing_files.is_empty() => return Ok(()),
        _ => format!("its state misses {}", missing_files.join(", ")),
    };
    let detail =
        format!("after edit {last} {found}, but {evidence}: committed edits or files are lost; run `repair`");
    Err(Error::corruption(MANIFEST_NAME, read.end_offset, detail))
}

pub(crate) fn not_an_index(directory: &dyn Directory) -> Error {
    let detail = match directory.list() {
        Err(error) => format!("it cannot be listed: {error}"),
        Ok(names) if names.is_empty() => "it is empty".into(),
        Ok(names) if names.iter().any(|name| name == MANIFEST_TEMPORARY_NAME) => format!(
            "it has no {MANIFEST_NAME}, only a {MANIFEST_TEMPORARY_NAME}: its creation was not finished"
        ),
        Ok(names) => format!("it has no {MANIFEST_NAME}; it holds {}", shown(names)),
    };
    Error::NotAnIndex { directory: directory.location(), detail }
}

fn shown(mut names: Vec<String>) -> String {
    names.sort();
    let more = names.len().saturating_sub(NAMES_SHOWN);
    names.truncate(NAMES_SHOWN);
    let shown = names.join(", ");
    match more {
        0 => shown,
        _ => format!("{shown} and {more} more"),
    }
}
