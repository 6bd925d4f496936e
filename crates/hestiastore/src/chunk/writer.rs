//! Appends chunks.

use super::filter::{FilterPipeline, FilterScratch, Section};
use super::header::{CELL_BYTES, ChunkHeader, ChunkPosition, ChunkType};
use super::reader::StoredChunk;
use crate::block::BlockFileWriter;
use crate::error::{Error, Result};

/// Where a chunk went and how long it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WrittenChunk {
    pub(crate) position: ChunkPosition,
    pub(crate) stored_bytes: u32,
    pub(crate) decoded_bytes: u32,
}

#[derive(Debug)]
pub(crate) struct ChunkWriter {
    blocks: BlockFileWriter,
    uid: u64,
    pipeline: FilterPipeline,
    scratch: FilterScratch,
}

impl ChunkWriter {
    pub(crate) fn new(blocks: BlockFileWriter, uid: u64, pipeline: FilterPipeline) -> Self {
        Self { blocks, uid, pipeline, scratch: FilterScratch::default() }
    }

    pub(crate) fn pipeline(&self) -> &FilterPipeline {
        &self.pipeline
    }

    /// Payload bytes so far.
    pub(crate) fn payload_position(&self) -> u64 {
        self.blocks.position()
    }

    /// Where the next chunk will begin.
    pub(crate) fn next_position(&self) -> ChunkPosition {
        ChunkPosition(self.blocks.position() / CELL_BYTES as u64)
    }

    pub(crate) fn append(
        &mut self,
        chunk_type: ChunkType,
        section: Section,
        payload: &[u8],
    ) -> Result<WrittenChunk> {
        let decoded_bytes = u32::try_from(payload.len())
            .map_err(|_| Error::ValueTooLong { length: payload.len(), limit: u32::MAX as usize })?;
        let position = self.next_position();
        let (applied, stored) = self.pipeline.apply(section, payload, &mut self.scratch);
        let header = ChunkHeader::seal(chunk_type, applied, decoded_bytes, self.uid, position, stored);
        self.blocks.append(&header.encode())?;
        self.blocks.append(stored)?;
        self.blocks.pad_to(CELL_BYTES)?;
        Ok(WrittenChunk { position, stored_bytes: header.stored_bytes, decoded_bytes })
    }

    /// Appends a chunk of another file without decoding it. Its pipeline must be this file's.
    pub(crate) fn append_stored(&mut self, chunk: &StoredChunk) -> Result<WrittenChunk> {
        let position = self.next_position();
        let header = ChunkHeader::seal(
            chunk.chunk_type,
            chunk.applied,
            chunk.decoded_bytes,
            self.uid,
            position,
            &chunk.stored,
        );
        self.blocks.append(&header.encode())?;
        self.blocks.append(&chunk.stored)?;
        self.blocks.pad_to(CELL_BYTES)?;
        let (stored_bytes, decoded_bytes) = (header.stored_bytes, header.decoded_bytes);
        Ok(WrittenChunk { position, stored_bytes, decoded_bytes })
    }

    /// Ends the blocks, appends the trailer, and makes the content durable. Returns the file's length.
    pub(crate) fn finish(self, trailer: impl FnOnce(u64) -> Vec<u8>, trailer_bytes: u64) -> Result<u64> {
        self.blocks.finish(trailer, trailer_bytes)
    }
}
