//! Writes the beginnings of the corpus out of real stores:
//! `cargo test -p hestiastore --lib fuzzing::seeds -- --ignored`.

use std::fs;
use std::sync::Arc;

use super::corpus::folder;
use crate::SegmentIndex;
use crate::config::{Config, FilterNames};
use crate::directory::{Directory, MemoryDirectory, OpenMode};
use crate::environment::Environment;
use crate::run::fuzz::compact as compact_run;

struct Seeds;

impl Seeds {
    fn put(target: &str, name: &str, bytes: impl AsRef<[u8]>) {
        let folder = folder(target);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("seed-{name}")), bytes).unwrap();
    }
}

/// A store with runs of two ranks, tombstones, a value chunk and a log; closed, or in use.
fn store(filters: &[&str], bloom: bool, chunk_keys: u32) -> (MemoryDirectory, SegmentIndex<String, Vec<u8>>) {
    let directory = MemoryDirectory::new();
    let index = SegmentIndex::<String, Vec<u8>>::builder_in(Arc::new(directory.clone()))
        .environment(Environment::repeatable(5))
        .chunk(|c| c.max_keys(chunk_keys).filters(FilterNames::from_iter(filters.iter().copied())))
        .bloom(|b| b.enabled(bloom))
        .log(|l| l.first_file_bytes(16 << 10))
        .create()
        .unwrap();
    for n in 0..20u32 {
        index.put(format!("key {n:03}"), n.to_be_bytes().repeat(3)).unwrap();
    }
    index.flush_and_wait().unwrap();
    let snapshot = index.snapshot().unwrap();
    for n in (0..20u32).step_by(3) {
        index.put(format!("key {n:03}"), b"anew").unwrap();
        index.delete(format!("key {:03}", n + 1)).unwrap();
    }
    index.put("key 900", vec![7; 70_000]).unwrap();
    index.put("", b"").unwrap();
    index.flush_and_wait().unwrap();
    drop(snapshot);
    index.put("last", b"in the log alone").unwrap();
    (directory, index)
}

/// A name, filters, whether there is a Bloom filter, keys a chunk.
const PIPELINES: [(&str, &[&str], bool, u32); 3] = [
    ("lz4", &["magic-number", "crc32", "lz4"], true, 128),
    ("plain", &["magic-number", "crc32"], false, 4),
    ("pass", &["magic-number", "crc32", "pass-through", "lz4"], true, 3),
];

fn files(directory: &MemoryDirectory, ending: &str) -> Vec<Vec<u8>> {
    let mut names: Vec<String> = directory.list().unwrap();
    names.retain(|name| name.ends_with(ending));
    names.sort();
    names.iter().map(|name| read(directory, name)).collect()
}

fn read(directory: &MemoryDirectory, name: &str) -> Vec<u8> {
    let file = directory.open(name, OpenMode::Read).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_at(0, &mut bytes).unwrap();
    bytes
}

#[test]
#[ignore = "writes into fuzz/corpus"]
fn write_seeds() {
    for (name, filters, bloom, chunk_keys) in PIPELINES {
        let (directory, index) = store(filters, bloom, chunk_keys);
        seeds_of_runs(name, &directory);
        seeds_of_manifest(&format!("{name}-open"), &directory);
        seeds_of_log(&format!("{name}-open"), &directory);
        index.close().unwrap();
        seeds_of_manifest(&format!("{name}-closed"), &directory);
        seeds_of_log(&format!("{name}-closed"), &directory);
        index_headers(name, &directory);
    }
    small();
}

fn index_headers(name: &str, directory: &MemoryDirectory) {
    for (kind, ending) in [("run", ".sst"), ("log", ".wal"), ("manifest", "MANIFEST")] {
        if let Some(file) = files(directory, ending).first() {
            Seeds::put("file_header", &format!("{name}-{kind}"), &file[..64]);
        }
    }
}

fn seeds_of_runs(name: &str, directory: &MemoryDirectory) {
    for (number, file) in files(directory, ".sst").iter().enumerate() {
        let name = format!("{name}-{number}");
        let compact = compact_run(file);
        Seeds::put("footer", &name, &compact[64..128]);
        let mut at = 128;
        while let Some(head) = compact.get(at..).and_then(|rest| rest.first_chunk::<16>()) {
            let stored = u32::from_be_bytes([head[8], head[9], head[10], head[11]]) as usize;
            let payload = &compact[at + 16..at + 16 + stored];
            let target = match &head[..3] {
                b"IDX" => "sparse",
                b"BLM" => "bloom",
                b"PRP" => "properties",
                // Bit 2 of the pipeline magic-number, crc32, lz4.
                b"ENT" if head[3] & 4 == 0 => "entries",
                _ => "chunk",
            };
            if payload.len() < 4096 {
                let at_place = format!("{name}-{at}");
                match target {
                    "chunk" => {
                        let mut fields = vec![0; 18];
                        fields.extend_from_slice(&[head[3], 0, 0, 0, 0, 0, 1, 0, 0]);
                        fields.extend_from_slice(payload);
                        Seeds::put("chunk", &at_place, fields);
                        let record =
                            [&[1, 2, 3, 0, 0, 0, 0, 0, 1, head[3]][..], &head[12..16], payload].concat();
                        Seeds::put("filters", &at_place, record);
                    }
                    _ => Seeds::put(target, &at_place, payload),
                }
            }
            at = (at + 16 + stored).next_multiple_of(16);
        }
        // The store without compression has a large one, which is more bytes than it shows.
        if compact.len() < 4096 {
            Seeds::put("run", &name, &compact);
        }
    }
}

fn seeds_of_manifest(name: &str, directory: &MemoryDirectory) {
    let compact = crate::manifest::fuzz::compact(directory);
    Seeds::put("manifest_file", name, &compact);
    let mut at = 2;
    while let Some(length) = compact.get(at..at + 2) {
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        Seeds::put("manifest_edit", &format!("{name}-{at}"), &compact[at + 2..at + 2 + length]);
        at += 3 + length;
    }
}

fn seeds_of_log(name: &str, directory: &MemoryDirectory) {
    for (number, file) in files(directory, ".wal").iter().enumerate() {
        let end = file.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        if end < 4096 {
            Seeds::put("wal_log", &format!("{name}-{number}"), &file[..end.next_multiple_of(8)]);
        }
    }
}

/// Those that no store writes as a file.
fn small() {
    Seeds::put(
        "block",
        "full",
        [&[0; 16][..], &4u32.to_be_bytes(), b"some payload", &[2, 0, 9, 5, 7]].concat(),
    );
    Seeds::put("block", "short", [&[1; 20][..], b"abc"].concat());
    Seeds::put("config_binary", "default", Config::default().encode());
    let knobs: Vec<String> =
        Config::default().knobs().map(|knob| format!("{}={}\n", knob.name, knob.value)).collect();
    Seeds::put("config_text", "default", knobs.concat());
    Seeds::put(
        "config_text",
        "units",
        "io.buffer_bytes=64 KiB\nlog.sync_interval=1min\ncache.segments=auto\nx.y=1",
    );
    Seeds::put(
        "entries",
        "built",
        b"\x02ab\x01c\x00\x00\x07\x01v\x01c\x01\x00\x05\x00\x00\x02\x00\x09\x02vw",
    );
    Seeds::put("sparse", "built", b"\x02ab\x01c\x00\x03cde\x02ff");
    for (name, bytes) in [
        ("numbers", &b"\x08\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02"[..]),
        ("tuple", b"\x09\x00\x00\x00\x07apple\x00\x00\x00\x07apples"),
        ("escaped", b"\x07a\x00\xff\x00\x01bca\x00\x01b"),
        ("options", b"\x01\x00\x01a"),
        ("floats", b"\x04\xbf\xc0\x00\x00\x40\x3f\xff\xff"),
    ] {
        Seeds::put("type_encodings", name, bytes);
    }
    for (name, text) in [
        ("tuple", &b"(u32, string)\n(7, \"apple\")"[..]),
        ("array", b"[u8; 4]\n0x00010203"),
        ("option", b"option<(i8, char, bool)>\nsome((-5, '\\u{1b}', true))"),
        ("float", b"f64\nNaN:fff8000000000000"),
        ("bytes", b"(bytes, unit)\n(b\"a\\xff\", ())"),
        ("encoded", b"(u8, [string; 2])\n\x05a\x00\x01b\x00\x01"),
    ] {
        Seeds::put("type_texts", name, text);
    }
    seeds_of_steps();
}

/// Inputs that are read as steps.
fn seeds_of_steps() {
    let puts = b"\x01\x03\x01\x01a\x01b\x01\x01c\x02de\x00\x01a\x02\x00\x00";
    let sync = b"\x07\x00\x00\x00\x00\x00\x00\x00\x00\x01";
    Seeds::put("wal_log", "steps", [&puts[..], sync, puts, b"\x09\x03xyz\x0e", sync].concat());
    Seeds::put("wal_log", "raw", b"\x06\x05\x01\x00\x01\x01ab\x08\x09\x00\x03abc\x0d\x05\x0f\x01\x02hi");
    Seeds::put(
        "wal_replay",
        "two",
        [&b"\x00\x00"[..], puts, sync, b"\x00\x00", puts, sync, b"\x00"].concat(),
    );
    Seeds::put(
        "wal_replay",
        "torn",
        [&b"\x00\x08"[..], puts, sync, puts, b"\x0b\x03\x01\x0a\x04", sync].concat(),
    );
    Seeds::put(
        "wal_replay",
        "ended",
        [&b"\x01\x04"[..], puts, b"\x00", puts, b"\x00\x00", puts, b"\x00"].concat(),
    );
    Seeds::put(
        "wal_replay",
        "missing",
        [&b"\x00\x00"[..], puts, b"\x00\x50", puts, b"\x00\x02", puts].concat(),
    );
    Seeds::put(
        "operations",
        "mixed",
        b"\x03\x00\x00\x00\x00\x05\x41\x01\x42\x05\x80\x06\x05\x0f\x00\x01\x01\x3f\x12\x09\x0f\x00\x08\x03\x20\x15\
          \x0d\x0f\x00\x00\x02\x3f\x33\x09\x0a\x0e\x0c\x08\x00\xff\x07\x05\x0b\x0e",
    );
    Seeds::put(
        "operations",
        "large",
        b"\x01\x10\x41\x00\x00\x05\xff\x00\x06\xfe\x09\x05\x05\x0d\x00\x05\x11\x0a\x0b",
    );
    Seeds::put(
        "operations",
        "synced",
        b"\x01\x03\x02\xf0\x0f\x00\x00\x01\x3f\xfe\x0f\x01\x00\x01\x3f\xfe\x09\x0c\x0e\x0a",
    );
    Seeds::put(
        "operations",
        "unlogged",
        b"\x01\x1b\x02\xa0\x0f\x00\x00\x01\x3f\xfe\x0c\x0f\x01\x00\x01\x3f\xfe\x0c\x0e",
    );
}
