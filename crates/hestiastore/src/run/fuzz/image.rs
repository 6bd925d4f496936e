//! A run's file without its checksums and its zeros, and the way back: what a fuzzer changes is then
//! neither hidden behind a CRC nor diluted by padding.
//!
//! Header (64 bytes), footer (64 bytes), and the payload of all blocks.

use crate::block::{BlockLayout, HEADER_PAGE_BYTES};
use crate::chunk::fuzz::seal_chunk;
use crate::file_header::FILE_HEADER_BYTES;
use crate::fuzz_input::Input;
use crate::run::footer::FOOTER_BYTES;
use crate::run::settings::RUN_MAGIC;

/// More than this is not laid out: a header may ask for blocks of 16 MiB.
const MAX_BLOCK_BYTES: usize = 16 << 10;

/// The compact form of a run's file.
#[cfg(test)]
pub(crate) fn compact(file: &[u8]) -> Vec<u8> {
    let mut out = file[..FILE_HEADER_BYTES].to_vec();
    out.extend_from_slice(&file[file.len() - FOOTER_BYTES..]);
    let block_bytes = u32::from_be_bytes([file[20], file[21], file[22], file[23]]) as usize;
    let blocks = &file[HEADER_PAGE_BYTES as usize..file.len() - FOOTER_BYTES];
    for block in blocks.chunks(block_bytes) {
        let data_bytes = u32::from_be_bytes([block[8], block[9], block[10], block[11]]) as usize;
        out.extend_from_slice(&block[16..16 + data_bytes]);
    }
    out
}

/// The file with every checksum, identity and length put right; `None` if its blocks are too large to try.
pub(super) fn unfold(compact: &[u8]) -> Option<Vec<u8>> {
    let mut input = Input::new(compact);
    let mut header: [u8; FILE_HEADER_BYTES] = input.array();
    let mut footer: [u8; FOOTER_BYTES] = input.array();
    let mut payload = input.rest().to_vec();
    let layout = BlockLayout::new(u32::from_be_bytes([header[20], header[21], header[22], header[23]]))
        .filter(|layout| layout.block_bytes() <= MAX_BLOCK_BYTES)?;
    header[..8].copy_from_slice(&RUN_MAGIC);
    header[8..10].copy_from_slice(&1u16.to_be_bytes());
    header[16..20].fill(0);
    let crc = crc32fast::hash(&header[..60]);
    header[60..].copy_from_slice(&crc.to_be_bytes());
    let uid = u64::from_be_bytes([
        header[40], header[41], header[42], header[43], header[44], header[45], header[46], header[47],
    ]);
    seal_chunks(uid, &mut payload);

    let mut file = header.to_vec();
    file.resize(HEADER_PAGE_BYTES as usize, 0);
    let pieces = payload.chunks(layout.payload_bytes());
    let pieces = pieces.chain(payload.is_empty().then_some(&[][..]));
    for (number, piece) in (0..).zip(pieces) {
        file.extend_from_slice(&crate::block::fuzz::sealed(layout, uid, number, piece));
    }
    footer[8..16].copy_from_slice(&header[40..48]);
    footer[16..24].copy_from_slice(&((file.len() + FOOTER_BYTES) as u64).to_be_bytes());
    seal_footer(&mut footer);
    file.extend_from_slice(&footer);
    Some(file)
}

/// Puts magic and CRC right.
pub(super) fn seal_footer(footer: &mut [u8; FOOTER_BYTES]) {
    footer[..8].copy_from_slice(b"HSTRUNFT");
    let crc = crc32fast::hash(&footer[..60]);
    footer[60..].copy_from_slice(&crc.to_be_bytes());
}

/// Goes from chunk to chunk, as far as their lengths lead, and puts each CRC right.
fn seal_chunks(uid: u64, payload: &mut [u8]) {
    let mut at = 0;
    while let Some(next) = payload.get_mut(at..).and_then(|rest| seal_chunk(uid, at as u64 / 16, rest)) {
        at += next;
    }
}
