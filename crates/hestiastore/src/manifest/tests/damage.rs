//! Damage: every byte, every length, and bytes that nobody wrote.

use proptest::prelude::*;

use super::super::decode::decode_edit;
use super::super::encode::encode_edit;
use super::super::frame::{Header, RESERVE_STEP_BYTES, encode_frame};
use super::history::{any_change, history};
use super::*;
use crate::Error;

fn read_bytes(bytes: &[u8]) -> crate::Result<ReadManifest> {
    read_manifest(&Memory::with_file(MANIFEST_NAME, bytes))
}

/// A manifest with some history, where each edit ends, and the states.
fn sample(seed: u64) -> (Vec<u8>, Vec<usize>, Vec<ManifestState>) {
    let edits = history(seed, 10);
    let memory = Memory::default();
    let mut file = ManifestFile::create(&memory, &environment(), &new_index()).unwrap();
    let mut states = vec![new_index()];
    let mut ends = vec![file.bytes() as usize];
    for changes in edits {
        let mut next = states.last().unwrap().clone();
        file.commit(&mut next, &changes.into()).unwrap();
        states.push(next);
        ends.push(file.bytes() as usize);
    }
    (memory.bytes(MANIFEST_NAME), ends, states)
}

/// A damaged manifest gives all edits, or an error, or lacks the last one with a word that the logs
/// can contradict.
fn assert_exact_or_told(read: crate::Result<ReadManifest>, states: &[ManifestState], what: &str) {
    let last = states.last().unwrap();
    let Ok(read) = read else { return };
    if read.state == *last {
        return;
    }
    assert_eq!(read.state, states[states.len() - 2], "{what}");
    assert!(matches!(read.tail, Tail::Torn { .. }), "{what}");
    assert!(confirm_torn_tail(&read, Some(last.edit_number), &[]).is_err());
}

#[test]
fn d6_every_flipped_byte_gives_the_exact_state_or_is_told() {
    for seed in 0..3 {
        let (bytes, ends, states) = sample(seed);
        let mut damaged = bytes.clone();
        for at in 0..ends[ends.len() - 1] + 64 {
            for flip in [1 << (at % 8), 0xff, bytes[at]] {
                damaged[at] ^= flip;
                assert_exact_or_told(read_bytes(&damaged), &states, &format!("byte {at}"));
                damaged[at] = bytes[at];
            }
        }
    }
}

#[test]
fn d6_at_every_cut_the_state_is_that_of_a_prefix() {
    let (bytes, ends, states) = sample(5);
    for cut in 0..ends[ends.len() - 1] + 64 {
        let mut lost = bytes.clone();
        lost[cut..].fill(0);
        match read_bytes(&lost) {
            Ok(read) => {
                let whole = ends.iter().filter(|end| **end <= cut).count();
                let most = whole.max(1).min(states.len()) - 1;
                let place = states.iter().position(|state| *state == read.state).unwrap();
                // An edit may end in zeros.
                assert!(place == most || (place == most + 1), "cut {cut}");
            }
            Err(Error::Corruption { .. }) => assert!(cut < ends[0], "cut {cut}"),
            Err(error) => panic!("cut {cut}: {error}"),
        }
    }
}

#[test]
fn a_file_that_is_cut_short_is_damaged_or_a_prefix() {
    let large = vec![Change::SetConfig(vec![b'x'; 3 * RESERVE_STEP_BYTES as usize])];
    let edits = [vec![Change::LastSeq(1)], large, vec![Change::LastSeq(3)]];
    let (memory, file, states) = written(&new_index(), &edits);
    let bytes = memory.bytes(MANIFEST_NAME);
    let least = 2 * RESERVE_STEP_BYTES as usize;
    for cut in (0..bytes.len()).step_by(997).chain([least - 1, least, file.bytes() as usize - 1]) {
        match read_bytes(&bytes[..cut]) {
            Ok(read) => {
                assert!(cut >= least && states.contains(&read.state));
                let torn = matches!(read.tail, Tail::Torn { .. });
                assert!(torn || read.state == states[3]);
            }
            Err(Error::Corruption { .. }) => assert!(cut < least, "cut {cut}"),
            Err(error) => panic!("cut {cut}: {error}"),
        }
    }
}

#[test]
fn either_base_copy_may_be_damaged_but_not_both() {
    let (bytes, ends, states) = sample(1);
    let first = 64..4096;
    let second = 4096..ends[0];
    for (lost, offset) in [(first.clone(), 64), (second.clone(), 4096)] {
        let mut damaged = bytes.clone();
        damaged[lost].fill(0xa5);
        let read = read_bytes(&damaged).unwrap();
        assert_eq!(&read.state, states.last().unwrap());
        assert_eq!(read.damaged_copy.unwrap().offset, offset);
    }
    let mut damaged = bytes;
    damaged[first].fill(0xa5);
    damaged[second].fill(0xa5);
    let error = read_bytes(&damaged).unwrap_err().to_string();
    assert!(error.contains("both base states are damaged"), "{error}");
}

#[test]
fn errors_name_file_offset_expected_and_found() {
    let (mut bytes, _, _) = sample(1);
    bytes[3] = b'?';
    let error = read_bytes(&bytes).unwrap_err().to_string();
    assert!(error.starts_with("MANIFEST is damaged at offset 0: expected the magic"), "{error}");
    let error = read_bytes(b"short").unwrap_err().to_string();
    assert!(error.contains("expected a header of 64 bytes, found 5"), "{error}");
    let error = read_bytes(b"").unwrap_err();
    assert!(matches!(error, Error::Corruption { .. }), "{error}");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(read_bytes(&bytes).is_err());
        let _ = decode_edit(&bytes);
    }

    #[test]
    fn arbitrary_bytes_behind_a_header_never_panic(
        seed in 0u64..50,
        at in 64usize..6000,
        junk in prop::collection::vec(any::<u8>(), 1..300),
    ) {
        let (mut bytes, _, states) = sample(seed);
        bytes[at..at + junk.len()].copy_from_slice(&junk);
        if let Ok(read) = read_bytes(&bytes) {
            prop_assert!(states.contains(&read.state));
        }
    }

    #[test]
    fn forged_edits_with_a_valid_crc_give_a_valid_state_or_an_error(
        mut changes in prop::collection::vec(any_change(), 1..6),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        base: bool,
    ) {
        let (memory, file, states) = written(&new_index(), &[]);
        let mut bytes = memory.bytes(MANIFEST_NAME);
        if base {
            changes.splice(0..0, states[0].to_base_edit().changes);
        }
        let mut payload = encode_edit(&changes.into());
        for (place, byte) in flips {
            let length = payload.len();
            payload[place.index(length)] = byte;
        }
        let header = Header::decode(&bytes, "", 0).unwrap();
        let base_crc = u32::from_be_bytes(bytes[68..72].try_into().unwrap());
        let (frame, _) = encode_frame(header.file_uid, 1, base_crc, &payload).unwrap();
        let end = file.bytes() as usize;
        bytes[end..end + frame.len()].copy_from_slice(&frame);
        match read_bytes(&bytes) {
            Ok(read) => assert_valid(&read.state),
            Err(Error::Corruption { .. } | Error::Unsupported { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}
