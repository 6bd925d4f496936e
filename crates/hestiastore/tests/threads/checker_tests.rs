//! Histories made by hand, which are in order or are not.

use crate::checker::{Action, Held, Operation, check};
use crate::world::Dice;

fn write(called: u64, returned: u64, key: usize, held: Held) -> Operation {
    Operation { called, returned, action: Action::Write(vec![(key, held)]) }
}

fn read(called: u64, returned: u64, key: usize, held: Held) -> Operation {
    Operation { called, returned, action: Action::Read(vec![(key, held)]) }
}

fn batch(called: u64, returned: u64, written: &[(usize, Held)]) -> Operation {
    Operation { called, returned, action: Action::Write(written.to_vec()) }
}

fn snapshot(called: u64, returned: u64, seen: &[(usize, Held)]) -> Operation {
    Operation { called, returned, action: Action::Read(seen.to_vec()) }
}

fn fits(history: &[Operation]) -> bool {
    check(3, history).is_ok()
}

#[test]
fn one_after_the_other() {
    assert!(fits(&[
        write(1, 2, 0, Some(1)),
        read(3, 4, 0, Some(1)),
        write(5, 6, 0, None),
        read(7, 8, 0, None)
    ]));
    assert!(fits(&[read(1, 2, 0, None)]));
}

#[test]
fn a_stale_read_does_not_fit() {
    assert!(!fits(&[write(1, 2, 0, Some(1)), read(3, 4, 0, None)]));
    assert!(!fits(&[write(1, 2, 0, Some(1)), write(3, 4, 0, Some(2)), read(5, 6, 0, Some(1))]));
}

#[test]
fn a_value_that_nobody_wrote_or_will_only_write_does_not_fit() {
    assert!(!fits(&[read(1, 2, 0, Some(9))]));
    assert!(!fits(&[read(1, 2, 0, Some(1)), write(3, 4, 0, Some(1))]));
    assert!(!fits(&[write(1, 2, 1, Some(1)), read(3, 4, 0, Some(1))]));
}

#[test]
fn a_read_beside_a_write_sees_either() {
    assert!(fits(&[write(1, 4, 0, Some(1)), read(2, 3, 0, None)]));
    assert!(fits(&[write(1, 4, 0, Some(1)), read(2, 3, 0, Some(1))]));
}

#[test]
fn what_was_seen_of_a_write_under_way_stays_seen() {
    assert!(!fits(&[write(1, 6, 0, Some(1)), read(2, 3, 0, Some(1)), read(4, 5, 0, None)]));
    assert!(fits(&[write(1, 6, 0, Some(1)), read(2, 3, 0, None), read(4, 5, 0, Some(1))]));
    // Also for another reader that overlaps the first.
    assert!(fits(&[write(1, 8, 0, Some(1)), read(2, 5, 0, Some(1)), read(3, 4, 0, None)]));
}

#[test]
fn two_writes_at_once_take_effect_in_one_order() {
    let writes = [write(1, 4, 0, Some(1)), write(2, 3, 0, Some(2))];
    for last in [1, 2] {
        let mut history = writes.to_vec();
        history.extend([read(5, 6, 0, Some(last)), read(7, 8, 0, Some(last))]);
        assert!(fits(&history));
    }
    let mut history = writes.to_vec();
    history.extend([read(5, 6, 0, Some(1)), read(7, 8, 0, Some(2))]);
    assert!(!fits(&history));
}

#[test]
fn a_write_that_returns_late_may_have_happened_early() {
    let history = [
        write(1, 20, 0, Some(1)),
        write(2, 3, 0, Some(2)),
        read(4, 5, 0, Some(2)),
        write(6, 7, 0, None),
        read(8, 9, 0, None),
        read(10, 11, 0, Some(1)),
        read(12, 13, 0, Some(1)),
    ];
    assert!(fits(&history));
    let mut history = history.to_vec();
    history.push(read(21, 22, 0, None));
    assert!(!fits(&history));
}

#[test]
fn a_batch_is_seen_wholly_or_not_at_all() {
    let both = batch(1, 4, &[(0, Some(1)), (1, Some(1))]);
    assert!(fits(&[both.clone(), snapshot(2, 3, &[(0, Some(1)), (1, Some(1))])]));
    assert!(fits(&[both.clone(), snapshot(2, 3, &[(0, None), (1, None)])]));
    assert!(!fits(&[both.clone(), snapshot(2, 3, &[(0, Some(1)), (1, None)])]));
    // Nor by single reads, one after the other.
    assert!(!fits(&[
        batch(1, 6, &[(0, Some(1)), (1, Some(1))]),
        read(2, 3, 0, Some(1)),
        read(4, 5, 1, None)
    ]));
    assert!(fits(&[batch(1, 6, &[(0, Some(1)), (1, Some(1))]), read(2, 3, 0, None), read(4, 5, 1, Some(1))]));
}

/// Linearisable for each key, and yet no order of both: a write of each key, seen in opposite orders.
#[test]
fn two_keys_have_one_order() {
    let history = [
        write(1, 10, 0, Some(1)),
        write(2, 11, 1, Some(1)),
        snapshot(3, 4, &[(0, Some(1)), (1, None)]),
        snapshot(5, 6, &[(0, None), (1, Some(1))]),
    ];
    assert!(!fits(&history));
    assert!(fits(&history[..3]));
}

/// A store that answers at once, with calls and returns drawn apart by chance: always in order. With one answer
/// changed it is not.
#[test]
fn random_histories_of_a_true_store_fit_and_a_changed_answer_does_not() {
    const KEYS: usize = 3;
    for seed in 0..200 {
        let mut dice = Dice::of(&[seed]);
        let mut held: Vec<Held> = vec![None; KEYS];
        let mut history = Vec::new();
        let mut reads = Vec::new();
        for number in 0..40u64 {
            let moment = (number + 5) * 1_000;
            let key = dice.below(KEYS as u64) as usize;
            let (called, returned) = (moment - dice.below(4_000) - 1, moment + dice.below(4_000) + 1);
            let action = match dice.below(4) {
                0 => Action::Write(vec![(key, Some(number))]),
                1 => Action::Write((0..KEYS).map(|key| (key, Some(number))).collect()),
                2 => Action::Read((0..KEYS).map(|key| (key, held[key])).collect()),
                _ => Action::Read(vec![(key, held[key])]),
            };
            match &action {
                Action::Write(written) => written.iter().for_each(|(key, value)| held[*key] = *value),
                Action::Read(_) => reads.push(history.len()),
            }
            history.push(Operation { called, returned, action });
        }
        apart(&mut history);
        assert!(check(KEYS, &history).is_ok(), "seed {seed}");
        let Some(changed) = reads.last() else { continue };
        if let Action::Read(seen) = &mut history[*changed].action {
            seen[0].1 = Some(1_000);
        }
        assert!(check(KEYS, &history).is_err(), "seed {seed}");
    }
}

/// Gives every call and return a stamp of its own, in the order that they have.
fn apart(history: &mut [Operation]) {
    let mut stamps: Vec<&mut u64> =
        history.iter_mut().flat_map(|o| [&mut o.called, &mut o.returned]).collect();
    stamps.sort_by_key(|stamp| **stamp);
    stamps.into_iter().enumerate().for_each(|(number, stamp)| *stamp = number as u64);
}
