//! The registry: one loader for each run, whatever is unloaded beside it (PROTOCOL M1, D7).

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use shuttle::thread;

use super::{Index, Note, builder};
use crate::directory::{Directory, DirectoryLock, File, LockMode, OpenMode, SimulatedDirectory};
use crate::environment::Environment;
use crate::error::Error;
use crate::registry::RegistryState;
use crate::sync::{calmly, explore};

/// A directory in which nobody may open a run while somebody else is opening it.
#[derive(Debug)]
struct OneOpener {
    files: SimulatedDirectory,
    opening: parking_lot::Mutex<HashSet<String>>,
    opened: Note,
}

impl Directory for OneOpener {
    fn location(&self) -> String {
        self.files.location()
    }
    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        self.files.create(name)
    }
    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        assert!(self.opening.lock().insert(name.to_owned()), "two threads open {name}");
        thread::sleep(Default::default());
        let file = self.files.open(name, mode);
        self.opening.lock().remove(name);
        self.opened.add(1);
        file
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.files.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.files.remove(name)
    }
    fn list(&self) -> io::Result<Vec<String>> {
        self.files.list()
    }
    fn create_folder(&self, name: &str) -> io::Result<()> {
        self.files.create_folder(name)
    }
    fn sync(&self) -> io::Result<()> {
        self.files.sync()
    }
    fn lock(&self, mode: LockMode) -> io::Result<Box<dyn DirectoryLock>> {
        self.files.lock(mode)
    }
}

const KEYS: u64 = 3;

/// A closed index of one segment with a run.
fn one_run() -> OneOpener {
    let files = SimulatedDirectory::new();
    let index = builder(&files).create().unwrap();
    for n in 0..KEYS {
        index.put(n, vec![n as u8; 10]).unwrap();
    }
    index.flush_and_wait().unwrap();
    index.close().unwrap();
    OneOpener { files, opening: Default::default(), opened: Note::default() }
}

fn reopened(files: &Arc<OneOpener>) -> Index {
    Index::builder_in(Arc::clone(files) as Arc<dyn Directory>)
        .environment(Environment::repeatable(1))
        .open()
        .unwrap()
}

fn read_all(index: &Index) {
    for n in 0..KEYS {
        assert_eq!(index.get(n).unwrap(), Some(vec![n as u8; 10]));
    }
}

#[test]
fn m1_readers_find_everything_while_runs_are_unloaded() {
    explore("m1_readers_find_everything_while_runs_are_unloaded", || {
        let files = Arc::new(calmly(one_run));
        let index = calmly(|| reopened(&files));
        let registry = &index.core.registry;
        thread::scope(|scope| {
            scope.spawn(|| read_all(&index));
            scope.spawn(|| read_all(&index));
            scope.spawn(|| {
                for _ in 0..3 {
                    registry.unload_half();
                }
            });
            scope.spawn(|| {
                registry.set_state(RegistryState::Freeze);
                registry.set_state(RegistryState::Ready);
            });
        });
        let statistics = registry.statistics();
        assert!(statistics.loaded_segments <= 1 && statistics.evictions <= 3, "{statistics:?}");
        assert!(files.opened.get() >= 1);
        calmly(|| index.close()).unwrap();
    });
}

/// A reader who waits for a load is told when the registry closes or fails.
#[test]
fn m1_no_reader_waits_for_a_registry_that_has_ended() {
    explore("m1_no_reader_waits_for_a_registry_that_has_ended", || {
        let files = Arc::new(calmly(one_run));
        let index = calmly(|| reopened(&files));
        let registry = &index.core.registry;
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| match index.get(1) {
                    Ok(value) => assert_eq!(value, Some(vec![1; 10])),
                    Err(error) => assert!(matches!(error, Error::Closed), "{error}"),
                });
            }
            scope.spawn(|| {
                registry.set_state(RegistryState::Freeze);
                registry.set_state(RegistryState::Closed);
            });
        });
        calmly(|| index.close()).unwrap();
    });
}
