//! Opening as other types, and directories that hold no index, or one that cannot be used.

use std::sync::Arc;

use hestiastore::config::Durability;
use hestiastore::directory::{Directory, SimulatedDirectory};
use hestiastore::{Error, SegmentIndex};

use crate::support::{Index, ReadOnlyMedia, copy, entries, file_with, model, small};

fn filled() -> SimulatedDirectory {
    let directory = SimulatedDirectory::new();
    let index = small(&directory).create().unwrap();
    for (key, value) in model(50) {
        index.put(key, value).unwrap();
    }
    index.flush_and_wait().unwrap();
    index.put(b"in the log", b"yes").unwrap();
    index.close().unwrap();
    directory
}

#[test]
fn opening_as_other_types_names_both() {
    let directory = filled();
    let as_other = |outcome: Result<(), Error>| match outcome {
        Err(Error::TypeMismatch { role, stored, requested }) => (role, stored, requested),
        other => panic!("{other:?}"),
    };
    let arc = || Arc::new(directory.clone()) as Arc<dyn Directory>;
    let keys = SegmentIndex::<u64, Vec<u8>>::builder_in(arc()).open().map(drop);
    assert_eq!(as_other(keys), ("key", "bytes".to_owned(), "u64".to_owned()));
    let values = SegmentIndex::<Vec<u8>, (String, Option<i32>)>::builder_in(arc()).open_or_create().map(drop);
    let (role, stored, requested) = as_other(values);
    assert_eq!((role, stored.as_str()), ("value", "bytes"));
    assert!(requested.contains("string") && requested.contains("i32"), "{requested}");
    let error = SegmentIndex::<u64, Vec<u8>>::builder_in(arc()).open_read_only().unwrap_err();
    assert!(error.to_string().contains("bytes") && error.to_string().contains("u64"), "{error}");
    assert_eq!(entries(&small(&directory).open().unwrap()).unwrap().len(), 51);
}

#[test]
fn a_missing_or_empty_or_foreign_directory_is_no_index() {
    let place = tempfile::tempdir().unwrap();
    let missing = place.path().join("missing");
    let foreign = place.path().join("foreign");
    let empty = place.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("letter.txt"), "dear all").unwrap();
    for path in [&missing, &foreign, &empty] {
        for read_only in [false, true] {
            let builder = Index::builder(path);
            let outcome = if read_only { builder.open_read_only() } else { builder.open() };
            match outcome {
                Err(error @ Error::NotAnIndex { .. }) => {
                    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
                }
                other => panic!("{path:?}: {other:?}"),
            }
        }
    }
    assert!(!missing.exists());
    assert_eq!(std::fs::read_dir(&empty).unwrap().filter(is_ours).count(), 0);
    // Nothing of a stranger's is in the way of an index, and it stays.
    Index::builder(&foreign).create().unwrap().close().unwrap();
    assert_eq!(std::fs::read_to_string(foreign.join("letter.txt")).unwrap(), "dear all");
}

fn is_ours(entry: &std::io::Result<std::fs::DirEntry>) -> bool {
    entry.as_ref().unwrap().file_name() != ".lock"
}

#[test]
fn a_file_in_place_of_the_directory_is_an_error() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("file");
    std::fs::write(&path, "I am a file").unwrap();
    assert!(Index::builder(&path).open().is_err());
    assert!(Index::builder(&path).create().is_err());
    assert!(Index::builder(&path).open_or_create().is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "I am a file");
}

#[test]
fn a_manifest_that_is_not_ours_is_an_error_and_stays() {
    for content in [&b""[..], b"x", b"MANIFEST-000001\n", &[0; 100_000], &[0xff; 4096]] {
        let directory = SimulatedDirectory::new();
        directory.write_all("MANIFEST", content).unwrap();
        for outcome in [small(&directory).open(), small(&directory).open_or_create()] {
            match outcome {
                Err(Error::Corruption { file, .. } | Error::Unsupported { file, .. }) => {
                    assert_eq!(file, "MANIFEST");
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(matches!(small(&directory).create(), Err(Error::AlreadyExists { .. })));
        assert_eq!(directory.read_all("MANIFEST").unwrap(), content);
    }
}

#[test]
fn read_only_media_can_be_read_and_say_why_not_more() {
    let directory = filled();
    let media = || -> Arc<dyn Directory> { Arc::new(ReadOnlyMedia(directory.clone())) };
    match Index::builder_in(media()).open() {
        Err(Error::Io { operation, file, .. }) => {
            assert_eq!((operation, &*file), ("lock", "/media/read-only"))
        }
        other => panic!("{other:?}"),
    }
    let index = Index::builder_in(media()).open_read_only().unwrap();
    assert_eq!(entries(&index).unwrap().len(), 51);
    assert!(index.check().unwrap().is_clean());
    assert!(matches!(index.put(b"a", b"b"), Err(Error::ReadOnly)));
    index.close().unwrap();
}

#[test]
fn a_directory_that_refuses_all_writes_refuses_a_new_index() {
    let media = Arc::new(ReadOnlyMedia(SimulatedDirectory::new()));
    assert!(matches!(Index::builder_in(media.clone()).create(), Err(Error::Io { .. })));
    assert!(matches!(Index::builder_in(media.clone()).open_or_create(), Err(Error::Io { .. })));
    assert!(matches!(Index::builder_in(media).open_read_only(), Err(Error::NotAnIndex { .. })));
}

/// Sets an unknown incompatible feature in a file's header, with a fitting CRC (docs/format).
fn with_unknown_feature(bytes: &mut [u8]) {
    bytes[16] |= 0x40;
    let crc = crc32(&bytes[..60]);
    bytes[60..64].copy_from_slice(&crc.to_be_bytes());
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

#[test]
fn f1_unknown_incompatible_features_are_refused_in_every_kind_of_file() {
    let original = filled();
    let names = original.list().unwrap();
    for kind in ["MANIFEST", "log-", "run-"] {
        let directory = copy(&original);
        let name = file_with(&names, kind);
        let mut bytes = directory.read_all(name).unwrap();
        with_unknown_feature(&mut bytes);
        directory.write_all(name, &bytes).unwrap();
        let outcome = small(&directory).open().and_then(|index| entries(&index).map(drop));
        match outcome {
            Err(Error::Unsupported { file, detail }) => {
                assert_eq!(file, name);
                assert!(detail.contains("0x40000000"), "{detail}");
            }
            other => panic!("{kind}: {other:?}"),
        }
    }
}

#[test]
fn bad_settings_are_told_all_at_once_and_touch_nothing() {
    let directory = SimulatedDirectory::new();
    let outcome = Index::builder_in(Arc::new(directory.clone()))
        .io(|io| io.block_bytes(5_000))
        .maintenance(|m| m.threads(0))
        .log(|l| l.durability(Durability::Off))
        .bloom(|b| b.false_positive_rate(7.0))
        .create();
    match outcome {
        Err(Error::InvalidConfig { problems }) => assert_eq!(problems.len(), 3, "{problems:?}"),
        other => panic!("{other:?}"),
    }
    assert!(directory.list().unwrap().is_empty());
}
