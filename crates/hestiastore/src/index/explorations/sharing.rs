//! Two indexes that share the threads of a runtime: whatever becomes of one, the other goes on.

use std::io;
use std::panic::resume_unwind;
use std::sync::Arc;

use shuttle::thread;

use super::closing::{assert_nothing_came_after, close_for_good, in_time};
use super::{Index, Note, assert_sound, builder, builder_in, flush, value};
use crate::directory::{
    Directory, DirectoryLock, Fault, FaultRule, File, LockMode, OpenMode, OperationKind, SimulatedDirectory,
};
use crate::sync::{calmly, explore, explore_panics};
use crate::{Error, Runtime};

/// A delta lies over a main run, and a buffer over both.
fn index_in(directory: Arc<dyn Directory>, runtime: &Runtime) -> Index {
    let index = builder_in(directory).runtime(runtime).create().unwrap();
    (1..=2).for_each(|number| {
        index.put(0, value(number)).unwrap();
        index.put(9, value(number)).unwrap();
        flush(&index);
    });
    index.put(7, value(1)).unwrap();
    index
}

/// Two of them.
struct Scene {
    files: [SimulatedDirectory; 2],
    indexes: [Index; 2],
}

impl Scene {
    fn new(runtime: &Runtime) -> Self {
        let files = [SimulatedDirectory::new(), SimulatedDirectory::new()];
        let indexes = [0, 1].map(|place: usize| index_in(Arc::new(files[place].clone()), runtime));
        Self { files, indexes }
    }

    fn assert_second_goes_on(&self) {
        let [_, index] = &self.indexes;
        index.put(8, value(3)).unwrap();
        index.compact_and_wait().unwrap();
        assert_eq!(index.get(7).unwrap(), Some(value(1)));
    }

    fn assert_second_is_sound(&self) {
        let ([_, index], [_, files]) = (&self.indexes, &self.files);
        index.wait_until_idle().unwrap();
        assert_sound(index, files, &[(0, 2), (7, 1), (8, 3), (9, 2)]);
        index.close().unwrap();
    }
}

fn runtime(threads: usize) -> Runtime {
    Runtime::builder().maintenance_threads(threads).build()
}

/// Jobs of both are under way or wait.
fn one_closes_beside_the_other(threads: usize) {
    let scene = calmly(|| Scene::new(&runtime(threads)));
    let operations = Note::default();
    let ([first, _], [files, _]) = (&scene.indexes, &scene.files);
    thread::scope(|scope| {
        scope.spawn(|| {
            in_time(first.flush());
            in_time(first.compact());
        });
        scope.spawn(|| close_for_good(first, files, &operations));
        scope.spawn(|| scene.assert_second_goes_on());
    });
    assert_nothing_came_after(files, &operations);
    calmly(|| {
        scene.assert_second_is_sound();
        let again = builder(files).open().unwrap();
        assert_sound(&again, files, &[(0, 2), (7, 1), (9, 2)]);
        again.close().unwrap();
    });
}

#[test]
fn c7_one_closes_beside_another_with_one_thread() {
    explore("c7_one_closes_beside_another_with_one_thread", || one_closes_beside_the_other(1));
}

#[test]
fn c7_one_closes_beside_another_with_two_threads() {
    explore("c7_one_closes_beside_another_with_two_threads", || one_closes_beside_the_other(2));
}

/// A job of one fails for good.
#[test]
fn c4_one_fails_beside_another() {
    explore("c4_one_fails_beside_another", || {
        let scene = calmly(|| Scene::new(&runtime(1)));
        let ([first, _], [files, _]) = (&scene.indexes, &scene.files);
        let edits = FaultRule::new(Fault::FailSyncAndForget).names("MANIFEST*");
        files.inject(edits.on(&[OperationKind::SyncFile]));
        thread::scope(|scope| {
            scope.spawn(|| {
                let outcome = first.flush_and_wait();
                assert!(matches!(outcome, Err(Error::Failed { .. })), "{outcome:?}");
            });
            scope.spawn(|| scene.assert_second_goes_on());
        });
        calmly(|| {
            assert!(first.close().is_err());
            scene.assert_second_is_sound();
        });
    });
}

/// Panics once it is asked to, instead of making a run.
#[derive(Debug)]
struct Trap {
    files: SimulatedDirectory,
    is_set: Arc<Note>,
}

impl Directory for Trap {
    fn location(&self) -> String {
        self.files.location()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn File>> {
        if self.is_set.get() == 1 && name.starts_with("run-") {
            resume_unwind(Box::new("as it was asked to"));
        }
        self.files.create(name)
    }

    fn open(&self, name: &str, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        self.files.open(name, mode)
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

/// A job of one panics: those who wait for it are told, and the thread goes on with the jobs of the other.
#[test]
fn c4_one_panics_beside_another() {
    explore_panics("c4_one_panics_beside_another", || {
        let (is_set, files) = (Arc::new(Note::default()), [0, 1].map(|_| SimulatedDirectory::new()));
        let scene = calmly(|| {
            let runtime = runtime(1);
            let trap = Trap { files: files[0].clone(), is_set: Arc::clone(&is_set) };
            let first = index_in(Arc::new(trap), &runtime);
            let indexes = [first, index_in(Arc::new(files[1].clone()), &runtime)];
            Scene { files, indexes }
        });
        is_set.set(1);
        let ([first, _], [files, _]) = (&scene.indexes, &scene.files);
        thread::scope(|scope| {
            scope.spawn(|| {
                let outcome = first.flush_and_wait();
                assert!(matches!(outcome, Err(Error::Failed { .. })), "{outcome:?}");
            });
            scope.spawn(|| drop(first.put(5, value(5))));
            scope.spawn(|| scene.assert_second_goes_on());
        });
        calmly(|| {
            assert!(first.close().is_err());
            scene.assert_second_is_sound();
            let again = builder(files).open().unwrap();
            assert_eq!(again.get(7).unwrap(), Some(value(1)));
            again.close().unwrap();
        });
    });
}

/// Merges of one wait for the end of a pause: they are not waited for, and do not hold up the other.
#[test]
fn c2_one_pauses_beside_another() {
    explore("c2_one_pauses_beside_another", || {
        let scene = calmly(|| {
            let runtime = runtime(1);
            let files = [SimulatedDirectory::new(), SimulatedDirectory::new()];
            let merging = builder(&files[0]).maintenance(|m| m.automatic(true));
            let paused = merging.runtime(&runtime).create().unwrap();
            let indexes = [paused, index_in(Arc::new(files[1].clone()), &runtime)];
            Scene { files, indexes }
        });
        let [paused, _] = &scene.indexes;
        thread::scope(|scope| {
            scope.spawn(|| {
                let pause = paused.pause_maintenance();
                (1..=2).for_each(|number| {
                    paused.put(0, value(number)).unwrap();
                    paused.flush_and_wait().unwrap();
                });
                paused.wait_until_idle().unwrap();
                assert_eq!(paused.metrics_snapshot().segments.delta_runs, 1);
                drop(pause);
                paused.wait_until_idle().unwrap();
                assert_eq!(paused.metrics_snapshot().segments.delta_runs, 0);
            });
            scope.spawn(|| scene.assert_second_goes_on());
        });
        calmly(|| {
            scene.assert_second_is_sound();
            assert_sound(paused, &scene.files[0], &[(0, 2)]);
            paused.close().unwrap();
        });
    });
}

/// The last to close ends the threads, whoever that is, also when the runtime is dropped beside.
#[test]
fn c7_the_threads_end_with_the_last_user() {
    explore("c7_the_threads_end_with_the_last_user", || {
        let runtime = runtime(1);
        let scene = calmly(|| Scene::new(&runtime));
        let pool = Arc::downgrade(runtime.pool());
        let [first, second] = scene.indexes;
        thread::scope(|scope| {
            scope.spawn(move || drop(runtime));
            for index in [first, second] {
                scope.spawn(move || {
                    index.flush().unwrap();
                    index.close().unwrap();
                });
            }
        });
        assert!(pool.upgrade().is_none(), "threads are left");
    });
}
