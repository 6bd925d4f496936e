//! Large values and batches. The largest ones only with `HESTIA_LARGE_TESTS=1`: they take gigabytes.

use hestiastore::{Error, MAX_VALUE_BYTES, SegmentIndex, WriteBatch};

type Index = SegmentIndex<u64, Vec<u8>>;

const MIB: usize = 1 << 20;

fn large_tests() -> bool {
    std::env::var("HESTIA_LARGE_TESTS").is_ok_and(|set| set == "1")
}

/// Bytes that neither compress nor repeat.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2) + 1;
    let mut bytes = vec![0; length];
    for word in bytes.chunks_mut(8) {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mixed = state ^ state >> 29;
        word.copy_from_slice(&mixed.to_le_bytes_of(word.len()));
    }
    bytes
}

trait LeadingBytes {
    fn to_le_bytes_of(self, length: usize) -> Vec<u8>;
}

impl LeadingBytes for u64 {
    fn to_le_bytes_of(self, length: usize) -> Vec<u8> {
        self.to_be_bytes()[..length].to_vec()
    }
}

/// A value of `length` bytes among small ones: log, buffer, flush, merge, reopening, scan.
fn a_value_of(length: usize) {
    let place = tempfile::tempdir().unwrap();
    let index = Index::builder(place.path()).create().unwrap();
    let value = noise(length, 7);
    index.put(1, b"before").unwrap();
    index.put(5, &value).unwrap();
    index.put(9, b"behind").unwrap();
    assert!(index.get_ref(5).unwrap().unwrap()[..] == value);
    index.close().unwrap();

    let index = Index::builder(place.path()).open().unwrap();
    assert!(index.get_ref(5).unwrap().unwrap()[..] == value);
    index.put(6, b"beside").unwrap();
    index.flush_and_wait().unwrap();
    assert!(index.get_ref(5).unwrap().unwrap()[..] == value);
    index.put(5, &value[..length / 2]).unwrap();
    index.put(7, &value).unwrap();
    index.compact_and_wait().unwrap();
    let mut cursor = index.cursor().unwrap();
    assert!(cursor.seek_to_first().unwrap());
    let mut lengths = vec![];
    loop {
        lengths.push((cursor.key().unwrap(), cursor.value_bytes().unwrap().len()));
        if !cursor.next().unwrap() {
            break;
        }
    }
    assert_eq!(lengths, [(1, 6), (5, length / 2), (6, 6), (7, length), (9, 6)]);
    assert!(index.check().unwrap().is_clean());
    index.close().unwrap();

    let index = Index::builder(place.path()).open_read_only().unwrap();
    assert!(index.get_ref(5).unwrap().unwrap()[..] == value[..length / 2]);
    assert!(index.get_ref(7).unwrap().unwrap()[..] == value);
}

#[test]
fn a_value_larger_than_all_buffers() {
    a_value_of(64 * MIB);
}

#[test]
fn values_around_the_size_that_is_stored_apart() {
    let index = Index::in_memory().create().unwrap();
    let lengths = (65_530..65_545).chain([64 * 1024 * 3, 131_071, 131_072, 131_073]);
    for length in lengths.clone() {
        index.put(length, noise(length as usize, length)).unwrap();
    }
    index.compact_and_wait().unwrap();
    for length in lengths {
        assert!(index.get(length).unwrap().unwrap() == noise(length as usize, length));
    }
}

#[test]
fn a_value_of_the_limit_is_fine_and_one_more_byte_is_refused() {
    if !large_tests() {
        return;
    }
    assert_eq!(MAX_VALUE_BYTES, 1 << 30);
    a_value_of(MAX_VALUE_BYTES);
    let index = Index::in_memory().create().unwrap();
    match index.put(1, vec![0; MAX_VALUE_BYTES + 1]) {
        Err(Error::ValueTooLong { length, limit }) => assert_eq!((length, limit), ((1 << 30) + 1, 1 << 30)),
        other => panic!("{other:?}"),
    }
    assert!(index.is_empty().unwrap());
}

#[test]
fn a_batch_over_the_limit_is_refused_and_stays_as_it_was() {
    if !large_tests() {
        return;
    }
    let half = vec![1; MAX_VALUE_BYTES];
    let mut batch = WriteBatch::<u64, Vec<u8>>::new();
    batch.put(1, &half).unwrap();
    match batch.put(2, &half) {
        Err(Error::BatchTooLarge { bytes, limit }) => assert!(bytes > limit),
        other => panic!("{:?}", other.map(|batch| batch.len())),
    }
    batch.put(3, b"small").unwrap();
    assert_eq!(batch.len(), 2);
    drop(half);
    let place = tempfile::tempdir().unwrap();
    let index = Index::builder(place.path()).create().unwrap();
    index.write(batch).unwrap();
    assert_eq!((index.len().unwrap(), index.get(2).unwrap()), (2, None));
}

#[test]
fn writers_beside_a_value_larger_than_all_buffers_go_on() {
    let index = Index::in_memory().write_buffer(|w| w.budget_bytes(64 << 10)).create().unwrap();
    std::thread::scope(|scope| {
        for owner in 0..3u64 {
            let index = &index;
            scope.spawn(move || {
                for n in 0..60 {
                    let length = if n % 7 == owner { 300_000 } else { 40_000 * (n as usize % 2) };
                    index.put(n * 3 + owner, noise(length, n)).unwrap();
                }
            });
        }
    });
    assert_eq!(index.len().unwrap(), 180);
}
