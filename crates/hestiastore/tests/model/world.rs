//! A history as it happens: the index, the model, and those who read.

use std::sync::Arc;

use hestiastore::directory::{OperationKind, SimulatedDirectory};
use hestiastore::{CheckReport, Error, IndexState, Result, ScrubOptions, Snapshot, WriteBatch};

use crate::data::{KEY_NUMBERS, key, value};
use crate::generate::Plan;
use crate::history::{Changes, History, State};
use crate::reading::{Entries, Iter, Source, advance, compact_range, expected_between};
use crate::settings::{Index, Settings};
use crate::step::{Crash, Step, ValueSpec};
use crate::trouble::Troubles;

/// So many snapshots, and so many iterators, are open at once at most.
const READERS: usize = 4;

pub type OpenSnapshot = Snapshot<Vec<u8>, Vec<u8>>;

pub struct World {
    pub directory: SimulatedDirectory,
    pub index: Option<Index>,
    pub settings: Settings,
    pub history: History,
    pub snapshots: Vec<(OpenSnapshot, State)>,
    pub iterators: Vec<(Iter, Entries)>,
    /// What follows once the directory has failed.
    pub armed: Option<Crash>,
    /// What goes wrong with the directory for the time being.
    pub troubles: Troubles,
    /// In place of the settings that the steps name.
    pub others: Vec<Settings>,
    /// The index was once without a log: runs that nobody names may come to quarantine.
    pub ever_off: bool,
    writes: u64,
    /// Makes the randomness of each opening its own.
    pub openings: u64,
}

/// Goes through a history with the settings that it names, and with others: the index is what the model is, and
/// so the same, each time. Panics where it is not.
pub fn run(plan: &Plan) {
    live(plan, Vec::new());
    if !plan.others.is_empty() {
        live(plan, plan.others.clone());
    }
}

fn live(plan: &Plan, others: Vec<Settings>) {
    let mut world = World::create(others.first().copied().unwrap_or(plan.settings), others);
    for (place, step) in plan.steps.iter().enumerate() {
        if std::env::var_os("HESTIA_MODEL_TRACE").is_some() {
            eprintln!("{place}: {step:?}");
        }
        if let Err(error) = world.take(step) {
            match world.armed.take() {
                Some(crash) => world.crash(&crash),
                None if world.troubles.excuse(&error) => world.suffer(&error),
                None => panic!("step {place}, {step:?}: {error}"),
            }
        }
    }
    world.end();
}

impl World {
    fn create(settings: Settings, others: Vec<Settings>) -> Self {
        let directory = SimulatedDirectory::new();
        let index = settings.builder(&directory, 1).create().unwrap();
        World {
            directory,
            index: Some(index),
            settings,
            history: History::default(),
            snapshots: Vec::new(),
            iterators: Vec::new(),
            armed: None,
            troubles: Troubles::default(),
            others,
            ever_off: !settings.has_log(),
            writes: 0,
            openings: 1,
        }
    }

    /// What the next opening is to be done with.
    pub fn settings_instead_of(&self, named: Settings) -> Settings {
        let turn = self.openings as usize % self.others.len().max(1);
        self.others.get(turn).copied().unwrap_or(named)
    }

    pub fn index(&self) -> &Index {
        self.index.as_ref().expect("it is open between steps")
    }

    fn take(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Put(number, spec) => self.put(*number, *spec),
            Step::Delete(number) => self.delete(*number),
            Step::Fill { start, stride, count, value } => self.fill(*start, *stride, *count, *value),
            Step::Clear { start, count } => {
                (*start..start.saturating_add(*count).min(KEY_NUMBERS)).try_for_each(|n| self.delete(n))
            }
            Step::Batch { operations, durability } => {
                let asked = durability.filter(|_| self.settings.has_log());
                let mut batch = WriteBatch::new();
                let mut changes = Vec::new();
                for (number, spec) in operations {
                    let value = spec.map(|spec| self.new_value(spec));
                    match &value {
                        Some(value) => batch.put(&key(*number)[..], &value[..])?,
                        None => batch.delete(&key(*number)[..])?,
                    };
                    changes.push((key(*number), value.map(Arc::new)));
                }
                asked.map(|durability| batch.durability(durability));
                let outcome = self.index().write(batch);
                let synced = asked.is_some_and(|asked| asked >= hestiastore::config::Durability::GroupSync);
                self.note(changes, synced && !operations.is_empty(), outcome)
            }
            Step::Read(read) => Source::Index(self.index()).compare(read, self.history.current()),
            Step::OpenSnapshot if self.snapshots.len() < READERS => {
                let snapshot = self.index().snapshot()?;
                self.snapshots.push((snapshot, self.history.current().clone()));
                Ok(())
            }
            Step::ReadSnapshot(which, read) => match pick(&mut self.snapshots, *which) {
                Some((snapshot, state)) => Source::Snapshot(snapshot).compare(read, state),
                None => Ok(()),
            },
            Step::CloseSnapshot(which) => close(&mut self.snapshots, *which),
            Step::OpenIterator { lower, upper } if self.iterators.len() < READERS => {
                if let Some(entries) = Source::Index(self.index()).open_range(*lower, *upper)? {
                    let expected = expected_between(*lower, *upper, self.history.current());
                    self.iterators.push((entries, expected));
                }
                Ok(())
            }
            Step::AdvanceIterator { which, count, turns } => match pick(&mut self.iterators, *which) {
                Some((entries, expected)) => advance(entries, expected, *turns, usize::from(*count)),
                None => Ok(()),
            },
            Step::CloseIterator(which) => close(&mut self.iterators, *which),
            Step::OpenSnapshot | Step::OpenIterator { .. } => Ok(()),
            Step::Flush => self.index().flush(),
            Step::Compact => self.index().compact(),
            Step::FlushAndWait => self.then_durable(Index::flush_and_wait),
            Step::CompactAndWait => self.then_durable(Index::compact_and_wait),
            Step::CompactRange(lower, upper) => compact_range(self.index(), *lower, *upper),
            Step::WaitUntilIdle => self.index().wait_until_idle(),
            Step::Sync => self.then_durable(Index::sync),
            Step::Check => self.check(),
            Step::Scrub => {
                let report = self.index().scrub(ScrubOptions::default().bytes_per_second(1 << 30))?;
                self.assert_clean(&report);
                Ok(())
            }
            Step::Trouble(trouble) => {
                self.troubles.begin(&self.directory, trouble);
                // An unnamed run that cannot be read is set aside, which is safe.
                self.ever_off |= trouble.on == OperationKind::Read;
                Ok(())
            }
            Step::FillDisk(bytes, crash) => {
                self.troubles.fill_disk(&self.directory, u64::from(*bytes), crash);
                Ok(())
            }
            Step::Heal => {
                self.troubles.end(&self.directory);
                Ok(())
            }
            Step::Rot { file, offset, mask } => self.rot(*file, *offset, *mask),
            Step::ReadOnly(settings) => self.read_only(*settings),
            Step::Reopen(settings) => self.reopen(*settings),
            Step::Crash(crash) => {
                self.crash(crash);
                Ok(())
            }
            Step::FailAfter(count, crash) => {
                self.directory.fail_after(Some(self.directory.operation_count() + u64::from(*count)));
                self.armed = Some(crash.clone());
                Ok(())
            }
        }
    }

    fn new_value(&mut self, spec: ValueSpec) -> Vec<u8> {
        self.writes += 1;
        value(spec, self.writes)
    }

    pub fn put(&mut self, number: u16, spec: ValueSpec) -> Result<()> {
        let (key, value) = (key(number), self.new_value(spec));
        let outcome = self.index().put(&key[..], &value[..]);
        self.note(vec![(key, Some(Arc::new(value)))], false, outcome)
    }

    fn delete(&mut self, number: u16) -> Result<()> {
        let outcome = self.index().delete(&key(number)[..]);
        self.note(vec![(key(number), None)], false, outcome)
    }

    fn fill(&mut self, start: u16, stride: u8, count: u16, spec: ValueSpec) -> Result<()> {
        let numbers = (0..count).map(|n| (start + n * u16::from(stride)) % KEY_NUMBERS);
        numbers.into_iter().try_for_each(|number| self.put(number, spec))
    }

    /// Takes what a write did into the model.
    fn note(&mut self, changes: Changes, synced: bool, outcome: Result<()>) -> Result<()> {
        let logged = self.settings.has_log();
        match &outcome {
            Ok(()) => {
                self.history.add(changes, logged);
                if self.settings.syncs_each_write() || synced {
                    self.history.all_is_durable();
                }
            }
            // Met before anything was begun.
            Err(Error::WritesRefused { .. }) => {}
            Err(_) if self.index().state() == IndexState::Ready => {}
            Err(_) => self.history.add_unanswered(changes, logged),
        }
        outcome
    }

    fn then_durable(&mut self, wait: impl FnOnce(&Index) -> Result<()>) -> Result<()> {
        wait(self.index())?;
        self.history.all_is_durable();
        Ok(())
    }

    pub fn check(&self) -> Result<()> {
        let report = self.index().check()?;
        self.assert_clean(&report);
        Ok(())
    }

    fn assert_clean(&self, report: &CheckReport) {
        let failed = |problem: &Error| matches!(problem, Error::Io { .. } | Error::Failed { .. });
        let excused =
            |problem: &Error| (self.armed.is_some() && failed(problem)) || self.troubles.excuse(problem);
        assert!(report.problems.iter().all(excused), "{report}");
    }
}

fn pick<T>(open: &mut [T], which: u8) -> Option<&mut T> {
    let count = open.len();
    (count > 0).then(|| &mut open[usize::from(which) % count])
}

fn close<T>(open: &mut Vec<T>, which: u8) -> Result<()> {
    if !open.is_empty() {
        open.swap_remove(usize::from(which) % open.len());
    }
    Ok(())
}
