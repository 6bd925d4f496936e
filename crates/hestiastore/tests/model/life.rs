//! The ends of an index and its new beginnings: close, crash, kill, recovery.

use hestiastore::directory::{CrashPolicy, Directory, SimulatedDirectory};
use hestiastore::{Error, Result};

use crate::data::{KEY_NUMBERS, key};
use crate::history::assert_same;
use crate::reading::{Source, everything};
use crate::settings::{Index, Settings};
use crate::step::{Crash, Read, ValueSpec};
use crate::world::World;

const SMALL: ValueSpec = ValueSpec { length: 9, plain: false };

impl World {
    fn open(&mut self, settings: Settings) -> Result<Index> {
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
        let closed = index.close();
        if let Some((snapshot, _)) = self.snapshots.first() {
            assert!(matches!(snapshot.get(&[][..]), Err(Error::Closed)), "a snapshot lives after close");
        }
        self.snapshots.clear();
        self.iterators.clear();
        closed?;
        self.history.all_is_durable();
        let index = self.open(settings)?;
        assert_same("after a clean close", &everything(&index)?, self.history.current());
        self.index = Some(index);
        self.look_around()
    }

    /// Crashes, recovers, and goes on with what was found.
    pub fn crash(&mut self, crash: &Crash) {
        self.armed = None;
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

    /// The end of a history: nothing is left on disk that nobody needs.
    pub fn end(mut self) {
        if let Some(crash) = self.armed.take() {
            self.crash(&crash);
        }
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
