//! Runs a scene under many schedules, each of which its number brings back.
//!
//! `HESTIA_SCHEDULES` says how many, `HESTIA_SCHEDULE_SEED` which ones, `HESTIA_SCHEDULE` that it is to be one alone.

use std::cell::Cell;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use shuttle::scheduler::{Schedule, Scheduler, Task, TaskId};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};

/// So many schedules where nobody says otherwise.
const DEFAULT_SCHEDULES: u64 = 200;
/// A scene that takes more steps than this does not come to an end.
const STEP_LIMIT: usize = 2_000_000;
/// The engine's calls are deeper than what the explorer expects; memory is taken only as it is used.
const STACK_BYTES: usize = 1 << 20;

/// Runs `scene` under many schedules. Fails with the number of the schedule under which it fails, does not end, or
/// leaves everybody waiting.
pub(crate) fn explore(name: &str, scene: impl Fn() + Send + Sync + 'static) {
    explore_with(config(), name, scene);
}

/// The same for a scene in which panics are caught: others go on beside one that unwinds, if it has to wait.
pub(crate) fn explore_panics(name: &str, scene: impl Fn() + Send + Sync + 'static) {
    let mut config = config();
    config.ungraceful_shutdown_config.immediately_return_on_panic = false;
    explore_with(config, name, scene);
}

fn explore_with(config: Config, name: &str, scene: impl Fn() + Send + Sync + 'static) {
    let seed = number_from_environment("HESTIA_SCHEDULE_SEED").unwrap_or(1);
    let single = number_from_environment("HESTIA_SCHEDULE");
    let count = number_from_environment("HESTIA_SCHEDULES").unwrap_or(DEFAULT_SCHEDULES);
    let progress = Arc::new(Progress::default());
    let chooser = Chooser::new(seed, single, count, Arc::clone(&progress));
    let start = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| Runner::new(chooser, config).run(scene)));
    let at = progress.schedule.load(Ordering::Relaxed);
    if let Err(panic) = outcome {
        eprintln!(
            "\n{name} fails under schedule {at}. Once more: cargo xtask explore {name} --seed {seed} --schedule {at}\n"
        );
        resume_unwind(panic);
    }
    let steps = progress.steps.load(Ordering::Relaxed);
    println!(
        "explored {name}: {} schedules of {} choices on average, {:.1} s",
        at + 1,
        steps / (at + 1),
        start.elapsed().as_secs_f64()
    );
}

thread_local! {
    static CALM: Cell<bool> = const { Cell::new(false) };
}

/// Does what is not to be explored: the thread at work goes on for as long as it can.
pub(crate) fn calmly<R>(prepare: impl FnOnce() -> R) -> R {
    CALM.set(true);
    let result = prepare();
    CALM.set(false);
    result
}

fn number_from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn config() -> Config {
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    config.failure_persistence = FailurePersistence::None;
    config.max_steps = MaxSteps::FailAfter(STEP_LIMIT);
    config.silence_warnings = true;
    config.ungraceful_shutdown_config.immediately_return_on_panic = true;
    config
}

#[derive(Debug, Default)]
struct Progress {
    schedule: AtomicU64,
    /// Steps at which there was a choice, of all schedules.
    steps: AtomicU64,
}

/// How the next thread is chosen.
#[derive(Debug)]
enum Strategy {
    /// Anyone; the one at work goes on with a probability of 1 - 1/n.
    Walk { n: u64 },
    /// The one of the highest priority, which drops to the lowest at a few steps chosen beforehand: so a fault that
    /// needs few changes of thread at the right places is found with a known probability (Burckhardt and others, 2010).
    Priorities { of: HashMap<TaskId, u64>, next_lowest: u64, changes: Vec<u64> },
}

/// The first schedule is always run, as a walk: it shows how many steps the others may expect.
#[derive(Debug)]
struct Chooser {
    seed: u64,
    next: u64,
    end: u64,
    /// Schedules between the first one and this are left out.
    skip_to: u64,
    strategy: Strategy,
    dice: Dice,
    choices: u64,
    expected_choices: u64,
    progress: Arc<Progress>,
}

impl Chooser {
    fn new(seed: u64, single: Option<u64>, count: u64, progress: Arc<Progress>) -> Self {
        Self {
            seed,
            next: 0,
            end: single.map_or(count, |number| number + 1),
            skip_to: single.unwrap_or(0),
            strategy: Strategy::Walk { n: 1 },
            dice: Dice(0),
            choices: 0,
            expected_choices: 0,
            progress,
        }
    }

    fn choose_strategy(&mut self, number: u64) -> Strategy {
        const STICKINESS: [u64; 4] = [1, 4, 20, 100];
        if number.is_multiple_of(2) {
            return Strategy::Walk { n: STICKINESS[(number / 2 % 4) as usize] };
        }
        let depth = 1 + number / 2 % 5;
        let changes = (0..depth).map(|_| self.dice.below(self.expected_choices.max(1))).collect();
        Strategy::Priorities { of: HashMap::new(), next_lowest: u64::MAX / 2, changes }
    }
}

impl Scheduler for Chooser {
    fn new_execution(&mut self) -> Option<Schedule> {
        if self.next == 1 {
            self.expected_choices = self.choices;
            self.next = self.next.max(self.skip_to);
        }
        self.progress.steps.fetch_add(self.choices, Ordering::Relaxed);
        if self.next >= self.end {
            return None;
        }
        let number = self.next;
        self.next += 1;
        self.progress.schedule.store(number, Ordering::Relaxed);
        self.choices = 0;
        CALM.set(false);
        self.dice = Dice(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number);
        self.strategy = self.choose_strategy(number);
        Some(Schedule::new(number))
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        is_yielding: bool,
    ) -> Option<TaskId> {
        if let [only] = runnable {
            return Some(only.id());
        }
        // A second panic beside one that unwinds would end the process.
        if CALM.get() || std::thread::panicking() {
            let goes_on = current.filter(|current| runnable.iter().any(|task| task.id() == *current));
            let any = runnable[self.dice.below(runnable.len() as u64) as usize].id();
            return Some(goes_on.filter(|_| !is_yielding).unwrap_or(any));
        }
        let choice = self.choices;
        self.choices += 1;
        match &mut self.strategy {
            Strategy::Walk { n } => {
                let goes_on = current.filter(|current| runnable.iter().any(|task| task.id() == *current));
                match goes_on {
                    Some(current) if !is_yielding && self.dice.below(*n) != 0 => Some(current),
                    _ => Some(runnable[self.dice.below(runnable.len() as u64) as usize].id()),
                }
            }
            Strategy::Priorities { of, next_lowest, changes } => {
                if let Some(current) = current.filter(|_| is_yielding || changes.contains(&choice)) {
                    of.insert(current, *next_lowest);
                    *next_lowest -= 1;
                }
                let dice = &mut self.dice;
                let mut priority = |task: &&&Task| {
                    *of.entry(task.id()).or_insert_with(|| u64::MAX / 2 + 1 + dice.roll() / 2)
                };
                runnable.iter().max_by_key(&mut priority).map(|task| task.id())
            }
        }
    }

    fn next_u64(&mut self) -> u64 {
        self.dice.roll()
    }
}

/// SplitMix64.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit
    }
}
