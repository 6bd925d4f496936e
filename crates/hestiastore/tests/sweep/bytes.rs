//! Every byte changed, every length cut.

use crate::judge::{Case, Tally};
use crate::sample::{is_full, places, tell};
use crate::store::{End, Store};

/// Patterns that a byte is changed by: in a sample one of them, in turn.
fn masks(place: usize) -> Vec<u8> {
    let one_bit = 1 << (place % 8);
    match (is_full(), place % 3) {
        (true, _) => vec![0xff, one_bit],
        (false, 0) => vec![0xff],
        (false, _) => vec![one_bit],
    }
}

/// Behind this stand only zeros.
fn written_bytes(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

/// Where a sample tries every byte: headers, the beginning of what follows, and the end of the file.
fn is_dense(name: &str, bytes: &[u8]) -> impl Fn(usize) -> bool + use<> {
    let (length, written) = (bytes.len(), written_bytes(bytes));
    let from_front = if name.starts_with("run-") { 64 } else { 512 };
    move |place| place < from_front || place + 64 >= length || place.abs_diff(written) < 48
}

struct Sweep {
    flips: Tally,
    cuts: Tally,
}

fn sweep(prefix: &str, ends: &[End], stride: usize) -> Sweep {
    let mut done = Sweep { flips: Tally::default(), cuts: Tally::default() };
    for end in ends {
        let store = Store::new(1, *end);
        for name in store.names(prefix) {
            let bytes = &store.files[name];
            // One reserve of zeros is like another.
            let reserve = if *end == ends[0] { bytes.len() } else { written_bytes(bytes) + 1024 };
            let length = bytes.len().min(reserve);
            for place in places(length, is_dense(name, bytes), stride) {
                let case = |what: String| Case {
                    store: &store,
                    what: format!("{end:?}, {name}, {what}"),
                    harmed: vec![name.to_owned()],
                    deep: place % 64 == 0,
                };
                for mask in masks(place) {
                    let flip = case(format!("byte {place} ^ {mask:#x}"));
                    done.flips.count(flip.judge(|d| d.flip_bit(name, place as u64, mask).unwrap()));
                }
                let cut = case(format!("cut at {place}"));
                done.cuts.count(cut.judge(|d| d.truncate(name, place as u64).unwrap()));
            }
        }
    }
    let Sweep { flips, cuts } = &done;
    tell(flips.cases(), &format!("bytes of {prefix} flipped: {flips:?}"));
    tell(cuts.cases(), &format!("lengths of {prefix} cut: {cuts:?}"));
    done
}

#[test]
fn every_byte_and_length_of_the_runs() {
    let Sweep { flips, cuts } = sweep("run-", &[End::Closed], 61);
    assert_eq!((flips.right + flips.shorter, cuts.right + cuts.shorter), (0, 0), "{flips:?} {cuts:?}");
}

#[test]
fn every_byte_and_length_of_the_logs_after_a_close() {
    let Sweep { flips, cuts } = sweep("log-", &[End::Closed], 17);
    assert_eq!((flips.shorter, cuts.shorter), (0, 0), "{flips:?} {cuts:?}");
}

#[test]
fn every_byte_and_length_of_the_logs_after_a_kill() {
    let Sweep { flips, .. } = sweep("log-", &[End::Killed], 17);
    assert!(flips.shorter > 0 && flips.told > 0, "{flips:?}");
}

#[test]
fn every_byte_and_length_of_the_manifest() {
    let Sweep { flips, cuts } = sweep("MANIFEST", &End::ALL, 211);
    assert_eq!((flips.shorter, cuts.right + cuts.shorter), (0, 0), "{flips:?} {cuts:?}");
}
