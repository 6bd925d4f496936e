//! A directory in memory that notes what is asked of it, and lets a test come between.

use std::io;
use std::sync::{Arc, Condvar, Mutex};

use hestiastore::directory::{Directory, DirectoryLock, File, LockMode, OpenMode, SimulatedDirectory};

/// Something that changes the directory. Files are named as they were when they were opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    Create(String),
    Allocate(String),
    Write(String),
    Sync(String),
    Rename(String, String),
    Remove(String),
    SyncNames,
    /// The directory's lock is given up.
    Unlock,
}

impl Operation {
    /// What kind of file it is about, in a few words: `sync log`.
    pub fn kind(&self) -> String {
        let file = |name: &str| name.split(['-', '.']).next().unwrap_or_default().to_owned();
        match self {
            Self::Create(name) => format!("create {}", file(name)),
            Self::Allocate(name) => format!("allocate {}", file(name)),
            Self::Write(name) => format!("write {}", file(name)),
            Self::Sync(name) => format!("sync {}", file(name)),
            Self::Rename(name, _) => format!("rename {}", file(name)),
            Self::Remove(name) => format!("remove {}", file(name)),
            Self::SyncNames => "sync names".to_owned(),
            Self::Unlock => "unlock".to_owned(),
        }
    }

    pub fn is(&self, kind: &str) -> bool {
        self.kind() == kind
    }
}

const SECOND_LOG: &str = "log-00000000000000000002.wal";

type Hook = Box<dyn Fn(&Operation) -> io::Result<()> + Send + Sync>;

/// See the module. Clones are the same directory.
#[derive(Clone)]
pub struct Observed {
    pub inner: SimulatedDirectory,
    /// Before the second log is made, which a thread does in the background.
    pub second_log: Barrier,
    shared: Arc<Shared>,
}

struct Shared {
    done: Mutex<Vec<Operation>>,
    before: Hook,
    after: Hook,
}

impl std::fmt::Debug for Observed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Observed")
    }
}

impl Observed {
    pub fn new(inner: &SimulatedDirectory) -> Self {
        Self::with_hooks(inner, |_| Ok(()), |_| {})
    }

    /// `before` may wait, refuse or panic; `after` sees what was done.
    pub fn with_hooks(
        inner: &SimulatedDirectory,
        before: impl Fn(&Operation) -> io::Result<()> + Send + Sync + 'static,
        after: impl Fn(&Operation) + Send + Sync + 'static,
    ) -> Self {
        let after: Hook = Box::new(move |operation| {
            after(operation);
            Ok(())
        });
        let shared = Shared { done: Mutex::default(), before: Box::new(before), after };
        Self { inner: inner.clone(), second_log: Barrier::default(), shared: Arc::new(shared) }
    }

    /// What was done so far, and forgets it.
    pub fn take(&self) -> Vec<Operation> {
        std::mem::take(&mut *self.shared.done.lock().unwrap())
    }

    /// The kinds of what was done, repetitions once.
    pub fn take_kinds(&self) -> Vec<String> {
        let mut kinds: Vec<String> = self.take().iter().map(Operation::kind).collect();
        kinds.dedup();
        kinds
    }

    fn does<T>(&self, operation: Operation, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        if matches!(&operation, Operation::Create(name) if name == SECOND_LOG) {
            self.second_log.pass();
        }
        (self.shared.before)(&operation)?;
        let done = act()?;
        self.shared.done.lock().unwrap().push(operation.clone());
        (self.shared.after)(&operation)?;
        Ok(done)
    }

    fn file(&self, name: &str, inner: Arc<dyn File>) -> Arc<dyn File> {
        Arc::new(ObservedFile { inner, name: name.to_owned(), directory: self.clone() })
    }
}

impl Directory for Observed {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let file = self.does(Operation::Create(name.to_owned()), || self.inner.create(name))?;
        Ok(self.file(name, file))
    }

    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        Ok(self.file(name, self.inner.open(name, mode)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let operation = Operation::Rename(from.to_owned(), to.to_owned());
        self.does(operation, || self.inner.rename(from, to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.does(Operation::Remove(name.to_owned()), || self.inner.remove(name))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.inner.list()
    }

    fn create_folder(&self, name: &str) -> io::Result<()> {
        self.inner.create_folder(name)
    }

    fn sync(&self) -> io::Result<()> {
        self.does(Operation::SyncNames, || self.inner.sync())
    }

    fn lock(&self, mode: LockMode) -> io::Result<Box<dyn DirectoryLock>> {
        let inner = self.inner.lock(mode)?;
        Ok(Box::new(ObservedLock { _inner: inner, directory: self.clone() }))
    }
}

#[derive(Debug)]
struct ObservedLock {
    _inner: Box<dyn DirectoryLock>,
    directory: Observed,
}

impl DirectoryLock for ObservedLock {}

impl Drop for ObservedLock {
    fn drop(&mut self) {
        let _ = self.directory.does(Operation::Unlock, || Ok(()));
    }
}

#[derive(Debug)]
struct ObservedFile {
    inner: Arc<dyn File>,
    name: String,
    directory: Observed,
}

impl File for ObservedFile {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let operation = Operation::Write(self.name.clone());
        self.directory.does(operation, || self.inner.write_at(offset, bytes))
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        let operation = Operation::Allocate(self.name.clone());
        self.directory.does(operation, || self.inner.allocate(length))
    }

    fn sync(&self) -> io::Result<()> {
        self.directory.does(Operation::Sync(self.name.clone()), || self.inner.sync())
    }
}

/// Holds up the next thread that comes through once it is armed, until it is opened again.
#[derive(Debug, Clone, Default)]
pub struct Barrier(Arc<(Mutex<Stage>, Condvar)>);

#[derive(Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Open,
    Armed,
    Held,
}

impl Barrier {
    pub fn arm(&self) {
        self.set(Stage::Armed);
    }

    pub fn open(&self) {
        self.set(Stage::Open);
    }

    fn set(&self, stage: Stage) {
        *self.0.0.lock().unwrap() = stage;
        self.0.1.notify_all();
    }

    /// Where the other thread comes through.
    pub fn pass(&self) {
        let mut stage = self.0.0.lock().unwrap();
        if *stage == Stage::Armed {
            *stage = Stage::Held;
            self.0.1.notify_all();
            while *stage == Stage::Held {
                stage = self.0.1.wait(stage).unwrap();
            }
        }
    }

    /// Until somebody is held up.
    pub fn wait_held(&self) {
        let mut stage = self.0.0.lock().unwrap();
        while *stage == Stage::Armed {
            stage = self.0.1.wait(stage).unwrap();
        }
    }
}
