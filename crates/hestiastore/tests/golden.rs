//! A whole small store, byte for byte: the format stands still, and what an earlier version wrote is read.
//!
//! After a deliberate change of the format: `HESTIA_BLESS=1 cargo test --test golden`.

#![allow(clippy::unwrap_used, reason = "test helpers fail by panicking")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use hestiastore::SegmentIndex;
use hestiastore::config::Durability;
use hestiastore::directory::{Directory, SimulatedDirectory};
use hestiastore::environment::Environment;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/store.hex");
const BYTES_PER_LINE: usize = 32;

type Files = BTreeMap<String, Vec<u8>>;
type Index = SegmentIndex<String, u32>;

/// One thread and no log thread, so that nothing depends on who comes first.
fn written() -> Files {
    let directory = SimulatedDirectory::new();
    let index = Index::builder_in(Arc::new(directory.clone()))
        .environment(Environment::repeatable(42))
        .maintenance(|m| m.threads(1).automatic(false))
        .chunk(|c| c.max_keys(4).filters(["magic-number", "crc32"].into()))
        .log(|l| l.durability(Durability::Off))
        .create()
        .unwrap();
    for (number, name) in ["ada", "barbara", "edith", "frances", "grace", "hedy"].into_iter().enumerate() {
        index.put(name, number as u32).unwrap();
    }
    index.flush_and_wait().unwrap();
    index.delete("edith").unwrap();
    index.put("grace", 100).unwrap();
    index.close().unwrap();
    let names = directory.list().unwrap();
    names.into_iter().map(|name| (name.clone(), directory.read_all(&name).unwrap())).collect()
}

/// Each file's name and length, then its lines that are not all zero, each with its offset.
fn to_text(files: &Files) -> String {
    let mut text = String::new();
    for (name, bytes) in files {
        writeln!(text, "{name} {}", bytes.len()).unwrap();
        for (number, line) in bytes.chunks(BYTES_PER_LINE).enumerate() {
            if line.iter().any(|byte| *byte != 0) {
                let hex: String = line.iter().map(|byte| format!("{byte:02x}")).collect();
                writeln!(text, "  {:06x} {hex}", number * BYTES_PER_LINE).unwrap();
            }
        }
    }
    text
}

fn from_text(text: &str) -> Files {
    let mut files = Files::new();
    let mut name = String::new();
    for line in text.lines() {
        let (first, second) = line.trim_start().split_once(' ').unwrap();
        if !line.starts_with(' ') {
            name = first.to_owned();
            files.insert(name.clone(), vec![0; second.parse().unwrap()]);
            continue;
        }
        let offset = usize::from_str_radix(first, 16).unwrap();
        let bytes = (0..second.len()).step_by(2).map(|i| u8::from_str_radix(&second[i..i + 2], 16).unwrap());
        for (place, byte) in bytes.enumerate() {
            files.get_mut(&name).unwrap()[offset + place] = byte;
        }
    }
    files
}

#[test]
fn f1_a_small_store_keeps_its_bytes() {
    let text = to_text(&written());
    if std::env::var_os("HESTIA_BLESS").is_some() {
        std::fs::write(GOLDEN, &text).unwrap();
    }
    let golden = std::fs::read_to_string(GOLDEN).unwrap();
    let differing = golden.lines().zip(text.lines()).find(|(golden, now)| golden != now);
    assert!(golden == text, "the format has changed, first here: {differing:#?}");
}

#[test]
fn f1_the_golden_store_is_read() {
    let directory = SimulatedDirectory::new();
    for (name, bytes) in from_text(&std::fs::read_to_string(GOLDEN).unwrap()) {
        directory.write_all(&name, &bytes).unwrap();
    }
    let index = Index::builder_in(Arc::new(directory)).open().unwrap();
    let found: Vec<(String, u32)> = index.iter().unwrap().map(Result::unwrap).collect();
    let expected = [("ada", 0), ("barbara", 1), ("frances", 3), ("grace", 100), ("hedy", 5)];
    assert_eq!(found, expected.map(|(name, number)| (name.to_owned(), number)));
    assert!(index.check().unwrap().is_clean());
    index.put("katherine", 6).unwrap();
    index.compact_and_wait().unwrap();
    assert_eq!(index.len().unwrap(), 6);
}
