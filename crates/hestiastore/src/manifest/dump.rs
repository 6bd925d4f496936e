//! A manifest file as text, for people: header, base state, every edit, and how it ends.
//!
//! Damage ends the walk with a line that says so and with the error; what stands before it is shown.

use std::io::{self, Write};

use crate::directory::Directory;
use crate::error::{Error, Result};

use super::edit::{Change, Edit};
use super::state::RunReference;
use super::walk::{Step, Tail, Walk};

/// Writes what the manifest file `name` of a directory says to `out`.
pub(crate) fn dump_manifest(directory: &dyn Directory, name: &str, out: &mut dyn Write) -> Result<()> {
    let dumped = Walk::load(directory, name).and_then(|walk| dump(&walk, out));
    if let Err(error) = &dumped {
        // The error itself is what matters if this line cannot be written either.
        let _ = writeln!(out, "{error}");
    }
    dumped
}

fn dump(walk: &Walk, out: &mut dyn Write) -> Result<()> {
    let header = &walk.header;
    line(out, &format!("index {:032x}  file {:016x}", header.index_uuid, header.file_uid))?;
    let (compatible, incompatible) = (header.compatible, header.incompatible);
    line(out, &format!("features: compatible {compatible:#x}  incompatible {incompatible:#x}"))?;
    line(out, &format!("{} bytes with the reserve", walk.length()))?;
    let base = walk.base()?;
    if let Some(copy) = &base.damaged_copy {
        line(out, &format!("damaged base copy at {}: {}", copy.offset, copy.detail))?;
    }
    let number = base.frame.head.number;
    line(out, &format!("base state at {}, after edit {number}", base.offset))?;
    dump_edit(out, &walk.decode(base.offset, &base.frame)?)?;
    let mut at = walk.first_place(&base);
    loop {
        match walk.step(&at)? {
            Step::Edit { frame, next } => {
                let (number, bytes) = (frame.head.number, frame.bytes());
                line(out, &format!("edit {number} at {}, {bytes} bytes", at.offset))?;
                dump_edit(out, &walk.decode(at.offset, &frame)?)?;
                at = next;
            }
            Step::End(Tail::Clean) => return line(out, &format!("end at {}", at.offset)),
            Step::End(Tail::Torn { offset, bytes }) => {
                return line(out, &format!("torn tail at {offset}, {bytes} bytes"));
            }
        }
    }
}

fn dump_edit(out: &mut dyn Write, edit: &Edit) -> Result<()> {
    edit.changes.iter().try_for_each(|change| line(out, &format!("  {}", describe(change))))
}

fn line(out: &mut dyn Write, text: &str) -> Result<()> {
    writeln!(out, "{text}").map_err(|source: io::Error| Error::io("write", "the output", source))
}

fn describe(change: &Change) -> String {
    match change {
        Change::Identity { uuid, lineage, hash_seed } => {
            format!("identity {uuid:032x}  lineage {lineage:016x}  hash seed {hash_seed:016x}")
        }
        Change::SetTypes { key_type, value_type } => format!("types {key_type:?} -> {value_type:?}"),
        Change::SetConfig(config) => format!("configuration, {} bytes", config.len()),
        Change::Feature { incompatible, compatible } => {
            format!("features: compatible {compatible:#x}  incompatible {incompatible:#x}")
        }
        Change::Keyspace { id, name } => format!("keyspace {id} {name:?}"),
        Change::Open { epoch } => format!("open, epoch {epoch}"),
        Change::Close(closed) => format!(
            "close at log {} offset {}  last seq {}",
            closed.log_number, closed.end_offset, closed.last_seq
        ),
        Change::LastSeq(seq) => format!("last seq {seq}"),
        Change::ClockMark(micros) => format!("clock mark {micros} us"),
        Change::NextSegmentId(id) => format!("next segment {id}"),
        Change::PutSegment { id, lower, upper, flushed_seq, next_rank } => {
            let range = range(lower, upper.as_deref());
            format!("segment {id} {range}  flushed seq {flushed_seq}  next rank {next_rank}")
        }
        Change::DropSegment { id } => format!("drop segment {id}"),
        Change::AddRun { segment, run } => describe_run(*segment, run),
        Change::RemoveRun { segment, uid, lower } => {
            format!("remove run {uid:016x} from {} of segment {segment}", key(lower))
        }
        Change::AddLog { number, uid } => format!("log {number} {uid:016x}"),
        Change::LogFloor { number } => format!("log floor {number}"),
        Change::EndLog { number, offset, last_seq } => {
            format!("log {number} ends at {offset}  last seq {last_seq}")
        }
        Change::AddPendingDeletion { name } => format!("to be deleted: {name:?}"),
        Change::DonePendingDeletion { name } => format!("deleted: {name:?}"),
    }
}

fn describe_run(segment: u64, run: &RunReference) -> String {
    format!(
        "run {:016x} in segment {segment} {}  rank {}  keys {} to {}  entries {}  tombstones {}  \
         max seq {}  {} of {} bytes",
        run.uid,
        range(&run.lower, run.upper.as_deref()),
        run.rank,
        key(&run.smallest_key),
        key(&run.largest_key),
        run.entries,
        run.tombstones,
        run.max_seq,
        run.stored_bytes,
        run.file_bytes
    )
}

fn range(lower: &[u8], upper: Option<&[u8]>) -> String {
    match upper {
        Some(upper) => format!("[{}, {})", key(lower), key(upper)),
        None => format!("[{}, ...)", key(lower)),
    }
}

fn key(bytes: &[u8]) -> String {
    format!("\"{}\"", bytes.escape_ascii())
}
