//! Reading back what was written, and the rules for how a manifest may end.

use proptest::prelude::*;

use super::super::frame::{FRAME_BYTES, Header, encode_frame};
use super::history::history;
use super::*;
use crate::Error;

/// Three edits of which the last is larger than a sector, and the offsets where they begin and end.
fn three_edits() -> (Vec<u8>, Vec<usize>, Vec<ManifestState>) {
    let edits =
        [vec![add_run(1, run(1, 1))], vec![Change::LastSeq(77)], vec![Change::SetConfig(vec![b'c'; 3000])]];
    let mut places = Vec::new();
    for count in 0..=edits.len() {
        places.push(written(&new_index(), &edits[..count]).1.bytes() as usize);
    }
    let (memory, _, states) = written(&new_index(), &edits);
    (memory.bytes(MANIFEST_NAME), places, states)
}

fn read_bytes(bytes: &[u8]) -> crate::Result<ReadManifest> {
    read_manifest(&Memory::with_file(MANIFEST_NAME, bytes))
}

fn is_corruption(result: &crate::Result<ReadManifest>) -> bool {
    matches!(result, Err(Error::Corruption { .. }))
}

proptest! {
    #[test]
    fn what_is_read_is_what_was_applied(seed: u64, count in 0usize..60) {
        let edits = history(seed, count);
        let (memory, file, states) = written(&new_index(), &edits);
        let read = read_manifest(&memory).unwrap();
        prop_assert_eq!(&read.state, states.last().unwrap());
        prop_assert_eq!(read.tail, Tail::Clean);
        prop_assert_eq!(read.edits, count as u64);
        prop_assert_eq!(read.end_offset, file.bytes());
        prop_assert_eq!(read.damaged_copy, None);
    }

    #[test]
    fn f8_a_rewrite_carries_everything(seed: u64, count in 0usize..60, more in 0usize..10) {
        let edits = history(seed, count + more);
        let (memory, mut file, states) = written(&new_index(), &edits[..count]);
        let mut state = states.last().unwrap().clone();
        file.rewrite(&memory, &environment(), &state).unwrap();
        prop_assert_eq!(&read_manifest(&memory).unwrap().state, &state);
        for changes in &edits[count..] {
            file.commit(&mut state, &changes.clone().into()).unwrap();
        }
        let read = read_manifest(&memory).unwrap();
        prop_assert_eq!(read.state, state);
        prop_assert_eq!(read.edits, more as u64);
    }
}

#[test]
fn d6_a_last_edit_that_was_being_written_is_a_torn_tail() {
    let (bytes, places, states) = three_edits();
    let (begin, end) = (places[2], places[3]);
    for lost in [begin..begin + 4, begin + 20..begin + 30, begin + 600..begin + 1112, end - 1..end] {
        let mut torn = bytes.clone();
        torn[lost].fill(0);
        let read = read_bytes(&torn).unwrap();
        assert_eq!(read.state, states[2]);
        let Tail::Torn { offset, bytes } = read.tail else {
            panic!("{:?}", read.tail);
        };
        assert_eq!(offset, begin as u64);
        assert!(bytes as usize <= end - begin);
    }
    let mut unwritten = bytes;
    unwritten[begin..].fill(0);
    let read = read_bytes(&unwritten).unwrap();
    assert_eq!((read.state, read.tail), (states[2].clone(), Tail::Clean));
}

#[test]
fn d6_a_bad_edit_with_a_valid_one_behind_it_is_damage() {
    let (bytes, places, _) = three_edits();
    for (begin, end) in [(places[0], places[1]), (places[1], places[2])] {
        for at in begin..end {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x10;
            assert!(is_corruption(&read_bytes(&flipped)), "byte {at}");
        }
        let mut zeroed = bytes.clone();
        zeroed[begin..end].fill(0);
        assert!(is_corruption(&read_bytes(&zeroed)));
    }
}

#[test]
fn d6_the_head_of_a_later_edit_is_proof_enough() {
    let (mut bytes, places, _) = three_edits();
    bytes[places[1] + FRAME_BYTES] ^= 1;
    bytes[places[2] + FRAME_BYTES..places[3]].fill(0);
    assert!(is_corruption(&read_bytes(&bytes)));
}

#[test]
fn d6_a_log_that_names_a_lost_edit_tells_damage_from_a_tail() {
    let (bytes, places, states) = three_edits();
    for lost in [places[2]..places[3], places[3] - 1..places[3]] {
        let mut torn = bytes.clone();
        torn[lost].fill(0);
        let read = read_bytes(&torn).unwrap();
        let last = states[2].edit_number;
        assert_eq!(read.state.edit_number, last);
        confirm_torn_tail(&read, None, &[]).unwrap();
        confirm_torn_tail(&read, Some(last), &[]).unwrap();
        for named in [last + 1, last + 2] {
            let error = confirm_torn_tail(&read, Some(named), &[]).unwrap_err();
            assert!(matches!(error, Error::Corruption { .. }), "{error}");
            assert!(error.to_string().contains("repair"), "{error}");
        }
    }
}

#[test]
fn d6_a_torn_tail_beside_a_damaged_base_copy_is_damage() {
    let (mut bytes, places, _) = three_edits();
    bytes[places[3] - 1] ^= 1;
    confirm_torn_tail(&read_bytes(&bytes).unwrap(), None, &[]).unwrap();
    bytes[70] ^= 1;
    let read = read_bytes(&bytes).unwrap();
    assert!(read.damaged_copy.is_some());
    let error = confirm_torn_tail(&read, None, &[]).unwrap_err();
    assert!(error.to_string().contains("base copy at 64"), "{error}");
}

#[test]
fn d6_a_missing_file_tells_damage_from_a_tail() {
    let (mut bytes, places, _) = three_edits();
    bytes[places[3] - 1] ^= 1;
    let read = read_bytes(&bytes).unwrap();
    let error = confirm_torn_tail(&read, None, &["1.run".into()]).unwrap_err();
    assert!(error.to_string().contains("1.run"), "{error}");
}

#[test]
fn d6_a_new_manifest_is_whole_before_it_has_its_name() {
    let (memory, mut file, mut states) = written(&new_index(), &[]);
    file.commit(&mut states[0], &vec![Change::Open { epoch: 1 }].into()).unwrap();
    let operations = memory.operations();
    let expected = [
        "create MANIFEST.tmp",
        "allocate 131072",
        "write",
        "sync",
        "rename MANIFEST.tmp MANIFEST",
        "sync directory",
        "write",
        "sync",
    ];
    assert_eq!(operations, expected);
}

/// Puts a frame with a valid CRC at the end of a manifest.
fn with_payload(payload: &[u8]) -> crate::Result<ReadManifest> {
    let (memory, file, _) = written(&new_index(), &[]);
    let mut bytes = memory.bytes(MANIFEST_NAME);
    let header = Header::decode(&bytes, "", 0).unwrap();
    let base_crc = u32::from_be_bytes(bytes[68..72].try_into().unwrap());
    let (frame, _) = encode_frame(header.file_uid, 1, base_crc, payload).unwrap();
    let end = file.bytes() as usize;
    bytes[end..end + frame.len()].copy_from_slice(&frame);
    read_bytes(&bytes)
}

#[test]
fn f1_an_unknown_critical_field_is_refused_and_never_a_tail() {
    for payload in [&[0xff, 0][..], &[0x80 | 8, 3, 0xff, 1, 7], &[0x80, 0]] {
        let read = with_payload(payload);
        assert!(matches!(read, Err(Error::Unsupported { .. })), "{read:?}");
    }
}

#[test]
fn f1_an_unknown_field_that_is_not_critical_is_skipped() {
    let read = with_payload(&[0x7f, 2, 1, 2, 0x80 | 8, 6, 0x7e, 1, 9, 0x81, 1, 70]).unwrap();
    assert_eq!((read.state.last_seq, read.edits), (70, 1));
}

#[test]
fn f1_nonsense_with_a_valid_crc_is_damage_and_never_a_tail() {
    for payload in [
        &[0x88][..],
        &[0x88, 5, 0],
        &[0x88, 6, 0x81, 1, 1, 0x81, 1, 1],
        &[0x88, 11, 0x81, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        &[0x85, 4, 0x81, 2, 1, 0],
        &[0x92, 3, 0x81, 1, 0xff],
        &[0x8c, 3, 0x81, 1, 9],
    ] {
        let read = with_payload(payload);
        assert!(is_corruption(&read), "{payload:?} {read:?}");
    }
}

#[test]
fn f1_unknown_features_and_versions_are_refused() {
    let feature = [0x84, 3, 0x81, 1, 0x80];
    assert!(matches!(with_payload(&feature), Err(Error::Unsupported { .. })));
    let bytes = written(&new_index(), &[]).0.bytes(MANIFEST_NAME);
    for (at, what) in [(9, "version 2"), (19, "features 0x00000002")] {
        let mut later = bytes.clone();
        later[at] = 2;
        let crc = crc32fast::hash(&later[..60]).to_be_bytes();
        later[60..64].copy_from_slice(&crc);
        let error = read_bytes(&later).unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
        assert!(error.to_string().contains(what), "{error}");
    }
}

#[test]
fn f8_edits_are_numbered_and_chained() {
    let (bytes, places, _) = three_edits();
    let header = Header::decode(&bytes, "", 0).unwrap();
    let crc_at = |at: usize| u32::from_be_bytes(bytes[at + 4..at + 8].try_into().unwrap());
    let (first, second) = (crc_at(places[0]), crc_at(places[1]));
    assert_eq!(crc_at(64), u32::from_be_bytes(bytes[places[0] + 16..places[0] + 20].try_into().unwrap()));
    for (number, previous) in [(3, first), (1, first), (2, second), (2, first ^ 1)] {
        let (frame, _) = encode_frame(header.file_uid, number, previous, &[0x88, 3, 0x81, 1, 77]).unwrap();
        let mut forged = bytes[..places[1]].to_vec();
        forged.extend_from_slice(&frame);
        forged.resize(bytes.len(), 0);
        assert!(is_corruption(&read_bytes(&forged)), "{number} {previous:08x}");
    }
}

#[test]
fn d6_a_head_out_of_the_chain_is_damage_even_with_a_bad_payload() {
    let (bytes, places, _) = three_edits();
    let header = Header::decode(&bytes, "", 0).unwrap();
    let previous = &bytes[places[2] + 16..places[2] + 20];
    let previous = u32::from_be_bytes(previous.try_into().unwrap());
    for (number, previous, damage) in
        [(3, previous, false), (4, previous, true), (2, previous, true), (3, previous ^ 1, true)]
    {
        let (frame, _) = encode_frame(header.file_uid, number, previous, b"payload").unwrap();
        let mut forged = bytes[..places[2]].to_vec();
        forged.extend_from_slice(&frame[..frame.len() - 1]);
        forged.resize(bytes.len(), 0);
        assert_eq!(is_corruption(&read_bytes(&forged)), damage, "{number}");
    }
}

#[test]
fn f8_an_edit_of_another_file_does_not_validate() {
    let (bytes, places, states) = three_edits();
    let header = Header::decode(&bytes, "", 0).unwrap();
    let previous = u32::from_be_bytes(bytes[places[2] + 16..places[2] + 20].try_into().unwrap());
    let (frame, _) = encode_frame(header.file_uid ^ 1, 3, previous, &[]).unwrap();
    let mut foreign = bytes[..places[2]].to_vec();
    foreign.extend_from_slice(&frame);
    foreign.resize(bytes.len(), 0);
    let read = read_bytes(&foreign).unwrap();
    assert_eq!(read.state, states[2]);
    assert!(matches!(read.tail, Tail::Torn { bytes: 24, .. }), "{:?}", read.tail);
}

#[test]
fn d7_pending_deletions_outlive_rewrites_until_they_are_done() {
    let pending = Change::AddPendingDeletion { name: "7.run".into() };
    let edits = [vec![add_run(1, run(7, 0))], vec![remove_run(1, 7, ""), pending]];
    let (memory, mut file, states) = written(&new_index(), &edits);
    let mut state = states[2].clone();
    file.rewrite(&memory, &environment(), &state).unwrap();
    assert!(read_manifest(&memory).unwrap().state.pending_deletions.contains("7.run"));
    let done = Change::DonePendingDeletion { name: "7.run".into() };
    file.commit(&mut state, &vec![done].into()).unwrap();
    assert!(read_manifest(&memory).unwrap().state.pending_deletions.is_empty());
}

#[test]
fn l8_a_clean_close_is_read_back_also_after_a_rewrite() {
    let edits = [vec![Change::AddLog { number: 1, uid: 5 }], vec![close(1)]];
    let (memory, mut file, states) = written(&new_index(), &edits);
    assert_eq!(read_manifest(&memory).unwrap().state.closed, states[2].closed);
    file.rewrite(&memory, &environment(), &states[2]).unwrap();
    assert_eq!(read_manifest(&memory).unwrap().state, states[2]);
    assert!(states[2].closed.is_some());
}

#[test]
fn a_directory_without_a_manifest_says_what_it_holds() {
    let message = |memory: &Memory| {
        let error = read_manifest(memory).unwrap_err();
        assert!(matches!(error, Error::NotAnIndex { .. }), "{error}");
        error.to_string()
    };
    assert!(message(&Memory::default()).contains("empty"));
    assert!(message(&Memory::with_file("photo.jpg", b"")).contains("photo.jpg"));
    let unfinished = Memory::with_file(MANIFEST_TEMPORARY_NAME, b"");
    assert!(message(&unfinished).contains("not finished"));
}
