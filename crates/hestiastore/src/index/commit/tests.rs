use super::*;
use crate::SegmentIndex;
use crate::segment::Segment;

type Index = SegmentIndex<u64, Vec<u8>>;

/// Opened for writing, without merges and splits of its own.
fn index() -> Index {
    let index = Index::in_memory()
        .chunk(|c| c.max_keys(16).max_bytes(1 << 10).filters(["magic-number", "crc32"].into()))
        .maintenance(|m| m.automatic(false))
        .create()
        .unwrap();
    index.put(0, b"first").unwrap();
    index
}

fn commit_of(keys: impl IntoIterator<Item = u64>) -> Commit {
    let mut commit = Commit::default();
    for key in keys {
        commit.put(&key.to_be_bytes(), b"value").unwrap();
    }
    commit
}

fn only_segment(core: &Core) -> Arc<Segment> {
    Arc::clone(&core.route.load().segments()[0])
}

/// Takes a place in the log and the buffers, as a writer does that is then held up.
pub(in crate::index) fn place(core: &Core, commit: &mut Commit) -> Placed {
    commit.record.finish_body();
    core.take_room(commit.charge_bytes, &mut Stopwatch::default()).unwrap();
    let route = core.route.load_full();
    commit.route(&route);
    match core.try_place(commit, &route).unwrap() {
        Ok(placed) => placed,
        Err(_) => panic!("nothing is in the way"),
    }
}

#[test]
fn c2_a_stale_route_is_left_before_anything_is_handed_out() {
    let index = index();
    for n in 1..500 {
        index.put(n, vec![1; 100]).unwrap();
    }
    index.flush_and_wait().unwrap();
    let core = &index.core;
    let old = core.route.load_full();
    let mut commit = commit_of([1, 499]);
    commit.record.finish_body();
    core.take_room(commit.charge_bytes, &mut Stopwatch::default()).unwrap();
    commit.route(&old);
    assert!(core.split_segment(&old.segments()[0], 2).unwrap());
    let last_seq = core.section.lock().last_seq();
    match core.try_place(&mut commit, &old).unwrap() {
        Err(obstacle) => assert!(matches!(obstacle, Obstacle::Stale)),
        Ok(placed) => {
            core.carry_out(&mut commit, &placed).unwrap();
            panic!("the route is stale");
        }
    }
    assert_eq!(core.section.lock().last_seq(), last_seq);
    // Routed again it finds both children.
    let route = core.route.load_full();
    commit.route(&route);
    assert_eq!(commit.places, [0, 1]);
    let placed = core.try_place(&mut commit, &route).unwrap().map_err(drop).unwrap();
    core.carry_out(&mut commit, &placed).unwrap();
    assert_eq!(index.get(1).unwrap(), index.get(499).unwrap());
    assert_eq!(index.get(499).unwrap().as_deref(), Some(&b"value"[..]));
}

/// The route changes all the time; that a commit finds it stale a third time is a debug assertion.
#[test]
fn c2_a_commit_comes_through_however_often_the_route_changes() {
    let index = index();
    let core = &index.core;
    let change_route = || {
        let _publication = core.route_publication.lock();
        let mut section = core.section.lock();
        let now = core.route.load_full();
        let next = RouteMap::new(now.generation + 1, now.segments().to_vec());
        section.route_generation = next.generation;
        core.route.store(Arc::new(next));
    };
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for _ in 0..50 {
                core.commit(&mut commit_of(0..10_000), Durability::Buffered, Timed::Batch).unwrap();
            }
        });
        while !writer.is_finished() {
            change_route();
        }
        writer.join().unwrap();
    });
}

#[test]
fn c3_a_freeze_parts_writers_by_their_seqs() {
    let index = index();
    let core = &index.core;
    let segment = only_segment(core);
    let (mut early, mut late) = (commit_of([1]), commit_of([2]));
    let early_place = place(core, &mut early);
    core.freeze(&segment);
    let late_place = place(core, &mut late);
    let version = segment.version().clone();
    let frozen = version.unflushed().next().and_then(|layer| layer.buffer.clone()).unwrap();
    core.carry_out(&mut late, &late_place).unwrap();
    core.carry_out(&mut early, &early_place).unwrap();
    let holds = |buffer: &WriteBuffer, key: u64| {
        let key = key.to_be_bytes();
        buffer.get(&key, key_hash(core.hash_seed, &key), u64::MAX).is_some()
    };
    assert_eq!(frozen.cut(), Some(early_place.last_seq));
    assert_eq!((holds(&frozen, 1), holds(&frozen, 2)), (true, false));
    assert_eq!((holds(&version.active, 1), holds(&version.active, 2)), (false, true));
    core.publisher.wait_visible(late_place.last_seq).unwrap();
    assert_eq!(index.len().unwrap(), 3);
}

#[test]
fn c3_a_flush_waits_for_writers_before_its_cut() {
    let index = index();
    let core = &index.core;
    let segment = only_segment(core);
    let mut slow = commit_of([1]);
    let slow_place = place(core, &mut slow);
    std::thread::scope(|scope| {
        let flush = scope.spawn(|| core.flush_segment(&segment));
        while !core.publisher.has_sleepers() && !flush.is_finished() {
            std::thread::yield_now();
        }
        core.carry_out(&mut slow, &slow_place).unwrap();
        flush.join().unwrap().unwrap();
    });
    assert_eq!(index.check().unwrap().entries, 2);
    assert_eq!(index.len().unwrap(), 2);
}
