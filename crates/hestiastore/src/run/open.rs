//! A run that is open for reading.

use std::sync::Arc;

use super::bloom::BloomFilter;
use super::cache::{Charge, ChunkCache, RunSlots};
use super::cursor::{CursorPurpose, RunCursor};
use super::entries::{EntryChunk, ParseError};
use super::footer::{FOOTER_BYTES, Footer};
use super::properties::{FilterKind, RunProperties};
use super::settings::{RUN_MAGIC, RUN_VERSION, run_file_name};
use super::sparse::SparseIndex;
use super::value::ValuePointer;
use crate::block::{BlockFileReader, BlockLayout, HEADER_PAGE_BYTES, read_exactly};
use crate::chunk::{
    CHUNK_HEADER_BYTES, ChunkPosition, ChunkReader, ChunkType, ExpectedChunk, FilterPipeline,
};
use crate::directory::{Directory, File, OpenMode};
use crate::error::{Error, Result};
use crate::file_header::{FILE_HEADER_BYTES, FileHeader};
use crate::sync::atomic::AtomicU64;

/// Immutable and shared by all readers. Sparse index and filter are in memory; entry chunks come through the
/// cache, value chunks are read each time.
#[derive(Debug)]
pub(crate) struct Run {
    pub(super) name: Arc<str>,
    pub(super) chunks: ChunkReader,
    pub(super) footer: Footer,
    pub(super) properties: RunProperties,
    pub(super) sparse: SparseIndex,
    pub(super) filter: Option<BloomFilter>,
    pub(super) cache: Arc<ChunkCache>,
    pub(super) slots: Arc<RunSlots>,
    charge: Option<Charge>,
}

impl Run {
    /// Reads header, footer, properties, sparse index and filter, and checks them all.
    pub(crate) fn open(
        directory: &Arc<dyn Directory>,
        uid: u64,
        index_uuid: u128,
        cache: Arc<ChunkCache>,
    ) -> Result<Run> {
        let name: Arc<str> = run_file_name(uid).into();
        let file = directory.open(&name, OpenMode::Read);
        let file = file.map_err(|source| Error::io("open", &*name, source))?;
        Self::open_file(file, name, uid, index_uuid, cache)
    }

    /// The same for a file under any name.
    pub(crate) fn open_file(
        file: Arc<dyn File>,
        name: Arc<str>,
        uid: u64,
        index_uuid: u128,
        cache: Arc<ChunkCache>,
    ) -> Result<Run> {
        let (blocks, footer) = read_frame(file, &name, uid, index_uuid)?;
        let sections = Sections::read(&blocks, &footer, &name)?;
        let chunks = ChunkReader::new(blocks, FilterPipeline::decode(footer.pipeline, &name)?);
        let (properties, sparse, filter) = sections.decode(&chunks, &footer)?;
        let slots = cache.open(sparse.len());
        let run = Run { name, chunks, footer, properties, sparse, filter, cache, slots, charge: None };
        run.check_sections(uid, index_uuid)?;
        Ok(run)
    }

    pub(crate) fn properties(&self) -> &RunProperties {
        &self.properties
    }

    pub(crate) fn file_bytes(&self) -> u64 {
        self.footer.file_bytes
    }

    /// What is in memory while the run is open, without cached chunks.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let filter = self.filter.as_ref().map_or(0, BloomFilter::memory_bytes);
        let keys = self.properties.first_key.len() + self.properties.last_key.len();
        let parts = [size_of::<Self>(), self.sparse.memory_bytes(), filter, self.slots.memory_bytes(), keys];
        parts.into_iter().sum::<usize>() as u64
    }

    /// Counts the run's memory in `alive_bytes` until the last who holds the run lets go.
    pub(crate) fn charge_to(&mut self, alive_bytes: &Arc<AtomicU64>) {
        self.charge = Some(Charge::new(self.memory_bytes(), alive_bytes));
    }

    pub(crate) fn cursor(self: &Arc<Self>, purpose: CursorPurpose) -> RunCursor {
        RunCursor::new(Arc::clone(self), purpose)
    }

    /// Stored bytes and about how many entries lie between the bounds (lower inclusive, upper exclusive;
    /// `None`: infinite), from the sparse index alone. A bound counts as the middle of its chunk, so neighbouring
    /// ranges add up.
    pub(crate) fn bytes_between(&self, lower: Option<&[u8]>, upper: Option<&[u8]>) -> (u64, u64) {
        let total = self.data_bytes();
        let place = |key: &[u8]| match self.sparse.find(key, u64::MAX) {
            None => 0,
            Some(_) if key > &*self.properties.last_key => total,
            Some(at) => self.bytes_before(at).midpoint(self.bytes_before(at + 1)),
        };
        let bytes = upper.map_or(total, place).saturating_sub(lower.map_or(0, place));
        let entries = u128::from(bytes) * u128::from(self.properties.entries) / u128::from(total.max(1));
        (bytes, entries as u64)
    }

    /// For each entry chunk a key that divides it from those before, and the stored bytes before it.
    pub(crate) fn separators(&self) -> impl Iterator<Item = (Vec<u8>, u64)> + '_ {
        (0..self.sparse.len()).map(|at| (self.sparse.separator(at), self.bytes_before(at)))
    }

    /// Payload bytes of entry and value chunks.
    pub(super) fn data_bytes(&self) -> u64 {
        self.footer.first_section.payload_position()
    }

    /// Payload bytes before chunk `at` and the value chunks that belong to it.
    fn bytes_before(&self, at: usize) -> u64 {
        let before = at.checked_sub(1).and_then(|before| self.sparse.chunk(before));
        before.map_or(0, |chunk| chunk.position.after(chunk.stored_bytes).payload_position())
    }

    /// What entry chunk `at` must look like.
    pub(super) fn expected_chunk(&self, at: usize) -> Result<ExpectedChunk> {
        let Some(chunk) = self.sparse.chunk(at) else {
            return Err(Error::corruption(&*self.name, 0, format!("there is no entry chunk {at}")));
        };
        Ok(ExpectedChunk {
            chunk_type: ChunkType::Entries,
            position: chunk.position,
            stored_bytes: chunk.stored_bytes,
            max_decoded_bytes: self.properties.largest_decoded_chunk,
        })
    }

    pub(super) fn parse_chunk(&self, position: ChunkPosition, payload: Vec<u8>) -> Result<EntryChunk> {
        EntryChunk::parse(payload).map_err(|error| match error {
            ParseError::Damaged(detail) => self.chunks.damaged(position, detail),
            ParseError::Unknown(detail) => Error::Unsupported { file: self.name.to_string(), detail },
        })
    }

    /// What the value chunk must look like that an entry of a chunk points to.
    pub(super) fn expected_value(&self, pointer: &ValuePointer) -> Result<ExpectedChunk> {
        let end = pointer.position.after(pointer.stored_bytes);
        let properties = &self.properties;
        if end > self.footer.first_section
            || pointer.stored_bytes > properties.largest_stored_value
            || pointer.decoded_bytes > properties.largest_decoded_value
        {
            let detail = format!("a pointer to a value that cannot be there: {pointer:?}");
            return Err(self.chunks.damaged(pointer.position, detail));
        }
        Ok(ExpectedChunk {
            chunk_type: ChunkType::Value,
            position: pointer.position,
            stored_bytes: pointer.stored_bytes,
            max_decoded_bytes: pointer.decoded_bytes,
        })
    }

    fn check_sections(&self, uid: u64, index_uuid: u128) -> Result<()> {
        let properties = &self.properties;
        let mut chunks = (0..self.sparse.len()).filter_map(|at| self.sparse.chunk(at));
        let too_long = chunks.clone().find(|chunk| chunk.stored_bytes > properties.largest_stored_chunk);
        let end = chunks.next_back().map(|chunk| chunk.position.after(chunk.stored_bytes));
        let found_filter = match self.filter {
            None => FilterKind::None,
            Some(_) => FilterKind::BlockedBloom,
        };
        let problem = if properties.identity.uid != uid || properties.identity.index_uuid != index_uuid {
            "the properties are another run's".to_owned()
        } else if properties.pipeline != *self.chunks.pipeline() {
            "footer and properties name different filter pipelines".to_owned()
        } else if properties.entry_chunks != self.sparse.len() as u64 {
            let found = self.sparse.len();
            format!("expected {} entry chunks in the sparse index, found {found}", properties.entry_chunks)
        } else if end.is_some_and(|end| end > self.footer.first_section) {
            "the sparse index points behind the data".to_owned()
        } else if let Some(chunk) = too_long {
            format!("the sparse index states a chunk of {} bytes", chunk.stored_bytes)
        } else if properties.filter != found_filter {
            format!("expected filter {:?}, found {found_filter:?}", properties.filter)
        } else {
            return Ok(());
        };
        Err(self.chunks.damaged(self.footer.first_section, problem))
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.cache.close(&self.slots);
    }
}

/// Header and footer, which frame the blocks.
fn read_frame(
    file: Arc<dyn File>,
    name: &Arc<str>,
    uid: u64,
    index_uuid: u128,
) -> Result<(BlockFileReader, Footer)> {
    let file_bytes = file.len().map_err(|source| Error::io("read the length of", &**name, source))?;
    let mut header = [0u8; FILE_HEADER_BYTES];
    read_exactly(&*file, name, 0, &mut header)?;
    let header = FileHeader::decode(&header, RUN_MAGIC, name)?;
    header.require(RUN_VERSION, 0, name)?;
    if header.index_uuid != index_uuid || header.file_uid != uid {
        return Err(Error::corruption(&**name, 0, "the header is another run's"));
    }
    let layout = BlockLayout::new(header.parameter)
        .ok_or_else(|| Error::corruption(&**name, 0, format!("blocks of {} bytes", header.parameter)))?;

    let footer_at = file_bytes.saturating_sub(FOOTER_BYTES as u64);
    let block_bytes = footer_at.saturating_sub(HEADER_PAGE_BYTES);
    if block_bytes == 0 || !block_bytes.is_multiple_of(layout.block_bytes() as u64) {
        let detail = format!("a length of {file_bytes} bytes is no whole number of blocks");
        return Err(Error::corruption(&**name, footer_at, detail));
    }
    let mut footer = [0u8; FOOTER_BYTES];
    read_exactly(&*file, name, footer_at, &mut footer)?;
    let footer = Footer::decode(&footer, name, footer_at)?;
    if footer.uid != uid || footer.file_bytes != file_bytes {
        let detail = format!("the footer is of run {:016x}, {} bytes", footer.uid, footer.file_bytes);
        return Err(Error::corruption(&**name, footer_at, detail));
    }
    let blocks = block_bytes / layout.block_bytes() as u64;
    Ok((BlockFileReader::new(file, Arc::clone(name), layout, uid, blocks), footer))
}

/// The raw bytes of all sections, read at once.
struct Sections(Vec<u8>);

impl Sections {
    fn read(blocks: &BlockFileReader, footer: &Footer, name: &str) -> Result<Self> {
        let mut raw = Vec::new();
        let start = footer.first_section.payload_position();
        let length = footer.section_payload_bytes();
        if start.checked_add(length).is_none_or(|end| end > blocks.payload_bytes()) {
            let detail = format!("sections of {length} bytes at payload position {start}");
            return Err(Error::corruption(name, blocks.file_offset(start), detail));
        }
        blocks.read_payload(start, length as usize, &mut raw)?;
        Ok(Self(raw))
    }

    fn decode(
        &self,
        chunks: &ChunkReader,
        footer: &Footer,
    ) -> Result<(RunProperties, SparseIndex, Option<BloomFilter>)> {
        let (mut properties, mut sparse, mut filter) = (None, None, None);
        for (chunk_type, position, stored_bytes) in footer.sections() {
            let damaged = |detail| chunks.damaged(position, detail);
            let payload = self.payload(chunks, footer, chunk_type, position, stored_bytes)?;
            match chunk_type {
                ChunkType::Properties => {
                    let offset = chunks.blocks().file_offset(position.payload_position());
                    properties = Some(RunProperties::decode(&payload, chunks.blocks().name(), offset)?);
                }
                ChunkType::SparseIndex => sparse = Some(SparseIndex::parse(&payload).map_err(damaged)?),
                ChunkType::BloomFilter => filter = Some(BloomFilter::parse(&payload).map_err(damaged)?),
                _ => {
                    let detail = format!("a section of {chunk_type:?} is not known");
                    return Err(Error::Unsupported { file: chunks.blocks().name().into(), detail });
                }
            }
        }
        match (properties, sparse) {
            (Some(properties), Some(sparse)) => Ok((properties, sparse, filter)),
            _ => Err(chunks.damaged(footer.first_section, "properties or sparse index are missing".into())),
        }
    }

    fn payload(
        &self,
        chunks: &ChunkReader,
        footer: &Footer,
        chunk_type: ChunkType,
        position: ChunkPosition,
        stored_bytes: u32,
    ) -> Result<Vec<u8>> {
        let start = position.payload_position() - footer.first_section.payload_position();
        let end = start + stored_bytes as u64 + CHUNK_HEADER_BYTES as u64;
        let raw = self.0.get(start as usize..end as usize).unwrap_or(&[]);
        // Sections are not compressed, so they decode to no more than is stored.
        let max_decoded_bytes = stored_bytes;
        chunks.decode(ExpectedChunk { chunk_type, position, stored_bytes, max_decoded_bytes }, raw)
    }
}
