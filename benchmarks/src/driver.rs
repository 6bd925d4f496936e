//! Runs suites: engines in turn, each run a process of its own, again and again.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;

use crate::engine::Res;
use crate::engines;
use crate::report;
use crate::results::Run;
use crate::session::remove_if_there;
use crate::suites::{FULL, QUICK, Suite};

/// A run in which other processes took more of a core than this is done again.
const MOST_OTHERS: f64 = 0.05;

/// How often at most.
const ATTEMPTS: u32 = 3;

#[derive(Args)]
pub struct All {
    /// Ten minutes: small suites, once
    #[arg(long)]
    quick: bool,
    /// Suites by name and comma; all by default
    #[arg(long, value_delimiter = ',')]
    suites: Vec<String>,
    /// Engines by name and comma; all by default
    #[arg(long, value_delimiter = ',')]
    engines: Vec<String>,
    /// Runs of each suite and engine, in place of the suite's own number
    #[arg(long)]
    repetitions: Option<u32>,
    /// Length of the phases limited by time, in place of the suite's own
    #[arg(long)]
    seconds: Option<f64>,
    /// Leaves out runs whose results are there
    #[arg(long)]
    resume: bool,
    /// A cgroup prepared with a limit of memory, for the suite that is larger than it
    #[arg(long)]
    cgroup: Option<PathBuf>,
    /// Where the stores lie meanwhile
    #[arg(long, default_value_os_t = std::env::temp_dir().join("hestiastore-benchmarks"))]
    dir: PathBuf,
    /// JSON lines; `results/` beside the manifest by default
    #[arg(long)]
    results: Option<PathBuf>,
    /// Tables and plots; `docs/benchmarks/` by default, or beside the results of `--quick`
    #[arg(long)]
    out: Option<PathBuf>,
}

fn manifest_dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn results_dir() -> PathBuf {
    manifest_dir().join("results")
}

pub fn report_dir() -> PathBuf {
    manifest_dir().with_file_name("docs").join("benchmarks")
}

impl All {
    fn suites(&self) -> Vec<Suite> {
        let all = if self.quick { QUICK } else { FULL };
        let wanted =
            |suite: &&Suite| self.suites.is_empty() || self.suites.iter().any(|name| *name == suite.name);
        let chosen = all.iter().filter(wanted).map(|suite| Suite {
            repetitions: self.repetitions.unwrap_or(suite.repetitions),
            seconds: self.seconds.unwrap_or(suite.seconds),
            ..*suite
        });
        chosen.collect()
    }

    fn engines(&self, suite: &Suite) -> Vec<&'static str> {
        let wanted = |name: &&'static str| {
            suite.engines.is_none_or(|engines| engines.contains(name))
                && (self.engines.is_empty() || self.engines.iter().any(|wanted| wanted == name))
        };
        engines::names().into_iter().filter(wanted).collect()
    }

    fn results(&self) -> PathBuf {
        let standard = || if self.quick { results_dir().join("quick") } else { results_dir().join("full") };
        self.results.clone().unwrap_or_else(standard)
    }

    fn out(&self) -> PathBuf {
        let standard = || if self.quick { results_dir().join("quick-report") } else { report_dir() };
        self.out.clone().unwrap_or_else(standard)
    }
}

/// Everything that is asked for, then the report.
pub fn run_all(all: &All) -> Res<()> {
    let suites = all.suites();
    if suites.is_empty() {
        return Err(format!("no suite is named {}", all.suites.join(", ")).into());
    }
    let results = all.results();
    for suite in &suites {
        let folder = results.join(suite.name);
        fs::create_dir_all(&folder)?;
        for repetition in 1..=suite.repetitions {
            for engine in all.engines(suite) {
                let path = folder.join(format!("{engine}-{repetition}.jsonl"));
                if all.resume && Run::read(&path).is_ok_and(|run| run.is_whole()) {
                    continue;
                }
                eprintln!("{} {engine}, {repetition} of {}", suite.name, suite.repetitions);
                run_until_quiet(all, suite, engine, &path)?;
            }
        }
    }
    let out = all.out();
    report::write(&results, &out)?;
    eprintln!("written: {}", out.display());
    Ok(())
}

/// Keeps the run in which others disturbed least.
fn run_until_quiet(all: &All, suite: &Suite, engine: &str, path: &Path) -> Res<()> {
    let attempt = path.with_extension("attempt");
    let mut least: Option<f64> = None;
    let attempts = if all.quick { 1 } else { ATTEMPTS };
    for _ in 0..attempts {
        run_once(all, suite, engine, &attempt)?;
        let run = Run::read(&attempt)?;
        let others = run.others_share();
        if least.is_none_or(|least| others < least) {
            fs::rename(&attempt, path)?;
            least = Some(others);
        }
        if others <= MOST_OTHERS || !run.is_whole() {
            break;
        }
        eprintln!("  others took {:.0} % of a core", others * 100.0);
    }
    if attempt.exists() {
        fs::remove_file(&attempt)?;
    }
    Ok(())
}

/// One process. A failure is in its results.
fn run_once(all: &All, suite: &Suite, engine: &str, results: &Path) -> Res<()> {
    let dir = all.dir.join(engine);
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["run", suite.workload, "--engine", engine])
        .args(["--entries", &suite.entries.to_string()])
        .args(["--cache-mb", &suite.cache_mib.to_string()])
        .args(["--seconds", &suite.seconds.to_string()])
        .args(["--synced-seconds", &suite.synced_seconds.to_string()])
        .args(["--cap-seconds", &suite.cap_seconds.to_string()])
        .arg("--dir")
        .arg(&dir);
    if suite.limited {
        match &all.cgroup {
            Some(cgroup) => command.arg("--cgroup").arg(cgroup),
            None => command.arg("--drop-pages"),
        };
    }
    let mut child = command.stdout(Stdio::from(File::create(results)?)).stdin(Stdio::null()).spawn()?;
    // Two passes of writing, and some thirty phases.
    let most = Duration::from_secs_f64(3.0 * suite.cap_seconds + 60.0 * suite.seconds + 1_200.0);
    let begun = Instant::now();
    while child.try_wait()?.is_none() {
        if begun.elapsed() > most {
            child.kill()?;
            child.wait()?;
            eprintln!("  given up after {} s", most.as_secs());
            break;
        }
        thread::sleep(Duration::from_millis(100));
    }
    remove_if_there(&dir)
}
