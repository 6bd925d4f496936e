//! Threads that do everything to a few keys, and the check of what they saw.

use std::sync::atomic::AtomicBool;
use std::thread;

use hestiastore::config::Durability;
use hestiastore::directory::SimulatedDirectory;
use hestiastore::{Result, Snapshot, WriteBatch};

use crate::checker::{Held, Operation, check};
use crate::recorder::{Recorder, Stamps};
use crate::rounds::repeat;
use crate::unrest::{StopOnDrop, Unrest};
use crate::world::{Dice, Index, Settings, be_u64, padded, watched_key};

const KEYS: u64 = 12;
const THREADS: u64 = 4;

fn key(number: u64) -> u64 {
    watched_key(number, KEYS)
}

fn number_of(key: u64) -> Option<usize> {
    (0..KEYS).find(|number| self::key(*number) == key).map(|number| number as usize)
}

/// Every value is written once, and follows from its number.
fn value(number: u64) -> Vec<u8> {
    padded(number.to_be_bytes().to_vec(), number)
}

fn held(bytes: &[u8]) -> u64 {
    let number = be_u64(&bytes[..8]);
    assert!(bytes == value(number), "the value {number} is not whole");
    number
}

struct Actor<'a> {
    index: &'a Index,
    recorder: Recorder<'a>,
    dice: Dice,
    thread: u64,
    written: u64,
}

impl Actor<'_> {
    fn next_number(&mut self) -> u64 {
        self.written += 1;
        self.written * THREADS + self.thread
    }

    fn act(&mut self) {
        let index = self.index;
        let number = self.dice.below(KEYS);
        let key = key(number);
        let told = |found: Option<Vec<u8>>| vec![(number as usize, found.map(|value| held(&value)))];
        match self.dice.below(100) {
            0..=24 => {
                let new = self.next_number();
                let bytes = value(new);
                self.recorder.write(vec![(number as usize, Some(new))], || index.put(key, &bytes).unwrap());
            }
            25..=30 => self.recorder.write(vec![(number as usize, None)], || index.delete(key).unwrap()),
            31..=45 => self.write_batch(),
            46..=70 => self.recorder.read(|| index.get(key).unwrap(), told),
            71..=80 => self
                .recorder
                .read(|| index.get_ref(key).unwrap(), |pinned| told(pinned.map(|pinned| pinned.to_vec()))),
            81..=87 => self.read_many(),
            _ => self.read_snapshot(),
        }
    }

    fn write_batch(&mut self) {
        let mut batch = WriteBatch::new();
        let mut written: Vec<Held> = vec![None; KEYS as usize];
        let mut touched = vec![false; KEYS as usize];
        for _ in 0..=self.dice.below(5) {
            let number = self.dice.below(KEYS);
            touched[number as usize] = true;
            written[number as usize] = if self.dice.below(5) == 0 {
                batch.delete(key(number)).unwrap();
                None
            } else {
                let new = self.next_number();
                batch.put(key(number), value(new)).unwrap();
                Some(new)
            };
        }
        let written = written.into_iter().enumerate().filter(|(number, _)| touched[*number]).collect();
        let index = self.index;
        self.recorder.write(written, || index.write(batch).unwrap());
    }

    fn read_many(&mut self) {
        let numbers: Vec<u64> = (0..2 + self.dice.below(4)).map(|_| self.dice.below(KEYS)).collect();
        let index = self.index;
        let look = || index.get_many(numbers.iter().map(|number| key(*number))).unwrap();
        self.recorder.read(look, |found| {
            let seen = found.into_iter().map(|value| value.map(|value| held(&value)));
            numbers.iter().map(|number| *number as usize).zip(seen).collect()
        });
    }

    fn read_snapshot(&mut self) {
        let (way, index) = (self.dice.below(5), self.index);
        self.recorder.read(|| index.snapshot().unwrap(), |snapshot| all_of(&snapshot, way));
    }
}

/// What a snapshot shows of the watched keys, in one of several ways to look.
fn all_of(snapshot: &Snapshot<u64, Vec<u8>>, way: u64) -> Vec<(usize, Held)> {
    let mut seen: Vec<(usize, Held)> = (0..KEYS as usize).map(|number| (number, None)).collect();
    let mut note = |key: u64, value: &[u8]| {
        if let Some(number) = number_of(key) {
            seen[number].1 = Some(held(value));
        }
    };
    let mut note_entry = |entry: Result<(u64, Vec<u8>)>| {
        let (key, value) = entry.unwrap();
        note(key, &value);
    };
    match way {
        0 => snapshot.iter().unwrap().for_each(&mut note_entry),
        1 => snapshot.iter().unwrap().rev().for_each(&mut note_entry),
        2 => {
            let middle = key(KEYS / 2);
            snapshot.range(middle..).unwrap().for_each(&mut note_entry);
            snapshot.range(..middle).unwrap().rev().for_each(&mut note_entry);
        }
        3 => {
            let mut cursor = snapshot.cursor().unwrap();
            let mut on_entry = cursor.seek_to_last().unwrap();
            while on_entry {
                note(cursor.key().unwrap(), &cursor.value_bytes().unwrap());
                on_entry = cursor.prev().unwrap();
            }
        }
        _ => {
            for number in 0..KEYS {
                if let Some(value) = snapshot.get(key(number)).unwrap() {
                    note(key(number), &value);
                }
            }
        }
    }
    seen
}

/// A history of all threads on a store of its own.
fn history(settings: Settings, seed: u64, operations: u64) -> Vec<Operation> {
    let directory = SimulatedDirectory::new();
    let index = settings.create(&directory);
    let stamps = Stamps::default();
    let stop = AtomicBool::new(false);
    let mut history = Vec::new();
    thread::scope(|scope| {
        let _stop = StopOnDrop(&stop);
        let (index, stop, stamps) = (&index, &stop, &stamps);
        scope.spawn(move || {
            let is_watched = |key| number_of(key).is_some();
            Unrest::new(index, Dice::of(&[seed, 99]), &is_watched).go_on_until(stop);
        });
        let actors: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (recorder, dice) = (Recorder::new(stamps), Dice::of(&[seed, thread]));
                let mut actor = Actor { index, recorder, dice, thread, written: 0 };
                scope.spawn(move || {
                    (0..operations).for_each(|_| actor.act());
                    actor.recorder.operations
                })
            })
            .collect();
        actors.into_iter().for_each(|actor| history.extend(actor.join().unwrap()));
    });
    let mut last = Recorder::new(&stamps);
    index.close().unwrap();
    let index = settings.builder(&directory).open().unwrap();
    last.read(|| index.snapshot().unwrap(), |snapshot| all_of(&snapshot, 0));
    history.extend(last.operations);
    history
}

fn every_history_fits(durability: Durability) {
    let (mut operations, mut most_states) = (0, 0);
    let rounds = repeat(8, |seed| {
        let settings = Settings::of(&mut Dice::of(&[seed]), durability);
        let history = history(settings, seed, 500);
        match check(KEYS as usize, &history) {
            Ok(walk) => {
                operations += walk.operations;
                most_states = most_states.max(walk.most_states);
            }
            Err(violation) => panic!("seed {seed}, {settings:?}: {violation}"),
        }
    });
    println!(
        "linearisable: {rounds} histories, {operations} operations, {most_states} states at most, {durability:?}"
    );
}

#[test]
fn c4_every_history_fits_an_order_when_buffered() {
    every_history_fits(Durability::Buffered);
}

#[test]
fn c4_every_history_fits_an_order_without_a_log() {
    every_history_fits(Durability::Off);
}

#[test]
fn c4_every_history_fits_an_order_with_shared_syncs() {
    every_history_fits(Durability::GroupSync);
}

#[test]
fn c4_every_history_fits_an_order_with_syncs() {
    every_history_fits(Durability::Sync);
}
