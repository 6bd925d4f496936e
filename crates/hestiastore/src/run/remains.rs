//! What can still be read of a damaged run, found without trusting its header, footer or sections.
//!
//! Chunks are found by their own headers and checksums, which name the file and the place. The sparse
//! index, where it can be read, tells which keys the lost ones held; otherwise the neighbours do.

use std::collections::HashMap;
use std::sync::Arc;

use super::entries::{EntryChunk, ParseError};
use super::footer::{FOOTER_BYTES, Footer};
use super::properties::RunProperties;
use super::settings::{EntryKind, RUN_MAGIC, RUN_VERSION};
use super::sparse::SparseIndex;
use super::value::{StoredValueChunk, ValuePointer};
use crate::block::{BlockFileReader, BlockLayout, HEADER_PAGE_BYTES, read_exactly};
use crate::chunk::{ChunkPosition, ChunkReader, ChunkType, ExpectedChunk, FilterPipeline, FoundChunk};
use crate::directory::{Directory, File, OpenMode};
use crate::error::{Error, Result};
use crate::file_header::{FILE_HEADER_BYTES, FileHeader};

/// What is known of a run from elsewhere, in case that it does not tell.
#[derive(Debug, Clone)]
pub(crate) struct RunHints {
    pub(crate) uid: u64,
    pub(crate) index_uuid: u128,
    pub(crate) block_bytes: u32,
    pub(crate) pipeline: FilterPipeline,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct RunRemains {
    chunks: ChunkReader,
    properties: Option<RunProperties>,
    sparse: Option<SparseIndex>,
    entries: Vec<FoundChunk>,
    values: HashMap<ChunkPosition, FoundChunk>,
    /// Where the data end; `None` if nothing tells.
    data_end: Option<ChunkPosition>,
}

/// Keys whose entries cannot be read: lower bound inclusive, upper exclusive (`None`: infinite).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LostKeys {
    pub(crate) lower: Vec<u8>,
    pub(crate) upper: Option<Vec<u8>>,
}

/// An entry's value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RemainingValue<'a> {
    Here(EntryKind, &'a [u8]),
    /// In a chunk of its own, which [`RunRemains::load`] reads.
    Apart(ChunkOfValue),
}

/// Names a value chunk that is whole.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChunkOfValue(ValuePointer);

/// Takes key, seq and value of the entries in order.
pub(crate) type VisitEntry<'a> = &'a mut dyn FnMut(&[u8], u64, RemainingValue<'_>) -> Result<()>;

impl RunRemains {
    /// Searches the file `name` for what belongs to the run of the hints.
    ///
    /// # Errors
    /// `Unsupported` for a run of a later version; I/O when the file cannot be opened.
    pub(crate) fn search(directory: &dyn Directory, name: &str, hints: &RunHints) -> Result<Self> {
        let file = directory.open(name, OpenMode::Read);
        let file = file.map_err(|source| Error::io("open", name, source))?;
        let file_bytes = file.len().map_err(|source| Error::io("measure", name, source))?;
        let layout = find_layout(&*file, name, file_bytes, hints)?;
        let blocks = file_bytes.saturating_sub(HEADER_PAGE_BYTES).div_ceil(layout.block_bytes() as u64);
        let name: Arc<str> = name.into();
        let reader = || BlockFileReader::new(Arc::clone(&file), Arc::clone(&name), layout, hints.uid, blocks);
        let footer = read_footer(&*file, &name, file_bytes, hints.uid);
        let by_footer = footer.as_ref().map(|footer| FilterPipeline::decode(footer.pipeline, &name));
        let guess = by_footer.and_then(Result::ok).unwrap_or_else(|| hints.pipeline.clone());
        let chunks = ChunkReader::new(reader(), guess);
        let found = chunks.scan();
        let section = |wanted| found.iter().rev().find(|chunk| chunk.chunk_type == wanted);
        let properties = match section(ChunkType::Properties).map(|chunk| read(&chunks, chunk)) {
            Some(Ok(payload)) => known(RunProperties::decode(&payload, &name, 0), hints)?,
            _ => None,
        };
        let sparse = section(ChunkType::SparseIndex).and_then(|chunk| read(&chunks, chunk).ok());
        let data_end = footer
            .map(|footer| footer.first_section)
            .or_else(|| section(ChunkType::SparseIndex).map(|chunk| chunk.position));
        let chunks = match &properties {
            Some(properties) => ChunkReader::new(reader(), properties.pipeline.clone()),
            None => chunks,
        };
        let of_type = |wanted| move |chunk: &&FoundChunk| chunk.chunk_type == wanted;
        Ok(Self {
            sparse: sparse.and_then(|payload| SparseIndex::parse(&payload).ok()),
            entries: found.iter().filter(of_type(ChunkType::Entries)).copied().collect(),
            values: found
                .iter()
                .filter(of_type(ChunkType::Value))
                .map(|chunk| (chunk.position, *chunk))
                .collect(),
            chunks,
            properties,
            data_end,
        })
    }

    pub(crate) fn properties(&self) -> Option<&RunProperties> {
        self.properties.as_ref()
    }

    /// Visits every entry that can be read, in order, and tells which keys the others have.
    ///
    /// # Errors
    /// `Unsupported`, and those of the visitor.
    pub(crate) fn read_entries(&self, visit: VisitEntry<'_>) -> Result<Vec<LostKeys>> {
        let mut reading = Reading { remains: self, visit, last: None, entries: 0, lost: Vec::new() };
        match &self.sparse {
            Some(sparse) => reading.by_sparse_index(sparse)?,
            None => reading.by_position()?,
        }
        let all = self.properties.as_ref().is_some_and(|known| known.entries == reading.entries);
        Ok(if all { Vec::new() } else { reading.lost })
    }

    /// A value chunk as it is stored, for a verbatim copy.
    pub(crate) fn load(&self, ChunkOfValue(pointer): &ChunkOfValue) -> Result<StoredValueChunk> {
        let chunk = self.chunks.read_stored(ExpectedChunk {
            chunk_type: ChunkType::Value,
            position: pointer.position,
            stored_bytes: pointer.stored_bytes,
            max_decoded_bytes: pointer.decoded_bytes,
        })?;
        let (kind, expiry_micros) = (pointer.kind, pointer.expiry_micros);
        Ok(StoredValueChunk { kind, expiry_micros, chunk, pipeline: self.chunks.pipeline().clone() })
    }

    fn parse(&self, chunk: &FoundChunk) -> Result<Option<EntryChunk>> {
        let Ok(payload) = read(&self.chunks, chunk) else { return Ok(None) };
        match EntryChunk::parse(payload) {
            Ok(entries) => Ok(Some(entries)),
            Err(ParseError::Damaged(_)) => Ok(None),
            Err(ParseError::Unknown(detail)) => {
                Err(Error::Unsupported { file: self.chunks.blocks().name().into(), detail })
            }
        }
    }
}

/// Entries on their way to the visitor.
struct Reading<'a, 'v> {
    remains: &'a RunRemains,
    visit: VisitEntry<'v>,
    last: Option<(Vec<u8>, u64)>,
    entries: u64,
    lost: Vec<LostKeys>,
}

impl Reading<'_, '_> {
    /// The sparse index names every chunk and where its keys begin.
    fn by_sparse_index(&mut self, sparse: &SparseIndex) -> Result<()> {
        let remains = self.remains;
        let place = |chunk: &FoundChunk| chunk.position;
        for at in 0..sparse.len() {
            let Some(indexed) = sparse.chunk(at) else { continue };
            let found = remains.entries.binary_search_by_key(&indexed.position, place);
            let chunk = found.ok().and_then(|found| remains.entries.get(found));
            if !self.take(chunk)? {
                let first = sparse.separator(at);
                let lower = match &self.last {
                    Some((last, _)) if *last >= first => after(last),
                    _ => first,
                };
                self.lose(lower, end_of(sparse, at, remains.properties.as_ref()));
            }
        }
        Ok(())
    }

    /// Without it, a lost stretch may have held any keys between its neighbours'.
    fn by_position(&mut self) -> Result<()> {
        let remains = self.remains;
        let mut next = ChunkPosition(0);
        let mut hole = false;
        for chunk in &remains.entries {
            hole |= !self.reaches(next, chunk.position);
            let lower = self.behind_last();
            let readable = remains.parse(chunk)?;
            let first = readable.as_ref().map(|entries| key_of(entries, 0));
            if hole && let Some(first) = &first {
                // Newer versions of this key may be among what is lost.
                self.lose(lower, Some(after(first)));
            }
            hole = !self.take(Some(chunk))?;
            next = chunk.end();
        }
        if hole || remains.data_end.is_none_or(|end| !self.reaches(next, end)) {
            let last = remains.properties.as_ref().map(|properties| after(&properties.last_key));
            let lower = self.behind_last();
            self.lose(lower, last);
        }
        Ok(())
    }

    /// Whether value chunks fill the stretch between two places.
    fn reaches(&self, mut from: ChunkPosition, to: ChunkPosition) -> bool {
        while from < to {
            match self.remains.values.get(&from) {
                Some(value) => from = value.end(),
                None => return false,
            }
        }
        from == to
    }

    fn behind_last(&self) -> Vec<u8> {
        self.last.as_ref().map_or_else(Vec::new, |(last, _)| after(last))
    }

    /// Visits a chunk's entries, all of them or none: `false`.
    fn take(&mut self, chunk: Option<&FoundChunk>) -> Result<bool> {
        let Some(chunk) = chunk else { return Ok(false) };
        let Some(entries) = self.remains.parse(chunk)? else { return Ok(false) };
        if !self.in_order(&entries) {
            return Ok(false);
        }
        for entry in 0..entries.len() {
            let (key, seq) = (key_of(&entries, entry), entries.seq(entry));
            match self.value(&entries, entry) {
                Some(value) => {
                    (self.visit)(&key, seq, value)?;
                    self.entries += 1;
                }
                None => self.lose(key.clone(), Some(after(&key))),
            }
            self.last = Some((key, seq));
        }
        Ok(true)
    }

    fn in_order(&self, entries: &EntryChunk) -> bool {
        let mut last = self.last.clone();
        (0..entries.len()).all(|entry| {
            let next = (key_of(entries, entry), entries.seq(entry));
            let behind = |(key, seq): &(Vec<u8>, u64)| next.0 > *key || (next.0 == *key && next.1 < *seq);
            let fits = last.as_ref().is_none_or(behind);
            last = Some(next);
            fits
        })
    }

    fn value<'e>(&self, entries: &'e EntryChunk, entry: usize) -> Option<RemainingValue<'e>> {
        let stored = entries.value(entry);
        match entries.kind(entry) {
            EntryKind::ValuePointer => {
                let pointer = ValuePointer::decode(stored)?;
                let chunk = self.remains.values.get(&pointer.position)?;
                let fits = (chunk.stored_bytes, chunk.decoded_bytes)
                    == (pointer.stored_bytes, pointer.decoded_bytes);
                fits.then_some(RemainingValue::Apart(ChunkOfValue(pointer)))
            }
            EntryKind::RangeDelete => None,
            kind => Some(RemainingValue::Here(kind, stored)),
        }
    }

    fn lose(&mut self, lower: Vec<u8>, upper: Option<Vec<u8>>) {
        if upper.as_ref().is_some_and(|upper| *upper <= lower) {
            return;
        }
        match self.lost.last_mut() {
            Some(before) if before.upper.as_ref().is_none_or(|end| *end >= lower) => {
                if before.upper.is_some() {
                    before.upper = upper;
                }
            }
            _ => self.lost.push(LostKeys { lower, upper }),
        }
    }
}

/// Where the keys of chunk `at` end.
fn end_of(sparse: &SparseIndex, at: usize, properties: Option<&RunProperties>) -> Option<Vec<u8>> {
    let next = at + 1;
    if next >= sparse.len() {
        return properties.map(|properties| after(&properties.last_key));
    }
    let separator = sparse.separator(next);
    Some(if sparse.continues(next, &separator) { after(&separator) } else { separator })
}

fn key_of(entries: &EntryChunk, entry: usize) -> Vec<u8> {
    if entry >= entries.len() {
        return Vec::new();
    }
    [entries.prefix(), entries.suffix(entry)].concat()
}

/// The least key behind `key`.
fn after(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

fn read(chunks: &ChunkReader, chunk: &FoundChunk) -> Result<Vec<u8>> {
    chunks.read(ExpectedChunk {
        chunk_type: chunk.chunk_type,
        position: chunk.position,
        stored_bytes: chunk.stored_bytes,
        max_decoded_bytes: chunk.decoded_bytes,
    })
}

/// Properties of this run that this version understands; damaged ones are none.
fn known(decoded: Result<RunProperties>, hints: &RunHints) -> Result<Option<RunProperties>> {
    match decoded {
        Ok(properties) => {
            let identity = &properties.identity;
            let ours = identity.uid == hints.uid && identity.index_uuid == hints.index_uuid;
            Ok(ours.then_some(properties))
        }
        Err(error @ Error::Unsupported { .. }) => Err(error),
        Err(_) => Ok(None),
    }
}

fn read_footer(file: &dyn File, name: &str, file_bytes: u64, uid: u64) -> Option<Footer> {
    let at = file_bytes.checked_sub(FOOTER_BYTES as u64)?;
    let mut bytes = [0u8; FOOTER_BYTES];
    read_exactly(file, name, at, &mut bytes).ok()?;
    let footer = Footer::decode(&bytes, name, at).ok()?;
    (footer.uid == uid && footer.file_bytes == file_bytes).then_some(footer)
}

/// The block size as the header says, or else the first with which a block of the file validates.
fn find_layout(file: &dyn File, name: &str, file_bytes: u64, hints: &RunHints) -> Result<BlockLayout> {
    let mut header = [0u8; FILE_HEADER_BYTES];
    if read_exactly(file, name, 0, &mut header).is_ok()
        && let Ok(header) = FileHeader::decode(&header, RUN_MAGIC, name)
    {
        header.require(RUN_VERSION, 0, name)?;
        if let Some(layout) = BlockLayout::new(header.parameter) {
            return Ok(layout);
        }
    }
    let hinted = BlockLayout::new(hints.block_bytes).into_iter();
    let others = (1..=13u32).filter_map(|power| BlockLayout::new(2048 << power));
    let candidates: Vec<BlockLayout> = hinted.chain(others).collect();
    let fits = |layout: &&BlockLayout| layout.has_valid_block(file, file_bytes, hints.uid);
    let found = candidates.iter().find(fits).or(candidates.first()).copied();
    found.ok_or_else(|| Error::corruption(name, 0, "no block size fits"))
}
