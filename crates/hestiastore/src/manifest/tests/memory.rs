//! A directory in memory that knows what a crash would leave, and fails when told to.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use crate::directory::{Directory, DirectoryLock, File, LockMode, OpenMode};
use crate::environment::Environment;

const SECTOR_BYTES: usize = 512;

#[derive(Debug, Default, Clone)]
struct Content {
    current: Vec<u8>,
    synced: Vec<u8>,
}

type Names = BTreeMap<String, Arc<Mutex<Content>>>;

#[derive(Debug, Default)]
struct Control {
    operations: Vec<String>,
    /// From this operation on everything fails, as for a dead process.
    dies_at: Option<usize>,
    /// The next operation that begins so fails.
    fails: Option<(&'static str, io::ErrorKind)>,
}

impl Control {
    /// Notes an operation; an error if it is to fail.
    fn note(&mut self, operation: String) -> io::Result<()> {
        self.operations.push(operation.clone());
        if self.dies_at.is_some_and(|at| self.operations.len() > at) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        match self.fails {
            Some((prefix, kind)) if operation.starts_with(prefix) => {
                self.fails = None;
                Err(kind.into())
            }
            _ => Ok(()),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Memory {
    names: Mutex<Names>,
    synced_names: Mutex<Names>,
    control: Arc<Mutex<Control>>,
}

/// What of the unsynced bytes and names survives a crash.
#[derive(Debug, Clone, Copy)]
pub(super) enum Survival {
    Nothing,
    Everything,
    /// Each sector and the names on their own, by this seed.
    Mixed(u64),
}

impl Memory {
    pub(super) fn with_file(name: &str, bytes: &[u8]) -> Self {
        let memory = Self::default();
        let content = Content { current: bytes.to_vec(), synced: bytes.to_vec() };
        let content = Arc::new(Mutex::new(content));
        memory.names.lock().unwrap().insert(name.into(), content);
        memory
    }

    pub(super) fn dying_at(operation: usize) -> Self {
        let memory = Self::default();
        memory.control.lock().unwrap().dies_at = Some(operation);
        memory
    }

    pub(super) fn fail_next(&self, prefix: &'static str, kind: io::ErrorKind) {
        self.control.lock().unwrap().fails = Some((prefix, kind));
    }

    pub(super) fn operations(&self) -> Vec<String> {
        self.control.lock().unwrap().operations.clone()
    }

    pub(super) fn bytes(&self, name: &str) -> Vec<u8> {
        self.names.lock().unwrap()[name].lock().unwrap().current.clone()
    }

    /// The directory that a new process finds.
    pub(super) fn after_crash(&self, survival: Survival) -> Self {
        let seed = match survival {
            Survival::Mixed(seed) => seed,
            _ => 0,
        };
        let random = Environment::repeatable(seed).random;
        let keeps = || match survival {
            Survival::Nothing => false,
            Survival::Everything => true,
            Survival::Mixed(_) => random.next_u64() & 1 == 1,
        };
        let names = if keeps() { &self.names } else { &self.synced_names };
        let after = Self::default();
        for (name, content) in &*names.lock().unwrap() {
            let bytes = mix(&content.lock().unwrap(), &keeps);
            let found = Self::with_file(name, &bytes);
            after.names.lock().unwrap().append(&mut found.names.lock().unwrap());
        }
        after
    }
}

fn mix(content: &Content, keeps: &dyn Fn() -> bool) -> Vec<u8> {
    let mut bytes = content.synced.clone();
    if keeps() {
        bytes.resize(content.current.len().max(bytes.len()), 0);
    }
    for (sector, current) in bytes.chunks_mut(SECTOR_BYTES).zip(content.current.chunks(SECTOR_BYTES)) {
        if keeps() {
            let common = sector.len().min(current.len());
            sector[..common].copy_from_slice(&current[..common]);
        }
    }
    bytes
}

impl Directory for Memory {
    fn location(&self) -> String {
        "memory".into()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        self.control.lock().unwrap().note(format!("create {name}"))?;
        let mut names = self.names.lock().unwrap();
        if names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        names.insert(name.into(), Arc::default());
        drop(names);
        self.open(name, OpenMode::ReadWrite)
    }

    fn open(&self, name: &str, _: OpenMode) -> io::Result<Arc<dyn File>> {
        let names = self.names.lock().unwrap();
        let content = names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(MemoryFile { content: Arc::clone(content), control: Arc::clone(&self.control) }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.control.lock().unwrap().note(format!("rename {from} {to}"))?;
        let mut names = self.names.lock().unwrap();
        let content = names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        names.insert(to.into(), content);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut names = self.names.lock().unwrap();
        names.remove(name).map(|_| ()).ok_or(io::ErrorKind::NotFound.into())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.names.lock().unwrap().keys().cloned().collect())
    }

    fn create_folder(&self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.control.lock().unwrap().note("sync directory".into())?;
        *self.synced_names.lock().unwrap() = self.names.lock().unwrap().clone();
        Ok(())
    }

    fn lock(&self, _: LockMode) -> io::Result<Box<dyn DirectoryLock>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[derive(Debug)]
struct MemoryFile {
    content: Arc<Mutex<Content>>,
    control: Arc<Mutex<Control>>,
}

impl File for MemoryFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.content.lock().unwrap().current.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let content = self.content.lock().unwrap();
        let rest = content.current.get(offset as usize..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    /// A write that fails leaves what it wrote.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let noted = self.control.lock().unwrap().note("write".into());
        let mut content = self.content.lock().unwrap();
        let end = offset as usize + bytes.len();
        let length = content.current.len().max(end);
        content.current.resize(length, 0);
        content.current[offset as usize..end].copy_from_slice(bytes);
        noted
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.control.lock().unwrap().note(format!("allocate {length}"))?;
        let mut content = self.content.lock().unwrap();
        let length = content.current.len().max(length as usize);
        content.current.resize(length, 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.control.lock().unwrap().note("sync".into())?;
        let mut content = self.content.lock().unwrap();
        content.synced = content.current.clone();
        Ok(())
    }
}
