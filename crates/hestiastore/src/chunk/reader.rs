//! Reads and checks chunks.

use super::filter::FilterPipeline;
use super::header::{CHUNK_HEADER_BYTES, ChunkHeader, ChunkPosition, ChunkType};
use crate::block::BlockFileReader;
use crate::error::{Error, Result};

/// What the reader of a chunk knows before it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ExpectedChunk {
    pub(crate) chunk_type: ChunkType,
    pub(crate) position: ChunkPosition,
    pub(crate) stored_bytes: u32,
    /// The largest decoded chunk of its file.
    pub(crate) max_decoded_bytes: u32,
}

/// A chunk's payload as stored, checked but not decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredChunk {
    pub(crate) chunk_type: ChunkType,
    pub(crate) applied: u8,
    pub(crate) decoded_bytes: u32,
    pub(crate) stored: Vec<u8>,
}

/// Chunks of one file. Shared by all readers.
#[derive(Debug)]
pub(crate) struct ChunkReader {
    blocks: BlockFileReader,
    pipeline: FilterPipeline,
}

impl ChunkReader {
    pub(crate) fn new(blocks: BlockFileReader, pipeline: FilterPipeline) -> Self {
        Self { blocks, pipeline }
    }

    pub(crate) fn blocks(&self) -> &BlockFileReader {
        &self.blocks
    }

    pub(crate) fn pipeline(&self) -> &FilterPipeline {
        &self.pipeline
    }

    /// One read of the file, then [`ChunkReader::decode`].
    pub(crate) fn read(&self, expected: ExpectedChunk) -> Result<Vec<u8>> {
        self.decode(expected, &self.read_raw(expected)?)
    }

    /// A chunk as stored, for a verbatim copy.
    pub(crate) fn read_stored(&self, expected: ExpectedChunk) -> Result<StoredChunk> {
        let mut raw = self.read_raw(expected)?;
        let (header, _) = self.check(expected, &raw)?;
        raw.drain(..CHUNK_HEADER_BYTES.min(raw.len()));
        Ok(StoredChunk {
            chunk_type: header.chunk_type,
            applied: header.applied,
            decoded_bytes: header.decoded_bytes,
            stored: raw,
        })
    }

    /// Checks header, CRC and lengths of a chunk's raw bytes (header and stored payload), and takes the
    /// payload back through the pipeline.
    pub(crate) fn decode(&self, expected: ExpectedChunk, raw: &[u8]) -> Result<Vec<u8>> {
        let (header, stored) = self.check(expected, raw)?;
        self.pipeline
            .revert(header.applied, stored, header.decoded_bytes)
            .map_err(|detail| self.damaged(expected.position, detail))
    }

    pub(crate) fn damaged(&self, position: ChunkPosition, detail: String) -> Error {
        let offset = self.blocks.file_offset(position.payload_position());
        Error::corruption(self.blocks.name(), offset, detail)
    }

    fn read_raw(&self, expected: ExpectedChunk) -> Result<Vec<u8>> {
        let mut raw = Vec::new();
        let length = expected.stored_bytes as usize + CHUNK_HEADER_BYTES;
        self.blocks.read_payload(expected.position.payload_position(), length, &mut raw)?;
        Ok(raw)
    }

    fn check<'a>(&self, expected: ExpectedChunk, raw: &'a [u8]) -> Result<(ChunkHeader, &'a [u8])> {
        let position = expected.position;
        let Some((header, stored)) = raw.split_first_chunk::<CHUNK_HEADER_BYTES>() else {
            return Err(self.damaged(position, format!("a chunk of {} bytes", raw.len())));
        };
        let header = ChunkHeader::decode(header).map_err(|detail| self.damaged(position, detail))?;
        if header.stored_bytes != expected.stored_bytes || stored.len() != expected.stored_bytes as usize {
            let detail = format!(
                "expected a chunk of {} stored bytes, its header states {}",
                expected.stored_bytes, header.stored_bytes
            );
            return Err(self.damaged(position, detail));
        }
        let offset = self.blocks.file_offset(position.payload_position());
        header.check_crc(self.blocks.uid(), position, stored, self.blocks.name(), offset)?;
        if header.chunk_type != expected.chunk_type {
            let detail =
                format!("expected a chunk of {:?}, found {:?}", expected.chunk_type, header.chunk_type);
            return Err(self.damaged(position, detail));
        }
        if header.decoded_bytes > expected.max_decoded_bytes {
            let detail = format!(
                "the chunk states {} decoded bytes, the file's largest has {}",
                header.decoded_bytes, expected.max_decoded_bytes
            );
            return Err(self.damaged(position, detail));
        }
        self.pipeline.check_applied(header.applied).map_err(|detail| self.damaged(position, detail))?;
        Ok((header, stored))
    }
}
