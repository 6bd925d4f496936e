//! Standard output and standard error.

use std::fmt::Display;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::fd::AsFd;

use crate::failure::Failure;

const BUFFER_BYTES: usize = 1 << 18;

/// Standard output behind a large buffer, without the line buffering of the standard library.
pub(crate) struct Output {
    writer: BufWriter<File>,
}

impl Output {
    pub(crate) fn new() -> Result<Self, Failure> {
        let owned = std::io::stdout().as_fd().try_clone_to_owned().map_err(Failure::writing)?;
        Ok(Self { writer: BufWriter::with_capacity(BUFFER_BYTES, File::from(owned)) })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.writer.write_all(bytes).map_err(Failure::writing)
    }

    pub(crate) fn line(&mut self, line: impl Display) -> Result<(), Failure> {
        writeln!(self.writer, "{line}").map_err(Failure::writing)
    }

    pub(crate) fn writer(&mut self) -> &mut dyn Write {
        &mut self.writer
    }

    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.writer.flush().map_err(Failure::writing)
    }

    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        self.flush()
    }
}

/// One line on standard error, whatever line breaks the message has.
pub(crate) fn say(message: impl Display) {
    let line: String = message.to_string().lines().collect::<Vec<_>>().join(" ");
    // There is nobody left to tell.
    let _ = writeln!(std::io::stderr(), "hestia: {line}");
}
