//! Every byte of every file of a small store, changed and cut off: the answer is right or an error.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use hestiastore::directory::{Directory, SimulatedDirectory};
use hestiastore::{Error, Result};

use crate::support::{Bytes, Index, copy, file_with, model, small};

type Model = BTreeMap<Bytes, Bytes>;

/// Two runs, and a log with unflushed writes, deletes and a batch; closed.
fn filled() -> (SimulatedDirectory, Model) {
    let directory = SimulatedDirectory::new();
    let index = small(&directory).create().unwrap();
    let mut model = model(40);
    for (key, value) in &model {
        index.put(key, value).unwrap();
    }
    index.flush_and_wait().unwrap();
    for key in model.keys().step_by(5).cloned().collect::<Vec<_>>() {
        index.delete(&key).unwrap();
        model.remove(&key);
    }
    index.put(b"key 5", b"between").unwrap();
    model.insert(b"key 5".to_vec(), b"between".to_vec());
    index.flush_and_wait().unwrap();
    for key in model.keys().step_by(7).cloned().collect::<Vec<_>>() {
        index.put(&key, b"only in the log").unwrap();
        model.insert(key, b"only in the log".to_vec());
    }
    index.close().unwrap();
    (directory, model)
}

/// An answer is right, or an error of the kinds that speak of files.
fn told(error: &Error) -> bool {
    matches!(
        error,
        Error::Corruption { .. } | Error::Unsupported { .. } | Error::NotAnIndex { .. } | Error::Io { .. }
    )
}

fn read_everything(directory: &SimulatedDirectory, model: &Model) -> Result<()> {
    let index = small(directory).open()?;
    let mut trouble = None;
    for (key, value) in model {
        match index.get(key) {
            Ok(found) => assert_eq!(found.as_ref(), Some(value), "get of {:?}", key.escape_ascii()),
            Err(error) => trouble = Some(error),
        }
    }
    assert!(!matches!(index.get(b"absent"), Ok(Some(_))));
    let forward = scan(index.iter()?);
    let backward = scan(index.iter()?.rev());
    for outcome in [forward, backward.map(|found| found.into_iter().rev().collect())] {
        match outcome {
            Ok(found) => assert!(found.iter().map(|(k, v)| (k, v)).eq(model), "a scan gives other entries"),
            Err(error) => trouble = Some(error),
        }
    }
    let report = index.check()?;
    trouble = trouble.or(report.problems.into_iter().next());
    trouble.map_or(Ok(()), Err)
}

fn scan(entries: impl Iterator<Item = Result<(Bytes, Bytes)>>) -> Result<Vec<(Bytes, Bytes)>> {
    entries.collect()
}

/// What goes on after reading: a write, a compaction, another opening.
fn write_and_reopen(directory: &SimulatedDirectory, model: &Model) -> Result<()> {
    let mut model = model.clone();
    let index = small(directory).open()?;
    index.put(b"new", b"entry")?;
    model.insert(b"new".to_vec(), b"entry".to_vec());
    index.compact_and_wait()?;
    index.close()?;
    read_everything(directory, &model)
}

/// How often each outcome came.
#[derive(Debug, Default)]
struct Tally {
    flips_told: u32,
    flips_harmless: u32,
    cuts_told: u32,
    cuts_harmless: u32,
}

fn survive(
    original: &SimulatedDirectory,
    model: &Model,
    what: String,
    harm: impl Fn(&SimulatedDirectory),
    deep: bool,
) -> bool {
    let directory = copy(original);
    harm(&directory);
    let read = catch_unwind(AssertUnwindSafe(|| {
        let outcome = read_everything(&directory, model);
        if deep { outcome.and(write_and_reopen(&directory, model)) } else { outcome }
    }));
    match read {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            assert!(told(&error), "{what}: {error:?}");
            false
        }
        Err(_) => panic!("{what}: see above"),
    }
}

fn harm_every_byte_of(prefix: &str) -> Tally {
    let (original, model) = filled();
    let names = original.list().unwrap();
    let mut tally = Tally::default();
    for name in names.iter().filter(|name| name.starts_with(prefix)) {
        let bytes = original.read_all(name).unwrap();
        // Behind what was written there are zeros; there a sample is enough.
        let written = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 64).min(bytes.len());
        let places = (0..written).chain((written..bytes.len()).step_by(997));
        for place in places {
            let deep = place % 64 == 0;
            let mask = if place % 3 == 0 { 0xff } else { 1 << (place % 8) };
            let flip = |d: &SimulatedDirectory| d.flip_bit(name, place as u64, mask).unwrap();
            let cut = |d: &SimulatedDirectory| d.truncate(name, place as u64).unwrap();
            let flipped = survive(&original, &model, format!("{name}: byte {place} ^ {mask:#x}"), flip, deep);
            let cut = survive(&original, &model, format!("{name}: cut at {place}"), cut, deep);
            *(if flipped { &mut tally.flips_harmless } else { &mut tally.flips_told }) += 1;
            *(if cut { &mut tally.cuts_harmless } else { &mut tally.cuts_told }) += 1;
        }
    }
    tally
}

#[test]
fn every_byte_of_every_run() {
    let tally = harm_every_byte_of("run-");
    assert_eq!((tally.flips_harmless, tally.cuts_harmless), (0, 0), "{tally:?}");
}

#[test]
fn every_byte_of_the_log() {
    let tally = harm_every_byte_of("log-");
    assert!(tally.flips_told > 500, "{tally:?}");
}

#[test]
fn every_byte_of_the_manifest() {
    let tally = harm_every_byte_of("MANIFEST");
    assert!(tally.flips_told > 500, "{tally:?}");
}

/// A run of the same index put in place of another, an older manifest in place of the newest.
#[test]
fn files_of_another_time_or_place_are_told() {
    let (original, model) = filled();
    let names = original.list().unwrap();
    let runs: Vec<&String> = names.iter().filter(|name| name.starts_with("run-")).collect();
    assert_eq!(runs.len(), 2);
    let swapped = copy(&original);
    swapped.write_all(runs[0], &original.read_all(runs[1]).unwrap()).unwrap();
    assert!(told(&read_everything(&swapped, &model).unwrap_err()));

    let (other, _) = filled();
    for kind in ["MANIFEST", "log-", "run-"] {
        let mixed = copy(&original);
        let from = other.list().unwrap();
        let foreign = other.read_all(file_with(&from, kind)).unwrap();
        mixed.write_all(file_with(&names, kind), &foreign).unwrap();
        assert!(told(&read_everything(&mixed, &model).unwrap_err()), "{kind}");
    }
}

#[test]
fn a_damaged_run_is_found_by_check_and_leaves_the_rest_readable() {
    let (original, model) = filled();
    let names = original.list().unwrap();
    let run = file_with(&names, "run-");
    let directory = copy(&original);
    // In the first chunk, behind the headers of file, block and chunk.
    directory.flip_bit(run, 4096 + 60, 1).unwrap();
    let index: Index = small(&directory).open().unwrap();
    let report = index.check().unwrap();
    assert!(!report.is_clean());
    assert!(report.problems.iter().any(|problem| problem.to_string().contains(run)), "{report}");
    let readable = model.keys().filter(|key| index.get(*key).is_ok()).count();
    assert!(readable > 0 && readable < model.len(), "{readable}");
    // A compaction cannot read it either, says so, and the index goes on.
    index.put(b"new", b"entry").unwrap();
    let _ = index.compact_and_wait();
    assert_eq!(index.get(b"new").unwrap().as_deref(), Some(&b"entry"[..]));
}
