//! The first ten minutes of a user.

use hestiastore::{Error, SegmentIndex, WriteBatch};

#[test]
fn what_is_put_is_there_after_reopening() -> hestiastore::Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let index = SegmentIndex::<u64, String>::builder(folder.path().join("a")).create()?;
    for n in 0..1_000u64 {
        index.put(n, format!("value {n}"))?;
    }
    index.delete(500u64)?;
    assert_eq!(index.get(499u64)?.as_deref(), Some("value 499"));
    assert_eq!(index.get(500u64)?, None);
    index.close()?;

    let index = SegmentIndex::<u64, String>::builder(folder.path().join("a")).open()?;
    assert_eq!(index.len()?, 999);
    assert_eq!(index.first()?, Some((0, "value 0".to_owned())));
    assert_eq!(index.last()?, Some((999, "value 999".to_owned())));
    index.flush_and_wait()?;
    assert_eq!(index.len()?, 999);
    assert_eq!(index.get(500u64)?, None);
    index.compact_and_wait()?;
    assert_eq!(index.len()?, 999);
    let report = index.check()?;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.entries, 999);
    drop(index);

    let index = SegmentIndex::<u64, String>::builder(folder.path().join("a")).open()?;
    assert_eq!(index.get(7u64)?.as_deref(), Some("value 7"));
    let keys: Vec<u64> =
        index.range(990u64..)?.rev().map(|entry| entry.map(|(key, _)| key)).collect::<Result<_, _>>()?;
    assert_eq!(keys, (990..1000).rev().collect::<Vec<_>>());
    Ok(())
}

#[test]
fn many_segments_come_of_small_targets() -> hestiastore::Result<()> {
    let index = SegmentIndex::<u64, u64>::in_memory()
        .write_buffer(|w| w.budget_bytes(4 << 20))
        .segment(|s| s.target_bytes(200_000))
        .create()?;
    let keys = (0..200_000u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    for key in keys.clone() {
        index.put(key, !key)?;
    }
    index.flush_and_wait()?;
    index.wait_until_idle()?;
    let metrics = index.metrics_snapshot();
    println!("{metrics}");
    assert!(metrics.segments.count > 3, "{metrics}");
    for key in keys.clone().step_by(97) {
        assert_eq!(index.get(key)?, Some(!key));
    }
    let mut sorted: Vec<u64> = keys.collect();
    sorted.sort_unstable();
    let found: Vec<u64> = index.iter()?.map(|entry| entry.map(|(key, _)| key)).collect::<Result<_, _>>()?;
    assert!(found == sorted);
    let report = index.check()?;
    assert!(report.is_clean(), "{report}");
    Ok(())
}

#[test]
fn a_batch_is_visible_at_once_and_a_snapshot_stays() -> hestiastore::Result<()> {
    let index = SegmentIndex::<String, u32>::in_memory().create()?;
    index.put("a", 1)?;
    let before = index.snapshot()?;
    let mut batch = WriteBatch::new();
    batch.put("a", 2)?.put("b", 3)?.delete("a")?;
    index.write(batch)?;
    assert_eq!((index.get("a")?, index.get("b")?), (None, Some(3)));
    assert_eq!((before.get("a")?, before.get("b")?), (Some(1), None));
    index.close()?;
    assert!(matches!(before.get("a"), Err(Error::Closed)));
    Ok(())
}

#[test]
fn opening_what_is_no_index_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("letter.txt"), "dear all").unwrap();
    let builder = || SegmentIndex::<u64, String>::builder(folder.path());
    assert!(matches!(builder().open(), Err(Error::NotAnIndex { .. })));
    assert!(matches!(builder().open_read_only(), Err(Error::NotAnIndex { .. })));
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["letter.txt"]);
}

#[test]
fn c2_a_writer_that_waits_for_room_always_gets_it() -> hestiastore::Result<()> {
    // Buffers fill while they are flushed, so that flushes end with more to do than they began with.
    for _ in 0..5 {
        let folder = tempfile::tempdir().unwrap();
        let index = SegmentIndex::<u64, [u8; 64]>::builder(folder.path())
            .write_buffer(|w| w.budget_bytes(1 << 20))
            .create()?;
        for n in 0..60_000u64 {
            index.put(n.wrapping_mul(0x9e37_79b9_7f4a_7c15), [7; 64])?;
        }
        index.close()?;
    }
    Ok(())
}
