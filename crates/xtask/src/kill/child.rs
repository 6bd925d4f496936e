//! The process that is killed: it opens the index and writes until it dies.

use std::path::PathBuf;
use std::str::FromStr;

use hestiastore::config::Durability;
use hestiastore::{Result, WriteBatch};

use super::commits::{Commit, CommitId};
use super::pipe::{Mouth, Word};
use super::plan::{Act, Index, Round};
use crate::outcome::Outcome;

/// What the parent gives along.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    place: PathBuf,
    seed: u64,
    store: u64,
    round: u64,
    mode: Mode,
}

/// A durability mode as a word of the command line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mode(pub(crate) Durability);

impl FromStr for Mode {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        use Durability::{Buffered, GroupSync, Off, Sync};
        let found = [Off, Buffered, GroupSync, Sync].into_iter().find(|mode| mode.name() == name);
        found.map(Mode).ok_or_else(|| "off, buffered, group-sync or sync".to_owned())
    }
}

impl Arguments {
    pub(super) fn of(place: PathBuf, round: &Round) -> Vec<std::ffi::OsString> {
        let numbers = [round.seed, round.store, round.round].map(|number| number.to_string().into());
        let mode = round.mode.name().into();
        [vec!["kill-child".into(), place.into()], numbers.to_vec(), vec![mode]].concat()
    }
}

/// Runs until the parent kills it, or until a close has come through.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let Arguments { place, seed, store, round, mode } = arguments;
    let round = Round { seed: *seed, store: *store, round: *round, mode: mode.0 };
    let mouth = Mouth::open()?;
    mouth.say(Word::Opening)?;
    let index = round.builder(place).open_or_create()?;
    let act = round.act();
    if act != Act::Close {
        mouth.say(Word::Acting)?;
    }
    std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..round.lanes())
            .map(|lane| {
                let (index, mouth) = (&index, &mouth);
                scope.spawn(move || Lane { index, mouth, round, lane }.write())
            })
            .collect();
        if act == Act::Compact {
            loop {
                index.compact_and_wait()?;
            }
        }
        for lane in lanes {
            lane.join().map_err(|_| "a lane has panicked")??;
        }
        Outcome::Ok(())
    })?;
    mouth.say(Word::Acting)?;
    index.close()?;
    Ok(())
}

/// One writer.
struct Lane<'a> {
    index: &'a Index,
    mouth: &'a Mouth,
    round: Round,
    lane: u8,
}

impl Lane<'_> {
    /// Writes for ever, or as many commits as come before a close.
    fn write(&self) -> Outcome {
        let Round { seed, store, round, .. } = self.round;
        let flushes = self.round.flushes(self.lane);
        let limit = match self.round.act() {
            Act::Close => self.round.commits_before_close(),
            Act::Write | Act::Open | Act::Compact => u64::MAX,
        };
        for number in 1..=limit {
            let id = CommitId { seed, store, round, lane: self.lane, number };
            self.carry_out(id.commit())?;
            self.mouth.say(Word::Acknowledged { lane: self.lane, number })?;
            match flushes.below(2_000) {
                0..10 => self.index.flush()?,
                10..13 => {
                    self.index.flush_and_wait()?;
                    self.mouth.say(Word::Flushed { lane: self.lane, number })?;
                }
                13..15 => self.index.sync()?,
                _ => {}
            }
        }
        Ok(())
    }

    fn carry_out(&self, commit: Commit) -> Result<()> {
        if let ([(key, value)], false) = (&commit.operations[..], commit.as_batch) {
            return match value {
                Some(value) => self.index.put(key, value),
                None => self.index.delete(key),
            };
        }
        let mut batch = WriteBatch::new();
        for (key, value) in &commit.operations {
            match value {
                Some(value) => batch.put(key, value)?,
                None => batch.delete(key)?,
            };
        }
        if commit.strengthened && self.round.mode != Durability::Off {
            batch.durability(Durability::Sync);
        }
        self.index.write(batch)
    }
}
