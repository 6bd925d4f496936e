//! Writes a run out for people: header, properties, sections, sparse index in short, entries.

use std::fmt::Display;
use std::io::Write;
use std::sync::Arc;

use super::cache::ChunkCache;
use super::cursor::CursorPurpose;
use super::open::Run;
use super::properties::RunProperties;
use super::settings::{EntryKind, RUN_MAGIC, split_expiry};
use crate::block::read_exactly;
use crate::directory::{Directory, OpenMode};
use crate::error::{Error, Result};
use crate::file_header::{FILE_HEADER_BYTES, FileHeader};

/// Longer keys and values are cut.
const SHOWN_BYTES: usize = 64;

/// Writes what the run in the file `name` holds, at most `limit` of its entries. What stands before damage
/// is shown; chunks are checked as they are read.
pub(crate) fn dump_run(
    directory: &Arc<dyn Directory>,
    name: &str,
    limit: Option<u64>,
    out: &mut dyn Write,
) -> Result<()> {
    let file = directory.open(name, OpenMode::Read).map_err(|source| Error::io("open", name, source))?;
    let mut header = [0u8; FILE_HEADER_BYTES];
    read_exactly(&*file, name, 0, &mut header)?;
    let header = FileHeader::decode(&header, RUN_MAGIC, name)?;
    let mut out = Output { out };
    out.header(&header)?;
    let cache = ChunkCache::new(0);
    let run = Arc::new(Run::open_file(file, name.into(), header.file_uid, header.index_uuid, cache)?);
    out.properties(run.properties())?;
    out.sections(&run)?;
    out.entries(&run, limit.unwrap_or(u64::MAX))
}

struct Output<'a> {
    out: &'a mut dyn Write,
}

impl Output<'_> {
    fn line(&mut self, line: impl Display) -> Result<()> {
        writeln!(self.out, "{line}").map_err(|source| Error::io("write", "the dump", source))
    }

    fn row(&mut self, name: &str, value: impl Display) -> Result<()> {
        self.line(format_args!("{name:<16}{value}"))
    }

    fn header(&mut self, header: &FileHeader) -> Result<()> {
        self.row("run", format_args!("{:016x}", header.file_uid))?;
        self.row("index", format_args!("{:032x}", header.index_uuid))?;
        let FileHeader { version, compatible, incompatible, parameter, .. } = header;
        self.row("format", format_args!("version {version}, blocks of {parameter} bytes"))?;
        self.row("features", format_args!("compatible {compatible:#x}, incompatible {incompatible:#x}"))
    }

    fn properties(&mut self, properties: &RunProperties) -> Result<()> {
        let identity = &properties.identity;
        self.row("types", format_args!("{} -> {}", identity.key_type, identity.value_type))?;
        let place =
            format_args!("{}, rank {}, after edit {}", identity.segment, identity.rank, identity.edit_number);
        self.row("segment", place)?;
        let inputs: Vec<String> = identity.inputs.iter().map(|uid| format!("{uid:016x}")).collect();
        self.row("merged from", if inputs.is_empty() { "none".to_owned() } else { inputs.join(" ") })?;
        if let Some(uid) = identity.salvaged_from {
            self.row("salvaged from", format!("{uid:016x}"))?;
        }
        let upper = identity.answered_upper.as_deref().map_or_else(|| "the end".to_owned(), shown);
        self.row("answers for", format_args!("{} to before {upper}", shown(&identity.answered_lower)))?;
        let (first, last) = (shown(&properties.first_key), shown(&properties.last_key));
        self.row("keys", format_args!("{} different, {first} to {last}", properties.keys))?;
        let RunProperties { entries, tombstones, range_tombstones, .. } = properties;
        self.row(
            "entries",
            format_args!("{entries}, {tombstones} tombstones, {range_tombstones} range tombstones"),
        )?;
        match properties.seqs {
            Some((least, greatest)) => self.row("seqs", format_args!("{least} to {greatest}"))?,
            None => self.row("seqs", "none")?,
        }
        if let Some(micros) = properties.least_expiry_micros {
            self.row("least expiry", format_args!("{micros} us"))?;
        }
        let RunProperties { key_bytes, value_bytes, .. } = properties;
        self.row("raw bytes", format_args!("keys {key_bytes}, values {value_bytes}"))
    }

    fn sections(&mut self, run: &Run) -> Result<()> {
        let properties = run.properties();
        self.row("file bytes", run.file_bytes())?;
        self.row("chunk filters", format_args!("{:?}", run.chunks.pipeline()))?;
        let RunProperties { entry_chunks, value_chunks, .. } = properties;
        self.row("chunks", format_args!("{entry_chunks} of entries, {value_chunks} of single values"))?;
        for (chunk_type, position, stored_bytes) in run.footer.sections() {
            let offset = run.chunks.blocks().file_offset(position.payload_position());
            self.row("section", format_args!("{chunk_type:?} at {offset}, {stored_bytes} bytes"))?;
        }
        let (hash_id, hash_seed) = (properties.hash_id, properties.hash_seed);
        self.row("filter", format_args!("{:?}, hash {hash_id} seed {hash_seed:016x}", properties.filter))?;
        let starts: Vec<u64> = run.separators().map(|(_, start)| start).chain([run.data_bytes()]).collect();
        let sizes =
            starts.windows(2).map(|pair| pair.iter().rev().copied().reduce(|a, b| a - b).unwrap_or(0));
        let (least, greatest) = (sizes.clone().min().unwrap_or(0), sizes.max().unwrap_or(0));
        self.row(
            "sparse index",
            format_args!("{entry_chunks} chunks of {least} to {greatest} stored bytes, with their values"),
        )
    }

    fn entries(&mut self, run: &Arc<Run>, limit: u64) -> Result<()> {
        let mut cursor = run.cursor(CursorPurpose::Read);
        let mut left = limit;
        let mut on_entry = left > 0 && cursor.seek_to_first()?;
        while on_entry {
            let (seq, key) = (cursor.seq(), shown(cursor.key()));
            match cursor.kind() {
                EntryKind::Put => {
                    let value = shown(&cursor.value()?);
                    self.line(format_args!("{seq:>12}  put {key} = {value}"))?;
                }
                EntryKind::PutExpiry => {
                    let stored = cursor.value()?;
                    let (micros, value) = split_expiry(&stored).unwrap_or((0, &stored));
                    let value = shown(value);
                    self.line(format_args!("{seq:>12}  put {key} = {value} until {micros} us"))?;
                }
                EntryKind::Delete => self.line(format_args!("{seq:>12}  delete {key}"))?,
                other => self.line(format_args!("{seq:>12}  {other:?} {key}"))?,
            }
            left -= 1;
            if left == 0 {
                return Ok(());
            }
            on_entry = cursor.next()?;
        }
        Ok(())
    }
}

/// Escaped, cut, and told how long it is where it was cut.
fn shown(bytes: &[u8]) -> String {
    let cut = bytes.get(..SHOWN_BYTES).unwrap_or(bytes);
    let rest = match bytes.len() - cut.len() {
        0 => String::new(),
        _ => format!("... ({} bytes)", bytes.len()),
    };
    format!("\"{}\"{rest}", cut.escape_ascii())
}
