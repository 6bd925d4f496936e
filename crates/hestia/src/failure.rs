//! How a command ends.

use std::fmt;
use std::io;
use std::process::ExitCode;

/// The end of a command that did what it was asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Done,
    /// The answer is no: `get` found nothing, `check` found damage, `repair` lost something.
    No,
}

impl Outcome {
    pub(crate) fn exit_code(self) -> ExitCode {
        match self {
            Self::Done => ExitCode::SUCCESS,
            Self::No => ExitCode::from(1),
        }
    }
}

/// Why a command could not do what it was asked to do.
#[derive(Debug)]
pub enum Failure {
    /// The engine refused or failed.
    Index(hestiastore::Error),
    /// The operating system refused something outside an index; what was being done, and what it said.
    Io(String, io::Error),
    /// A whole sentence.
    Message(String),
    /// Whoever reads our output closed it: no failure at all.
    ClosedPipe,
}

impl Failure {
    /// An error of writing to standard output.
    pub(crate) fn writing(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ClosedPipe,
            _ => Self::Io("write the output".to_owned(), error),
        }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(2)
    }
}

impl From<hestiastore::Error> for Failure {
    fn from(error: hestiastore::Error) -> Self {
        match &error {
            // The engine's dumps write to our output themselves.
            hestiastore::Error::Io { operation: "write", source, .. }
                if source.kind() == io::ErrorKind::BrokenPipe =>
            {
                Self::ClosedPipe
            }
            _ => Self::Index(error),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(error) => error.fmt(out),
            Self::Io(what, error) => write!(out, "cannot {what}: {error}"),
            Self::Message(message) => out.write_str(message),
            Self::ClosedPipe => out.write_str("the output was closed"),
        }
    }
}
