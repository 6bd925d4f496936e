//! What is traced: one of each thing that promises something about the disk.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hestiastore::SegmentIndex;
use hestiastore::config::{Durability, LogIo};

use crate::outcome::Outcome;

type Index = SegmentIndex<u64, Vec<u8>>;

/// Where the index is to be.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    place: PathBuf,
}

/// One line to standard output in one write, which the trace shows.
fn phase(name: &str) -> Outcome {
    let mut out = std::io::stdout();
    out.write_all(format!("{}{name}\n", super::trace::PHASE).as_bytes())?;
    Ok(out.flush()?)
}

fn open(place: &Path, mode: Durability) -> Outcome<Index> {
    // Nothing by itself: what is seen belongs to what was asked for.
    let builder = Index::builder(place)
        .log(|l| {
            // A tracer of system calls does not see stores into a mapping.
            l.durability(mode)
                .io(LogIo::Written)
                .sync_interval(Duration::from_secs(3_600))
                .first_file_bytes(16 << 10)
                .max_file_bytes(16 << 10)
        })
        .maintenance(|m| m.threads(1).automatic(false));
    Ok(builder.open_or_create()?)
}

/// Waits until the log thread has made the next log ready.
fn wait_for_logs(index: &Index, count: u64) {
    while index.metrics_snapshot().log.files < count {
        std::thread::yield_now();
    }
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    phase("create")?;
    let index = open(&arguments.place, Durability::Sync)?;
    phase("-")?;
    index.put(1, &[1; 100][..])?;
    wait_for_logs(&index, 2);
    index.close()?;

    phase("open")?;
    let index = open(&arguments.place, Durability::Sync)?;
    index.get(1)?;
    phase("first write")?;
    index.put(2, &[2; 100][..])?;
    phase("commit")?;
    index.put(3, &[3; 100][..])?;
    phase("flush")?;
    index.flush_and_wait()?;
    index.wait_until_idle()?;
    phase("-")?;
    index.put(4, &[4; 12 << 10][..])?;
    phase("log rotation")?;
    index.put(5, &[5; 12 << 10][..])?;
    wait_for_logs(&index, 3);
    phase("flush that frees a log")?;
    index.flush_and_wait()?;
    index.wait_until_idle()?;
    phase("log rotation that recycles")?;
    index.put(6, &[6; 8 << 10][..])?;
    wait_for_logs(&index, 3);
    phase("-")?;
    index.put(2, &[6; 100][..])?;
    index.flush_and_wait()?;
    index.wait_until_idle()?;
    phase("merge")?;
    index.compact_and_wait()?;
    index.wait_until_idle()?;
    phase("close after a flush")?;
    index.close()?;

    phase("close without a write")?;
    let index = open(&arguments.place, Durability::Buffered)?;
    index.get(6)?;
    index.close()?;
    phase("-")?;
    let index = open(&arguments.place, Durability::Buffered)?;
    index.put(7, &[7; 100][..])?;
    wait_for_logs(&index, 2);
    // The log thread syncs, too.
    index.sync()?;
    phase("buffered commit")?;
    index.put(8, &[8; 100][..])?;
    phase("sync")?;
    index.sync()?;
    phase("close")?;
    index.close()?;
    phase("end")
}
