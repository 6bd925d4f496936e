//! `cargo xtask`: the campaigns that prove the engine, one command each.
//!
//! Each ends in one line with its figures, or fails with a sentence and a code other than 0. What each
//! would catch, and the figures reached, are in `docs/reliability.md`.

mod audit;
mod cargo_test;
mod chance;
mod kill;
mod outcome;
mod soak;
mod tsan;

use std::process::{Command as Process, ExitCode};
use std::time::Instant;

use cargo_test::{Campaign, Target, WORKSPACE};
use clap::{Parser, Subcommand};
use outcome::{Outcome, failure};

/// Campaigns of HestiaStore: long tests, one command each
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Kill(kill::Arguments),
    Soak(soak::Arguments),
    /// Damages every byte, length, sector and file of a small store
    Sweep {
        /// Every place, not a sample
        #[arg(long)]
        full: bool,
    },
    /// Compares the system calls of commits, flushes and closes with what is claimed
    Audit {
        /// Also prints what was seen
        #[arg(long)]
        show: bool,
    },
    /// Cuts the power at every operation of short scripts
    Crash {
        /// Every script and policy
        #[arg(long)]
        full: bool,
    },
    /// Random histories with crashes and faults against a model
    Model {
        /// How many random histories
        #[arg(long, default_value_t = 1_000)]
        seeds: u64,
        /// Where they begin: other histories for another number
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Histories of real threads checked for strict serialisability, and transfers between accounts
    Threads {
        /// For each test
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Of the first history
        #[arg(long)]
        seed: Option<u64>,
    },
    /// The engine's threads under ThreadSanitizer; needs a nightly compiler with rust-src
    Tsan,
    /// Runs scenes of a few threads under many schedules
    Explore {
        /// Only scenes whose names contain this
        scene: Option<String>,
        /// How many schedules of each
        #[arg(long, default_value_t = 2_000)]
        iterations: u64,
        /// Which schedules: others for another number
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// This schedule alone
        #[arg(long)]
        schedule: Option<u64>,
    },
    /// Fuzzes every decoder
    Fuzz {
        /// Seconds for each target
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Fills a small disk, and frees it
    Disk,
    /// All of them, one after the other
    All {
        /// In the long forms
        #[arg(long)]
        full: bool,
    },
    #[command(hide = true)]
    KillChild(kill::ChildArguments),
    #[command(hide = true)]
    AuditChild(audit::ChildArguments),
}

impl Command {
    fn name(&self) -> &'static str {
        match self {
            Self::Kill(_) => "kill",
            Self::Sweep { .. } => "sweep",
            Self::Audit { .. } => "audit",
            Self::Crash { .. } => "crash",
            Self::Model { .. } => "model",
            Self::Soak(_) => "soak",
            Self::Threads { .. } => "threads",
            Self::Tsan => "tsan",
            Self::Explore { .. } => "explore",
            Self::Fuzz { .. } => "fuzz",
            Self::Disk => "disk",
            Self::All { .. } => "all",
            Self::KillChild(_) | Self::AuditChild(_) => "child",
        }
    }

    /// The figures for the closing line; none from a child.
    fn run(&self) -> Outcome<Option<String>> {
        match self {
            Self::Kill(arguments) => kill::run(arguments),
            Self::Sweep { full } => sweep(*full),
            Self::Audit { show } => audit::run(*show),
            Self::Crash { full } => crash(*full),
            Self::Model { seeds, seed } => model(*seeds, *seed),
            Self::Soak(arguments) => soak::run(arguments),
            Self::Threads { seconds, seed } => threads(*seconds, *seed),
            Self::Tsan => tsan::run(),
            Self::Explore { scene, iterations, seed, schedule } => {
                explore(scene.as_deref(), *iterations, *seed, *schedule)
            }
            Self::Fuzz { seconds } => fuzz(*seconds),
            Self::Disk => disk(),
            Self::All { full } => all(*full),
            Self::KillChild(arguments) => return kill::run_child(arguments).map(|()| None),
            Self::AuditChild(arguments) => return audit::run_child(arguments).map(|()| None),
        }
        .map(Some)
    }
}

fn main() -> ExitCode {
    let command = Arguments::parse().command;
    match report(&command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: FAILED: {error}", command.name());
            ExitCode::FAILURE
        }
    }
}

/// Runs a campaign and prints its closing line.
fn report(command: &Command) -> Outcome {
    let start = Instant::now();
    if let Some(figures) = command.run()? {
        println!("{}: ok, {figures}, {} s", command.name(), start.elapsed().as_secs());
    }
    Ok(())
}

fn sweep(full: bool) -> Outcome<String> {
    let environment = if full { vec![("HESTIA_SWEEP", "full".to_owned())] } else { Vec::new() };
    Campaign { target: Target::Suite("sweep"), filter: None, environment, figures: &["sweep: "] }.run()
}

fn crash(full: bool) -> Outcome<String> {
    let environment = if full { vec![("HESTIA_CRASH_FULL", "1".to_owned())] } else { Vec::new() };
    let figures = &["crashes: ", "faults: ", "wrong answers: "];
    Campaign { target: Target::Suite("crash_points"), filter: None, environment, figures }.run()
}

fn model(seeds: u64, seed: Option<u64>) -> Outcome<String> {
    let mut environment = vec![("HESTIA_MODEL_CASES", seeds.to_string())];
    environment.extend(seed.map(|seed| ("HESTIA_MODEL_SEED", seed.to_string())));
    let figures =
        Campaign { target: Target::Suite("model"), filter: None, environment, figures: &[] }.run()?;
    Ok(format!("{seeds} seeds, {figures}"))
}

fn threads(seconds: u64, seed: Option<u64>) -> Outcome<String> {
    let mut environment = vec![("HESTIA_THREADS_SECONDS", seconds.to_string())];
    environment.extend(seed.map(|seed| ("HESTIA_THREADS_SEED", seed.to_string())));
    let figures = &["linearisable: ", "bank: "];
    Campaign { target: Target::Suite("threads"), filter: None, environment, figures }.run()
}

fn explore(scene: Option<&str>, iterations: u64, seed: u64, schedule: Option<u64>) -> Outcome<String> {
    let mut environment =
        vec![("HESTIA_SCHEDULES", iterations.to_string()), ("HESTIA_SCHEDULE_SEED", seed.to_string())];
    environment.extend(schedule.map(|number| ("HESTIA_SCHEDULE", number.to_string())));
    let filter = Some(scene.unwrap_or("index::explorations::"));
    let campaign = Campaign { target: Target::Explorations, filter, environment, figures: &["explored "] };
    Ok(format!("{iterations} schedules each, {}", campaign.run()?))
}

fn fuzz(seconds: u64) -> Outcome<String> {
    let status = Process::new(format!("{WORKSPACE}/fuzz/run")).args(["-s", &seconds.to_string()]).status();
    match status.map_err(|error| format!("fuzz/run cannot be started: {error}"))? {
        status if status.success() => Ok(format!("{seconds} s for each target")),
        status => failure(format!("fuzz/run: {status}")),
    }
}

fn disk() -> Outcome<String> {
    let (filter, figures) = (Some("full_disk"), &["skipped: "]);
    Campaign { target: Target::Suite("failures"), filter, environment: Vec::new(), figures }.run()
}

fn all(full: bool) -> Outcome<String> {
    let kill = kill::Arguments::of(if full { 2_000 } else { 200 });
    let (seeds, seconds) = if full { (10_000, 60) } else { (1_000, 10) };
    let commands = [
        Command::Audit { show: false },
        Command::Disk,
        Command::Kill(kill),
        Command::Sweep { full },
        Command::Crash { full },
        Command::Model { seeds, seed: None },
        Command::Threads { seconds, seed: None },
        Command::Explore {
            scene: None,
            iterations: if full { 20_000 } else { 1_000 },
            seed: 1,
            schedule: None,
        },
        Command::Fuzz { seconds },
    ];
    let mut failed = Vec::new();
    for command in &commands {
        if let Err(error) = report(command) {
            eprintln!("{}: FAILED: {error}", command.name());
            failed.push(command.name());
        }
    }
    if failed.is_empty() {
        return Ok(format!("{} campaigns", commands.len()));
    }
    failure(format!("these campaigns failed: {}", failed.join(", ")))
}
