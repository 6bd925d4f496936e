//! The committed corpus, and mutations of it that are the same in every run.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

/// Longer inputs are not made.
const MAX_BYTES: usize = 32 << 10;

/// Where the inputs of a target lie.
pub fn folder(target: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus")).join(target)
}

/// Runs a target over its corpus and over `mutations` changed copies.
///
/// # Panics
/// At a finding. The input is left in a file that the message names.
pub fn check(target: &str, run: fn(&[u8]), mutations: u32) {
    let inputs = inputs(target);
    assert!(!inputs.is_empty(), "{target} has no corpus");
    for input in &inputs {
        run_one(target, run, input);
    }
    let mut random = Random(0x9e37_79b9 ^ target.len() as u64);
    for _ in 0..mutations {
        run_one(target, run, &mutated(&inputs, &mut random));
    }
}

fn inputs(target: &str) -> Vec<Vec<u8>> {
    let folder = folder(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn run_one(target: &str, run: fn(&[u8]), input: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(input))) {
        let place = std::env::temp_dir().join(format!("finding-{target}"));
        fs::write(&place, input).unwrap();
        eprintln!("the input of {target} that fails is in {}", place.display());
        std::panic::resume_unwind(panic);
    }
}

/// One of the inputs with one to four changes.
fn mutated(inputs: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = random.choose(inputs).clone();
    for _ in 0..=random.below(4) {
        mutate(&mut bytes, inputs, random);
    }
    bytes.truncate(MAX_BYTES);
    bytes
}

fn mutate(bytes: &mut Vec<u8>, inputs: &[Vec<u8>], random: &mut Random) {
    const INTERESTING: [u64; 9] = [0, 1, 16, 0x7f, 0xff, 0x7fff, 0xffff_ffff, u64::MAX - 1, u64::MAX];
    let at = random.below(bytes.len() + 1);
    let end = (at + 1 + random.below(16)).min(bytes.len());
    match random.below(8) {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(at..end)),
        2 => {
            let repeated = bytes[at..end].to_vec();
            bytes.splice(at..at, repeated);
        }
        3 => bytes.insert(at, random.next() as u8),
        4 => {
            let other = random.choose(inputs);
            let from = random.below(other.len() + 1);
            bytes.splice(at.., other[from..].iter().copied());
        }
        5 => {
            let number = random.choose(&INTERESTING).to_be_bytes();
            let width = [1, 2, 4, 8][random.below(4)];
            bytes.iter_mut().skip(at).zip(&number[8 - width..]).for_each(|(to, from)| *to = *from);
        }
        6 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << random.below(8)),
        _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = random.next() as u8),
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn choose<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}
