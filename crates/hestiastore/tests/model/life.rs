//! The ends of an index and its new beginnings: close, crash, kill, recovery.

use hestiastore::directory::{CrashPolicy, Directory, SimulatedDirectory};
use hestiastore::{Error, IndexState, Result};

use crate::data::{KEY_NUMBERS, key};
use crate::history::assert_same;
use crate::reading::{Source, everything};
use crate::settings::{Index, Settings};
use crate::step::{Crash, Read, ValueSpec};
use crate::world::World;

const SMALL: ValueSpec = ValueSpec { length: 9, plain: false };

impl World {
    fn open(&mut self, settings: Settings) -> Result<Index> {
        let settings = self.settings_instead_of(settings);
        self.openings += 1;
        let index = settings.builder(&self.directory, self.openings).open()?;
        self.settings = settings;
        self.ever_off |= !settings.has_log();
        Ok(index)
    }

    /// Closes and opens. What readers have is of no use from then on.
    pub fn reopen(&mut self, settings: Settings) -> Result<()> {
        self.assert_nothing_in_quarantine();
        let index = self.index.take().expect("it is open between steps");
        let mut closed = index.close();
        if matches!(closed, Err(Error::WritesRefused { .. })) && index.state() == IndexState::Ready {
            // Without a log a full disk keeps it open, so that nothing is lost.
            self.troubles.end(&self.directory);
            closed = index.close();
        }
        let ended = index.state() == IndexState::Closed;
        assert!(ended || self.armed.is_some(), "{closed:?}, and it is still open");
        if let Some((snapshot, _)) = self.snapshots.first().filter(|_| ended) {
            assert!(matches!(snapshot.get(&[][..]), Err(Error::Closed)), "a snapshot lives after close");
        }
        self.snapshots.clear();
        self.iterators.clear();
        closed?;
        self.history.all_is_durable();
        // What is read at an opening is not among the operations that are to fail.
        self.troubles.end(&self.directory);
        self.troubles.forget();
        let index = self.open(settings)?;
        assert_same("after a clean close", &everything(&index)?, self.history.current());
        self.index = Some(index);
        self.look_around()
    }

    /// Crashes, recovers, and goes on with what was found.
    pub fn crash(&mut self, crash: &Crash) {
        self.armed = None;
        self.troubles.forget();
        if self.index.is_some() {
            self.assert_nothing_in_quarantine();
        }
        let image = match crash.policy {
            Some(policy) => self.directory.crash(policy, crash.seed),
            None => self.directory.kill(),
        };
        self.snapshots.clear();
        self.iterators.clear();
        // The old one ends on its own directory, whatever state that is in.
        drop(self.index.take());
        self.directory = image;
        self.directory.set_capacity_bytes(None);
        let mut power_cut = crash.policy.is_some();
        if let Some((count, policy)) = crash.again {
            self.fail_in_recovery(crash, count, policy, power_cut);
            power_cut = true;
        }
        let index = self.open(crash.settings).expect("recovery works");
        let found = everything(&index).expect("what was recovered can be read");
        self.take_found(found, power_cut);
        self.index = Some(index);
        self.look_around().expect("what was recovered can be read in every way");
    }

    fn take_found(&mut self, found: crate::history::State, power_cut: bool) {
        if power_cut {
            self.history.found_after_power_cut(found);
        } else {
            self.history.found_after_kill(found);
        }
    }

    /// Recovers and writes on a disk that fails at operation `count`; then the power is cut again.
    fn fail_in_recovery(&mut self, crash: &Crash, count: u16, policy: CrashPolicy, power_cut: bool) {
        self.directory.fail_after(Some(u64::from(count)));
        if let Ok(index) = self.open(crash.settings) {
            // Without a change there is no failure yet.
            let found = everything(&index).expect("opening changes nothing");
            self.take_found(found, power_cut);
            self.index = Some(index);
            let written = (0..3).try_for_each(|number| self.put(number, SMALL));
            if written.is_ok() && self.index().flush_and_wait().is_ok() {
                self.history.all_is_durable();
            }
        }
        let image = self.directory.crash(policy, crash.seed ^ 1);
        drop(self.index.take());
        self.directory = image;
    }

    /// Reads everything in several ways, and checks.
    fn look_around(&self) -> Result<()> {
        let source = Source::Index(self.index());
        let state = self.history.current();
        for number in 0..KEY_NUMBERS {
            source.compare_get(&key(number), state)?;
        }
        source.compare(&Read::Ends, state)?;
        self.check()
    }

    /// With a log, recovery finds every run's entries elsewhere or in use.
    fn assert_nothing_in_quarantine(&self) {
        let quarantined = self.index().metrics_snapshot().io.quarantined_files;
        assert!(self.ever_off || quarantined == 0, "{quarantined} files in quarantine");
    }

    /// An error that a trouble brought about: an index that failed of it is left as a crash leaves it, any
    /// other goes on.
    pub fn suffer(&mut self, error: &Error) {
        self.iterators.clear();
        let ended = self.index.as_ref().is_none_or(|index| index.state() != IndexState::Ready);
        if ended {
            // What a failed index was at may be beyond what its log holds.
            self.ever_off = true;
            let crash = self.troubles.crash().expect("there is a trouble");
            self.crash(&crash);
        } else {
            assert!(!matches!(error, Error::Closed | Error::Failed { .. }), "{error}, but it goes on");
        }
    }

    /// Closes, reads with other settings, and opens again: reading changes nothing.
    pub fn read_only(&mut self, settings: Settings) -> Result<()> {
        let usual = self.settings;
        self.reopen(usual)?;
        self.index.take().expect("it is open").close()?;
        let before = self.directory.fingerprint();
        let reader = self.settings_instead_of(settings).builder(&self.directory, 0).open_read_only()?;
        assert_same("opened for reading only", &everything(&reader)?, self.history.current());
        let report = reader.check()?;
        assert!(report.is_clean(), "{report}");
        reader.close()?;
        assert_eq!(self.directory.fingerprint(), before, "reading changed something");
        self.index = Some(self.open(usual)?);
        Ok(())
    }

    /// Damages a byte of a run for a while: every answer is right or says so, and a check names the run.
    pub fn rot(&mut self, file: u8, offset: u32, mask: u8) -> Result<()> {
        self.index().wait_until_idle()?;
        let Ok(names) = self.directory.list() else { return Ok(()) };
        let runs: Vec<&String> = names.iter().filter(|name| name.ends_with(".sst")).collect();
        let Some(name) = runs.get(usize::from(file) % runs.len().max(1)) else { return Ok(()) };
        let length = self.directory.read_all(name).map_or(0, |bytes| bytes.len() as u64);
        let offset = u64::from(offset) % length.max(1);
        if self.directory.flip_bit(name, offset, mask).is_err() {
            return Ok(());
        }
        let outcome = self.look_at_rot(name);
        // A merge may have replaced it meanwhile.
        let _ = self.directory.flip_bit(name, offset, mask);
        self.iterators.clear();
        outcome
    }

    fn look_at_rot(&self, name: &str) -> Result<()> {
        let told = |outcome: Result<()>| match outcome {
            Err(Error::Corruption { file, .. }) if file == name => Ok(()),
            outcome => outcome,
        };
        let source = Source::Index(self.index());
        for number in 0..KEY_NUMBERS {
            told(source.compare_get(&key(number), self.history.current()))?;
        }
        told(source.compare(&Read::Everything, self.history.current()))?;
        let report = self.index().check()?;
        let names_it = report.problems.iter().any(|problem| problem.to_string().contains(name));
        let is_nobodys = report.unnamed_files.iter().any(|unnamed| unnamed == name)
            || self.directory.read_all(name).is_none();
        assert!(names_it || is_nobodys || self.settings.automatic, "{name} is damaged: {report}");
        Ok(())
    }

    /// The end of a history: nothing is left on disk that nobody needs.
    pub fn end(mut self) {
        if let Some(crash) = self.armed.take() {
            self.crash(&crash);
        }
        self.troubles.end(&self.directory);
        if self.index().state() != IndexState::Ready {
            self.ever_off = true;
            let crash = self.troubles.crash().expect("only a trouble ends an index");
            self.crash(&crash);
        }
        self.others.clear();
        let quiet = Settings { automatic: false, threads: 1, ..self.settings };
        self.reopen(quiet).expect("it closes and opens");
        self.put(1, SMALL).expect("a write after opening works");
        self.reopen(quiet).expect("it closes and opens again");
        let report = self.index().check().expect("it is open");
        drop(self.index.take());
        assert_eq!(files(&self.directory, ".sst"), report.runs, "runs that nobody names");
        assert_eq!(files(&self.directory, ".tmp"), 0, "half-written files");
        let reader = quiet.builder(&self.directory, 0).open_read_only().expect("it opens for reading");
        let found = everything(&reader).expect("it can be read");
        assert_same("opened for reading only", &found, self.history.current());
    }
}

fn files(directory: &SimulatedDirectory, ending: &str) -> u64 {
    let names = directory.list().expect("it can be listed");
    names.iter().filter(|name| name.ends_with(ending)).count() as u64
}
