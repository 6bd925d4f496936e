use super::*;
use crate::run::EntryKind;
use crate::run::entries::EntryChunkBuilder;

const VALUE_BYTES: usize = 1000;

fn chunk(number: usize) -> EntryChunk {
    let mut builder = EntryChunkBuilder::default();
    builder.push(&(number as u64).to_be_bytes(), 0, 1, EntryKind::Put, &[0; VALUE_BYTES]);
    let mut payload = Vec::new();
    builder.finish(&mut payload);
    EntryChunk::parse(payload).unwrap()
}

/// As a reader does: look, and load if it is not there.
fn read(cache: &ChunkCache, slots: &Arc<RunSlots>, at: usize) {
    cache.note_request();
    let found = match slots.get(at) {
        Some(guard) => guard.as_deref().unwrap().suffix(0).len(),
        None => {
            cache.note_miss();
            cache.insert(slots, at, chunk(at)).suffix(0).len()
        }
    };
    assert!(found <= 8);
}

fn room_for(chunks: usize) -> Arc<ChunkCache> {
    ChunkCache::new(chunk(0).memory_bytes() * chunks as u64)
}

#[test]
fn m2_stays_within_its_budget() {
    let cache = room_for(100);
    let slots = cache.open(1000);
    for at in 0..1000 {
        read(&cache, &slots, at);
        assert!(cache.statistics().bytes <= cache.statistics().budget_bytes);
    }
    let statistics = cache.statistics();
    assert_eq!((statistics.requests, statistics.misses), (1000, 1000));
    assert!(statistics.evictions >= 890);
    cache.set_budget(0);
    read(&cache, &slots, 0);
    assert_eq!(cache.statistics().bytes, 0);
}

#[test]
fn m2_a_pass_over_cold_chunks_leaves_hot_ones() {
    let cache = room_for(200);
    let slots = cache.open(10_000);
    for _ in 0..4 {
        (0..100).for_each(|at| read(&cache, &slots, at));
    }
    for at in 100..10_000 {
        read(&cache, &slots, at);
        // The hot ones stay in use, once for a while.
        read(&cache, &slots, at % 100);
    }
    let before = cache.statistics().misses;
    (0..100).for_each(|at| read(&cache, &slots, at));
    let missed = cache.statistics().misses - before;
    assert!(missed <= 5, "{missed} of 100 hot chunks are gone");
}

#[test]
fn m3_pinned_chunks_are_counted_until_they_are_let_go() {
    let cache = room_for(1);
    let slots = cache.open(3);
    let pinned = cache.insert(&slots, 0, chunk(0));
    read(&cache, &slots, 1);
    read(&cache, &slots, 2);
    assert!(cache.statistics().bytes >= pinned.memory_bytes());
    drop(pinned);
    cache.close(&slots);
    assert_eq!(cache.statistics().bytes, 0);
}

#[test]
fn m2_a_closed_run_leaves_only_its_counts() {
    let cache = room_for(100);
    let slots = cache.open(10);
    (0..10).for_each(|at| read(&cache, &slots, at));
    (0..10).for_each(|at| read(&cache, &slots, at));
    cache.close(&slots);
    assert!((0..10).all(|at| slots.get(at).is_none()));
    let statistics = cache.statistics();
    assert_eq!((statistics.requests, statistics.misses, statistics.bytes), (20, 10, 0));
    assert_ne!(cache.open(1).id, slots.id);
}

#[test]
fn m3_the_slots_of_a_dead_run_go_at_once() {
    let cache = room_for(100);
    let dead = cache.open(10);
    (0..10).for_each(|at| read(&cache, &dead, at));
    let watched = Arc::downgrade(&dead);
    cache.close(&dead);
    drop(dead);
    assert!(watched.upgrade().is_none(), "the queues keep the slots of a dead run");
    // The tickets that are left behind do no harm, and cost no chunk its place.
    let alive = cache.open(200);
    (0..200).for_each(|at| read(&cache, &alive, at));
    let statistics = cache.statistics();
    assert!(statistics.bytes <= statistics.budget_bytes);
    assert!(statistics.bytes >= statistics.budget_bytes * 9 / 10, "{statistics:?}");
    cache.close(&alive);
    assert_eq!(cache.statistics().bytes, 0);
}

#[test]
fn m2_the_first_of_two_loaders_wins() {
    let cache = room_for(10);
    let slots = cache.open(1);
    let first = cache.insert(&slots, 0, chunk(0));
    let second = cache.insert(&slots, 0, chunk(0));
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(cache.statistics().bytes, first.memory_bytes());
}

#[test]
fn m2_many_threads() {
    let cache = room_for(50);
    let runs: Vec<_> = (0..4).map(|_| cache.open(200)).collect();
    std::thread::scope(|scope| {
        for thread in 0..4usize {
            let (cache, runs) = (&cache, &runs);
            scope.spawn(move || {
                let mut x = thread as u64 + 1;
                for _ in 0..20_000 {
                    x ^= x << 13;
                    x ^= x >> 7;
                    x ^= x << 17;
                    read(cache, &runs[(x % 4) as usize], (x / 4 % 200) as usize);
                }
            });
        }
    });
    runs.iter().for_each(|slots| cache.close(slots));
    let statistics = cache.statistics();
    assert_eq!(statistics.requests, 80_000);
    assert_eq!(statistics.bytes, 0);
}
