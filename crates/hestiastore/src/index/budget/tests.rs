use std::thread::yield_now;

use super::*;
use crate::environment::Environment;

fn budget(limit_bytes: u64) -> WriteBudget {
    WriteBudget::new(limit_bytes, Environment::repeatable(1).clock)
}

fn room() -> StallCause {
    StallCause::Room
}

/// Takes what is there, waiting for nothing.
fn take_now(budget: &WriteBudget, bytes: u64) -> bool {
    budget.take(bytes, room, || Some("nothing is free".into())).0.is_ok()
}

/// Waits until so many have come to the line; each then waits in it, or has taken its room.
fn wait_for_line(budget: &WriteBudget, came: u64) {
    while budget.line.lock().next_number < came {
        yield_now();
    }
}

#[derive(Debug, Default)]
struct StandingClock(AtomicU64);

impl Clock for StandingClock {
    fn wall_micros(&self) -> u64 {
        0
    }

    fn monotonic_micros(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Of 100 bytes so many are taken, and flushes give back two in an hour. The clock stands.
fn slow_budget(used_bytes: u64) -> WriteBudget {
    const HOUR_MICROS: u64 = 3_600_000_000;
    let clock = Arc::new(StandingClock::default());
    let shared: Arc<dyn Clock> = Arc::clone(&clock) as Arc<dyn Clock>;
    let budget = WriteBudget::new(100, shared);
    budget.line.lock().pace.longest_nanos = u64::MAX;
    budget.force(used_bytes + 2);
    let flush = budget.begin_flush();
    budget.release_flushed(2);
    clock.0.store(HOUR_MICROS, Ordering::SeqCst);
    drop(flush);
    budget
}

#[test]
fn m3_one_amount_larger_than_the_budget_is_let_through_alone() {
    let budget = budget(100);
    assert!(take_now(&budget, 500));
    assert!(!take_now(&budget, 1));
    budget.release(500);
    assert!(take_now(&budget, 60));
    assert!(!take_now(&budget, 500));
}

/// Else whoever is let in would come back before the next one has woken up.
#[test]
fn c2_who_leaves_the_line_lets_in_those_behind() {
    let budget = budget(100);
    budget.force(100);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| {
            budget.take(1, room, || None).0.unwrap();
            budget.is_waited_for()
        });
        wait_for_line(&budget, 1);
        let others: Vec<_> =
            (0..3).map(|_| scope.spawn(|| budget.take(1, room, || None).0.unwrap())).collect();
        wait_for_line(&budget, 4);
        budget.release(100);
        assert!(!first.join().unwrap(), "the line is empty when the first has left it");
        others.into_iter().for_each(|other| other.join().unwrap());
    });
    assert_eq!(budget.used_bytes(), 4);
    assert!(budget.line.lock().admitted.is_empty());
}

#[test]
fn c2_room_is_given_first_come_first_served() {
    let budget = budget(100);
    assert!(budget.try_take(40));
    let order = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            budget.take(80, room, || None).0.unwrap();
            order.lock().push(80);
            budget.release(80);
        });
        wait_for_line(&budget, 1);
        // Sixty bytes are free, and would be enough for this one.
        assert!(!budget.try_take(5));
        scope.spawn(|| {
            budget.take(30, room, || None).0.unwrap();
            order.lock().push(30);
        });
        wait_for_line(&budget, 2);
        budget.release(40);
    });
    assert_eq!(*order.lock(), [80, 30]);
    assert!(budget.try_take(5));
}

#[test]
fn c2_who_is_first_in_line_asks_again_while_too_little_is_given_back() {
    let budget = budget(100);
    assert!(take_now(&budget, 90));
    let asked = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let ask = || {
                asked.fetch_add(1, Ordering::SeqCst);
                StallCause::Room
            };
            budget.take(80, ask, || None).0.unwrap();
        });
        for given_back in 1..=2 {
            while asked.load(Ordering::SeqCst) < given_back {
                yield_now();
            }
            assert_eq!(budget.wanted_bytes(), Some(80));
            budget.release(30);
        }
        while asked.load(Ordering::SeqCst) < 3 && budget.used_bytes() < 80 {
            yield_now();
        }
        budget.release(30);
    });
    assert_eq!(budget.wanted_bytes(), None);
    assert_eq!(budget.used_bytes(), 80);
}

/// The refusal may be over by the time that the writer looks for its cause.
#[test]
fn d8_who_is_refused_is_told_the_cause_that_was_seen() {
    let budget = budget(10);
    assert!(take_now(&budget, 10));
    let cause = Mutex::new(Some(Arc::from("full")));
    let (outcome, _) = budget.take(1, room, || cause.lock().take());
    assert_eq!(outcome, Err(NoRoom::Refused("full".into())));
}

#[test]
fn stopping_wakes_who_waits() {
    let budget = budget(10);
    assert!(take_now(&budget, 10));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| budget.take(1, room, || None).0);
        budget.stop();
        assert_eq!(waiting.join().unwrap(), Err(NoRoom::Stopped));
    });
}

#[test]
fn m3_beyond_the_soft_mark_writers_are_slowed_until_room_comes_back() {
    let budget = slow_budget(70);
    assert!(!budget.try_take(1));
    std::thread::scope(|scope| {
        let slowed = scope.spawn(|| budget.take(10, room, || None));
        wait_for_line(&budget, 1);
        assert_eq!(budget.used_bytes(), 70, "there is room, but it is not its time");
        budget.release(10);
        assert_eq!(slowed.join().unwrap(), (Ok(()), Some(StallCause::Slowed)));
    });
    assert_eq!(budget.used_bytes(), 70);
}

#[test]
fn c2_nobody_passes_one_who_is_slowed() {
    let budget = slow_budget(70);
    std::thread::scope(|scope| {
        let slowed = scope.spawn(|| budget.take(20, room, || None).0);
        wait_for_line(&budget, 1);
        let behind = scope.spawn(|| budget.take(0, room, || None));
        wait_for_line(&budget, 2);
        assert_eq!(budget.line.lock().waiting.len(), 2, "the second would have to pay nothing");
        budget.release(70);
        assert_eq!(slowed.join().unwrap(), Ok(()));
        assert_eq!(behind.join().unwrap(), (Ok(()), Some(StallCause::Slowed)));
    });
}

#[test]
fn stopping_wakes_who_is_slowed() {
    let budget = slow_budget(70);
    std::thread::scope(|scope| {
        let slowed = scope.spawn(|| budget.take(1, room, || None).0);
        wait_for_line(&budget, 1);
        budget.stop();
        assert_eq!(slowed.join().unwrap(), Err(NoRoom::Stopped));
    });
}

/// No flush comes whose pace could be kept: who finds room takes it at once.
#[test]
fn d8_nobody_is_slowed_while_flushes_are_refused() {
    let budget = slow_budget(70);
    let refused = AtomicBool::new(false);
    let cause = || refused.load(Ordering::SeqCst).then(|| Arc::from("full"));
    std::thread::scope(|scope| {
        let slowed = scope.spawn(|| budget.take(20, room, cause).0);
        wait_for_line(&budget, 1);
        let behind = scope.spawn(|| budget.take(20, room, cause).0);
        wait_for_line(&budget, 2);
        refused.store(true, Ordering::SeqCst);
        budget.wake();
        assert_eq!(slowed.join().unwrap(), Ok(()));
        assert_eq!(behind.join().unwrap(), Err(NoRoom::Refused("full".into())));
    });
}

#[test]
fn merges_that_fall_behind_slow_writers_whatever_is_free() {
    let budget = slow_budget(0);
    budget.set_crowding(500);
    assert!(!budget.try_take(1));
    std::thread::scope(|scope| {
        let slowed = scope.spawn(|| budget.take(10, room, || None));
        wait_for_line(&budget, 1);
        budget.set_crowding(0);
        assert_eq!(slowed.join().unwrap(), (Ok(()), Some(StallCause::Slowed)));
    });
    assert!(budget.try_take(1));
}
