//! Crashes at every operation.

use proptest::prelude::*;

use super::history::history;
use super::memory::Survival;
use super::*;
use crate::Error;
use crate::environment::Environment;

/// Creates, commits, rewrites and commits until something fails; returns how many edits were
/// acknowledged, or `None` if the creation was not.
fn live(memory: &Memory, edits: &[Vec<Change>]) -> Option<usize> {
    let environment = Environment::repeatable(1);
    let mut state = new_index();
    let mut file = ManifestFile::create(memory, &environment, &state).ok()?;
    for (count, changes) in edits.iter().enumerate() {
        if count % 3 == 2 && file.rewrite(memory, &environment, &state).is_err() {
            return Some(count);
        }
        if file.commit(&mut state, &changes.clone().into()).is_err() {
            return Some(count);
        }
    }
    Some(edits.len())
}

fn check(memory: &Memory, survival: Survival, states: &[ManifestState], acknowledged: Option<usize>) {
    match (read_manifest(&memory.after_crash(survival)), acknowledged) {
        (Ok(read), count) => {
            let count = count.unwrap_or(0);
            let after = &states[count..states.len().min(count + 2)];
            assert!(after.contains(&read.state), "{survival:?} {count} {:?}", read.tail);
            confirm_torn_tail(&read, Some(states[count].edit_number), &[]).unwrap();
        }
        (Err(Error::NotAnIndex { .. }), None) => {}
        (Err(error), _) => panic!("{survival:?} {acknowledged:?}: {error}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn d6_a_crash_at_any_operation_leaves_all_acknowledged_edits(seed: u64) {
        let mut edits = history(seed, 8);
        edits.retain(|changes| !changes.is_empty());
        edits.insert(2, vec![Change::SetConfig(vec![b'x'; 5000])]);
        edits.retain(|changes| !changes.iter().any(|c| matches!(c, Change::Close(_) | Change::Open { .. })));
        let mut states = vec![new_index()];
        edits.retain(|changes| {
            let mut next = states.last().unwrap().clone();
            let applies = next.apply(&changes.clone().into()).is_ok();
            if applies {
                states.push(next);
            }
            applies
        });
        let whole = Memory::default();
        prop_assert_eq!(live(&whole, &edits), Some(edits.len()));
        for operation in 0..=whole.operations().len() {
            let memory = Memory::dying_at(operation);
            let acknowledged = live(&memory, &edits);
            check(&memory, Survival::Nothing, &states, acknowledged);
            check(&memory, Survival::Everything, &states, acknowledged);
            for mixed in 0..8 {
                check(&memory, Survival::Mixed(seed ^ mixed), &states, acknowledged);
            }
        }
    }
}
