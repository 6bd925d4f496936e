//! The files of a simulated directory, read and harmed past all rules.

use std::io;
use std::sync::Arc;

use super::SimulatedDirectory;
use super::inode::{Content, Inode};
use super::names::{NameChange, Node};
use crate::directory::entries;
use crate::directory::image::Image;
use crate::directory::name::check_range;

impl SimulatedDirectory {
    /// For tests: the whole content of a file, or `None` if there is no such file. Works at all
    /// times, and allocates the length of the file.
    pub fn read_all(&self, name: &str) -> Option<Vec<u8>> {
        let inode = Arc::clone(entries::file(&self.shared.names.lock().current, name).ok()?);
        let content = inode.content.read();
        let mut bytes = vec![0; usize::try_from(content.current().length()).ok()?];
        content.current().read(0, &mut bytes);
        Some(bytes)
    }

    /// For tests: inverts the bits of `mask` in one byte, as a failing disk would. What the file
    /// holds is durable after this. Not counted, not refused.
    ///
    /// # Errors
    /// `NotFound`, or `InvalidInput` if the file has no such byte.
    pub fn flip_bit(&self, name: &str, offset: u64, mask: u8) -> io::Result<()> {
        let inode = Arc::clone(entries::file(&self.shared.names.lock().current, name)?);
        let mut content = inode.content.write();
        let mut byte = [0];
        if content.current().read(offset, &mut byte) == 0 {
            let message = format!("{name} has no byte {offset}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        content.tamper(&self.shared.gate, |image| image.write(offset, &[byte[0] ^ mask]));
        Ok(())
    }

    /// For tests: sets the length of a file; a longer one is filled with zeros. What the file holds
    /// is durable after this. Not counted, not refused.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn truncate(&self, name: &str, length: u64) -> io::Result<()> {
        check_range(length, 0)?;
        let inode = Arc::clone(entries::file(&self.shared.names.lock().current, name)?);
        let mut content = inode.content.write();
        content.tamper(&self.shared.gate, |image| image.set_length(length));
        Ok(())
    }

    /// For tests: gives a file this content, and makes the file if there is none. The file and all
    /// names of the directory are durable after this. Not counted, not refused.
    ///
    /// # Errors
    /// As [`create`](crate::directory::Directory::create), without `AlreadyExists`.
    pub fn write_all(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut names = self.shared.names.lock();
        let inode = match entries::file(&names.current, name) {
            Ok(inode) => Arc::clone(inode),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                entries::check_folder_of(&names.current, name)?;
                let inode = Inode::new(names.next_inode(), Content::of(Image::default()));
                let node = Node::File(Arc::clone(&inode));
                names.change(0, NameChange::Put { name: name.to_owned(), node });
                inode
            }
            Err(error) => return Err(error),
        };
        names.sync();
        inode.content.write().tamper(&self.shared.gate, |image| {
            image.set_length(0);
            image.write(0, bytes);
        });
        Ok(())
    }
}
