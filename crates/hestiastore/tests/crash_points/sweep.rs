//! Every script, crashed at every change, under every policy.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hestiastore::config::Durability;
use hestiastore::directory::{CrashPolicy, Directory, SimulatedDirectory};

use crate::history::History;
use crate::recorded::{Point, Recorded};
use crate::recoveries::Recoveries;
use crate::recovery::Legal;
use crate::script::Script;
use crate::store::{Opening, State, TARGET_BYTES, found, open, start};

/// How much was done.
#[derive(Debug, Default)]
pub struct Tally {
    pub scripts: AtomicUsize,
    /// Moments at which the power went.
    pub points: AtomicUsize,
    /// Images that were looked at.
    pub cases: AtomicUsize,
    /// Of these, those like no other.
    pub recoveries: AtomicUsize,
    /// Recoveries that were crashed again.
    pub second: AtomicUsize,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [scripts, points, cases, recoveries, second] =
            [&self.scripts, &self.points, &self.cases, &self.recoveries, &self.second]
                .map(|number| number.load(Ordering::Relaxed));
        write!(f, "{cases} cases: {scripts} scripts crashed at {points} operations, ")?;
        write!(f, "{recoveries} different images recovered, {second} recoveries crashed again")
    }
}

/// A sweep under way.
pub struct Sweep {
    recoveries: Recoveries,
    pub tally: Tally,
    second_crash_of_each: usize,
}

/// Runs `one` for each script on all cores; panics with what failed, the shortest scripts first.
pub fn on_all_cores(scripts: &[Script], one: impl Fn(&Script) -> Result<(), String> + Sync) {
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(script) = scripts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = catch_unwind(AssertUnwindSafe(|| one(script)));
                    if let Err(text) = outcome.unwrap_or_else(|_| Err("a panic".to_owned())) {
                        // A long run need not be waited for.
                        println!("HESTIA_CRASH_SCRIPT='{script}': {text}");
                        failures.lock().unwrap().push(format!("HESTIA_CRASH_SCRIPT='{script}': {text}"));
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap();
    failures.sort_by_key(String::len);
    let shown = failures.len().min(12);
    assert!(failures.is_empty(), "{} scripts fail:\n{}", failures.len(), failures[..shown].join("\n"));
}

pub fn sweep_all(scripts: &[Script], second_crash_of_each: usize) -> Tally {
    let sweep = Sweep::new(second_crash_of_each);
    on_all_cores(scripts, |script| {
        sweep.script(script).inspect(|()| {
            if sweep.tally.scripts.load(Ordering::Relaxed).is_multiple_of(100) {
                println!("so far: {}", sweep.tally);
            }
        })
    });
    sweep.tally
}

impl Sweep {
    pub fn new(second_crash_of_each: usize) -> Self {
        Self { recoveries: Recoveries::default(), tally: Tally::default(), second_crash_of_each }
    }

    pub fn script(&self, script: &Script) -> Result<(), String> {
        self.tally.scripts.fetch_add(1, Ordering::Relaxed);
        let (directory, state) = start(script.start, script.mode);
        let mut history = History::new(vec![state], script.mode);
        let recorded = Recorded::new(&directory, &history.promised);
        let dynamic: Arc<dyn Directory> = Arc::new(recorded.clone());
        history.run(script, &dynamic, &directory).map_err(|error| format!("without a crash: {error}"))?;
        for (number, point) in recorded.points().iter().enumerate() {
            let place = |text: String| format!("at operation {number}, {text}");
            self.point(point, &history, number, true).map_err(place)?;
        }
        Ok(())
    }

    /// Every policy at one point; `again` allows for crashes in the recoveries.
    fn point(&self, point: &Point, history: &History, seed: usize, again: bool) -> Result<(), String> {
        self.tally.points.fetch_add(1, Ordering::Relaxed);
        let states = &history.states[point.durable..=point.issued];
        let legal = Legal { states, mode: history.mode };
        for policy in CrashPolicy::ALL {
            let image = point.image.crash(policy, seed as u64);
            let place = |text: String| format!("{policy:?}: {text}");
            self.tally.cases.fetch_add(1, Ordering::Relaxed);
            let (found, new) = self.recoveries.of(&image, history.mode).map_err(place)?;
            self.tally.recoveries.fetch_add(usize::from(new), Ordering::Relaxed);
            legal.check(&found).map_err(place)?;
            let chosen =
                self.tally.recoveries.load(Ordering::Relaxed).is_multiple_of(self.second_crash_of_each);
            if again && new && chosen {
                self.crash_again(&image, std::slice::from_ref(&found.state), history.mode).map_err(place)?;
            }
        }
        if again && seed.is_multiple_of(self.second_crash_of_each) {
            // The process dies, and the power goes only in the recovery: what is pending still is.
            self.crash_again(&point.image.kill(), states, history.mode)
                .map_err(|text| format!("killed: {text}"))?;
        }
        Ok(())
    }

    /// Recovers `image`, in which one of `states` stands, and writes once; crashes at every change
    /// of that.
    fn crash_again(
        &self,
        image: &SimulatedDirectory,
        states: &[State],
        mode: Durability,
    ) -> Result<(), String> {
        self.tally.second.fetch_add(1, Ordering::Relaxed);
        let image = image.kill();
        let mut history = History::new(states.to_vec(), mode);
        let recorded = Recorded::new(&image, &history.promised);
        let place = |error: String| format!("recovering it: {error}");
        let opening =
            Opening { mode, automatic: false, target_bytes: TARGET_BYTES, seed: image.fingerprint() };
        let index = open(Arc::new(recorded.clone()), opening).map_err(|error| place(error.to_string()))?;
        history.states.push(found(&index).map_err(|error| place(error.to_string()))?);
        history.write(&index, [2_000_000], true).map_err(|error| place(error.to_string()))?;
        index.flush_and_wait().map_err(|error| place(error.to_string()))?;
        history.all_durable();
        index.close().map_err(|error| place(error.to_string()))?;
        drop(index);
        for (number, point) in recorded.points().iter().enumerate() {
            let place = |text: String| format!("and again at operation {number} of the recovery, {text}");
            self.point(point, &history, number, false).map_err(place)?;
        }
        Ok(())
    }
}
