//! All directories behave alike, and the file system's own sides: folders, odd files, threads.

use std::io::{self, ErrorKind};
use std::process::Command;
use std::sync::{Arc, Barrier};

use proptest::prelude::*;

use super::*;

/// An operation of a script that all directories go through. Handles stand in four slots.
#[derive(Debug, Clone)]
enum Step {
    Create { name: usize, slot: usize },
    Open { name: usize, slot: usize, mode: OpenMode },
    OpenLog { name: usize, slot: usize },
    Drop { slot: usize },
    Rename { from: usize, to: usize },
    Remove { name: usize },
    CreateFolder { name: usize },
    Write { slot: usize, offset: u64, bytes: Vec<u8> },
    Read { slot: usize, offset: u64, length: usize },
    Allocate { slot: usize, length: u64 },
    MakeReady { slot: usize, range: std::ops::Range<u64> },
    SyncFile { slot: usize },
    Sync,
    List,
}

const NAMES: [&str; 12] = ["a", "b", "c", "f", "f/a", "f/b", "a/x", "no/a", "../a", "", ".lock", "f/"];

#[derive(Debug, PartialEq)]
enum Seen {
    Done,
    Bytes(Vec<u8>),
    Names(Vec<String>),
    Length(u64),
}

type Slots = [Option<Arc<dyn File>>; 4];

fn run(directory: &dyn Directory, slots: &mut Slots, step: &Step) -> Result<Seen, ErrorKind> {
    attempt(directory, slots, step).map_err(|error| error.kind())
}

fn attempt(directory: &dyn Directory, slots: &mut Slots, step: &Step) -> io::Result<Seen> {
    let held = |slots: &Slots, slot: usize| slots[slot].clone();
    match step {
        Step::Create { name, slot } => slots[*slot] = Some(directory.create(NAMES[*name])?),
        Step::Open { name, slot, mode } => {
            slots[*slot] = Some(directory.open(NAMES[*name], *mode)?);
        }
        Step::OpenLog { name, slot } => slots[*slot] = Some(directory.open_log(NAMES[*name])?),
        Step::Drop { slot } => slots[*slot] = None,
        Step::Rename { from, to } => directory.rename(NAMES[*from], NAMES[*to])?,
        Step::Remove { name } => directory.remove(NAMES[*name])?,
        Step::CreateFolder { name } => directory.create_folder(NAMES[*name])?,
        Step::Sync => directory.sync()?,
        Step::List => {
            let mut names = directory.list()?;
            names.sort();
            return Ok(Seen::Names(names));
        }
        Step::Write { slot, offset, bytes } => {
            if let Some(file) = held(slots, *slot) {
                file.write_at(*offset, bytes)?;
                return Ok(Seen::Length(file.len()?));
            }
        }
        Step::Read { slot, offset, length } => {
            if let Some(file) = held(slots, *slot) {
                let mut bytes = vec![0xee; *length];
                let count = file.read_at(*offset, &mut bytes)?;
                bytes.truncate(count);
                return Ok(Seen::Bytes(bytes));
            }
        }
        Step::Allocate { slot, length } => {
            if let Some(file) = held(slots, *slot) {
                file.allocate(*length)?;
                return Ok(Seen::Length(file.len()?));
            }
        }
        Step::MakeReady { slot, range } => {
            if let Some(file) = held(slots, *slot) {
                file.make_ready(range.clone());
            }
        }
        Step::SyncFile { slot } => {
            if let Some(file) = held(slots, *slot) {
                file.sync()?;
            }
        }
    }
    Ok(Seen::Done)
}

fn offsets() -> impl Strategy<Value = u64> {
    prop_oneof![
        8 => 0..20_000u64,
        1 => Just(i64::MAX as u64),
        1 => Just(u64::MAX),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    let (name, slot) = (0..NAMES.len(), 0..4usize);
    let mode = prop_oneof![Just(OpenMode::Read), Just(OpenMode::ReadWrite)];
    let bytes = (any::<u8>(), prop_oneof![0..300usize, 3_000..9_000usize])
        .prop_map(|(first, length)| (0..length).map(|i| first.wrapping_add(i as u8)).collect());
    prop_oneof![
        3 => (name.clone(), slot.clone()).prop_map(|(name, slot)| Step::Create { name, slot }),
        3 => (name.clone(), slot.clone(), mode)
            .prop_map(|(name, slot, mode)| Step::Open { name, slot, mode }),
        3 => (name.clone(), slot.clone()).prop_map(|(name, slot)| Step::OpenLog { name, slot }),
        1 => slot.clone().prop_map(|slot| Step::Drop { slot }),
        3 => (name.clone(), name.clone()).prop_map(|(from, to)| Step::Rename { from, to }),
        2 => name.clone().prop_map(|name| Step::Remove { name }),
        1 => name.prop_map(|name| Step::CreateFolder { name }),
        6 => (slot.clone(), offsets(), bytes)
            .prop_map(|(slot, offset, bytes)| Step::Write { slot, offset, bytes }),
        4 => (slot.clone(), offsets(), 0..10_000usize)
            .prop_map(|(slot, offset, length)| Step::Read { slot, offset, length }),
        2 => (slot.clone(), prop_oneof![4 => 0..30_000u64, 1 => Just(u64::MAX)])
            .prop_map(|(slot, length)| Step::Allocate { slot, length }),
        1 => (slot.clone(), 0..20_000u64, 0..20_000u64)
            .prop_map(|(slot, start, end)| Step::MakeReady { slot, range: start..end }),
        1 => slot.prop_map(|slot| Step::SyncFile { slot }),
        1 => Just(Step::Sync),
        1 => Just(Step::List),
    ]
}

/// A huge zero-length write is legal on some systems and not on others, so none is compared.
fn comparable(step: &Step) -> bool {
    !matches!(step, Step::Write { offset, .. } if *offset == i64::MAX as u64)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_directories_answer_alike(script in prop::collection::vec(steps(), 1..80)) {
        let place = tempfile::tempdir().unwrap();
        let on_disk = FsDirectory::open(place.path()).unwrap();
        let (in_memory, simulated) = (MemoryDirectory::new(), SimulatedDirectory::new());
        simulated.inject(FaultRule::new(Fault::ShortRead).by_chance(300, 1));
        let mut slots: [Slots; 3] = Default::default();
        for step in script.iter().filter(|step| comparable(step)) {
            let expected = run(&on_disk, &mut slots[0], step);
            prop_assert_eq!(&run(&in_memory, &mut slots[1], step), &expected, "in memory: {:?}", step);
            prop_assert_eq!(&run(&simulated, &mut slots[2], step), &expected, "simulated: {:?}", step);
        }
        for name in NAMES {
            let expected = content(&on_disk, name);
            prop_assert_eq!(&content(&in_memory, name), &expected);
            prop_assert_eq!(&content(&simulated, name), &expected);
            prop_assert_eq!(&simulated.read_all(name), &expected);
        }
    }
}

fn content(directory: &dyn Directory, name: &str) -> Option<Vec<u8>> {
    let file = directory.open(name, OpenMode::Read).ok()?;
    let mut bytes = vec![0; file.len().unwrap() as usize];
    assert_eq!(file.read_at(0, &mut bytes).unwrap(), bytes.len());
    Some(bytes)
}

#[test]
fn create_makes_parents_and_open_does_not() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("a/b/c");
    assert_eq!(FsDirectory::open(&path).unwrap_err().kind(), ErrorKind::NotFound);
    let directory = FsDirectory::create(&path).unwrap();
    directory.create("x").unwrap();
    let again = FsDirectory::create(&path).unwrap();
    assert_eq!(again.list().unwrap(), ["x"]);
    assert!(again.location().ends_with("a/b/c"));

    let file = path.join("x");
    assert_eq!(FsDirectory::open(&file).unwrap_err().kind(), ErrorKind::NotADirectory);
    assert!(FsDirectory::create(&file).is_err());
    assert!(FsDirectory::create(file.join("y")).is_err());
}

#[test]
fn an_open_directory_follows_its_folder() {
    let place = tempfile::tempdir().unwrap();
    let directory = FsDirectory::create(place.path().join("before")).unwrap();
    directory.create("x").unwrap().write_at(0, b"1").unwrap();
    std::fs::rename(place.path().join("before"), place.path().join("after")).unwrap();
    directory.rename("x", "y").unwrap();
    directory.create_folder("q").unwrap();
    directory.create("q/z").unwrap();
    directory.sync().unwrap();
    assert_eq!(std::fs::read(place.path().join("after/y")).unwrap(), b"1");
    assert!(place.path().join("after/q/z").exists());
}

#[test]
fn what_is_no_regular_file_is_refused_without_waiting() {
    let place = tempfile::tempdir().unwrap();
    let pipe = place.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let directory = FsDirectory::open(place.path()).unwrap();
    for mode in [OpenMode::Read, OpenMode::ReadWrite] {
        assert_eq!(directory.open("pipe", mode).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    assert_eq!(directory.list().unwrap(), ["pipe"]);
}

#[test]
fn writes_and_allocations_run_side_by_side() {
    let place = tempfile::tempdir().unwrap();
    let on_disk = FsDirectory::open(place.path()).unwrap();
    let directories: [&dyn Directory; 3] = [&on_disk, &MemoryDirectory::new(), &SimulatedDirectory::new()];
    for directory in directories {
        let file = directory.create("log").unwrap();
        let start = Barrier::new(3);
        std::thread::scope(|scope| {
            for thread in 0..2u8 {
                let (file, start) = (&file, &start);
                scope.spawn(move || {
                    start.wait();
                    for i in 0..1000u64 {
                        file.write_at((i * 2 + u64::from(thread)) * 7, &[thread + 1; 7]).unwrap();
                    }
                });
            }
            scope.spawn(|| {
                start.wait();
                for length in 0..1000 {
                    file.allocate(length * 10).unwrap();
                }
            });
        });
        let mut bytes = vec![0; 20_000];
        assert_eq!(file.read_at(0, &mut bytes).unwrap(), 14_000);
        for (i, chunk) in bytes[..14_000].chunks(7).enumerate() {
            assert_eq!(chunk, [(i % 2) as u8 + 1; 7]);
        }
    }
}

/// A log file of 1 MiB that is mapped, where there is a file system for it.
fn mapped(place: &tempfile::TempDir) -> Option<(FsDirectory, Arc<dyn File>)> {
    let directory = FsDirectory::open(place.path()).unwrap();
    directory.create("log").unwrap();
    directory.open("log", OpenMode::ReadWrite).unwrap().write_at((1 << 20) - 1, &[0]).unwrap();
    let file = directory.open_log("log").unwrap();
    // Nothing is reserved: a store could meet a full disk, which is a signal.
    file.make_ready(0..64 << 10);
    assert_eq!(file.ready_bytes(), 0);
    file.allocate(1 << 20).unwrap();
    file.make_ready(0..64 << 10);
    if file.ready_bytes() > 0 {
        return Some((directory, file));
    }
    eprintln!("skipped: no files are mapped in {}", directory.location());
    None
}

/// The temporary folder, and memory.
fn places() -> impl Iterator<Item = tempfile::TempDir> {
    tempfile::tempdir_in("/dev/shm").into_iter().chain(tempfile::tempdir())
}

#[test]
fn l7_what_is_made_ready_is_held_until_it_is_given_up() {
    for place in places() {
        let Some((_, file)) = mapped(&place) else { continue };
        assert_eq!(file.ready_bytes(), 64 << 10);
        file.make_ready(32 << 10..256 << 10);
        assert_eq!(file.ready_bytes(), 224 << 10);
        // It comes late.
        file.make_ready(0..128 << 10);
        assert_eq!(file.ready_bytes(), 224 << 10);
        // Not beyond what is reserved.
        file.make_ready(1000 << 10..2 << 20);
        assert_eq!(file.ready_bytes(), 24 << 10);
        file.make_ready(0..0);
        assert_eq!(file.ready_bytes(), 0);
        file.make_ready(128 << 10..192 << 10);
        assert_eq!(file.ready_bytes(), 64 << 10);
    }
}

#[test]
fn l7_stores_are_in_the_file_at_once_and_stay_when_the_mapping_goes() {
    for place in places() {
        let Some((directory, file)) = mapped(&place) else { continue };
        let mut expected = vec![0; 1 << 20];
        let mut offset = 3;
        // Short and long ones at all places in a word, within what is ready, at its end and behind.
        for length in (0..40).chain([4_000, 50_000, 20_000, 100_000]).chain(0..40) {
            let bytes: Vec<u8> = (0..length).map(|i| (i % 251) as u8 + 1).collect();
            file.write_at(offset as u64, &bytes).unwrap();
            expected[offset..offset + length].copy_from_slice(&bytes);
            offset += length + 1;
        }
        assert_eq!(content(&directory, "log").unwrap(), expected);
        file.make_ready(0..0);
        file.write_at(5, b"again").unwrap();
        expected[5..10].copy_from_slice(b"again");
        assert_eq!(content(&directory, "log").unwrap(), expected);
        file.make_ready(0..1 << 20);
        file.write_at((1 << 20) - 3, b"end").unwrap();
        expected[(1 << 20) - 3..].copy_from_slice(b"end");
        file.write_at(1 << 20, b"behind").unwrap();
        expected.extend(b"behind");
        file.sync().unwrap();
        drop(file);
        assert_eq!(content(&directory, "log").unwrap(), expected);
    }
}

#[test]
fn l7_threads_store_side_by_side_while_other_ranges_are_made_ready() {
    for place in places() {
        let Some((directory, file)) = mapped(&place) else { continue };
        // No multiple of a word: neighbours share one.
        const LENGTH: u64 = 27;
        const WRITES: u64 = 9_000;
        let start = Barrier::new(4);
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let (file, start) = (&file, &start);
                scope.spawn(move || {
                    start.wait();
                    for i in 0..WRITES {
                        let place = (i * 3 + thread) * LENGTH;
                        file.write_at(place, &[thread as u8 + 1; LENGTH as usize]).unwrap();
                    }
                });
            }
            scope.spawn(|| {
                start.wait();
                for step in 0..32 {
                    file.make_ready(step << 15..(step + 2) << 15);
                    file.sync().unwrap();
                }
            });
        });
        let bytes = content(&directory, "log").unwrap();
        let written = bytes[..(3 * WRITES * LENGTH) as usize].chunks(LENGTH as usize);
        for (i, chunk) in written.enumerate() {
            assert_eq!(chunk, [(i % 3) as u8 + 1; LENGTH as usize], "{i}");
        }
    }
}
