//! `kill -9` torture: a process writes numbered commits and acknowledges each over a pipe after it has
//! returned; it is killed at a random moment; what it left is opened and compared; the next one goes on
//! with the same store.
//!
//! It proves what holds of the death of a process: nothing acknowledged is missing, nothing is there that
//! was not written, batches are whole, `check` is clean. What a power cut leaves is the business of the
//! crash tests, which simulate the disk.

mod child;
mod commits;
mod history;
mod pipe;
mod plan;
mod store;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use hestiastore::config::Durability;
use hestiastore::environment::Environment;

pub(crate) use child::{Arguments as ChildArguments, run as run_child};

use crate::chance::Chance;
use crate::outcome::{Outcome, failure};
pub(crate) use child::Mode;
use pipe::{Promises, Word};
use plan::Round;
use store::Store;

/// Nothing that the engine does here takes as long.
const HANGS_AFTER: Duration = Duration::from_secs(120);

/// Kills writing processes and verifies what they leave
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How many kills; 1000 unless given here or as a time
    #[arg(long, conflicts_with = "minutes")]
    kills: Option<u64>,
    /// How long to go on
    #[arg(long)]
    minutes: Option<u64>,
    /// One durability mode: off, buffered, group-sync or sync; all of them, changing, unless given
    #[arg(long)]
    mode: Option<Mode>,
    /// Seed of commits, settings and moments; random unless given
    #[arg(long)]
    seed: Option<u64>,
    /// Folder to put the stores in; the system's temporary folder unless given
    #[arg(long)]
    directory: Option<PathBuf>,
}

/// What was done.
#[derive(Debug, Default)]
struct Tally {
    kills: u64,
    /// Processes that had closed and gone before the kill came.
    too_late: u64,
    stores: u64,
    commits: u64,
    /// Of the store that had most.
    most_segments: u64,
    most_runs: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome<String> {
    let start = Instant::now();
    let seed = arguments.seed.unwrap_or_else(any_seed);
    let mut tally = Tally::default();
    while !arguments.is_done(&tally, start) {
        let number = tally.stores;
        let mut store = Store::new(arguments.directory.as_deref())?;
        tally.stores += 1;
        let lifetime = 20 + Chance::of(&[seed, number, 1]).below(300);
        for life in 0..lifetime {
            if arguments.is_done(&tally, start) {
                break;
            }
            let mode = arguments.mode.map_or_else(|| changing_mode(seed, number, life), |mode| mode.0);
            let round = Round { seed, store: number, round: life, mode };
            if let Err(error) = kill_once(&mut store, &round, &mut tally) {
                let kept = store.keep();
                let (act, lanes) = (round.act(), round.lanes());
                return failure(format!(
                    "kill {}, seed {seed}, store {number}, round {life}, mode {mode}, {act:?}, {lanes} lanes: {error}\n\
                     the store is kept in {}",
                    tally.kills + 1,
                    kept.display()
                ));
            }
        }
    }
    let Tally { kills, too_late, stores, commits, most_segments, most_runs } = tally;
    Ok(format!(
        "{kills} kills ({too_late} closes came through), {commits} commits acknowledged, {stores} stores of up to \
         {most_segments} segments and {most_runs} runs, seed {seed}"
    ))
}

impl Arguments {
    /// So many kills in all modes.
    pub(crate) fn of(kills: u64) -> Self {
        Self { kills: Some(kills), minutes: None, mode: None, seed: None, directory: None }
    }

    fn is_done(&self, tally: &Tally, start: Instant) -> bool {
        match self.minutes {
            Some(minutes) => start.elapsed() >= Duration::from_secs(minutes * 60),
            None => tally.kills >= self.kills.unwrap_or(1_000),
        }
    }
}

fn any_seed() -> u64 {
    // Short, so that it can be typed.
    Environment::default().random.next_u64() >> 40
}

/// Mostly the store's own mode, now and then another one.
fn changing_mode(seed: u64, store: u64, round: u64) -> Durability {
    use Durability::{Buffered, GroupSync, Off, Sync};
    let of_store = Chance::of(&[seed, store, 2]).pick(Buffered, &[Buffered, Off, GroupSync, Sync]);
    let chance = Chance::of(&[seed, store, round, 3]);
    if chance.one_in(5) { chance.pick(Buffered, &[Off, GroupSync, Sync]) } else { of_store }
}

fn kill_once(store: &mut Store, round: &Round, tally: &mut Tally) -> Outcome {
    let mut child = Command::new(std::env::current_exe()?)
        .args(ChildArguments::of(store.path().to_owned(), round))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let promises = kill_in_time(&mut child, round);
    // Whatever happened: no process is left behind.
    let _ = child.kill();
    let status = child.wait()?;
    let promises = promises?;
    if let Some(code) = status.code().filter(|code| *code != 0) {
        return failure(format!("the writing process ended by itself with code {code}"));
    }
    let size = store.verify(round, &promises)?;
    tally.most_segments = tally.most_segments.max(size.segments);
    tally.most_runs = tally.most_runs.max(size.runs);
    tally.kills += u64::from(status.code().is_none());
    if status.code().is_none() && tally.kills.is_multiple_of(100) {
        eprintln!("kill {}", tally.kills);
    }
    tally.too_late += u64::from(status.code().is_some());
    tally.commits += promises.commits();
    Ok(())
}

/// Listens to the process and kills it when its time has come.
fn kill_in_time(child: &mut Child, round: &Round) -> Outcome<Promises> {
    let Some(mut pipe) = child.stdout.take() else { return failure("no pipe") };
    let (said, heard) = channel();
    std::thread::scope(|scope| {
        let listener = scope.spawn(move || {
            let mut promises = Promises::default();
            let mut pipe = std::io::BufReader::new(&mut pipe);
            while let Some(word) = Word::read(&mut pipe)? {
                promises.hear(word)?;
                if matches!(word, Word::Opening | Word::Acting) {
                    // Nobody listens any more after the kill.
                    let _ = said.send(word);
                }
            }
            Outcome::Ok(promises)
        });
        let begun = wait_for_the_moment(&heard, round);
        if begun.is_ok() {
            std::thread::sleep(round.delay());
        }
        let killed = child.kill();
        let promises = listener.join().map_err(|_| "the listener has panicked")?;
        begun?;
        killed?;
        promises
    })
}

fn wait_for_the_moment(heard: &Receiver<Word>, round: &Round) -> Outcome {
    let moment = if round.act() == plan::Act::Open { Word::Opening } else { Word::Acting };
    loop {
        match heard.recv_timeout(HANGS_AFTER) {
            Ok(word) if word == moment => return Ok(()),
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout) => return failure("the writing process hangs"),
            Err(RecvTimeoutError::Disconnected) => {
                return failure("the writing process ended before it began");
            }
        }
    }
}
