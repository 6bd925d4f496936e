//! How safe a write is when it returns: by default for the index, and stronger for a batch.

use hestiastore::config::Durability;
use hestiastore::{SegmentIndex, WriteBatch};

fn main() -> hestiastore::Result<()> {
    let folder = std::env::temp_dir().join(format!("hestia-durability-{}", std::process::id()));
    let orders = SegmentIndex::<u64, String>::builder(&folder)
        .log(|log| log.durability(Durability::Buffered))
        .open_or_create()?;

    // Survives the death of the process now, and a power cut within 100 ms.
    orders.put(1, "tea")?;

    // Survives a power cut when `write` returns, and everything before it does too.
    let mut batch = WriteBatch::new();
    batch.put(2, "coffee")?.put(3, "cocoa")?.durability(Durability::Sync);
    orders.write(batch)?;

    // The same for everything written so far.
    orders.put(4, "milk")?;
    orders.sync()?;
    let log = orders.metrics_snapshot().log;
    assert_eq!(log.synced_seq, log.last_seq);
    println!("{} writes are on disk after {} syncs", log.synced_seq, log.syncs);
    orders.close()?;
    let _ = std::fs::remove_dir_all(folder);
    Ok(())
}
