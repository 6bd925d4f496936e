//! The last 64 bytes of a run: where its sections lie.
//!
//! The sections are chunks that follow each other behind the data: range tombstones, sparse
//! index, filter, properties. A section of length 0 is absent.
//!
//! ```text
//!  0  magic 8 B            24  u64 cell of the first section
//!  8  u64 file uid         32  4 x u32 stored lengths, in the order above
//! 16  u64 file length      48  filter pipeline 8 B    56  u32 zero    60  u32 CRC of 0..60
//! ```

use crate::bytes::{Reader, Short};
use crate::chunk::{ChunkPosition, ChunkType, cells};
use crate::error::{Error, Result};

pub(crate) const FOOTER_BYTES: usize = 64;
const FOOTER_MAGIC: [u8; 8] = *b"HSTRUNFT";
const CRC_AT: usize = 60;
const SECTIONS: [ChunkType; 4] =
    [ChunkType::RangeTombstones, ChunkType::SparseIndex, ChunkType::BloomFilter, ChunkType::Properties];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) uid: u64,
    pub(crate) file_bytes: u64,
    pub(crate) first_section: ChunkPosition,
    /// Stored lengths, in the order of the sections.
    pub(crate) section_bytes: [u32; 4],
    pub(crate) pipeline: [u8; 8],
}

impl Footer {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FOOTER_BYTES);
        out.extend_from_slice(&FOOTER_MAGIC);
        out.extend_from_slice(&self.uid.to_be_bytes());
        out.extend_from_slice(&self.file_bytes.to_be_bytes());
        out.extend_from_slice(&self.first_section.0.to_be_bytes());
        out.extend_from_slice(self.section_bytes.map(u32::to_be_bytes).as_flattened());
        out.extend_from_slice(&self.pipeline);
        out.resize(CRC_AT, 0);
        let crc = crc32fast::hash(&out);
        out.extend_from_slice(&crc.to_be_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8; FOOTER_BYTES], file: &str, offset: u64) -> Result<Self> {
        let damaged = |detail: String| Error::corruption(file, offset, detail);
        let fields = || -> Result<(&[u8], Self, u32), Short> {
            let mut reader = Reader::new(bytes);
            let magic = reader.take(8)?;
            let (uid, file_bytes, first_section) = (reader.u64()?, reader.u64()?, reader.u64()?);
            let section_bytes = [reader.u32()?, reader.u32()?, reader.u32()?, reader.u32()?];
            let pipeline = reader.u64()?.to_be_bytes();
            reader.u32()?;
            let first_section = ChunkPosition(first_section);
            let footer = Self { uid, file_bytes, first_section, section_bytes, pipeline };
            Ok((magic, footer, reader.u32()?))
        };
        let (magic, footer, stored) = fields().map_err(|_| damaged("the footer is cut off".into()))?;
        if magic != FOOTER_MAGIC {
            return Err(damaged(format!("expected the footer magic, found {magic:02x?}")));
        }
        let crc = crc32fast::hash(bytes.get(..CRC_AT).unwrap_or(&[]));
        if crc != stored {
            return Err(damaged(format!("expected footer CRC {stored:08x}, found {crc:08x}")));
        }
        Ok(footer)
    }

    /// Type, place and stored length of the sections that are there.
    pub(crate) fn sections(&self) -> impl Iterator<Item = (ChunkType, ChunkPosition, u32)> {
        let mut position = self.first_section;
        SECTIONS.into_iter().zip(self.section_bytes).filter(|&(_, length)| length != 0).map(
            move |(chunk_type, length)| {
                let at = position;
                position = position.after(length);
                (chunk_type, at, length)
            },
        )
    }

    /// Payload bytes of all sections together, with headers and padding.
    pub(crate) fn section_payload_bytes(&self) -> u64 {
        let lengths = self.section_bytes.iter().filter(|&&length| length != 0);
        lengths.map(|&length| cells(length) * 16).sum()
    }
}
