//! `hestia load`.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Instant;

use hestiastore::Error;

use crate::codec::Codecs;
use crate::failure::{Failure, Outcome};
use crate::format::Format;
use crate::lines::{Line, Lines};
use crate::opening::{self, RawIndex};
use crate::output::say;
use crate::progress::Progress;
use crate::settings;

const AFTER_HELP: &str = "\
Examples:
  hestia load words words.tsv
  gzip -dc words.tsv.gz | hestia load words -
  hestia load words other.jsonl --format jsonl --skip-bad

Lines are stored one after the other, so that of a load that is killed the first part is there, and
the last of several lines with one key holds. A malformed line stops the load; what stands before it
stays.
Progress is shown on a terminal, nothing elsewhere.

In jsonl a key or value is a string, a number, true or false, or {\"base64\": \"..\"}.";

/// Store the lines of a file
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// Directory of the index; where there is nothing, an index of strings is made
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    #[command(flatten)]
    recovery: opening::Recovery,
    /// The file; - or nothing for standard input
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// How an entry is written
    #[arg(long, default_value = "tsv")]
    format: Format,
    /// Pass over malformed lines and say how many there were
    #[arg(long)]
    skip_bad: bool,
    /// A setting of the index for a new one, or from now on; may be given several times
    #[arg(long = "set", value_name = "GROUP.KNOB=VALUE")]
    settings: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let (patch, problems) = settings::parse(&arguments.settings);
    settings::refuse(&problems)?;
    // Before the index, so that a mistyped name makes none.
    let input = Input::open(arguments.file.as_deref())?;
    let index = opening::for_loading(&arguments.directory, patch, arguments.recovery)?;
    let codecs = opening::codecs(&index);
    let load =
        Load { index: &index, codecs: &codecs, format: arguments.format, skip_bad: arguments.skip_bad };
    let loaded = load.all_lines(input);
    // What was loaded before a malformed line is kept, and must be safe before that is told.
    let closed = index.close();
    loaded?;
    closed?;
    Ok(Outcome::Done)
}

/// Where lines come from.
struct Input {
    name: String,
    reader: Box<dyn Read>,
    bytes: Option<u64>,
}

impl Input {
    fn open(file: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = file.filter(|path| *path != Path::new("-")) else {
            let name = "standard input".to_owned();
            return Ok(Self { name, reader: Box::new(io::stdin().lock()), bytes: None });
        };
        let cannot = |error| Failure::Io(format!("read {}", path.display()), error);
        let file = File::open(path).map_err(cannot)?;
        let metadata = file.metadata().map_err(cannot)?;
        if metadata.is_dir() {
            return Err(cannot(io::ErrorKind::IsADirectory.into()));
        }
        let bytes = metadata.is_file().then_some(metadata.len());
        Ok(Self { name: path.display().to_string(), reader: Box::new(file), bytes })
    }
}

struct Load<'a> {
    index: &'a RawIndex,
    codecs: &'a Codecs,
    format: Format,
    skip_bad: bool,
}

/// Why a line was not stored.
enum Refusal {
    /// It is malformed.
    Bad(String),
    Failed(Error),
}

/// Malformed lines that were passed over.
#[derive(Default)]
struct Skipped {
    count: u64,
    first: Option<(u64, String)>,
}

impl Load<'_> {
    fn all_lines(&self, input: Input) -> Result<(), Failure> {
        let progress = Progress::new(input.bytes);
        let started = Instant::now();
        let mut lines = Lines::new(input.reader);
        let mut skipped = Skipped::default();
        loop {
            let line = match lines.next() {
                Ok(Some(line)) => line,
                Ok(None) => break,
                Err(error) => return Err(Failure::Io(format!("read {}", input.name), error)),
            };
            match self.store(line) {
                Ok(()) => {}
                Err(Refusal::Bad(reason)) if self.skip_bad => skipped.add(lines.number(), reason),
                Err(Refusal::Bad(reason)) => return Err(stopped(&input.name, lines.number(), &reason)),
                Err(Refusal::Failed(error)) => return Err(error.into()),
            }
            progress.update(lines.number(), lines.read_bytes());
        }
        progress.end();
        let stored = lines.number() - skipped.count;
        if progress.is_shown() {
            let seconds = started.elapsed().as_secs_f64();
            say(format_args!(
                "{stored} lines in {seconds:.1} s, {:.0} a second",
                stored as f64 / seconds.max(1e-9)
            ));
        }
        skipped.tell(&input.name);
        Ok(())
    }

    #[inline]
    fn store(&self, line: Line<'_>) -> Result<(), Refusal> {
        let Line::Whole(line) = line else {
            return Err(Refusal::Bad("it is longer than any entry".to_owned()));
        };
        let (key, value) = self.format.read(line).map_err(Refusal::Bad)?;
        let key = self.codecs.key.encode(&key).map_err(of_part("key"))?;
        let value = self.codecs.value.encode(&value).map_err(of_part("value"))?;
        self.index.put(&*key, &*value).map_err(|error| match error {
            Error::KeyTooLong { .. } | Error::ValueTooLong { .. } => Refusal::Bad(error.to_string()),
            other => Refusal::Failed(other),
        })
    }
}

fn of_part(part: &'static str) -> impl Fn(Error) -> Refusal {
    move |error| match error {
        Error::InvalidText { expected, detail } => {
            Refusal::Bad(format!("its {part} is no {expected}: {detail}"))
        }
        other => Refusal::Bad(format!("its {part}: {other}")),
    }
}

fn stopped(name: &str, number: u64, reason: &str) -> Failure {
    let before = match number - 1 {
        0 => "nothing was loaded".to_owned(),
        1 => "the line before it was loaded".to_owned(),
        count => format!("the {count} lines before it were loaded"),
    };
    Failure::Message(format!("line {number} of {name} is malformed: {reason}; {before}"))
}

impl Skipped {
    fn add(&mut self, number: u64, reason: String) {
        self.count += 1;
        self.first.get_or_insert((number, reason));
    }

    fn tell(&self, name: &str) {
        if let Some((number, reason)) = &self.first {
            let lines = if self.count == 1 { "line was" } else { "lines were" };
            say(format_args!(
                "{} malformed {lines} skipped in {name}, the first is line {number}: {reason}",
                self.count
            ));
        }
    }
}
