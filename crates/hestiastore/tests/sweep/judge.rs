//! Reads a harmed store in every way, and judges what it says.

use std::panic::{AssertUnwindSafe, catch_unwind};

use hestiastore::directory::{Directory, OpenMode, SimulatedDirectory};
use hestiastore::{Error, Result};

use crate::store::{Index, State, Store, Witness, builder, copy};

/// What came of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Everything is there.
    Right,
    /// A legal prefix: nothing that is proven to have been synced is missing.
    Shorter,
    /// An error that names a file that was harmed.
    Told,
}

/// How often each verdict came.
#[derive(Debug, Default)]
pub struct Tally {
    pub right: u64,
    pub shorter: u64,
    pub told: u64,
}

impl Tally {
    pub fn count(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Right => self.right += 1,
            Verdict::Shorter => self.shorter += 1,
            Verdict::Told => self.told += 1,
        }
    }

    pub fn cases(&self) -> u64 {
        self.right + self.shorter + self.told
    }
}

/// One harm done to a copy of a store.
pub struct Case<'a> {
    pub store: &'a Store,
    /// For the reports.
    pub what: String,
    /// The files that an error may name.
    pub harmed: Vec<String>,
    /// Also writes, compacts and opens again.
    pub deep: bool,
}

impl Case<'_> {
    /// Does the harm and judges. Panics with the case's name if the answer is wrong.
    pub fn judge(&self, harm: impl Fn(&SimulatedDirectory)) -> Verdict {
        let directory = copy(&self.store.directory);
        harm(&directory);
        let least = self.least_state(&directory);
        let trial = catch_unwind(AssertUnwindSafe(|| self.read_all_ways(&directory, least)));
        trial.unwrap_or_else(|_| panic!("{}: see above", self.what))
    }

    /// The first state that is legal: all that the manifest and the marks that are left prove.
    fn least_state(&self, directory: &SimulatedDirectory) -> usize {
        let is_left = |mark: &&Witness| {
            let mut bytes = vec![0; mark.place.len()];
            let read = directory.open(&mark.file, OpenMode::Read);
            let read = read.and_then(|file| file.read_at(mark.place.start as u64, &mut bytes));
            read.is_ok() && bytes == self.store.files[&mark.file][mark.place.clone()]
        };
        let marks = self.store.witnesses.iter().filter(is_left);
        let proven = marks.map(|mark| mark.seq).max().unwrap_or(0).max(self.store.proven_seq);
        self.store.state_at(proven)
    }

    fn read_all_ways(&self, directory: &SimulatedDirectory, least: usize) -> Verdict {
        let read_only = builder(directory, 3).open_read_only();
        let (verdict, state) = self.read(read_only, least);
        let writing = match builder(directory, 4).open() {
            Ok(index) => {
                // It reads no other way.
                if let Some(state) = &state {
                    let found: Result<State> = index.iter().unwrap().collect();
                    assert!(found.unwrap() == *state, "{}: other entries than read-only", self.what);
                }
                verdict
            }
            Err(error) => {
                self.assert_named(&error);
                Verdict::Told
            }
        };
        // A log that is ready for the next writes is of no interest to who only reads.
        let alike = verdict == writing || (verdict, writing) == (Verdict::Right, Verdict::Told);
        assert!(alike, "{}: {verdict:?} read-only, {writing:?} otherwise", self.what);
        if let (true, Verdict::Right | Verdict::Shorter, Some(state)) = (self.deep, writing, state)
            && let Err(error) = self.write_and_reopen(directory, state)
        {
            self.assert_named(&error);
            return Verdict::Told;
        }
        writing
    }

    /// What an opened index says, and the state that it shows, if it shows one.
    fn read(&self, opened: Result<Index>, least: usize) -> (Verdict, Option<State>) {
        let index = match opened {
            Ok(index) => index,
            Err(error) => {
                self.assert_named(&error);
                return (Verdict::Told, None);
            }
        };
        let mut errors = Vec::new();
        let forward: Result<State> = index.iter().unwrap().collect();
        let backward: Result<State> = index.iter().unwrap().rev().collect();
        let legal: Vec<&State> = self.store.states[least..].iter().map(|(_, state)| state).collect();
        let legal: Vec<&State> = [forward, backward].into_iter().fold(legal, |legal, scan| match scan {
            Ok(found) => legal.into_iter().filter(|state| **state == found).collect(),
            Err(error) => {
                errors.push(error);
                legal
            }
        });
        let legal = self.get_all(&index, legal, &mut errors);
        assert!(!legal.is_empty(), "{}: a wrong answer", self.what);
        errors.extend(index.check().unwrap().problems);
        if !errors.is_empty() {
            errors.iter().for_each(|error| self.assert_named(error));
            return (Verdict::Told, None);
        }
        let shown = legal[legal.len() - 1];
        let verdict = if *shown == *self.store.last() { Verdict::Right } else { Verdict::Shorter };
        (verdict, Some(shown.clone()))
    }

    /// The states that agree with every single get.
    fn get_all<'s>(
        &self,
        index: &Index,
        mut legal: Vec<&'s State>,
        errors: &mut Vec<Error>,
    ) -> Vec<&'s State> {
        for key in &self.store.keys {
            match index.get(key) {
                Ok(found) => legal.retain(|state| state.get(key) == found.as_ref()),
                Err(error) => errors.push(error),
            }
        }
        legal
    }

    /// What goes on after reading: a write, a compaction, another opening.
    fn write_and_reopen(&self, directory: &SimulatedDirectory, mut state: State) -> Result<()> {
        let index = builder(directory, 5).open()?;
        index.put(b"new", b"entry")?;
        state.insert(b"new".to_vec(), b"entry".to_vec());
        index.compact_and_wait()?;
        index.close()?;
        drop(index);
        let index = builder(directory, 6).open()?;
        let found: Result<State> = index.iter()?.collect();
        assert!(found? == state, "{}: other entries after a compaction", self.what);
        Ok(())
    }

    /// The error is of the kinds that speak of files, and names one that was harmed.
    fn assert_named(&self, error: &Error) {
        let of_files = matches!(
            error,
            Error::Corruption { .. }
                | Error::Unsupported { .. }
                | Error::Io { .. }
                | Error::NotAnIndex { .. }
        );
        assert!(of_files, "{}: {error:?}", self.what);
        let text = error.to_string();
        assert!(self.harmed.iter().any(|harmed| text.contains(harmed)), "{} is not named: {text}", self.what);
    }
}
