//! `hestia dump`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;
use hestiastore::directory::{Directory, FsDirectory};
use hestiastore::inspect;

use crate::failure::{Failure, Outcome};
use crate::output::Output;

const AFTER_HELP: &str = "\
Examples:
  hestia dump manifest words/MANIFEST
  hestia dump run words/run-0123456789abcdef.sst --limit 20

Takes no lock and changes nothing: it may look at a file of an index that is in use. For logs there
is hestia wal dump.";

/// Write out what a file of an index holds
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// What kind of file it is
    kind: Kind,
    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Of a run, show so many entries at most
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A run of sorted entries, run-*.sst
    Run,
    /// The list of everything that is part of the index
    Manifest,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let (directory, name) = open_folder(&arguments.file)?;
    let mut output = Output::new()?;
    let dumped = match arguments.kind {
        Kind::Run => inspect::dump_run(&directory, &name, arguments.limit, output.writer()),
        Kind::Manifest => inspect::dump_manifest(&*directory, &name, output.writer()),
    };
    // What was shown before the damage helps to understand it.
    let finished = output.finish();
    dumped?;
    finished?;
    Ok(Outcome::Done)
}

/// The folder of a file, and its name there.
pub(super) fn open_folder(file: &Path) -> Result<(Arc<dyn Directory>, String), Failure> {
    let Some(name) = file.file_name().and_then(|name| name.to_str()) else {
        return Err(Failure::Message(format!("{} does not name a file of an index", file.display())));
    };
    let folder = match file.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    Ok((Arc::new(open_existing(folder)?), name.to_owned()))
}

/// A directory that exists, whatever it holds.
pub(super) fn open_existing(folder: &Path) -> Result<FsDirectory, Failure> {
    FsDirectory::open(folder)
        .map_err(|error| Failure::Io(format!("open the directory {}", folder.display()), error))
}
