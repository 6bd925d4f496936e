//! Whether a history of reads and writes on several keys could have happened one operation after the other, each at
//! a moment between its call and its return (strict serialisability; for single keys linearisability).
//!
//! The history is walked through in the order of its stamps, with all states that the store may be in: which of the
//! operations under way have happened, and what each key holds (Lowe, "Testing for linearizability", 2017: the
//! just-in-time search). An operation that returns must have happened in every state that is kept. Exact, linear in
//! the length of the history, and exponential only in the number of writes that are under way at once.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

/// What a key holds: a number that was written, or nothing.
pub type Held = Option<u64>;

#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    Write(Vec<(usize, Held)>),
    Read(Vec<(usize, Held)>),
}

/// Stamps are of one clock that never stands still: each is there once.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    pub called: u64,
    pub returned: u64,
    pub action: Action,
}

/// An operation that fits no order, and what was known when it returned.
#[derive(Debug)]
pub struct Violation {
    operation: Operation,
    under_way: Vec<Operation>,
    states: Vec<Vec<Held>>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "no order of the operations explains {:?}", self.operation)?;
        writeln!(f, "under way beside it:")?;
        self.under_way.iter().try_for_each(|operation| writeln!(f, "  {operation:?}"))?;
        writeln!(f, "what the store could hold before:")?;
        self.states.iter().take(20).try_for_each(|state| writeln!(f, "  {state:?}"))
    }
}

/// What was gone through.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Walk {
    pub operations: usize,
    pub most_states: usize,
}

/// Operations under way by slot: one bit each in a state.
type UnderWay<'a> = BTreeMap<u32, &'a Operation>;

/// One state that the store may be in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    /// Slots of operations under way that have happened.
    happened: u64,
    held: Vec<Held>,
}

impl State {
    fn has(&self, slot: u32) -> bool {
        self.happened & (1 << slot) != 0
    }

    /// Lets every read happen that fits: it changes nothing, and will never be easier to explain.
    fn with_reads(mut self, under_way: &UnderWay<'_>) -> Self {
        for (slot, operation) in under_way {
            if let Action::Read(seen) = &operation.action
                && seen.iter().all(|(key, held)| self.held[*key] == *held)
            {
                self.happened |= 1 << slot;
            }
        }
        self
    }

    /// The states after any one of the writes that have not happened yet.
    fn successors<'a>(&'a self, under_way: &'a UnderWay<'_>) -> impl Iterator<Item = State> + 'a {
        under_way.iter().filter(|(slot, _)| !self.has(**slot)).filter_map(|(slot, operation)| {
            let Action::Write(written) = &operation.action else { return None };
            let mut next = self.clone();
            next.happened |= 1 << slot;
            written.iter().for_each(|(key, held)| next.held[*key] = *held);
            Some(next.with_reads(under_way))
        })
    }
}

/// All keys hold nothing at first.
pub fn check(keys: usize, history: &[Operation]) -> Result<Walk, Box<Violation>> {
    let mut events: Vec<(u64, usize)> = Vec::with_capacity(history.len() * 2);
    for (number, operation) in history.iter().enumerate() {
        assert!(operation.called < operation.returned, "{operation:?}");
        events.push((operation.called, number));
        events.push((operation.returned, number));
    }
    events.sort_unstable();
    let mut under_way = UnderWay::new();
    let mut states = HashSet::from([State { happened: 0, held: vec![None; keys] }]);
    let mut walk = Walk { operations: history.len(), most_states: 1 };
    for (stamp, number) in events {
        let operation = &history[number];
        if stamp == operation.called {
            let slot = (0..u64::BITS).find(|slot| !under_way.contains_key(slot)).expect("too many at once");
            under_way.insert(slot, operation);
            states = states.into_iter().map(|state| state.with_reads(&under_way)).collect();
        } else {
            let slot = *under_way.iter().find(|(_, other)| other.called == operation.called).unwrap().0;
            let explained = states_with(&states, slot, &under_way);
            under_way.remove(&slot);
            if explained.is_empty() {
                return Err(Box::new(Violation {
                    operation: operation.clone(),
                    under_way: under_way.into_values().cloned().collect(),
                    states: states.into_iter().map(|state| state.held).collect(),
                }));
            }
            states = explained;
        }
        walk.most_states = walk.most_states.max(states.len());
    }
    Ok(walk)
}

/// The states in which the operation of `slot` has happened, with as few other ones as that takes; the slot is free.
fn states_with(states: &HashSet<State>, slot: u32, under_way: &UnderWay<'_>) -> HashSet<State> {
    let mut met = HashSet::new();
    let mut open: Vec<State> = states.iter().cloned().collect();
    let mut explained = HashSet::new();
    while let Some(mut state) = open.pop() {
        if state.has(slot) {
            state.happened &= !(1 << slot);
            explained.insert(state);
        } else if met.insert(state.clone()) {
            open.extend(state.successors(under_way));
        }
    }
    explained
}
