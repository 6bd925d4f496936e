//! Bytes and amplification, against what the directory itself has seen.

use std::sync::Arc;

use hestiastore::Result;
use hestiastore::directory::{Operation, OperationKind, SimulatedDirectory};

use crate::{Index, spread};

#[test]
fn bytes_agree_with_the_directory() -> Result<()> {
    let directory = SimulatedDirectory::new();
    directory.record_operations(true);
    let index = Index::builder_in(Arc::new(directory.clone()))
        .write_buffer(|w| w.budget_bytes(256 << 10))
        .segment(|s| s.target_bytes(64 << 10))
        .chunk(|c| c.filters(["magic-number", "crc32"].into()))
        .log(|l| l.first_file_bytes(64 << 10).max_file_bytes(64 << 10))
        .create()?;
    for round in 0..3u64 {
        for n in 0..2_000u64 {
            index.put(spread(n), spread(n ^ round).to_be_bytes().repeat(8))?;
        }
        index.flush_and_wait()?;
    }
    (0..2_000).for_each(|n| assert!(index.get(spread(n)).unwrap().is_some()));
    index.wait_until_idle()?;
    index.close()?;

    // Nothing goes on any more, and the figures stay.
    let metrics = index.metrics_snapshot();
    let seen = directory.take_operations();
    let bytes = |kind: OperationKind, prefix: &str| {
        let meant = |operation: &&Operation| operation.kind == kind && operation.name.starts_with(prefix);
        seen.iter().filter(meant).map(|operation| operation.length).sum::<u64>()
    };
    let io = &metrics.io;
    assert_eq!(io.run_written_bytes, bytes(OperationKind::Write, "run-"));
    assert_eq!(io.log_written_bytes, bytes(OperationKind::Write, "log-"));
    assert_eq!(io.written_bytes, bytes(OperationKind::Write, ""));
    let amplification = &metrics.amplification;
    let given = (3 * 2_000 * (8 + 64)) as f64;
    let close_to = |found: Option<f64>, expected: f64| (found.unwrap() - expected).abs() < 1e-9;
    assert!(close_to(amplification.write, bytes(OperationKind::Write, "") as f64 / given), "{metrics}");
    // Whatever is left of older versions, there is no less than the data.
    assert!(amplification.space.unwrap() >= 1.0, "{metrics}");
    let live = index.segment_metrics().iter().map(|segment| segment.stored_bytes).sum::<u64>();
    assert!(metrics.segments.file_bytes >= live);
    Ok(())
}

#[test]
fn a_get_of_compacted_data_reads_one_chunk() -> Result<()> {
    let index = Index::in_memory().cache(|c| c.chunk_bytes(0)).create()?;
    assert_eq!(index.metrics_snapshot().amplification.read, None);
    (0..1_000).for_each(|n| index.put(n, vec![1; 100]).unwrap());
    index.compact_and_wait()?;
    (0..1_000).step_by(7).for_each(|n| assert!(index.get(n).unwrap().is_some()));
    let metrics = index.metrics_snapshot();
    assert_eq!(metrics.operations.gets_from_disk, metrics.operations.gets);
    assert_eq!(metrics.amplification.read, Some(1.0));
    assert_eq!(metrics.amplification.space, Some(1.0));
    Ok(())
}
