//! `hestia bench`.

mod phases;
mod records;
mod table;

use std::path::{Path, PathBuf};

use crate::failure::{Failure, Outcome};

const AFTER_HELP: &str = "\
Examples:
  hestia bench
  hestia bench --n 10000000 --threads 2 --dir /mnt/disk/bench

Loads generated records in random order of keys, reads, misses, scans, reopens and verifies every
one. Without --dir it works in a directory of its own in the system's place for temporary files,
which may be memory, and removes it. Exit codes: 0, 1 if something read was wrong, 2 failure.";

/// Measure this machine with generated records
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// How many records
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    n: u64,
    /// Threads that write and read at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
    /// Bytes of a value
    #[arg(long, value_name = "BYTES", default_value_t = 100, value_parser = clap::value_parser!(u32).range(..=1 << 20))]
    value_bytes: u32,
    /// A new directory to work in, which is kept
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// A setting that is not to have its default; may be given several times
    #[arg(long = "set", value_name = "GROUP.KNOB=VALUE")]
    settings: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    match &arguments.dir {
        Some(directory) => phases::run(arguments, directory),
        None => {
            let temporary = Temporary::new()?;
            phases::run(arguments, &temporary.path)
        }
    }
}

/// A directory that goes with its owner.
struct Temporary {
    path: PathBuf,
}

impl Temporary {
    fn new() -> Result<Self, Failure> {
        let parent = std::env::temp_dir();
        let path = parent.join(format!("hestia-bench-{}", std::process::id()));
        make(&path)?;
        Ok(Self { path })
    }
}

/// Makes a directory that must not exist, so that nobody's files are removed with it.
fn make(path: &Path) -> Result<(), Failure> {
    std::fs::create_dir(path).map_err(|error| Failure::Io(format!("make {}", path.display()), error))
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's cleaning.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
