use std::sync::Arc;

use super::filter::Section;
use super::*;
use crate::block::memory::MemoryFiles;
use crate::block::{BlockFileReader, BlockFileWriter, BlockLayout, HEADER_PAGE_BYTES};
use crate::directory::{Directory, OpenMode};
use crate::error::Error;
use crate::file_header::FileHeader;

const UID: u64 = 42;

fn writer(files: &MemoryFiles, pipeline: &FilterPipeline) -> ChunkWriter {
    let header = FileHeader {
        magic: *b"HSTRUN\r\n",
        version: 1,
        compatible: 0,
        incompatible: 0,
        index_uuid: 1,
        file_uid: UID,
        parameter: 4096,
        wide_parameter: 0,
    };
    let file = files.create("f").unwrap();
    let blocks = BlockFileWriter::new(file, "f".into(), &header, 1024).unwrap();
    ChunkWriter::new(blocks, UID, pipeline.clone())
}

fn reader(files: &MemoryFiles, pipeline: &FilterPipeline) -> ChunkReader {
    let file = files.open("f", OpenMode::Read).unwrap();
    let blocks = (file.len().unwrap() - HEADER_PAGE_BYTES) / 4096;
    let layout = BlockLayout::new(4096).unwrap();
    ChunkReader::new(BlockFileReader::new(file, "f".into(), layout, UID, blocks), pipeline.clone())
}

fn expected(chunk: WrittenChunk) -> ExpectedChunk {
    ExpectedChunk {
        chunk_type: ChunkType::Entries,
        position: chunk.position,
        stored_bytes: chunk.stored_bytes,
        max_decoded_bytes: chunk.decoded_bytes,
    }
}

fn noise(length: usize) -> Vec<u8> {
    let mut x = 88_172_645_463_325_252u64;
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x as u8
    };
    (0..length).map(|_| next()).collect()
}

fn pipelines() -> Vec<FilterPipeline> {
    let lists: [&[&str]; 5] =
        [&[], &["lz4"], &["pass-through", "lz4"], &["lz4", "crc32", "magic-number"], &["pass-through"]];
    lists.iter().map(|names| FilterPipeline::from_names(names).unwrap()).collect()
}

fn write_some(pipeline: &FilterPipeline) -> (Arc<MemoryFiles>, Vec<(WrittenChunk, Vec<u8>)>) {
    let files = MemoryFiles::new();
    let mut writer = writer(&files, pipeline);
    let mut payloads: Vec<Vec<u8>> = (0..40).map(|i| vec![i; usize::from(i) * 5]).collect();
    payloads.push(noise(5000));
    payloads.push(vec![7; 100_000]);
    payloads.push(vec![9; 100]);
    let chunks = payloads
        .into_iter()
        .map(|payload| (writer.append(ChunkType::Entries, Section::Data, &payload).unwrap(), payload))
        .collect();
    writer.finish(|_| Vec::new(), 0).unwrap();
    (files, chunks)
}

#[test]
fn f3_chunks_read_back_through_every_pipeline() {
    for pipeline in pipelines() {
        let (files, chunks) = write_some(&pipeline);
        let reader = reader(&files, &pipeline);
        for (chunk, payload) in &chunks {
            assert_eq!(reader.read(expected(*chunk)).unwrap(), *payload);
        }
        for pair in chunks.windows(2) {
            assert_eq!(pair[0].0.position.after(pair[0].0.stored_bytes), pair[1].0.position);
        }
    }
}

#[test]
fn f3_chunk_bytes_are_fixed() {
    let pipeline = FilterPipeline::default();
    let files = MemoryFiles::new();
    let mut writer = writer(&files, &pipeline);
    writer.append(ChunkType::Value, Section::Data, b"hello").unwrap();
    let second = writer.append(ChunkType::Entries, Section::Data, &[0x61; 64]).unwrap();
    assert_eq!(second.position, ChunkPosition(2));
    writer.finish(|_| Vec::new(), 0).unwrap();
    let content = files.content("f");
    let chunks = &content[4096 + 16..];
    // The first was not compressed: bits 0 (magic-number) and 1 (crc32). The second was: bit 2 (lz4).
    let mut salted = b"VAL\x03".to_vec();
    salted.extend([UID, 0].iter().flat_map(|field| field.to_be_bytes()));
    salted.extend([5u32, 5].iter().flat_map(|field| field.to_be_bytes()));
    salted.extend(b"hello");
    assert_eq!(chunks[..4], *b"VAL\x03");
    assert_eq!(chunks[4..8], crc32fast::hash(&salted).to_be_bytes());
    assert_eq!(chunks[8..32], *b"\0\0\0\x05\0\0\0\x05hello\0\0\0\0\0\0\0\0\0\0\0");
    assert_eq!(chunks[32..36], *b"ENT\x07");
    assert_eq!(chunks[44..48], 64u32.to_be_bytes());
}

#[test]
fn f3_noise_is_stored_as_it_is_and_sections_are_not_compressed() {
    let pipeline = FilterPipeline::default();
    let files = MemoryFiles::new();
    let mut writer = writer(&files, &pipeline);
    let stored = |chunk: WrittenChunk| chunk.stored_bytes as usize;
    assert_eq!(stored(writer.append(ChunkType::Entries, Section::Data, &noise(999)).unwrap()), 999);
    assert_eq!(stored(writer.append(ChunkType::SparseIndex, Section::Directory, &[0; 999]).unwrap()), 999);
    assert!(stored(writer.append(ChunkType::Entries, Section::Data, &[0; 999]).unwrap()) < 99);
}

#[test]
fn f3_a_chunk_of_another_place_file_type_or_length_is_refused() {
    let pipeline = FilterPipeline::default();
    let (files, chunks) = write_some(&pipeline);
    let reader = reader(&files, &pipeline);
    let right = expected(chunks[30].0);
    let wrongs = [
        ExpectedChunk { chunk_type: ChunkType::Value, ..right },
        ExpectedChunk { stored_bytes: right.stored_bytes + 1, ..right },
        ExpectedChunk { max_decoded_bytes: right.max_decoded_bytes - 1, ..right },
        ExpectedChunk { position: ChunkPosition(u64::MAX), ..right },
        ExpectedChunk { stored_bytes: u32::MAX, ..right },
    ];
    assert!(reader.read(right).is_ok());
    for wrong in wrongs {
        assert!(matches!(reader.read(wrong), Err(Error::Corruption { .. })), "{wrong:?}");
    }
    // The same bytes moved by a cell, with another reader's uid, and in another chunk's place.
    let mut raw = Vec::new();
    let length = right.stored_bytes as usize + CHUNK_HEADER_BYTES;
    reader.blocks().read_payload(right.position.payload_position(), length, &mut raw).unwrap();
    assert!(reader.decode(right, &raw).is_ok());
    let moved = ExpectedChunk { position: ChunkPosition(right.position.0 + 1), ..right };
    assert!(reader.decode(moved, &raw).is_err());
    let file = files.open("f", OpenMode::Read).unwrap();
    let blocks = BlockFileReader::new(file, "f".into(), BlockLayout::new(4096).unwrap(), UID + 1, 5);
    assert!(ChunkReader::new(blocks, pipeline).decode(right, &raw).is_err());
}

#[test]
fn f3_forged_lengths_and_filters_are_refused() {
    let pipeline = FilterPipeline::default();
    for (applied, stored, decoded) in [
        (0b011, &b"12345"[..], 6),
        (0b011, b"12345", u32::MAX),
        (0b111, b"12345", u32::MAX),
        (0b111, b"\x10a\x01\x00", 9),
        (0b111, b"", 0),
        (0b001, b"12345", 5),
        (0b1011, b"12345", 5),
    ] {
        assert!(pipeline.revert(applied, stored, decoded).is_err(), "{applied:b} {decoded}");
    }
}

#[test]
fn f3_a_length_that_cannot_be_allocates_nothing() {
    let told = FilterPipeline::default().revert(0b111, b"12345", u32::MAX).unwrap_err();
    assert!(told.contains("cannot decode"), "{told}");
}

#[test]
fn filters_have_names_numbers_and_an_order() {
    let pipeline = FilterPipeline::from_names(&["lz4"]).unwrap();
    assert_eq!(pipeline.names(), ["magic-number", "crc32", "lz4"]);
    assert_eq!(pipeline.encode(), [1, 2, 3, 0, 0, 0, 0, 0]);
    for pipeline in pipelines() {
        assert_eq!(FilterPipeline::decode(pipeline.encode(), "f").unwrap(), pipeline);
    }
    for name in ["snappy", "zstd", "aes-256-gcm", "xor"] {
        match FilterPipeline::from_names(&[name]) {
            Err(Error::Unsupported { detail, .. }) => assert!(detail.contains(name)),
            other => panic!("{name}: {other:?}"),
        }
    }
    assert!(FilterPipeline::from_names(&["lz5"]).is_err());
    assert!(FilterPipeline::from_names(&["lz4", "lz4"]).is_err());
    let refused = [[1, 2, 99, 0, 0, 0, 0, 0], [1, 2, 7, 0, 0, 0, 0, 0]];
    for record in refused {
        assert!(matches!(FilterPipeline::decode(record, "f"), Err(Error::Unsupported { .. })));
    }
    for record in [[1, 3, 0, 0, 0, 0, 0, 0], [1, 2, 2, 0, 0, 0, 0, 0], [1, 2, 0, 3, 0, 0, 0, 0], [0; 8]] {
        assert!(matches!(FilterPipeline::decode(record, "f"), Err(Error::Corruption { .. })), "{record:?}");
    }
}
