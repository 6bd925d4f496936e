//! Inserts side by side into one buffer, and readers who take no lock (PROTOCOL C5).

use shuttle::thread;

use super::Note;
use crate::run::EntryKind;
use crate::segment::write_buffer::WriteBuffer;
use crate::sync::explore;

/// All keys meet in one table, at one place.
const HASH: u64 = 5;
/// More than a new table has room for.
const OTHER_KEYS: u8 = 14;

#[test]
fn c5_a_buffer_shows_every_version_that_is_inserted() {
    explore("c5_a_buffer_shows_every_version_that_is_inserted", || {
        let buffer = WriteBuffer::new(4);
        let inserted = Note::default();
        let insert = |seq: u64| {
            let _ = buffer.insert(b"key", HASH, seq, EntryKind::Put, &[seq as u8; 4]);
            inserted.add(1 << seq);
        };
        thread::scope(|scope| {
            scope.spawn(|| [1, 4].into_iter().for_each(insert));
            scope.spawn(|| [3, 2].into_iter().for_each(insert));
            scope.spawn(|| {
                for n in 0..OTHER_KEYS {
                    let _ = buffer.insert(&[n], HASH, 100 + u64::from(n), EntryKind::Put, b"");
                }
            });
            scope.spawn(|| {
                for at in [2, 4, 3] {
                    let certain = inserted.get() & ((2 << at) - 1);
                    let found = buffer.get(b"key", HASH, at);
                    let seq = found.map_or(0, |version| u64::from(version.value[0]));
                    assert!(seq <= at && certain >> seq <= 1, "at {at}: {seq} of {certain:b}");
                }
            });
        });
        assert_eq!(buffer.key_count(), 1 + usize::from(OTHER_KEYS));
        let newest = buffer.get(b"key", HASH, 4).map(|version| version.value.to_vec());
        assert_eq!((newest, buffer.least_seq()), (Some(vec![4; 4]), 1));
    });
}
