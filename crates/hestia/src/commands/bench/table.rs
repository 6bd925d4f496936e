//! The table of results.

use std::fmt::Display;
use std::time::Instant;

use crate::failure::Failure;
use crate::output::Output;

/// What a phase went through.
#[derive(Default)]
pub(super) struct Done {
    /// 0 if it is not about records.
    pub(super) records: u64,
    pub(super) note: String,
}

/// Written row by row as the phases end.
pub(super) struct Table {
    output: Output,
}

impl Table {
    pub(super) fn new() -> Result<Self, Failure> {
        Ok(Self { output: Output::new()? })
    }

    pub(super) fn line(&mut self, line: impl Display) -> Result<(), Failure> {
        self.output.line(line)?;
        self.output.flush()
    }

    pub(super) fn head(&mut self) -> Result<(), Failure> {
        self.line(format_args!("{:<8}{:>12}{:>10}{:>13}  note", "phase", "records", "seconds", "per second"))
    }

    /// Runs a phase and writes its row.
    pub(super) fn measure(
        &mut self,
        phase: &str,
        work: impl FnOnce() -> Result<Done, Failure>,
    ) -> Result<(), Failure> {
        let started = Instant::now();
        let Done { records, note } = work()?;
        let seconds = started.elapsed().as_secs_f64();
        let (records, rate) = match records {
            0 => (String::new(), String::new()),
            count => (count.to_string(), format!("{:.0}", count as f64 / seconds.max(1e-9))),
        };
        let note = note.trim_end();
        self.line(format!("{phase:<8}{records:>12}{seconds:>10.3}{rate:>13}  {note}").trim_end())
    }

    pub(super) fn finish(self) -> Result<(), Failure> {
        self.output.finish()
    }
}
