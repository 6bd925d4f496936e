use std::sync::Arc;

use super::memory::MemoryFiles;
use super::*;
use crate::directory::{Directory, OpenMode};
use crate::file_header::FileHeader;

const UID: u64 = 0x1122_3344_5566_7788;

fn header() -> FileHeader {
    FileHeader {
        magic: *b"HSTRUN\r\n",
        version: 1,
        compatible: 0,
        incompatible: 0,
        index_uuid: 1,
        file_uid: UID,
        parameter: 4096,
        wide_parameter: 0,
    }
}

fn write(payload: &[u8], piece: usize, buffer_bytes: usize) -> Arc<MemoryFiles> {
    let files = MemoryFiles::new();
    let file = files.create("f").unwrap();
    let mut writer = BlockFileWriter::new(file, "f".into(), &header(), buffer_bytes).unwrap();
    for bytes in payload.chunks(piece) {
        writer.append(bytes).unwrap();
    }
    assert_eq!(writer.position(), payload.len() as u64);
    let length = writer.finish(|length| length.to_be_bytes().to_vec(), 8).unwrap();
    let content = files.content("f");
    assert_eq!(content.len() as u64, length);
    assert_eq!(content[content.len() - 8..], length.to_be_bytes());
    files
}

fn open(files: &MemoryFiles, uid: u64) -> BlockFileReader {
    let file = files.open("f", OpenMode::Read).unwrap();
    let blocks = (file.len().unwrap() - HEADER_PAGE_BYTES) / 4096;
    BlockFileReader::new(file, "f".into(), BlockLayout::new(4096).unwrap(), uid, blocks)
}

fn payload(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 7 + i / 251) as u8).collect()
}

#[test]
fn f2_every_range_reads_back() {
    for (length, piece, buffer_bytes) in [(20_000, 999, 1024), (4080 * 3, 4080, 1 << 20), (1, 1, 1024)] {
        let payload = payload(length);
        let files = write(&payload, piece, buffer_bytes);
        let reader = open(&files, UID);
        let mut out = Vec::new();
        for start in (0..length).step_by(611) {
            for end in [start, start + 1, start + 16, start + 4081, length] {
                if (start..=length).contains(&end) {
                    reader.read_payload(start as u64, end - start, &mut out).unwrap();
                    assert_eq!(out, payload[start..end]);
                }
            }
        }
        reader.read_checked(0, reader.block_count(), &mut out).unwrap();
        assert_eq!(out, payload);
    }
}

#[test]
fn f2_block_bytes_are_fixed() {
    let files = write(b"payload", 3, 1024);
    let content = files.content("f");
    assert_eq!(content.len(), 4096 + 4096 + 8);
    let block = &content[4096..8192];
    let mut checked = [UID.to_be_bytes(), 0u64.to_be_bytes()].concat();
    checked.extend_from_slice(&block[8..]);
    assert_eq!(block[..4], *b"HBLK");
    assert_eq!(block[4..8], crc32fast::hash(&checked).to_be_bytes());
    assert_eq!(block[8..12], 7u32.to_be_bytes());
    assert_eq!(block[12..16], 0x5566_7788u32.to_be_bytes());
    assert_eq!(block[16..24], *b"payload\0");
    assert!(block[24..].iter().all(|&byte| byte == 0));
}

#[test]
fn f2_every_flipped_bit_of_a_block_is_found() {
    let files = write(&payload(5000), 5000, 1024);
    let content = files.content("f");
    let mut out = Vec::new();
    for at in 4096..content.len() - 8 {
        let mut damaged = content.clone();
        damaged[at] ^= 1 << (at % 8);
        files.set_content("f", damaged);
        let reader = open(&files, UID);
        assert!(reader.read_checked(0, 2, &mut out).is_err(), "byte {at}");
    }
    files.set_content("f", content);
    assert!(open(&files, UID ^ 1 << 40).read_checked(0, 1, &mut out).is_err());
}

#[test]
fn f2_a_block_of_another_place_or_file_is_refused() {
    let files = write(&payload(4080 * 3), 4080, 1 << 20);
    let mut out = Vec::new();
    open(&files, UID).read_checked(0, 3, &mut out).unwrap();
    // The low half of the uid stands in the block, and all of it is in the CRC.
    for other in [UID ^ 1, UID ^ (1 << 40)] {
        assert!(open(&files, other).read_checked(0, 1, &mut out).is_err(), "{other:x}");
    }
    let mut moved = files.content("f");
    moved.copy_within(4096..8192, 8192);
    files.set_content("f", moved);
    open(&files, UID).read_checked(0, 1, &mut out).unwrap();
    assert!(open(&files, UID).read_checked(1, 1, &mut out).is_err());
}

#[test]
fn f2_ranges_beyond_the_file_allocate_nothing() {
    let files = write(&payload(100), 100, 1024);
    let reader = open(&files, UID);
    let mut out = Vec::new();
    for (position, length) in [(0, 4081), (0, usize::MAX), (u64::MAX, 1), (u64::MAX, usize::MAX), (4080, 1)] {
        assert!(reader.read_payload(position, length, &mut out).is_err());
        assert!(reader.blocks_of(position, length).is_err());
    }
    for (first, count) in [(0, 2), (1, 1), (u64::MAX, 1), (0, u64::MAX)] {
        assert!(reader.read_checked(first, count, &mut out).is_err());
    }
    assert_eq!(out.capacity(), 0);
}

#[test]
fn f2_a_position_that_no_file_has_is_an_error_to_the_end_of_u64() {
    let files = write(&payload(100), 100, 1024);
    let reader = open(&files, UID);
    for position in [u64::MAX, u64::MAX - 1, u64::MAX / 4096 * 4080, u64::MAX / 2] {
        assert!(reader.read_payload(position, 1, &mut Vec::new()).is_err());
        assert!(reader.blocks_of(position, 1).is_err());
        assert!(reader.file_offset(position) > 1 << 60);
    }
}

#[test]
fn f2_block_sizes_are_multiples_of_4_kib() {
    for wrong in [0, 1, 4095, 4097, 6144, (16 << 20) + 4096] {
        assert_eq!(BlockLayout::new(wrong), None);
    }
    assert!(BlockLayout::new(4096).is_some() && BlockLayout::new(16 << 20).is_some());
}
