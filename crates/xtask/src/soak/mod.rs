//! The soak: writers at 80 % of what the machine can do, readers, scans and held snapshots, all at once and for long.
//!
//! It fails if an operation takes over a second, if memory leaves its budgets, if files, threads, descriptors, memory
//! or disk space still grow at the end, or if anything read is not what was written. How each is judged is in `verdict.rs`.

mod bounds;
mod latency;
mod load;
mod pace;
mod process;
mod reading;
mod sample;
mod store;
mod verdict;
mod watch;
mod writing;

use std::path::PathBuf;
use std::time::Duration;

use crate::kill::Mode;
use crate::outcome::{Outcome, failure};
use bounds::Bounds;
use load::Load;
use sample::Sampler;
use store::Store;

/// Writers at 80 % of peak, readers, scans and snapshots
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Arguments {
    /// How long, after the load and the measuring of the peak
    #[arg(long, default_value_t = 30.0)]
    minutes: f64,
    /// An empty folder, or one to make; the system's temporary folder unless given
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Prints each second, and the verdict, as a line of JSON
    #[arg(long)]
    json: bool,
    /// Durability mode: off, buffered, group-sync or sync
    #[arg(long, default_value = "buffered")]
    mode: Mode,
    /// Keys, all of them written at first and then over and over
    #[arg(long, default_value_t = 2_000_000)]
    keys: u64,
    /// Bytes of a value
    #[arg(long, default_value_t = 100)]
    value_bytes: u64,
    /// Seed of keys, values and choices
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Share of the peak rate that writers keep up
    #[arg(long, default_value_t = 80)]
    percent: u64,
    /// How long the peak is measured
    #[arg(long, default_value_t = 30)]
    peak_seconds: u64,
    /// Operations a second for the writers, in place of a share of the peak
    #[arg(long)]
    rate: Option<u64>,
    /// Single reads a second
    #[arg(long, default_value_t = 10_000)]
    gets_per_second: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome<String> {
    let place = match &arguments.dir {
        Some(folder) => {
            std::fs::create_dir_all(folder)?;
            tempfile::tempdir_in(folder)?
        }
        None => tempfile::tempdir()?,
    };
    match soak(arguments, place.path()) {
        Ok(figures) => Ok(figures),
        Err(error) => {
            let kept = place.keep();
            failure(format!("{error}\nseed {}; the store is kept in {}", arguments.seed, kept.display()))
        }
    }
}

fn soak(arguments: &Arguments, place: &std::path::Path) -> Outcome<String> {
    let store = Store::create(arguments, place)?;
    let bounds = Bounds::now(&store)?;
    let load = Load::new(&store);
    load.fill()?;
    let rate = match arguments.rate {
        Some(rate) => rate,
        None => load.peak(Duration::from_secs(arguments.peak_seconds))? * arguments.percent / 100,
    };
    eprintln!("soak: {rate} writes a second, {} minutes, memory bounds: {bounds}", arguments.minutes);
    let mut sampler = Sampler::new(&store, arguments.json);
    load.keep_up(rate, Duration::from_secs_f64(arguments.minutes * 60.0), &mut sampler)?;
    let record = sampler.record();
    let figures = record.figures(rate);
    eprintln!("{}", record.table());
    if arguments.json {
        println!("{}", record.to_json(rate));
    }
    let faults = record.faults(&bounds);
    store.verify_all_and_close()?;
    if faults.is_empty() {
        return Ok(figures);
    }
    failure(format!("{}\n{figures}", faults.join("\n")))
}
