//! The manifest under a fuzzer: edits and what they make of a state, frames, and whole files.

#![allow(clippy::unwrap_used, reason = "a finding is a panic")]

use std::io;

use super::decode::decode_edit;
use super::encode::encode_edit;
use super::frame::{Header, encode_frame, find_head, read_frame, reserved};
use super::*;
use crate::directory::{Directory, MemoryDirectory};
use crate::environment::Environment;
use crate::fuzz_input::Input;

const FILE_UID: u64 = 7;
const INDEX_UUID: u128 = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff;

/// Bytes as an edit, applied to states.
pub fn edit(data: &[u8]) {
    let _ = read_frame(FILE_UID, data);
    let _ = find_head(FILE_UID, data, 0..3);
    let Ok(edit) = decode_edit(data) else { return };
    assert_eq!(decode_edit(&encode_edit(&edit)).unwrap(), edit);
    apply(ManifestState::default(), &edit);
    apply(example(), &edit);
}

fn apply(mut state: ManifestState, edit: &Edit) {
    let before = state.clone();
    let obsolete = state.obsolete_after(edit);
    match state.apply(edit) {
        Ok(()) => {
            obsolete.unwrap().iter().for_each(|uid| assert_eq!(state.references(*uid), 0));
            assert_describes_itself(&state);
        }
        Err(_) => assert_eq!(state, before),
    }
}

/// What is in memory is what a later open reads.
fn assert_describes_itself(state: &ManifestState) {
    let mut again = ManifestState::default();
    again.apply(&decode_edit(&encode_edit(&state.to_base_edit())).unwrap()).unwrap();
    again.edit_number = state.edit_number;
    assert_eq!(again, *state);
}

/// Three segments, of which two share a run; two logs.
pub(crate) fn example() -> ManifestState {
    let run = |uid, lower: &str, upper: Option<&str>, rank| RunReference {
        uid,
        lower: lower.into(),
        upper: upper.map(Into::into),
        rank,
        entries: 3,
        max_seq: 9,
        smallest_key: b"a".to_vec(),
        largest_key: b"z".to_vec(),
        ..RunReference::default()
    };
    let segment = |lower: &str, upper: Option<&str>, runs| SegmentState {
        lower: lower.into(),
        upper: upper.map(Into::into),
        flushed_seq: 5,
        next_rank: 3,
        runs,
    };
    ManifestState {
        index_uuid: INDEX_UUID,
        key_type: "string".into(),
        value_type: "u64".into(),
        config: crate::config::Config::default().encode(),
        next_segment_id: 4,
        segments: [
            (1, segment("", Some("h"), vec![run(11, "", Some("h"), 1), run(12, "", None.or(Some("c")), 2)])),
            (2, segment("h", Some("p"), vec![run(11, "h", Some("p"), 1)])),
            (3, segment("p", None, vec![])),
        ]
        .into(),
        logs: vec![LogState { number: 1, uid: 21, end: None }, LogState { number: 2, uid: 22, end: None }],
        pending_deletions: ["run-0000000000000099.sst".to_owned()].into(),
        keyspaces: [(0, "default".to_owned())].into(),
        ..ManifestState::default()
    }
}

/// Bytes as a manifest's file: as they are, and as the payloads of its base and edits in frames that fit.
pub fn file(data: &[u8]) {
    read(data);
    read(&framed(data));
}

fn read(bytes: &[u8]) {
    let directory = MemoryDirectory::new();
    directory.create(MANIFEST_NAME).unwrap().write_at(0, bytes).unwrap();
    let dumped = dump_manifest(&directory, MANIFEST_NAME, &mut io::sink());
    let Ok(read) = read_manifest(&directory) else { return };
    assert!(dumped.is_ok(), "a manifest that can be read can be shown");
    assert!(read.end_offset <= bytes.len() as u64);
    assert_describes_itself(&read.state);
    let _ = confirm_torn_tail(&read, Some(read.state.edit_number + 1), &[]).unwrap_err();
    let confirmed = confirm_torn_tail(&read, Some(read.state.edit_number), &[]);
    assert_eq!(confirmed.is_err(), read.ends_torn() && read.damaged_copy.is_some());
    let copy = MemoryDirectory::new();
    ManifestFile::create(&copy, &Environment::repeatable(1), &read.state).unwrap();
    assert_eq!(read_manifest(&copy).unwrap().state, read.state);
}

/// A header, twice the base, edits, and whatever the input puts between them.
fn framed(data: &[u8]) -> Vec<u8> {
    let mut input = Input::new(data);
    let (flags, mut number) = (input.u8(), u64::from(input.u8()));
    let given = input.long();
    let example = encode_edit(&example().to_base_edit());
    let base = if given.is_empty() { &example } else { given };
    let header = Header {
        compatible: 0,
        incompatible: 0,
        base_bytes: base.len() as u32,
        index_uuid: INDEX_UUID,
        file_uid: FILE_UID,
    };
    let layout = header.layout();
    let (frame, mut crc) = encode_frame(FILE_UID, number, 0, base).unwrap();
    let mut file = header.encode().to_vec();
    for offset in layout.copies {
        file.resize(offset as usize, 0);
        file.extend_from_slice(&frame);
    }
    if flags & 1 != 0 {
        file[layout.copies[usize::from(flags >> 7)] as usize] ^= 1;
    }
    while !input.is_empty() {
        let step = input.u8();
        let payload = input.long();
        let (frame_number, previous_crc) = match step % 8 {
            1 => (number.wrapping_add(2), crc),
            2 => (number, crc),
            3 => (number.wrapping_add(1), crc ^ 1),
            4 => {
                file.extend_from_slice(payload);
                continue;
            }
            _ => (number.wrapping_add(1), crc),
        };
        let (frame, frame_crc) = encode_frame(FILE_UID, frame_number, previous_crc, payload).unwrap();
        file.extend_from_slice(&frame);
        (number, crc) = (frame_number, frame_crc);
        if step & 0x80 != 0 {
            let last = file.len() - 1;
            file[last] ^= 1;
        }
    }
    let whole = if flags & 2 == 0 { reserved(file.len() as u64).max(layout.least_length) } else { 0 };
    file.resize(file.len().max(whole as usize), 0);
    file
}

/// A manifest as [`file`] takes it: the payloads of its base and its edits.
#[cfg(test)]
pub(crate) fn compact(directory: &dyn Directory) -> Vec<u8> {
    use super::walk::{Step, Walk};

    let walk = Walk::load(directory, MANIFEST_NAME).unwrap();
    let base = walk.base().unwrap();
    let mut out = vec![0, base.frame.head.number as u8];
    let put = |payload: &[u8], out: &mut Vec<u8>| {
        out.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        out.extend_from_slice(payload);
    };
    put(base.frame.payload, &mut out);
    let mut at = walk.first_place(&base);
    while let Step::Edit { frame, next } = walk.step(&at).unwrap() {
        out.push(0);
        put(frame.payload, &mut out);
        at = next;
    }
    out
}
