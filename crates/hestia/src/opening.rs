//! Opening indexes whose types are known only by their stored names.

use std::path::{Path, PathBuf};

use hestiastore::config::ConfigPatch;
use hestiastore::types::Raw;
use hestiastore::{Error, IndexBuilder, RecoveryPolicy, SegmentIndex};

use clap::ValueEnum;

use crate::codec::{Codec, Codecs};
use crate::failure::Failure;
use crate::output::say;

/// Any index, as encoded bytes.
pub(crate) type RawIndex = SegmentIndex<Raw, Raw>;

/// How a damaged log is met.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(crate) struct Recovery {
    /// What to do about a damaged log
    #[arg(long = "recovery", value_name = "POLICY", default_value = "fail")]
    policy: Policy,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Policy {
    /// Refuse to open the index
    #[default]
    Fail,
    /// Give up what is behind the damage, and say what that is
    Cut,
}

impl From<Recovery> for RecoveryPolicy {
    fn from(recovery: Recovery) -> Self {
        match recovery.policy {
            Policy::Fail => Self::Fail,
            Policy::Cut => Self::CutAtDamage,
        }
    }
}

/// An index that exists, as commands are told of it.
#[derive(Debug, clap::Args)]
pub(crate) struct Existing {
    /// Directory of the index
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    #[command(flatten)]
    recovery: Recovery,
}

impl Existing {
    /// Opens it, to change nothing.
    pub(crate) fn for_reading(&self) -> Result<RawIndex, Failure> {
        for_reading(&self.directory, self.recovery)
    }

    /// Opens it.
    pub(crate) fn for_writing(&self) -> Result<RawIndex, Failure> {
        let opening = builder(&self.directory).recovery(self.recovery.into());
        opened(opening.open(), &self.directory)
    }
}

fn builder(directory: &Path) -> IndexBuilder<Raw, Raw> {
    SegmentIndex::builder(directory)
}

/// Opens an index that exists, to change nothing.
pub(crate) fn for_reading(directory: &Path, recovery: Recovery) -> Result<RawIndex, Failure> {
    opened(builder(directory).recovery(recovery.into()).open_read_only(), directory)
}

/// Tells what was lost, or why there is no index.
fn opened(outcome: hestiastore::Result<RawIndex>, directory: &Path) -> Result<RawIndex, Failure> {
    let index = outcome.map_err(|error| with_advice(error, directory))?;
    if let Some(loss) = index.log_loss() {
        say(loss);
    }
    Ok(index)
}

/// Makes an index.
pub(crate) fn create(
    directory: &Path,
    key_type: &str,
    value_type: &str,
    settings: ConfigPatch,
) -> Result<RawIndex, Failure> {
    Ok(builder(directory).settings(settings).type_names(key_type, value_type).create()?)
}

/// Opens an index, or makes one of strings where there is nothing yet.
pub(crate) fn for_loading(
    directory: &Path,
    settings: ConfigPatch,
    recovery: Recovery,
) -> Result<RawIndex, Failure> {
    if is_free(directory) {
        return create(directory, "string", "string", settings);
    }
    opened(builder(directory).settings(settings).recovery(recovery.into()).open(), directory)
}

/// Whether nothing is there that could be somebody's.
fn is_free(directory: &Path) -> bool {
    match std::fs::read_dir(directory) {
        Ok(entries) => entries.filter_map(Result::ok).all(|entry| entry.file_name() == ".lock"),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// Whether there are runs or logs.
fn has_files_of_an_index(directory: &Path) -> bool {
    let names = std::fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
    let mut names = names.filter_map(|entry| entry.file_name().into_string().ok());
    names.any(|name| {
        let is = |prefix: &str, ending: &str| name.starts_with(prefix) && name.ends_with(ending);
        is("run-", ".sst") || is("log-", ".wal")
    })
}

fn with_advice(error: Error, directory: &Path) -> Failure {
    match &error {
        Error::NotAnIndex { .. } if is_free(directory) => {
            Failure::Message(format!("{error}; make one with: hestia create"))
        }
        Error::NotAnIndex { .. } if has_files_of_an_index(directory) => {
            Failure::Message(format!("{error}; if its manifest is lost, try: hestia repair --dry-run"))
        }
        _ => error.into(),
    }
}

pub(crate) fn codecs(index: &RawIndex) -> Codecs {
    let (key_type, value_type) = index.type_names();
    Codecs { key: Codec::of("key", key_type), value: Codec::of("value", value_type) }
}
