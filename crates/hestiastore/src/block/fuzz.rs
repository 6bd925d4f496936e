//! Blocks under a fuzzer: bytes as a block, with and without a fitting checksum, and as a file of blocks.

#![allow(clippy::unwrap_used, reason = "a finding is a panic")]

use std::sync::Arc;

use super::layout::{BLOCK_HEADER_BYTES, open_block, seal_block};
use super::{BlockFileReader, BlockLayout, HEADER_PAGE_BYTES};
use crate::directory::{Directory, MemoryDirectory};
use crate::fuzz_input::Input;

const BLOCK_BYTES: u32 = 4096;

/// Bytes as a block and its fields, and a file of blocks that they fill.
pub fn block(data: &[u8]) {
    let mut input = Input::new(data);
    let (uid, number, data_bytes) = (input.u64(), input.u64(), input.u32());
    let _ = open_block(data, uid, number, "raw", 0);
    one_block(uid, number, data_bytes, input.rest());
    file_of_blocks(uid, &mut input);
}

/// With a fitting CRC a block opens exactly if its length and its padding make sense.
fn one_block(uid: u64, number: u64, data_bytes: u32, payload: &[u8]) {
    let mut block = vec![0; BLOCK_HEADER_BYTES];
    block.extend_from_slice(payload);
    seal_block(&mut block, uid, number, data_bytes);
    let expected = payload
        .split_at_checked(data_bytes as usize)
        .filter(|(_, padding)| padding.iter().all(|byte| *byte == 0))
        .map(|(found, _)| found);
    assert_eq!(open_block(&block, uid, number, "sealed", 0).ok(), expected);
    assert!(open_block(&block, uid ^ 1, number, "another file's", 0).is_err());
    assert!(open_block(&block, uid, number ^ 1, "of another place", 0).is_err());
}

/// Ranges of a file of three blocks, of which `blocks` are said to be there.
fn file_of_blocks(uid: u64, input: &mut Input<'_>) {
    let layout = BlockLayout::new(BLOCK_BYTES).unwrap();
    let (said_blocks, filled) = (u64::from(input.u8() % 6), usize::from(input.u16() % 4081));
    let (position, length, pattern) = (input.u64(), input.u16(), input.short());
    let pattern = if pattern.is_empty() { b"x" } else { pattern };
    let stream_bytes = 2 * layout.payload_bytes() + filled;
    let stream: Vec<u8> = pattern.iter().copied().cycle().take(stream_bytes).collect();
    let mut file_bytes = vec![0; HEADER_PAGE_BYTES as usize];
    for (number, payload) in (0..).zip(stream.chunks(layout.payload_bytes())) {
        file_bytes.extend_from_slice(&sealed(layout, uid, number, payload));
    }
    let directory = MemoryDirectory::new();
    let file = directory.create("blocks").unwrap();
    file.write_at(0, &file_bytes).unwrap();
    let reader = BlockFileReader::new(file, Arc::from("blocks"), layout, uid, said_blocks);
    reader.check_header_page().unwrap();
    let mut out = Vec::new();
    for position in [position, position % (stream_bytes as u64 + 1)] {
        let _ = reader.blocks_of(position, length.into());
        let _ = (reader.file_offset(position), reader.block_position(position));
        let _ = reader.read_checked(position, length.into(), &mut out);
        if reader.read_payload(position, length.into(), &mut out).is_ok() {
            let held = stream.get(position as usize..).unwrap_or(&[]);
            let held = &held[..held.len().min(length.into())];
            assert_eq!(out.len(), usize::from(length));
            assert_eq!(&out[..held.len()], held);
        }
    }
    if reader.read_checked(0, said_blocks, &mut out).is_ok() {
        assert_eq!(out, stream[..out.len()]);
    }
}

/// A block of a file, with a fitting checksum.
pub(crate) fn sealed(layout: BlockLayout, uid: u64, number: u64, payload: &[u8]) -> Vec<u8> {
    let mut block = vec![0; BLOCK_HEADER_BYTES];
    block.extend_from_slice(payload);
    block.resize(layout.block_bytes(), 0);
    seal_block(&mut block, uid, number, payload.len() as u32);
    block
}
