//! The model: what was acknowledged, and what may be found after a crash.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub type Value = Arc<Vec<u8>>;
pub type State = BTreeMap<Vec<u8>, Value>;
/// What one operation of a history does, all at once.
pub type Changes = Vec<(Vec<u8>, Option<Value>)>;

/// What was acknowledged since the last moment that survives everything.
#[derive(Debug, Default)]
pub struct History {
    durable: State,
    since: Vec<Changes>,
    current: State,
    /// The last of `since` that is not in `current`.
    unanswered: Option<Changes>,
    /// Some of `since` was written without a log: segments may have got apart (PROTOCOL L1).
    torn: bool,
}

fn apply(state: &mut State, changes: &Changes) {
    for (key, value) in changes {
        match value {
            Some(value) => state.insert(key.clone(), Arc::clone(value)),
            None => state.remove(key),
        };
    }
}

impl History {
    pub fn current(&self) -> &State {
        &self.current
    }

    /// An operation was acknowledged.
    pub fn add(&mut self, changes: Changes, logged: bool) {
        apply(&mut self.current, &changes);
        self.since.push(changes);
        self.torn |= !logged;
    }

    /// Everything so far survives from now on.
    pub fn all_is_durable(&mut self) {
        for changes in self.since.drain(..) {
            apply(&mut self.durable, &changes);
        }
        self.torn = false;
    }

    /// An operation ended in an error: it may be found after a crash, whole, or not.
    pub fn add_unanswered(&mut self, changes: Changes, logged: bool) {
        self.unanswered = Some(changes.clone());
        self.since.push(changes);
        self.torn |= !logged;
    }

    /// What was found after a power cut: legal, and the new truth.
    pub fn found_after_power_cut(&mut self, found: State) {
        self.unanswered = None;
        if self.torn {
            self.assert_each_key_is_some_version(&found);
        } else {
            self.assert_prefix(&found);
        }
        self.durable = found.clone();
        self.current = found;
        self.since.clear();
        self.torn = false;
    }

    /// What was found after the death of the process: everything, unless it was not logged. An operation
    /// that ended in an error may be there or not.
    pub fn found_after_kill(&mut self, found: State) {
        let unanswered = self.unanswered.take();
        if self.torn {
            self.assert_each_key_is_some_version(&found);
            self.correct_to(&found, unanswered.unwrap_or_default());
            return;
        }
        if let Some(unanswered) = unanswered {
            let mut with = self.current.clone();
            apply(&mut with, &unanswered);
            if found == with {
                self.current = with;
            } else {
                self.since.pop();
            }
        }
        assert_same("after the death of the process", &found, &self.current);
    }

    /// Adds what leads from `since`, of which `unanswered` is a part, to `found`.
    fn correct_to(&mut self, found: &State, unanswered: Changes) {
        let differing = found.keys().chain(self.current.keys());
        let differing = differing.filter(|key| found.get(*key) != self.current.get(*key));
        let keys: BTreeSet<Vec<u8>> =
            differing.cloned().chain(unanswered.into_iter().map(|(key, _)| key)).collect();
        let changes = keys.into_iter().map(|key| (key.clone(), found.get(&key).cloned())).collect();
        self.add(changes, false);
    }

    /// `found` is the state after some of the operations in order, and no part of another.
    fn assert_prefix(&self, found: &State) {
        let mut state = self.durable.clone();
        let keys: BTreeSet<&Vec<u8>> = found.keys().chain(state.keys()).collect();
        let mut differing: BTreeSet<Vec<u8>> =
            keys.into_iter().filter(|key| found.get(*key) != state.get(*key)).cloned().collect();
        if differing.is_empty() {
            return;
        }
        let mut nearest = (differing.len(), 0, differing.clone());
        for (place, changes) in self.since.iter().enumerate() {
            apply(&mut state, changes);
            for (key, _) in changes {
                if found.get(key) == state.get(key) {
                    differing.remove(key);
                } else {
                    differing.insert(key.clone());
                }
            }
            if differing.is_empty() {
                return;
            }
            if differing.len() <= nearest.0 {
                nearest = (differing.len(), place + 1, differing.clone());
            }
        }
        let (count, place, keys) = nearest;
        panic!(
            "what is found is no prefix of the {} operations since the last durable point; the nearest \
             is {place}, which differs in {count} keys: {}",
            self.since.len(),
            shown(keys.iter().map(|key| (key, found.get(key)))),
        );
    }

    /// Each key shows a value that it had at the durable point or later.
    fn assert_each_key_is_some_version(&self, found: &State) {
        let mut versions: BTreeMap<&Vec<u8>, Vec<Option<&Value>>> = BTreeMap::new();
        for (key, value) in self.since.iter().flatten() {
            versions.entry(key).or_insert_with(|| vec![self.durable.get(key)]).push(value.as_ref());
        }
        let keys: BTreeSet<&Vec<u8>> = found.keys().chain(self.durable.keys()).collect();
        for key in keys {
            let at_least = [self.durable.get(key)];
            let legal = versions.get(key).map_or(&at_least[..], |versions| versions);
            assert!(
                legal.contains(&found.get(key)),
                "found a value that the key never had: {}",
                shown([(key, found.get(key))].into_iter())
            );
        }
    }
}

/// Both are the same, or it panics with what differs.
pub fn assert_same(place: &str, found: &State, expected: &State) {
    if found == expected {
        return;
    }
    let keys: BTreeSet<&Vec<u8>> = found.keys().chain(expected.keys()).collect();
    let differing: Vec<&Vec<u8>> =
        keys.into_iter().filter(|key| found.get(*key) != expected.get(*key)).collect();
    panic!(
        "{place}: {} keys differ; found {}; expected {}",
        differing.len(),
        shown(differing.iter().map(|key| (*key, found.get(*key)))),
        shown(differing.iter().map(|key| (*key, expected.get(*key)))),
    );
}

fn shown<'a>(entries: impl Iterator<Item = (&'a Vec<u8>, Option<&'a Value>)>) -> String {
    let entry = |(key, value): (&Vec<u8>, Option<&Value>)| {
        let head = |bytes: &[u8]| format!("{:02x?}+{}", &bytes[..bytes.len().min(12)], bytes.len());
        format!("{} -> {}", head(key), value.map_or("nothing".to_owned(), |value| head(value)))
    };
    entries.take(6).map(entry).collect::<Vec<_>>().join("; ")
}
