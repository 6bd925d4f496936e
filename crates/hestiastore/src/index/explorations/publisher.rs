//! Publishing in order (PROTOCOL C4).

use shuttle::thread;

use super::Note;
use crate::index::publish::Publisher;
use crate::sync::{Mutex, explore};

const WRITERS: u64 = 3;
const COMMITS: u64 = 2;

struct Scene {
    publisher: Publisher,
    /// The next ticket and the last seq.
    section: Mutex<(u64, u64)>,
    /// A bit for each seq whose commit is done.
    done: Note,
    highest_seen: Note,
}

impl Scene {
    fn new() -> Self {
        Self {
            publisher: Publisher::new(0),
            section: Mutex::new((0, 0)),
            done: Note::default(),
            highest_seen: Note::default(),
        }
    }

    /// A commit of `operations`, as the engine makes it; its last seq.
    fn commit(&self, operations: u64) -> u64 {
        let (ticket, first_seq, last_seq) = loop {
            let mut section = self.section.lock();
            if self.publisher.has_room(section.0) {
                let ticket = section.0;
                let first_seq = section.1 + 1;
                *section = (ticket + 1, section.1 + operations);
                break (ticket, first_seq, section.1);
            }
            drop(section);
            thread::yield_now();
        };
        for seq in first_seq..=last_seq {
            self.done.add(1 << seq);
        }
        self.publisher.complete(ticket, last_seq);
        last_seq
    }

    fn look(&self) -> u64 {
        let before = self.highest_seen.get();
        let visible = self.publisher.visible();
        self.highest_seen.raise(visible);
        assert!(visible >= before, "visible fell from {before} to {visible}");
        let all = (1 << (visible + 1)) - 2;
        assert_eq!(self.done.get() & all, all, "visible is {visible}, and not everything up to it is done");
        visible
    }
}

#[test]
fn c4_visible_rises_in_order_and_never_falls() {
    explore("c4_visible_rises_in_order_and_never_falls", || {
        let scene = Scene::new();
        thread::scope(|scope| {
            for writer in 0..WRITERS {
                let scene = &scene;
                scope.spawn(move || {
                    for n in 0..COMMITS {
                        let last_seq = scene.commit(1 + (writer + n) % 2);
                        scene.publisher.wait_visible(last_seq).unwrap();
                        assert!(scene.look() >= last_seq);
                    }
                });
            }
            scope.spawn(|| {
                for _ in 0..4 {
                    scene.look();
                }
            });
        });
        assert_eq!(scene.look(), scene.section.lock().1);
    });
}

/// A failure wakes everyone who waits for a commit that will never complete.
#[test]
fn c4_nobody_waits_for_what_failed() {
    explore("c4_nobody_waits_for_what_failed", || {
        let scene = Scene::new();
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| assert!(scene.publisher.wait_visible(1).is_err()));
            }
            scope.spawn(|| {
                scene.publisher.complete(1, 2);
                scene.publisher.fail();
            });
            scope.spawn(|| assert!(scene.publisher.wait_complete(2).is_err()));
        });
    });
}
