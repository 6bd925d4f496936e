//! What is allowed: each knob by itself, and the rules between knobs.

use super::Config;
use super::groups::KNOBS;
use super::text::show_bytes;
use crate::{Error, Result};

impl Config {
    /// Checks every knob and every rule between knobs.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] with all problems, each beginning with the knob's name and saying
    /// what is allowed.
    ///
    /// ```
    /// use hestiastore::config::Config;
    ///
    /// let mut config = Config::default();
    /// config.io.block_bytes = 5000;
    /// config.maintenance.threads = 0;
    /// let Err(hestiastore::Error::InvalidConfig { problems }) = config.validate() else { panic!() };
    /// assert_eq!(problems.len(), 2);
    /// ```
    pub fn validate(&self) -> Result<()> {
        let mut problems: Vec<String> =
            KNOBS.iter().flat_map(|knob| knob.problems(&(knob.get)(self))).collect();
        problems.extend(self.rules_broken());
        if problems.is_empty() { Ok(()) } else { Err(Error::InvalidConfig { problems }) }
    }

    fn rules_broken(&self) -> impl Iterator<Item = String> {
        let rules = [
            self.chunks_fit_segments(),
            self.hashes_come_with_a_size(),
            self.log_files_grow(),
            self.log_holds_the_write_buffers(),
            self.log_holds_two_files(),
            self.memory_holds_the_budgets(),
        ];
        rules.into_iter().flatten()
    }

    fn chunks_fit_segments(&self) -> Option<String> {
        let limit_bytes = self.segment.target_bytes / 4;
        (self.chunk.max_bytes > limit_bytes).then(|| {
            format!(
                "chunk.max_bytes must be at most a quarter of segment.target_bytes, that is {}, not {}",
                show_bytes(limit_bytes),
                show_bytes(self.chunk.max_bytes)
            )
        })
    }

    fn hashes_come_with_a_size(&self) -> Option<String> {
        (self.bloom.hashes.is_some() && self.bloom.size_bytes.is_none())
            .then(|| "bloom.hashes must be auto unless bloom.size_bytes is set by hand too".to_owned())
    }

    fn log_files_grow(&self) -> Option<String> {
        (self.log.max_file_bytes < self.log.first_file_bytes).then(|| {
            format!(
                "log.max_file_bytes must be at least log.first_file_bytes, that is {}, not {}",
                show_bytes(self.log.first_file_bytes),
                show_bytes(self.log.max_file_bytes)
            )
        })
    }

    /// Below three times, a full log would force flushes before the buffers are worth one.
    fn log_holds_the_write_buffers(&self) -> Option<String> {
        let least_bytes = self.write_buffer.budget_bytes.saturating_mul(3);
        let limit_bytes = self.log.limit_bytes?;
        (limit_bytes < least_bytes).then(|| {
            format!(
                "log.limit_bytes must be at least three times write_buffer.budget_bytes, that is {}, not {}",
                show_bytes(least_bytes),
                show_bytes(limit_bytes)
            )
        })
    }

    /// Only whole files can be given up, and one is always in use.
    fn log_holds_two_files(&self) -> Option<String> {
        let least_bytes = self.log.first_file_bytes.saturating_mul(2);
        let limit_bytes = self.log.limit_bytes?;
        (limit_bytes < least_bytes).then(|| {
            format!(
                "log.limit_bytes must be at least twice log.first_file_bytes, that is {}, not {}",
                show_bytes(least_bytes),
                show_bytes(limit_bytes)
            )
        })
    }

    fn memory_holds_the_budgets(&self) -> Option<String> {
        let least_bytes = self.memory_estimate_bytes();
        let budget_bytes = self.memory.budget_bytes?;
        (budget_bytes < least_bytes).then(|| {
            format!(
                "memory.budget_bytes must be at least what all budgets take together, that is {}, not {}",
                show_bytes(least_bytes),
                show_bytes(budget_bytes)
            )
        })
    }
}
