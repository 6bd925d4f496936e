//! The folder for files that are set aside: nobody needs them, and yet they are not to be deleted.

use std::io;

use super::core::Core;
use super::counters::add;
use crate::directory::OpenMode;
use crate::error::{Error, Result};

const QUARANTINE: &str = "quarantine";

impl Core {
    /// Moves a file to `quarantine/`, under a name that is free there. Nothing to do if it is gone.
    pub(super) fn quarantine(&self, name: &str) -> Result<()> {
        let cannot = |source| Error::io("move to quarantine", name, source);
        self.directory.create_folder(QUARANTINE).map_err(cannot)?;
        let place = self.free_place(name).map_err(cannot)?;
        match self.directory.rename(name, &place) {
            Ok(()) => add(&self.counters.quarantined_files, 1),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(cannot(error)),
        }
        Ok(())
    }

    /// Numbers of logs come again once all logs are gone, and a rename would replace.
    fn free_place(&self, name: &str) -> io::Result<String> {
        let mut place = format!("{QUARANTINE}/{name}");
        let mut copies = 1;
        loop {
            match self.directory.open(&place, OpenMode::Read) {
                Ok(_) => copies += 1,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(place),
                Err(error) => return Err(error),
            }
            place = format!("{QUARANTINE}/{name}.{copies}");
        }
    }
}
