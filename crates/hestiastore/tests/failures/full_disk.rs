//! A full disk for real: a file system of 8 MiB in memory, in a mount namespace of its own, so that
//! nothing stays mounted whatever happens to the test.

use std::path::{Path, PathBuf};
use std::process::Command;

use hestiastore::config::{Durability, LogIo};
use hestiastore::{Error, IndexBuilder};

use crate::support::{Index, MODES, Model, all, assert_clean, assert_same, fill, put_when_taken};

const DISK: &str = "HESTIA_SMALL_DISK";
const VALUE_BYTES: usize = 500;

/// How to get a mount namespace here: as root, or as root of a user namespace.
const NAMESPACES: [&[&str]; 2] = [&["--mount"], &["--user", "--map-root-user", "--mount"]];

const MOUNT: &str = "mount -t tmpfs -o size=8m tmpfs \"$HESTIA_SMALL_DISK\"";

/// Runs a test of this file on a small disk.
fn on_a_small_disk(test: &str) {
    let place = tempfile::tempdir().unwrap();
    let unshare = |namespace: &[&str], script: &str| {
        let mut command = Command::new("unshare");
        command.args(namespace).args(["sh", "-c", script]).env(DISK, place.path());
        command
    };
    let works = |namespace: &&&[&str]| {
        let tried = unshare(namespace, MOUNT).output();
        tried.is_ok_and(|output| output.status.success())
    };
    let Some(namespace) = NAMESPACES.iter().find(works) else {
        eprintln!("skipped: no file system can be mounted here");
        return;
    };
    let own = std::env::current_exe().unwrap();
    let script = format!("{MOUNT} && exec \"{}\" --exact --ignored --nocapture {test}", own.display());
    let output = unshare(namespace, &script).output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success() && text[0].contains("1 passed"), "{}\n{}", text[0], text[1]);
}

/// The mounted disk, with 3 MiB of something else on it.
struct Disk {
    path: PathBuf,
}

impl Disk {
    fn new() -> Self {
        let path = PathBuf::from(std::env::var_os(DISK).unwrap());
        let disk = Self { path };
        disk.fill_up();
        disk
    }

    /// As far as there is room.
    fn fill_up(&self) {
        let _ = std::fs::write(self.path.join("ballast"), vec![1; 3 << 20]);
    }

    fn free(&self) {
        std::fs::remove_file(self.path.join("ballast")).unwrap();
    }

    fn index(&self) -> PathBuf {
        self.path.join("index")
    }

    /// As it was at first.
    fn clear(&self) {
        std::fs::remove_dir_all(self.index()).unwrap();
        self.fill_up();
    }
}

/// How the log is kept.
#[derive(Debug, Clone, Copy)]
struct Way {
    mode: Durability,
    io: LogIo,
}

/// Mapped logs meet the full disk where written ones do: otherwise a signal ends the test.
fn in_each_way(on: fn(&Disk, Way)) {
    let disk = Disk::new();
    for mode in MODES {
        for io in [LogIo::Mapped, LogIo::Written] {
            on(&disk, Way { mode, io });
            disk.clear();
        }
    }
}

fn settings(path: &Path, way: Way) -> IndexBuilder<u64, Vec<u8>> {
    Index::builder(path).write_buffer(|w| w.budget_bytes(1 << 20)).log(|l| l.durability(way.mode).io(way.io))
}

#[track_caller]
fn assert_refused(error: &Error) {
    assert!(matches!(error, Error::WritesRefused { .. }), "{error:?}");
    assert!(error.to_string().contains("No space left on device"), "{error}");
}

#[test]
fn d8_writes_on_a_real_full_disk_are_refused_and_resume() {
    on_a_small_disk("full_disk::writes_are_refused_and_resume");
}

#[test]
#[ignore = "run by the test beside it, in a mount namespace"]
fn writes_are_refused_and_resume() {
    in_each_way(refused_and_resumed);
}

fn refused_and_resumed(disk: &Disk, way: Way) {
    let index = settings(&disk.index(), way).create().unwrap();
    let mut model = Model::new();
    for _ in 0..3 {
        assert_refused(&fill(&index, &mut model, VALUE_BYTES));
    }
    assert!(model.len() > 2_000, "{} in {way:?}", model.len());
    assert_same(&all(&index), &model);
    disk.free();
    for _ in 0..1_000 {
        put_when_taken(&index, &mut model, VALUE_BYTES);
    }
    flush_when_possible(&index);
    // A merge may have left no room for the next log for a moment: that passes without another write.
    while index.writes_refused().is_some() {
        std::thread::yield_now();
    }
    assert_same(&all(&index), &model);
    close_when_possible(&index);
    let index = settings(&disk.index(), way).open().unwrap();
    assert_same(&all(&index), &model);
    assert_clean(&index);
    index.close().unwrap();
}

fn flush_when_possible(index: &Index) {
    when_possible(|| index.flush_and_wait());
}

/// Without a log a close flushes.
fn close_when_possible(index: &Index) {
    when_possible(|| index.close());
}

/// A merge may have filled the disk for a moment.
fn when_possible(mut call: impl FnMut() -> Result<(), Error>) {
    while let Err(error) = call() {
        assert_refused(&error);
        std::thread::yield_now();
    }
}

#[test]
fn d8_a_real_full_disk_can_be_closed_on_and_opened_on() {
    on_a_small_disk("full_disk::closed_and_opened_while_full");
}

#[test]
#[ignore = "run by the test beside it, in a mount namespace"]
fn closed_and_opened_while_full() {
    in_each_way(closed_and_opened);
}

fn closed_and_opened(disk: &Disk, way: Way) {
    let index = settings(&disk.index(), way).create().unwrap();
    let mut model = Model::new();
    assert_refused(&fill(&index, &mut model, VALUE_BYTES));
    // Not a byte is left.
    let rest = std::fs::write(disk.path.join("rest"), vec![1; 8 << 20]);
    assert!(rest.is_err());
    // Without a log it depends on how far the last flush came.
    if let Err(error) = index.close() {
        assert!(way.mode == Durability::Off, "{error}");
        assert_refused(&error);
        assert_same(&all(&index), &model);
        disk.free();
        close_when_possible(&index);
        disk.fill_up();
    }
    let reader = settings(&disk.index(), way).open_read_only().unwrap();
    assert_same(&all(&reader), &model);
    reader.close().unwrap();
    let _ = std::fs::write(disk.path.join("rest"), vec![1; 8 << 20]);
    let index = settings(&disk.index(), way).open().unwrap();
    assert_same(&all(&index), &model);
    assert_refused(&index.put(1, b"refused").unwrap_err());
    assert_refused(&index.put(1, b"refused").unwrap_err());
    disk.free();
    std::fs::remove_file(disk.path.join("rest")).unwrap();
    for _ in 0..1_000 {
        put_when_taken(&index, &mut model, VALUE_BYTES);
    }
    assert_same(&all(&index), &model);
    close_when_possible(&index);
    let index = settings(&disk.index(), way).open().unwrap();
    assert_same(&all(&index), &model);
    assert_clean(&index);
    index.close().unwrap();
}
