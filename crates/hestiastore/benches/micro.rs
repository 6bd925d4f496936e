//! What the hot paths are made of, one by one. `cargo bench -p hestiastore`; `-- chunk` for some.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use hestiastore::SegmentIndex;
use hestiastore::benching::{Bloom, Buffer, Chunk, Records, Sparse, encode_entries, hash_key, stored};
use hestiastore::config::Durability;

const VALUE: &[u8] = b"opice skace po stromech";

/// Entries of a chunk with the default settings.
const CHUNK_ENTRIES: u64 = 128;

fn mixed(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb)
}

/// 32 hexadecimal digits, as workload H's.
fn key(number: u64) -> Vec<u8> {
    format!("{:016X}{:016X}", mixed(number + 1), mixed(number + 7)).into_bytes()
}

fn keys(count: u64) -> Vec<Vec<u8>> {
    (0..count).map(key).collect()
}

fn sorted_keys(count: u64) -> Vec<Vec<u8>> {
    let mut keys = keys(count);
    keys.sort();
    keys
}

/// Goes round a list, so that no call sees the same key as the last.
struct Round<'a, T> {
    items: &'a [T],
    at: usize,
}

impl<'a, T> Round<'a, T> {
    fn of(items: &'a [T]) -> Self {
        Self { items, at: 0 }
    }

    fn next(&mut self) -> &'a T {
        self.at = (self.at + 1) % self.items.len();
        &self.items[self.at]
    }
}

fn chunk(c: &mut Criterion) {
    let entries: Vec<_> = sorted_keys(CHUNK_ENTRIES).into_iter().map(|key| (key, VALUE.to_vec())).collect();
    let payload = encode_entries(&entries);
    let (applied, compressed) = stored(&payload);
    let mut group = c.benchmark_group("chunk");
    group.throughput(Throughput::Elements(CHUNK_ENTRIES));
    group.bench_function("encode", |b| b.iter(|| encode_entries(black_box(&entries))));
    group.bench_function("compress", |b| b.iter(|| stored(black_box(&payload))));
    let decode = || Chunk::decode(applied, black_box(&compressed), payload.len() as u32);
    group.bench_function("decode", |b| b.iter(decode));
    group.throughput(Throughput::Elements(1));

    let decoded = decode().unwrap();
    let present: Vec<_> = entries.iter().map(|(key, _)| (key.clone(), hash_key(key))).collect();
    let absent: Vec<_> = (1_000..1_128).map(key).map(|key| (key.clone(), hash_key(&key))).collect();
    for (name, wanted) in [("find", &present), ("find_absent", &absent)] {
        let mut round = Round::of(wanted);
        group.bench_function(name, |b| {
            b.iter(|| {
                let (key, hash) = round.next();
                decoded.find(black_box(key), *hash).map(<[u8]>::len)
            });
        });
    }
    let mut round = Round::of(&absent);
    group.bench_function("lower_bound", |b| b.iter(|| decoded.lower_bound(black_box(&round.next().0))));
    group.finish();
}

fn sparse_index(c: &mut Criterion) {
    let first_keys = sorted_keys(8_000);
    let sparse = Sparse::over(&first_keys).unwrap();
    let wanted = keys(100_000);
    let mut round = Round::of(&wanted);
    c.bench_function("sparse_index/find_in_8000", |b| b.iter(|| sparse.find(black_box(round.next()))));
}

fn bloom(c: &mut Criterion) {
    let hashes: Vec<u64> = keys(1_000_000).iter().map(|key| hash_key(key)).collect();
    let filter = Bloom::over(&hashes).unwrap();
    let absent: Vec<u64> = hashes.iter().map(|hash| mixed(*hash)).collect();
    let mut group = c.benchmark_group("bloom");
    for (name, wanted) in [("present_of_1M", &hashes), ("absent_of_1M", &absent)] {
        let mut round = Round::of(wanted);
        group.bench_function(name, |b| b.iter(|| filter.may_contain(black_box(*round.next()))));
    }
    group.finish();
}

fn write_buffer(c: &mut Criterion) {
    const COUNT: u64 = 100_000;
    let all = keys(COUNT);
    let filled = || {
        let buffer = Buffer::with_expected(0);
        all.iter().zip(1..).for_each(|(key, seq)| buffer.insert(key, seq, VALUE));
        buffer
    };
    let mut group = c.benchmark_group("write_buffer");
    group.sample_size(20).throughput(Throughput::Elements(COUNT));
    group.bench_function("insert_100k", |b| b.iter_with_large_drop(filled));
    for threads in [1, 2] {
        let freeze = |buffer: &mut Buffer| buffer.freeze(COUNT, threads);
        group.bench_function(format!("freeze_and_sort_100k_by_{threads}"), |b| {
            b.iter_batched_ref(filled, freeze, BatchSize::PerIteration);
        });
    }
    group.throughput(Throughput::Elements(1));
    let buffer = filled();
    let mut round = Round::of(&all);
    group.bench_function("get", |b| b.iter(|| buffer.get(black_box(round.next())).map(<[u8]>::len)));
    group.finish();
}

fn log(c: &mut Criterion) {
    let all = keys(10_000);
    let mut group = c.benchmark_group("log");
    let (mut records, mut round, mut offset) = (Records::default(), Round::of(&all), 0);
    group.bench_function("build_and_seal_record", |b| {
        b.iter(|| {
            offset += 96;
            records.put(black_box(round.next()), VALUE, offset).len()
        });
    });
    group.finish();
}

/// Whole puts on a file system, with the log and without: the difference is the append.
fn put(c: &mut Criterion) {
    let all = keys(100_000);
    let mut group = c.benchmark_group("put");
    for durability in [Durability::Off, Durability::Buffered] {
        let folder = tempfile::tempdir().unwrap();
        let index = SegmentIndex::<Vec<u8>, Vec<u8>>::builder(folder.path().join("index"))
            .log(|log| log.durability(durability))
            .create()
            .unwrap();
        let mut round = Round::of(&all);
        group.bench_function(format!("{}_file_system", durability.name()), |b| {
            b.iter(|| index.put(black_box(round.next()), VALUE).unwrap());
        });
        index.close().unwrap();
    }
    group.finish();
}

/// An index in memory of so many layers, each with every so-many-th key.
fn layered(layers: u64, count: u64) -> SegmentIndex<Vec<u8>, Vec<u8>> {
    let index = SegmentIndex::in_memory()
        .maintenance(|maintenance| maintenance.automatic(false))
        .write_buffer(|buffer| buffer.delta_cache_bytes(0))
        .create()
        .unwrap();
    for layer in 0..layers {
        for number in (layer..count).step_by(layers as usize) {
            index.put(key(number), VALUE).unwrap();
        }
        index.flush_and_wait().unwrap();
    }
    index
}

fn merge_and_get(c: &mut Criterion) {
    const COUNT: u64 = 50_000;
    let all = keys(COUNT);
    let mut group = c.benchmark_group("layers");
    group.sample_size(20);
    for layers in [1, 2, 4, 8] {
        let index = layered(layers, COUNT);
        group.throughput(Throughput::Elements(COUNT));
        group.bench_function(format!("scan_{layers}"), |b| {
            b.iter(|| {
                let mut cursor = index.cursor().unwrap();
                let (mut entries, mut on_entry) = (0u64, cursor.seek_to_first().unwrap());
                while on_entry {
                    entries += cursor.value_bytes().unwrap().len() as u64;
                    on_entry = cursor.next().unwrap();
                }
                entries
            });
        });
        group.throughput(Throughput::Elements(1));
        let mut round = Round::of(&all);
        group.bench_function(format!("get_{layers}"), |b| {
            b.iter(|| index.get_with(black_box(round.next()), <[u8]>::len).unwrap());
        });
    }
    group.finish();
}

criterion_group!(micro, chunk, sparse_index, bloom, write_buffer, log, put, merge_and_get);
criterion_main!(micro);
