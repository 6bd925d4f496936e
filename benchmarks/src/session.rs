//! An engine under test: opened, closed and opened again, with the phases that every workload has.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::engine::{Engine, Res, Settings};
use crate::engines;
use crate::machine::{self, Counters};
use crate::phase::Phase;
use crate::rounds::Limit;

/// What a run is asked to do.
#[derive(Debug, Clone)]
pub struct Plan {
    pub engine: String,
    pub dir: PathBuf,
    /// Entries loaded.
    pub entries: u64,
    pub cache_bytes: u64,
    /// Length of a phase that is limited by time.
    pub time: Duration,
    /// The same with every write synced.
    pub synced_time: Duration,
    /// When a load or an overwrite is given up.
    pub cap: Duration,
    /// Names of phases; none for all.
    pub phases: Vec<String>,
}

impl Plan {
    pub fn wants(&self, phase: &str) -> bool {
        self.phases.is_empty() || self.phases.iter().any(|wanted| wanted == phase)
    }

    /// Single fast calls by one thread, of which some are timed.
    pub fn reads(&self) -> Limit {
        Limit { calls: u64::MAX, time: self.time, round: 1_024, timed_every: 16 }
    }

    /// Single writes by one thread, all timed.
    pub fn writes(&self) -> Limit {
        Limit { timed_every: 1, ..self.reads() }
    }

    /// One pass over `entries` in batches of `batch`.
    pub fn pass(&self, entries: u64, batch: usize) -> Limit {
        let round = (1_024 / batch).max(1);
        Limit { calls: entries.div_ceil(batch as u64), time: self.cap, round, timed_every: 1 }
    }

    /// The same by several threads: longer rounds, since threads wait for each other between them.
    pub fn side_by_side(limit: Limit, batch: usize) -> Limit {
        Limit { round: (32_768 / batch).max(1), ..limit }
    }

    fn settings(&self, durable: bool) -> Settings {
        Settings { dir: self.dir.clone(), durable, cache_bytes: self.cache_bytes }
    }
}

pub struct Session<'a> {
    pub plan: &'a Plan,
    head: Map<String, Value>,
    engine: Option<Box<dyn Engine>>,
    whole: Phase,
}

impl<'a> Session<'a> {
    /// Opens the engine on an empty folder.
    pub fn begin(plan: &'a Plan, workload: &str) -> Res<Self> {
        let head = head(plan, workload);
        let whole = Phase::begin(&head, "whole");
        let mut session = Self { plan, head, engine: None, whole };
        session.open_empty("open")?;
        Ok(session)
    }

    /// Removes everything and opens the engine anew.
    pub fn open_empty(&mut self, name: &str) -> Res<()> {
        self.close()?;
        remove_if_there(&self.plan.dir)?;
        std::fs::create_dir_all(&self.plan.dir)?;
        let mut phase = self.phase(name);
        let engine = engines::open(&self.plan.engine, &self.plan.settings(false))?;
        let open_ms = phase.elapsed().as_secs_f64() * 1e3;
        phase.set("options", engine.describe()).set("open_ms", open_ms);
        phase.end();
        self.engine = Some(engine);
        Ok(())
    }

    pub fn phase(&self, name: &str) -> Phase {
        Phase::begin(&self.head, name)
    }

    /// # Errors
    /// If it is closed.
    pub fn engine(&self) -> Res<&dyn Engine> {
        self.engine.as_deref().ok_or_else(|| "the engine is closed".into())
    }

    pub fn close(&mut self) -> Res<()> {
        self.engine.take().map_or(Ok(()), Engine::close)
    }

    /// Closes, opens, and reads a key that is there: the time of the last two.
    pub fn reopen(&mut self, name: &str, durable: bool, key: &[u8]) -> Res<()> {
        let mut phase = self.phase(name);
        self.close()?;
        let close_ms = phase.elapsed().as_secs_f64() * 1e3;
        phase.set("close_ms", close_ms);
        let begun = Instant::now();
        let engine = engines::open(&self.plan.engine, &self.plan.settings(durable))?;
        let found = engine.get(key, &mut |_| ())?;
        phase.set("open_ms", begun.elapsed().as_secs_f64() * 1e3).set("found", found);
        if durable {
            phase.set("options", engine.describe());
        }
        phase.end();
        self.engine = Some(engine);
        Ok(())
    }

    /// Waits until the engine has nothing left to do, and measures what lies on disk.
    pub fn settle(&mut self, name: &str, given_bytes: u64) -> Res<()> {
        const MOST: Duration = Duration::from_secs(300);
        let mut phase = self.phase(name);
        let engine = self.engine()?;
        engine.sync()?;
        engine.settle()?;
        let quiet = wait_until_quiet(MOST);
        let settled = phase.elapsed();
        machine::sync_file_system(&self.plan.dir)?;
        let disk = machine::disk(&self.plan.dir, &|path| engine.is_log(path));
        let settle_s = settled.as_secs_f64();
        phase.set("settled", quiet).set("settle_s", settle_s);
        phase.set("disk_bytes", disk.allocated).set("log_bytes", disk.logs);
        phase.written_for(given_bytes);
        phase.end();
        Ok(())
    }

    /// Closes and prints the counters of the whole run.
    pub fn end(mut self) -> Res<()> {
        self.close()?;
        self.whole.end();
        remove_if_there(&self.plan.dir)
    }
}

/// What every line of a run begins with.
pub fn head(plan: &Plan, workload: &str) -> Map<String, Value> {
    let fields: [(&str, Value); 4] = [
        ("engine", plan.engine.clone().into()),
        ("workload", workload.into()),
        ("entries", plan.entries.into()),
        ("cache_mib", (plan.cache_bytes >> 20).into()),
    ];
    fields.into_iter().map(|(field, value)| (field.to_owned(), value)).collect()
}

pub fn remove_if_there(dir: &std::path::Path) -> Res<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// Whether this process used less than 2 % of a core for three seconds on end, within `most`.
fn wait_until_quiet(most: Duration) -> bool {
    const LOOK: Duration = Duration::from_secs(1);
    const LOOKS: u32 = 3;
    let begun = Instant::now();
    let mut quiet = 0;
    let mut before = Counters::now().cpu_seconds;
    while begun.elapsed() < most {
        thread::sleep(LOOK);
        let now = Counters::now().cpu_seconds;
        quiet = if now - before < 0.02 { quiet + 1 } else { 0 };
        before = now;
        if quiet == LOOKS {
            return true;
        }
    }
    false
}
