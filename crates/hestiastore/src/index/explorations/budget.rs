//! Room for writes: everyone gets some, in order, and never more than there is (PROTOCOL C2, M3).

use std::sync::Arc;

use shuttle::thread;

use super::Note;
use crate::environment::Environment;
use crate::index::budget::{NoRoom, WriteBudget};
use crate::index::stalls::StallCause;
use crate::sync::explore;

const LIMIT: u64 = 100;

fn new_budget() -> WriteBudget {
    WriteBudget::new(LIMIT, Environment::repeatable(1).clock)
}

fn take(budget: &WriteBudget, bytes: u64) -> Result<(), NoRoom> {
    budget.take(bytes, || StallCause::Room, || None).0
}

/// What writers hold, known a little later than what they took and a little earlier than what they gave back.
fn hold(held: &Note, bytes: u64) {
    let before = held.add(bytes);
    assert!(before == 0 || before + bytes <= LIMIT, "{bytes} more were given where {before} were held");
}

#[test]
fn c2_room_is_given_to_everyone_and_never_too_much() {
    explore("c2_room_is_given_to_everyone_and_never_too_much", || {
        let budget = new_budget();
        let held = Note::default();
        thread::scope(|scope| {
            for bytes in [60, 50, 10, 250] {
                let (budget, held) = (&budget, &held);
                scope.spawn(move || {
                    for _ in 0..2 {
                        if !budget.try_take(bytes) {
                            take(budget, bytes).unwrap();
                        }
                        hold(held, bytes);
                        thread::sleep(Default::default());
                        held.add(bytes.wrapping_neg());
                        budget.release(bytes);
                    }
                });
            }
        });
        assert_eq!((held.get(), budget.used_bytes(), budget.wanted_bytes()), (0, 0, None));
    });
}

/// Who is first in line is not passed by those who ask for less.
#[test]
fn c2_the_first_in_line_is_not_passed() {
    explore("c2_the_first_in_line_is_not_passed", || {
        let budget = new_budget();
        budget.force(98);
        let (waits, served) = (Note::default(), Note::default());
        thread::scope(|scope| {
            scope.spawn(|| {
                let asks = || {
                    waits.set(1);
                    StallCause::Room
                };
                budget.take(80, asks, || None).0.unwrap();
                served.set(1);
                budget.release(80);
            });
            scope.spawn(|| {
                let late = waits.get() == 1;
                if !budget.try_take(5) {
                    take(&budget, 5).unwrap();
                }
                let is_beside = budget.used_bytes() >= 85;
                assert!(!late || is_beside || served.get() == 1, "somebody who came later was served first");
                budget.release(5);
            });
            scope.spawn(|| budget.release(98));
        });
        assert_eq!((budget.used_bytes(), budget.wanted_bytes()), (0, None));
    });
}

/// A refusal reaches everyone in line, and later ones are served again once it is taken back.
#[test]
fn d8_a_refusal_reaches_everyone_in_line() {
    explore("d8_a_refusal_reaches_everyone_in_line", || {
        let budget = new_budget();
        budget.force(LIMIT);
        let refused = Note::default();
        thread::scope(|scope| {
            for bytes in [10, 70] {
                let (budget, refused) = (&budget, &refused);
                scope.spawn(move || {
                    let why = || (refused.get() == 1).then(|| Arc::from("the disk is full"));
                    let (taken, _) = budget.take(bytes, || StallCause::Room, why);
                    assert!(matches!(taken, Err(NoRoom::Refused(_))));
                });
            }
            scope.spawn(|| {
                refused.set(1);
                budget.wake();
            });
        });
        budget.release(LIMIT);
        take(&budget, LIMIT).unwrap();
    });
}

#[test]
fn c7_the_end_reaches_everyone_in_line() {
    explore("c7_the_end_reaches_everyone_in_line", || {
        let budget = new_budget();
        budget.force(LIMIT);
        thread::scope(|scope| {
            for bytes in [10, 70] {
                let budget = &budget;
                scope.spawn(move || assert_eq!(take(budget, bytes), Err(NoRoom::Stopped)));
            }
            scope.spawn(|| budget.stop());
        });
    });
}
