//! Every script with a fault in each of its operations, on a dying disk, and on a disk that is too small; then
//! a close or a power cut.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hestiastore::directory::{
    CrashPolicy, Directory, Fault, FaultRule, Operation, OperationKind, SimulatedDirectory,
};

use crate::history::History;
use crate::recoveries::Recoveries;
use crate::recovery::Legal;
use crate::script::Script;
use crate::store::start;
use crate::sweep::on_all_cores;

/// How much was done.
#[derive(Debug, Default)]
pub struct Tally {
    pub scripts: AtomicUsize,
    pub faults: AtomicUsize,
    pub cases: AtomicUsize,
    pub recoveries: Recoveries,
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let numbers = [&self.scripts, &self.faults, &self.cases, &self.recoveries.different];
        let [scripts, faults, cases, different] = numbers.map(|number| number.load(Ordering::Relaxed));
        write!(f, "{cases} cases: {scripts} scripts, {faults} faults, {different} different images recovered")
    }
}

pub fn sweep_all(scripts: &[Script]) -> Tally {
    let tally = Tally::default();
    on_all_cores(scripts, |script| sweep(script, &tally));
    tally
}

fn sweep(script: &Script, tally: &Tally) -> Result<(), String> {
    tally.scripts.fetch_add(1, Ordering::Relaxed);
    let (directory, _, _) = run(script, Harm::None);
    let operations = directory.take_operations();
    let changes: Vec<&Operation> = operations.iter().filter(|o| o.kind.changes()).collect();
    for (number, operation) in changes.iter().enumerate() {
        let before = changes[..number].iter().filter(|earlier| earlier.kind == operation.kind).count();
        let once = |fault| FaultRule::new(fault).on(&[operation.kind]).from_nth(before as u64).times(1);
        let mut rules: Vec<FaultRule> = faults_of(operation.kind).into_iter().map(once).collect();
        // The disk is gone from here on.
        let dead = FaultRule::new(Fault::FailBefore(ErrorKind::Other)).on(&changing());
        rules.push(dead.from_nth(number as u64));
        for rule in rules {
            tally.faults.fetch_add(1, Ordering::Relaxed);
            let place = |text: String| format!("{rule:?} ({operation}), {text}");
            after(script, Harm::Rule(rule.clone()), number as u64, tally).map_err(place)?;
        }
    }
    full_disk(script, &directory, tally)
}

/// Every size of a disk on which the script does not fit, in steps of a page.
fn full_disk(script: &Script, directory: &SimulatedDirectory, tally: &Tally) -> Result<(), String> {
    let most = directory.used_bytes();
    let least = start(script.start, script.mode).0.used_bytes();
    for capacity_bytes in (least..most).step_by(4096) {
        tally.faults.fetch_add(1, Ordering::Relaxed);
        let place = |text: String| format!("{capacity_bytes} bytes of disk, {text}");
        after(script, Harm::Capacity(capacity_bytes), capacity_bytes, tally).map_err(place)?;
    }
    Ok(())
}

fn changing() -> Vec<OperationKind> {
    OperationKind::ALL.into_iter().filter(|kind| kind.changes()).collect()
}

/// What happens to the directory while a script runs.
#[derive(Debug, Clone)]
pub enum Harm {
    /// Nothing; its operations are recorded.
    None,
    Rule(FaultRule),
    /// The disk is so small.
    Capacity(u64),
}

/// Runs the script with the fault, and looks at what is there after each end.
fn after(script: &Script, harm: Harm, seed: u64, tally: &Tally) -> Result<(), String> {
    let (directory, history, outcome) = run(script, harm);
    let (durable, issued) = (history.promised.durable(), history.promised.issued());
    let legal = Legal { states: &history.states[durable..=issued], mode: script.mode };
    let end = if outcome.is_ok() { "the script came through" } else { "closed after the failure" };
    let ends = [(end, Some(&directory)), ("at the failure", history.at_failure.as_ref())];
    for (end, image) in ends.iter().filter_map(|(end, image)| image.map(|image| (end, image))) {
        for policy in [CrashPolicy::KeepAll, CrashPolicy::LoseAll, CrashPolicy::RandomSectors] {
            tally.cases.fetch_add(1, Ordering::Relaxed);
            let place = |text: String| format!("{end}, {policy:?}: {text}");
            let image = image.crash(policy, seed);
            image.set_capacity_bytes(None);
            let (found, _) = tally.recoveries.of(&image, script.mode).map_err(place)?;
            legal.check(&found).map_err(place)?;
        }
    }
    Ok(())
}

pub type Outcome = (SimulatedDirectory, History, hestiastore::Result<()>);

/// Runs a script on a directory that records its changes.
pub fn run(script: &Script, harm: Harm) -> Outcome {
    let (directory, state) = start(script.start, script.mode);
    match harm {
        Harm::None => directory.record_operations(true),
        Harm::Rule(rule) => directory.inject(rule),
        Harm::Capacity(bytes) => directory.set_capacity_bytes(Some(bytes)),
    }
    let mut history = History::new(vec![state], script.mode);
    let dynamic: Arc<dyn Directory> = Arc::new(directory.clone());
    let outcome = history.run(script, &dynamic, &directory);
    directory.clear_faults();
    directory.set_capacity_bytes(None);
    (directory, history, outcome)
}

fn faults_of(kind: OperationKind) -> Vec<Fault> {
    use OperationKind::{Allocate, Create, SyncFile, SyncNames, Write};
    let mut faults = vec![Fault::FailBefore(ErrorKind::Other), Fault::FailAfter(ErrorKind::Other)];
    if matches!(kind, SyncFile | SyncNames) {
        faults.push(Fault::FailSyncAndForget);
    }
    if matches!(kind, Create | Allocate | Write) {
        faults.push(Fault::FailBefore(ErrorKind::StorageFull));
    }
    faults
}
