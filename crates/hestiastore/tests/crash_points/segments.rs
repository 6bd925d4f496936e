//! Where the segments of an index begin, as its manifest says.

use std::collections::BTreeMap;

use hestiastore::directory::SimulatedDirectory;
use hestiastore::inspect;

/// The least key of each segment, ascending.
pub fn lower_bounds(directory: &SimulatedDirectory) -> Vec<u32> {
    let mut text = Vec::new();
    inspect::dump_manifest(directory, "MANIFEST", &mut text).unwrap();
    let mut segments = BTreeMap::new();
    for line in String::from_utf8(text).unwrap().lines() {
        if let Some(rest) = line.trim_start().strip_prefix("segment ") {
            let (id, range) = rest.split_once(" [\"").unwrap();
            segments.insert(id.to_owned(), key(range));
        } else if let Some(id) = line.trim_start().strip_prefix("drop segment ") {
            segments.remove(id);
        }
    }
    let mut bounds: Vec<u32> = segments.into_values().collect();
    bounds.sort_unstable();
    bounds
}

/// The number whose escaped bytes, or first bytes, stand before the next quotation mark.
fn key(escaped: &str) -> u32 {
    let mut bytes = Vec::new();
    let mut rest = escaped.bytes();
    while let Some(byte) = rest.next().filter(|byte| *byte != b'"') {
        bytes.push(match byte {
            b'\\' => unescaped(&mut rest),
            plain => plain,
        });
    }
    bytes.resize(4, 0);
    u32::from_be_bytes(*bytes.first_chunk().unwrap())
}

fn unescaped(rest: &mut impl Iterator<Item = u8>) -> u8 {
    match rest.next().unwrap() {
        b'x' => {
            let digits = [rest.next().unwrap(), rest.next().unwrap()];
            u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
        }
        b't' => b'\t',
        b'n' => b'\n',
        b'r' => b'\r',
        other => other,
    }
}
