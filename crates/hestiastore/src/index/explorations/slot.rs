//! The place of a job (PROTOCOL D2).

use shuttle::thread;

use super::Note;
use crate::segment::JobSlot;
use crate::sync::explore;

/// As a thread of the pool does, which passes what is taken and comes again when it finds itself too late. Whoever
/// sees a free place and cannot take it, though nobody has, would do that for as long as the other stands still.
#[test]
fn d2_a_place_that_looks_free_can_be_taken() {
    explore("d2_a_place_that_looks_free_can_be_taken", || {
        let (slot, inside) = (JobSlot::default(), Note::default());
        let at_work = || {
            assert_eq!(inside.add(1), 0, "two at once");
            thread::yield_now();
            inside.add(1_u64.wrapping_neg());
        };
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    loop {
                        if slot.is_taken() {
                            thread::yield_now();
                        } else if let Some(_taken) = slot.try_take() {
                            return at_work();
                        }
                    }
                });
            }
            scope.spawn(|| {
                let _taken = slot.take();
                at_work();
            });
        });
        assert!(!slot.is_taken());
    });
}
