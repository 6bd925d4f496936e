//! Two queues of what is in the slots: new chunks, and proven ones.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use super::slots::RunSlots;

/// A filled slot; does not keep the slots of a dead run.
#[derive(Debug)]
pub(super) struct Ticket {
    slots: Weak<RunSlots>,
    at: u32,
}

impl Ticket {
    pub(super) fn new(slots: &Arc<RunSlots>, at: usize) -> Self {
        Self { slots: Arc::downgrade(slots), at: at as u32 }
    }

    /// Slots and number, unless the run is dead.
    pub(super) fn slot(&self) -> Option<(Arc<RunSlots>, usize)> {
        Some((self.slots.upgrade()?, self.at as usize))
    }

    /// Whether the chunk was used; forgets that.
    fn take_uses(&self) -> bool {
        self.slot().is_some_and(|(slots, at)| slots.take_uses(at))
    }

    /// Whether the chunk was used; forgets one use.
    fn take_one_use(&self) -> bool {
        self.slot().is_some_and(|(slots, at)| slots.take_one_use(at))
    }
}

/// Part of the cache's order of eviction. Never holds more than its places, so never allocates.
#[derive(Debug)]
pub(super) struct Queue {
    small: VecDeque<Ticket>,
    main: VecDeque<Ticket>,
    places: usize,
}

/// Chunks that were used get so many second chances in one search for a victim.
const MAX_STEPS: usize = 64;

impl Queue {
    pub(super) fn new(places: usize) -> Self {
        Self { small: VecDeque::with_capacity(places), main: VecDeque::with_capacity(places), places }
    }

    /// Takes a ticket in; returns the one that had to make room.
    pub(super) fn push(&mut self, ticket: Ticket, proven: bool) -> Option<Ticket> {
        let full = self.small.len() + self.main.len() >= self.places;
        let displaced = if full { self.pop() } else { None };
        let queue = if proven { &mut self.main } else { &mut self.small };
        queue.push_back(ticket);
        displaced
    }

    /// The next victim.
    pub(super) fn pop(&mut self) -> Option<Ticket> {
        for _ in 0..MAX_STEPS {
            let small_is_large = self.small.len() * 10 > self.small.len() + self.main.len();
            if small_is_large || self.main.is_empty() {
                let ticket = self.small.pop_front()?;
                if !ticket.take_uses() {
                    return Some(ticket);
                }
                self.main.push_back(ticket);
            } else {
                let ticket = self.main.pop_front()?;
                if !ticket.take_one_use() {
                    return Some(ticket);
                }
                self.main.push_back(ticket);
            }
        }
        self.main.pop_front().or_else(|| self.small.pop_front())
    }
}
