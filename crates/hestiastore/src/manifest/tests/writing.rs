//! Failures while writing, the reserve, and rewrites.

use std::io::ErrorKind;

use super::super::frame::RESERVE_STEP_BYTES;
use super::*;
use crate::Error;

fn edit(bytes: usize) -> Edit {
    vec![Change::SetConfig(vec![b'x'; bytes])].into()
}

#[test]
fn d8_a_failed_write_or_sync_is_final() {
    for operation in ["write", "sync"] {
        let (memory, mut file, mut states) = written(&new_index(), &[]);
        memory.fail_next(operation, ErrorKind::Other);
        let first = file.commit(&mut states[0], &edit(1)).unwrap_err();
        let done = memory.operations().len();
        for later in [
            file.commit(&mut states[0], &edit(1)).unwrap_err(),
            file.commit_closing(&mut states[0], &edit(1)).unwrap_err(),
            file.rewrite(&memory, &environment(), &states[0]).unwrap_err(),
        ] {
            assert!(matches!(later, Error::Failed { .. }), "{later}");
            assert_eq!(later.to_string(), first.to_string());
        }
        assert!(first.to_string().contains(&format!("cannot {operation} MANIFEST")), "{first}");
        assert_eq!(memory.operations().len(), done);
        assert!(file.is_poisoned());
    }
}

#[test]
fn d8_a_full_disk_within_the_reserve_is_not_even_noticed() {
    let (memory, mut file, mut states) = written(&new_index(), &[]);
    file.commit(&mut states[0], &edit(RESERVE_STEP_BYTES as usize / 2)).unwrap();
    memory.fail_next("allocate", ErrorKind::StorageFull);
    file.commit(&mut states[0], &edit(1000)).unwrap();
    assert_eq!(read_manifest(&memory).unwrap().state, states[0]);
}

#[test]
fn d8_a_full_disk_refuses_an_edit_without_a_trace_and_passes() {
    let (memory, mut file, mut states) = written(&new_index(), &[]);
    let large = edit(3 * RESERVE_STEP_BYTES as usize);
    for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded] {
        memory.fail_next("allocate", kind);
        let error = file.commit(&mut states[0], &large).unwrap_err();
        assert!(matches!(error, Error::WritesRefused { .. }), "{error}");
        assert_eq!(states[0], new_index());
        assert_eq!(read_manifest(&memory).unwrap().state, states[0]);
    }
    file.commit(&mut states[0], &large).unwrap();
    assert_eq!(read_manifest(&memory).unwrap().state, states[0]);
}

#[test]
fn d8_the_reserve_stays_ahead() {
    let (memory, mut file, mut states) = written(&new_index(), &[]);
    for _ in 0..100 {
        file.commit(&mut states[0], &edit(5000)).unwrap();
        let length = memory.bytes(MANIFEST_NAME).len() as u64;
        assert!(length - file.bytes() >= RESERVE_STEP_BYTES / 2);
        assert_eq!(length % RESERVE_STEP_BYTES, 0);
    }
    assert_eq!(read_manifest(&memory).unwrap().state, states[0]);
}

#[test]
fn an_edit_that_does_not_apply_is_not_written() {
    let (memory, mut file, mut states) = written(&new_index(), &[]);
    let before = memory.bytes(MANIFEST_NAME);
    let error = file.commit(&mut states[0], &vec![Change::DropSegment { id: 9 }].into());
    assert!(error.unwrap_err().to_string().contains("there is no segment 9"));
    states[0].edit_number += 1;
    assert!(file.commit(&mut states[0], &edit(1)).is_err());
    assert_eq!(memory.bytes(MANIFEST_NAME), before);
    assert!(!file.is_poisoned());
}

#[test]
fn a_state_that_would_not_be_read_back_makes_no_manifest() {
    let no_segments = ManifestState { segments: Default::default(), ..new_index() };
    let low_id = ManifestState { next_segment_id: 1, ..new_index() };
    let feature = ManifestState { incompatible_features: 1 << 31, ..new_index() };
    for state in [ManifestState::default(), no_segments, low_id, feature] {
        let memory = Memory::default();
        let created = ManifestFile::create(&memory, &environment(), &state);
        assert!(matches!(created, Err(Error::Failed { .. })));
        assert!(memory.operations().is_empty());
    }
}

#[test]
fn a_rewrite_that_fails_before_the_rename_leaves_the_old_file_going() {
    for operation in ["create", "allocate", "write", "sync"] {
        let (memory, mut file, mut states) = written(&new_index(), &[]);
        memory.fail_next(operation, ErrorKind::StorageFull);
        assert!(file.rewrite(&memory, &environment(), &states[0]).is_err());
        assert!(!file.is_poisoned());
        file.commit(&mut states[0], &edit(10)).unwrap();
        assert_eq!(read_manifest(&memory).unwrap().state, states[0]);
        file.rewrite(&memory, &environment(), &states[0]).unwrap();
    }
}

#[test]
fn d8_a_rewrite_that_fails_at_the_rename_is_final() {
    for operation in ["rename", "sync directory"] {
        let (memory, mut file, mut states) = written(&new_index(), &[]);
        memory.fail_next(operation, ErrorKind::Other);
        let error = file.rewrite(&memory, &environment(), &states[0]).unwrap_err();
        assert!(matches!(error, Error::Failed { .. }), "{error}");
        assert!(file.commit(&mut states[0], &edit(10)).is_err());
        assert_eq!(read_manifest(&memory).unwrap().state, states[0]);
    }
}

#[test]
fn a_left_over_temporary_file_is_replaced() {
    let memory = Memory::with_file(MANIFEST_TEMPORARY_NAME, b"left over");
    ManifestFile::create(&memory, &environment(), &new_index()).unwrap();
    assert_eq!(read_manifest(&memory).unwrap().state, new_index());
}

#[test]
fn a_rewrite_pays_when_the_edits_outgrow_the_base() {
    let (memory, mut file, mut states) = written(&new_index(), &[]);
    assert!(!file.should_rewrite());
    file.commit(&mut states[0], &edit(100_000)).unwrap();
    assert!(file.should_rewrite());
    file.rewrite(&memory, &environment(), &states[0]).unwrap();
    assert_eq!(file.edit_number(), 1);
    file.commit(&mut states[0], &edit(90_000)).unwrap();
    assert!(!file.should_rewrite());
}
