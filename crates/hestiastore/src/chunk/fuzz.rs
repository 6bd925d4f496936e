//! Chunks and filters under a fuzzer.

#![allow(clippy::unwrap_used, reason = "a finding is a panic")]

use std::sync::Arc;

use super::filter::{FilterPipeline, FilterScratch, Section};
use super::header::{CELL_BYTES, CHUNK_HEADER_BYTES, ChunkHeader, ChunkPosition, ChunkType};
use super::reader::{ChunkReader, ExpectedChunk};
use crate::block::{BlockFileReader, BlockLayout};
use crate::directory::{Directory, MemoryDirectory};
use crate::fuzz_input::Input;

const PIPELINES: [&[&str]; 5] = [
    &[],
    &["lz4"],
    &["pass-through"],
    &["pass-through", "lz4", "magic-number", "crc32"],
    &["lz4", "crc32", "pass-through", "magic-number"],
];

fn pipeline(choice: u8) -> FilterPipeline {
    FilterPipeline::from_names(PIPELINES[usize::from(choice) % PIPELINES.len()]).unwrap()
}

/// A chunk's header and payload: as they are, and with a CRC that fits.
pub fn chunk(data: &[u8]) {
    if let Some(bytes) = data.first_chunk::<CHUNK_HEADER_BYTES>()
        && let Ok(header) = ChunkHeader::decode(bytes)
    {
        assert_eq!(header.encode(), *bytes);
    }
    let mut input = Input::new(data);
    let (uid, cell, choice, tag) = (input.u64(), input.u64(), input.u8(), input.u8());
    let (applied, decoded_bytes, max_decoded_bytes) = (input.u8(), input.u32(), input.u32());
    let stored = input.rest();
    let types = [ChunkType::Entries, ChunkType::Value, ChunkType::SparseIndex, ChunkType::Properties];
    let chunk_type = types[usize::from(tag % 4)];
    let position = ChunkPosition(cell);
    let reader = reader(uid, choice);
    let expected =
        ExpectedChunk { chunk_type, position, stored_bytes: stored.len() as u32, max_decoded_bytes };
    let _ = reader.read(expected);
    let _ = reader.decode(expected, data);
    for decoded_bytes in [decoded_bytes, decoded_bytes % 65536, stored.len() as u32] {
        let header = ChunkHeader::seal(chunk_type, applied, decoded_bytes, uid, position, stored);
        let raw = [&header.encode()[..], stored].concat();
        if let Ok(payload) = reader.decode(expected, &raw) {
            assert_eq!(payload.len(), decoded_bytes as usize);
            assert!(decoded_bytes <= max_decoded_bytes);
        }
        let elsewhere = ExpectedChunk { position: ChunkPosition(cell ^ 1), ..expected };
        assert!(reader.decode(elsewhere, &raw).is_err());
    }
}

fn reader(uid: u64, choice: u8) -> ChunkReader {
    let directory = MemoryDirectory::new();
    let file = directory.create("chunks").unwrap();
    let layout = BlockLayout::new(4096).unwrap();
    ChunkReader::new(BlockFileReader::new(file, Arc::from("chunks"), layout, uid, 1), pipeline(choice))
}

/// The record of a pipeline, and each filter in both directions.
pub fn filters(data: &[u8]) {
    let mut input = Input::new(data);
    let record = input.array::<8>();
    let (choice, applied, decoded_bytes) = (input.u8(), input.u8(), input.u32());
    let payload = input.rest();
    let recorded = FilterPipeline::decode(record, "f");
    if let Ok(recorded) = &recorded {
        assert_eq!(recorded.encode(), record);
        assert_eq!(FilterPipeline::from_names(&recorded.names()).unwrap(), *recorded);
    }
    for pipeline in [recorded.unwrap_or_default(), pipeline(choice)] {
        let _ = pipeline.revert(applied, payload, decoded_bytes);
        let _ = pipeline.revert(applied, payload, decoded_bytes % 65536);
        for section in [Section::Data, Section::Directory] {
            let mut scratch = FilterScratch::default();
            let (applied, stored) = pipeline.apply(section, payload, &mut scratch);
            assert!(stored.len() <= payload.len());
            let back = pipeline.revert(applied, stored, payload.len() as u32);
            assert_eq!(back.as_deref(), Ok(payload));
        }
    }
    let names: Vec<String> =
        payload.split(|byte| *byte == 0).map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    let _ = FilterPipeline::from_names(&names);
}

/// Puts the CRC of the chunk at the front of `bytes` right. Returns how many bytes it takes with its padding;
/// `None` if there is no chunk.
pub(crate) fn seal_chunk(uid: u64, cell: u64, bytes: &mut [u8]) -> Option<usize> {
    let (head, rest) = bytes.split_first_chunk_mut::<CHUNK_HEADER_BYTES>()?;
    let header = ChunkHeader::decode(head).ok()?;
    let stored = rest.get(..header.stored_bytes as usize)?;
    let ChunkHeader { chunk_type, applied, decoded_bytes, .. } = header;
    *head = ChunkHeader::seal(chunk_type, applied, decoded_bytes, uid, ChunkPosition(cell), stored).encode();
    Some((CHUNK_HEADER_BYTES + stored.len()).next_multiple_of(CELL_BYTES))
}
