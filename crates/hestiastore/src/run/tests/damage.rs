//! Damaged files: the right answer or an error, never a wrong answer or a panic.

use super::support::*;
use crate::error::Error;
use crate::run::*;

fn small_run(bloom: BloomSettings, pipeline: &[&str]) -> (Vec<Version>, Written) {
    let mut versions = vec![
        version(b"alpha", 3, b"one"),
        version(b"alpha", 2, b"two"),
        Version { kind: EntryKind::Delete, ..version(b"beta", 4, b"") },
        Version { kind: EntryKind::PutExpiry, ..version(b"gamma", 5, b"12345678x") },
        version(b"omega", 6, &vec![42; 65_537]),
    ];
    versions.extend((0..20u8).map(|i| version(&[b'z', i], 1, b"same bytes, same bytes, same bytes")));
    let pipeline = FilterPipeline::from_names(pipeline).unwrap();
    let settings = RunSettings { chunk_max_keys: 4, bloom, pipeline, ..settings() };
    let written = write(&versions, &settings);
    (versions, written)
}

/// Every answer is right, or an error that names the damage. Returns whether any was an error.
fn answers_are_right_or_errors(written: &Written, versions: &[Version]) -> bool {
    let run = match written.open() {
        Ok(run) => run,
        Err(error) => return is_damage(&error),
    };
    let mut failed = false;
    for version in versions {
        for snapshot in [version.seq, version.seq - 1, u64::MAX] {
            let expected = versions.iter().find(|v| v.key == version.key && v.seq <= snapshot);
            match run.get_alone(&version.key, snapshot) {
                Err(error) => failed |= is_damage(&error),
                Ok(found) => {
                    let found = found.map(|found| (found.seq, found.kind, found.value.to_vec()));
                    assert_eq!(found, expected.map(|v| (v.seq, v.kind, v.value.clone())));
                }
            }
        }
    }
    for purpose in [CursorPurpose::Read, CursorPurpose::Merge] {
        let mut cursor = run.cursor(purpose);
        let mut moved = cursor.seek_to_first();
        for version in versions {
            match moved {
                Err(error) => {
                    failed |= is_damage(&error);
                    assert!(!cursor.valid());
                    break;
                }
                Ok(moved) => assert!(moved),
            }
            assert_eq!(
                (cursor.key(), cursor.seq(), cursor.kind()),
                (&*version.key, version.seq, version.kind)
            );
            match cursor.value() {
                Err(error) => failed |= is_damage(&error),
                Ok(value) => assert_eq!(*value, *version.value),
            }
            moved = cursor.next();
        }
    }
    failed
}

fn is_damage(error: &Error) -> bool {
    assert!(matches!(error, Error::Corruption { .. } | Error::Unsupported { .. }), "{error}");
    true
}

#[test]
fn f2_f3_f4_every_flipped_byte_is_found_or_does_no_harm() {
    for (bloom, pipeline) in
        [(BloomSettings::Rate(0.01), &["lz4"][..]), (BloomSettings::Off, &["pass-through"])]
    {
        let (versions, written) = small_run(bloom, pipeline);
        let name = written.name();
        let content = written.files.content(&name);
        // The header page's zeros, the value chunk's middle and the last block's padding are thinned out.
        let dense = |at: usize| at < 80 || (4096..4400).contains(&at) || at + 1400 > content.len();
        for at in (0..content.len()).filter(|&at| dense(at) || at % 53 == 0) {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = content.clone();
                damaged[at] ^= flip;
                written.files.set_content(&name, damaged);
                let failed = answers_are_right_or_errors(&written, &versions);
                let found = failed || written.open().is_ok_and(|run| !problems_of(&run).is_empty());
                assert!(found, "byte {at} ^ {flip:02x} of {} is not found", content.len());
            }
        }
    }
}

#[test]
fn f2_f3_every_truncation_is_found() {
    let (versions, written) = small_run(BloomSettings::Rate(0.01), &["lz4"]);
    let name = written.name();
    let content = written.files.content(&name);
    for length in (0..content.len()).filter(|length| length % 41 == 0 || length + 70 > content.len()) {
        written.files.set_content(&name, content[..length].to_vec());
        assert!(answers_are_right_or_errors(&written, &versions), "{length}");
        assert!(written.open().is_err());
    }
    let mut longer = content.clone();
    longer.push(0);
    written.files.set_content(&name, longer);
    assert!(written.open().is_err());
}

#[test]
fn f2_f3_a_block_of_another_place_or_file_is_refused() {
    let versions: Vec<_> = (0..2000u32).map(|i| version(&i.to_be_bytes(), 1, &[7; 30])).collect();
    let settings = RunSettings { pipeline: FilterPipeline::from_names(&["crc32"]).unwrap(), ..settings() };
    let written = write(&versions, &settings);
    let name = written.name();
    let content = written.files.content(&name);
    let swap = {
        let mut content = content.clone();
        content.copy_within(4096..8192, 8192);
        content
    };
    let other = {
        let files = write(&[], &settings).files;
        let directory: std::sync::Arc<dyn crate::directory::Directory> = files.clone();
        let mut writer = RunWriter::create(&directory, &settings, identity(1)).unwrap();
        for version in &versions {
            writer.add(&version.key, version.seq, version.kind, &version.value).unwrap();
        }
        writer.finish().unwrap();
        let mut content = content.clone();
        content[8192..12288].copy_from_slice(&files.content(&run_file_name(1))[8192..12288]);
        content
    };
    for content in [swap, other] {
        written.files.set_content(&name, content);
        assert!(answers_are_right_or_errors(&written, &versions));
        assert!(!problems_of(&written.open().unwrap()).is_empty());
    }
}

#[test]
fn f1_another_index_is_refused() {
    let (_, written) = small_run(BloomSettings::Off, &["lz4"]);
    let error = Run::open(&written.directory(), written.uid, 1, ChunkCache::new(0)).unwrap_err();
    assert!(matches!(error, Error::Corruption { .. }), "{error}");
}
