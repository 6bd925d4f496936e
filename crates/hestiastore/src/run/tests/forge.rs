//! Runs that no writer writes: a chunk's payload is changed and every checksum made to fit again, so that only a
//! comparison of the parts can tell.

use super::support::*;
use crate::block::{BLOCK_HEADER_BYTES, HEADER_PAGE_BYTES, seal_block};
use crate::chunk::{CHUNK_HEADER_BYTES, ChunkHeader, ChunkPosition, ChunkType};

const BLOCK_BYTES: usize = 4096;

/// Changes the payload of the `nth` chunk of a type, without a change of its length.
pub(super) fn forge(written: &Written, chunk_type: ChunkType, nth: usize, change: impl FnOnce(&mut [u8])) {
    let run = written.open().unwrap();
    let footer = run.footer.clone();
    let content = written.files.content(&written.name());
    let blocks = (content.len() - HEADER_PAGE_BYTES as usize) / BLOCK_BYTES;
    let mut payload: Vec<u8> = Vec::new();
    for block in 0..blocks {
        let at = HEADER_PAGE_BYTES as usize + block * BLOCK_BYTES;
        payload.extend_from_slice(&content[at + BLOCK_HEADER_BYTES..at + BLOCK_BYTES]);
    }
    let position =
        place_of(&payload, chunk_type, nth, footer.first_section, &footer.sections().collect::<Vec<_>>());
    let start = position.payload_position() as usize;
    let (header, rest) = payload[start..].split_first_chunk_mut::<CHUNK_HEADER_BYTES>().unwrap();
    let decoded = ChunkHeader::decode(header).unwrap();
    let stored = &mut rest[..decoded.stored_bytes as usize];
    change(stored);
    let sealed =
        ChunkHeader::seal(chunk_type, decoded.applied, decoded.decoded_bytes, written.uid, position, stored);
    *header = sealed.encode();
    let mut forged = content;
    for (number, part) in payload.chunks(BLOCK_BYTES - BLOCK_HEADER_BYTES).enumerate() {
        let at = HEADER_PAGE_BYTES as usize + number * BLOCK_BYTES;
        let block = &mut forged[at..at + BLOCK_BYTES];
        let data_bytes = u32::from_be_bytes(block[8..12].try_into().unwrap());
        block[BLOCK_HEADER_BYTES..].copy_from_slice(part);
        seal_block(block, written.uid, number as u64, data_bytes);
    }
    written.files.set_content(&written.name(), forged);
}

fn place_of(
    payload: &[u8],
    chunk_type: ChunkType,
    nth: usize,
    first_section: ChunkPosition,
    sections: &[(ChunkType, ChunkPosition, u32)],
) -> ChunkPosition {
    if let Some((_, position, _)) = sections.iter().find(|(section, _, _)| *section == chunk_type) {
        return *position;
    }
    let mut position = ChunkPosition(0);
    let mut passed = 0;
    while position < first_section {
        let start = position.payload_position() as usize;
        let header = payload[start..].first_chunk::<CHUNK_HEADER_BYTES>().unwrap();
        let header = ChunkHeader::decode(header).unwrap();
        if header.chunk_type == chunk_type {
            if passed == nth {
                return position;
            }
            passed += 1;
        }
        position = position.after(header.stored_bytes);
    }
    panic!("there is no {chunk_type:?} number {nth}");
}

/// The place of `wanted` in a payload.
pub(super) fn find(payload: &[u8], wanted: &[u8]) -> usize {
    payload.windows(wanted.len()).position(|window| window == wanted).unwrap()
}
