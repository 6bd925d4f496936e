//! Setting files aside: nobody needs them, and yet they are not to be deleted.

use std::io;

use super::core::Core;
use super::counters::add;
use crate::directory::move_to_quarantine;
use crate::error::{Error, Result};

impl Core {
    /// Moves a file to `quarantine/`. Nothing to do if it is gone.
    pub(super) fn quarantine(&self, name: &str) -> Result<()> {
        match move_to_quarantine(&*self.directory, name) {
            Ok(()) => add(&self.counters.quarantined_files, 1),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("move to quarantine", name, error)),
        }
        Ok(())
    }
}
