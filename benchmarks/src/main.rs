//! HestiaStore and its peers, side by side. See `README.md`.

mod check;
mod driver;
mod engine;
mod engines;
mod keys;
mod machine;
mod phase;
mod random;
mod report;
mod results;
mod rounds;
mod session;
mod suites;
mod workloads;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use engine::Res;
use session::Plan;

#[derive(Parser)]
#[command(about = "HestiaStore and its peers, side by side")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the suites, an engine after the other, each in a process of its own, and writes the report
    All(driver::All),
    /// Runs one workload on one engine: a JSON line a phase
    Run(Run),
    /// Compares each adapter with a BTreeMap
    Check {
        /// Engines; all by default
        engines: Vec<String>,
        #[arg(long, default_value_os_t = default_dir())]
        dir: PathBuf,
    },
    /// Writes tables and plots from results that are there
    Report {
        #[arg(long, default_value_os_t = driver::results_dir())]
        results: PathBuf,
        #[arg(long, default_value_os_t = driver::report_dir())]
        out: PathBuf,
    },
    /// Writes and dies, for the measurement of a replay
    #[command(hide = true)]
    DieAfterWrites {
        engine: String,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Args)]
struct Run {
    /// h, d, ycsb or large
    workload: String,
    #[arg(long, default_value = "hestiastore")]
    engine: String,
    /// Entries, in thousands of which there are whole batches
    #[arg(long, default_value_t = 1_000_000)]
    entries: u64,
    /// Length of a phase that is limited by time
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// The same with every write synced
    #[arg(long, default_value_t = 4.0)]
    synced_seconds: f64,
    /// When a load or an overwrite is given up
    #[arg(long, default_value_t = 600.0)]
    cap_seconds: f64,
    /// Phases, by comma; all by default
    #[arg(long, value_delimiter = ',')]
    phases: Vec<String>,
    #[command(flatten)]
    place: Place,
    /// A cgroup prepared with a limit of memory, which the process enters
    #[arg(long)]
    cgroup: Option<PathBuf>,
    /// Asks the kernel twice a second to forget its cached pages of the store
    #[arg(long)]
    drop_pages: bool,
}

#[derive(Args)]
struct Place {
    /// Folder of the store; emptied
    #[arg(long, default_value_os_t = default_dir())]
    dir: PathBuf,
    /// Budget of the engine's cache
    #[arg(long, default_value_t = 512)]
    cache_mb: u64,
}

fn default_dir() -> PathBuf {
    std::env::temp_dir().join("hestiastore-benchmarks")
}

fn main() -> ExitCode {
    match carry_out(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn carry_out(command: Command) -> Res<()> {
    match command {
        Command::All(all) => driver::run_all(&all),
        Command::Run(run) => run_one(&run),
        Command::Check { engines, dir } => check_all(&engines, &dir),
        Command::Report { results, out } => report::write(&results, &out),
        Command::DieAfterWrites { engine, place } => {
            workloads::die_after_writes(&plan(&engine, &place, &[], 1_000, [1.0; 3]))
        }
    }
}

fn plan(engine: &str, place: &Place, phases: &[String], entries: u64, seconds: [f64; 3]) -> Plan {
    let [time, synced_time, cap] = seconds.map(Duration::from_secs_f64);
    Plan {
        engine: engine.to_owned(),
        dir: place.dir.clone(),
        entries,
        cache_bytes: place.cache_mb << 20,
        time,
        synced_time,
        cap,
        phases: phases.to_vec(),
    }
}

fn run_one(run: &Run) -> Res<()> {
    if run.entries == 0 || !run.entries.is_multiple_of(2_000) {
        return Err("--entries must be a multiple of 2,000".into());
    }
    let known = workloads::WORKLOADS.iter().find(|(name, _)| *name == run.workload);
    let (_, workload) = known.ok_or_else(|| format!("no workload is named {}", run.workload))?;
    if let Some(cgroup) = &run.cgroup {
        fs::write(cgroup.join("cgroup.procs"), std::process::id().to_string())?;
    }
    machine::watch_anonymous_memory();
    if run.drop_pages {
        machine::keep_dropping_pages(run.place.dir.clone());
    }
    let seconds = [run.seconds, run.synced_seconds, run.cap_seconds];
    let plan = plan(&run.engine, &run.place, &run.phases, run.entries, seconds);
    let outcome = workload(&plan);
    if let Err(error) = &outcome {
        phase::print_failure(&session::head(&plan, &run.workload), &error.to_string());
    }
    outcome
}

fn check_all(names: &[String], dir: &Path) -> Res<()> {
    let all = engines::names();
    let names = if names.is_empty() { all } else { names.iter().map(String::as_str).collect() };
    for name in names {
        check::check(name, dir).map_err(|error| format!("{name}: {error}"))?;
        println!("{name}: ok");
    }
    Ok(())
}
