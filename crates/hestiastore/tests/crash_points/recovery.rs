//! What is asked of every image that a crash leaves.

use std::sync::Arc;

use hestiastore::Error;
use hestiastore::config::Durability;
use hestiastore::directory::{CrashPolicy, SimulatedDirectory};

use crate::history::History;
use crate::segments;
use crate::store::{Index, Opening, State, TARGET_BYTES, found, open};

/// The states that are legal, in order.
#[derive(Clone, Copy)]
pub struct Legal<'a> {
    pub states: &'a [State],
    pub mode: Durability,
}

/// What a recovery found.
#[derive(Debug, Clone)]
pub struct Found {
    pub state: State,
    /// Where segments begin, in a mode in which each stands for itself.
    bounds: Vec<u32>,
}

impl Legal<'_> {
    pub fn check(&self, found: &Found) -> Result<(), String> {
        if self.states.contains(&found.state) {
            return Ok(());
        }
        if self.mode != Durability::Off {
            return Err(format!("found {:?}, legal were {:?}", found.state, self.states));
        }
        for (number, lower) in found.bounds.iter().enumerate() {
            let upper = found.bounds.get(number + 1).copied().unwrap_or(u32::MAX);
            let of = |state: &State| state.range(lower..&upper).map(|(k, v)| (*k, *v)).collect::<State>();
            let own = of(&found.state);
            if !self.states.iter().any(|state| of(state) == own) {
                return Err(format!("found {own:?} from {lower} on, legal were {:?}", self.states));
            }
        }
        Ok(())
    }
}

/// Opens what a damaged disk left, and reads everything; `image` stays as it was.
pub fn look(image: &SimulatedDirectory, mode: Durability) -> Result<Found, Error> {
    let image = image.crash(CrashPolicy::KeepAll, 0);
    let opening = Opening { mode, automatic: false, target_bytes: TARGET_BYTES, seed: image.fingerprint() };
    let index = open(Arc::new(image.clone()), opening)?;
    let state = found(&index)?;
    let bounds = if mode == Durability::Off { segments::lower_bounds(&image) } else { Vec::new() };
    Ok(Found { state, bounds })
}

/// Opens what a crash left, writes five more, closes, opens again, compares; `image` stays as it was.
pub fn recover(image: &SimulatedDirectory, mode: Durability) -> Result<Found, String> {
    let image = image.crash(CrashPolicy::KeepAll, 0);
    let index = open_again(&image, mode)?;
    let state = found(&index).map_err(|error| format!("reading it: {error}"))?;
    let bounds = if mode == Durability::Off { segments::lower_bounds(&image) } else { Vec::new() };
    check(&index)?;
    let mut history = History::new(vec![state.clone()], mode);
    let writes = (0..5).try_for_each(|n| history.write(&index, [1_000_000 + n], true));
    writes.map_err(|error| format!("writing after it: {error}"))?;
    let quarantined = index.metrics_snapshot().io.quarantined_files;
    // Without a log, nothing else holds the entries of a run that nobody names.
    if quarantined > 0 && mode != Durability::Off {
        return Err(format!("{quarantined} files in quarantine"));
    }
    index.close().map_err(|error| format!("closing it: {error}"))?;
    let index = open_again(&image, mode).map_err(|error| format!("again: {error}"))?;
    let again = found(&index).map_err(|error| format!("reading it again: {error}"))?;
    let expected = &history.states[5];
    if again != *expected {
        return Err(format!("after five more writes and a close {again:?} instead of {expected:?}"));
    }
    check(&index).map_err(|error| format!("after five more writes: {error}"))?;
    Ok(Found { state, bounds })
}

fn open_again(image: &SimulatedDirectory, mode: Durability) -> Result<Index, String> {
    // Of the content, so that no two recoveries of one history give out the same file identities.
    let opening = Opening { mode, automatic: false, target_bytes: TARGET_BYTES, seed: image.fingerprint() };
    open(Arc::new(image.clone()), opening).map_err(|error| format!("opening it: {error}"))
}

fn check(index: &Index) -> Result<(), String> {
    let report = index.check().map_err(|error| format!("checking it: {error}"))?;
    if report.is_clean() { Ok(()) } else { Err(format!("not clean: {report}")) }
}
