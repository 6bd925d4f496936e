//! Sectors of 512 bytes: lost, misplaced, and old.

use hestiastore::directory::SimulatedDirectory;

use crate::judge::{Case, Tally};
use crate::sample::{places, tell};
use crate::store::{Bytes, End, Store};

const SECTOR_BYTES: usize = 512;

fn sector(bytes: &[u8], number: usize) -> &[u8] {
    let from = number * SECTOR_BYTES;
    bytes.get(from..(from + SECTOR_BYTES).min(bytes.len())).unwrap_or(&[])
}

/// `bytes` with another content of a sector, cut to what stands there.
fn with(bytes: &[u8], number: usize, content: &[u8]) -> Bytes {
    let mut changed = bytes.to_vec();
    let from = number * SECTOR_BYTES;
    for (place, byte) in content.iter().enumerate() {
        if let Some(target) = changed.get_mut(from + place) {
            *target = *byte;
        }
    }
    changed
}

/// What is in a file after each harm that can befall one of its sectors.
fn harmed(store: &Store, name: &str, number: usize) -> Vec<(String, Bytes)> {
    let bytes = &store.files[name];
    let sectors = bytes.len().div_ceil(SECTOR_BYTES);
    let own = sector(bytes, number);
    let next = (number + 1) % sectors;
    let far = (number * 7 + 3) % sectors;
    let swapped = |other: usize| with(&with(bytes, number, sector(bytes, other)), other, own);
    let mut all = vec![
        (format!("sector {number} zeroed"), with(bytes, number, &[0; SECTOR_BYTES])),
        (format!("sector {next} written to {number} too"), with(bytes, number, sector(bytes, next))),
        (format!("sector {far} written to {number} too"), with(bytes, number, sector(bytes, far))),
        (format!("sectors {number} and {next} swapped"), swapped(next)),
        (format!("sectors {number} and {far} swapped"), swapped(far)),
    ];
    // Of a file of the same kind, at the same place.
    let kind = &name[..4];
    let others = store.files.iter().filter(|(other, _)| other.starts_with(kind) && *other != name);
    all.extend(others.take(3).map(|(other, content)| {
        (format!("sector {number} of {other}"), with(bytes, number, sector(content, number)))
    }));
    // A write that never came to the disk, though a sync said so.
    all.extend(store.generations.iter().enumerate().filter_map(|(age, files)| {
        let old = sector(files.get(name)?, number);
        Some((format!("sector {number} of generation {age}"), with(bytes, number, old)))
    }));
    all.retain(|(_, content)| content != bytes);
    all
}

fn sweep(prefix: &str, end: End, stride: usize) -> Tally {
    let store = Store::new(1, end);
    let mut tally = Tally::default();
    for name in store.names(prefix) {
        let bytes = &store.files[name];
        let sectors = bytes.len().div_ceil(SECTOR_BYTES);
        let written = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last / SECTOR_BYTES);
        let dense = move |number: usize| number < 4 || number.abs_diff(written) < 2 || number + 2 >= sectors;
        for number in places(sectors, dense, stride) {
            for (what, content) in harmed(&store, name, number) {
                let case = Case {
                    store: &store,
                    what: format!("{end:?}, {name}, {what}"),
                    harmed: vec![name.to_owned()],
                    deep: number % 8 == 0,
                };
                tally.count(case.judge(|d: &SimulatedDirectory| d.write_all(name, &content).unwrap()));
            }
        }
    }
    tell(tally.cases(), &format!("sectors of {prefix} {end:?}: {tally:?}"));
    tally
}

#[test]
fn every_sector_of_the_runs() {
    let tally = sweep("run-", End::Closed, 3);
    assert_eq!(tally.right + tally.shorter, 0, "{tally:?}");
}

#[test]
fn every_sector_of_the_logs() {
    let tally = sweep("log-", End::Closed, 1);
    assert_eq!(tally.shorter, 0, "{tally:?}");
    let tally = sweep("log-", End::Killed, 1);
    assert!(tally.told > 0, "{tally:?}");
}

#[test]
fn every_sector_of_the_manifest() {
    for end in End::ALL {
        let tally = sweep("MANIFEST", end, 16);
        assert_eq!(tally.shorter, 0, "{tally:?}");
    }
}
