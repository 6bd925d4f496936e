//! Every script with a fault in each of its operations, and then a close or a power cut.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hestiastore::directory::{CrashPolicy, Directory, Fault, FaultRule, OperationKind, SimulatedDirectory};

use crate::history::History;
use crate::recovery::{Legal, recover};
use crate::script::Script;
use crate::store::start;
use crate::sweep::on_all_cores;

/// How much was done.
#[derive(Debug, Default)]
pub struct Tally {
    scripts: AtomicUsize,
    faults: AtomicUsize,
    cases: AtomicUsize,
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [scripts, faults, cases] =
            [&self.scripts, &self.faults, &self.cases].map(|number| number.load(Ordering::Relaxed));
        write!(f, "{scripts} scripts, {faults} faults, {cases} cases")
    }
}

pub fn sweep_all(scripts: &[Script]) -> Tally {
    let tally = Tally::default();
    on_all_cores(scripts, |script| sweep(script, &tally));
    tally
}

fn sweep(script: &Script, tally: &Tally) -> Result<(), String> {
    tally.scripts.fetch_add(1, Ordering::Relaxed);
    let (directory, history, _) = run(script, None);
    drop(history);
    let operations = directory.take_operations();
    if std::env::var_os("HESTIA_CRASH_TRACE").is_some() {
        operations.iter().for_each(|operation| println!("{operation}"));
    }
    let changes = operations.iter().filter(|operation| operation.kind.changes());
    for (number, operation) in changes.enumerate() {
        for fault in faults_of(operation.kind) {
            tally.faults.fetch_add(1, Ordering::Relaxed);
            let nth = FaultRule::new(fault).on(&changing()).from_nth(number as u64).times(1);
            let place = |text: String| format!("{fault:?} at change {number} ({operation}), {text}");
            after(script, nth, number as u64, tally).map_err(place)?;
        }
    }
    Ok(())
}

/// Runs the script with the fault, and looks at what is there after each end.
fn after(script: &Script, rule: FaultRule, seed: u64, tally: &Tally) -> Result<(), String> {
    let (directory, history, outcome) = run(script, Some(rule));
    let (durable, issued) = (history.promised.durable(), history.promised.issued());
    let legal = Legal { states: &history.states[durable..=issued], mode: script.mode };
    let end = if outcome.is_ok() { "the script came through" } else { "closed after the failure" };
    let ends = [(end, Some(&directory)), ("at the failure", history.at_failure.as_ref())];
    for (end, image) in ends.iter().filter_map(|(end, image)| image.map(|image| (end, image))) {
        for policy in [CrashPolicy::KeepAll, CrashPolicy::LoseAll, CrashPolicy::RandomSectors] {
            tally.cases.fetch_add(1, Ordering::Relaxed);
            let place = |text: String| format!("{end}, {policy:?}: {text}");
            let found = recover(&image.crash(policy, seed), script.mode).map_err(place)?;
            legal.check(&found).map_err(place)?;
        }
    }
    Ok(())
}

type Outcome = (SimulatedDirectory, History, hestiastore::Result<()>);

/// Runs a script on a directory that records its changes.
fn run(script: &Script, rule: Option<FaultRule>) -> Outcome {
    let (directory, state) = start(script.start, script.mode);
    directory.record_operations(rule.is_none());
    if let Some(rule) = rule {
        directory.inject(rule);
    }
    let mut history = History::new(vec![state], script.mode);
    let dynamic: Arc<dyn Directory> = Arc::new(directory.clone());
    let outcome = history.run(script, &dynamic, &directory);
    directory.clear_faults();
    (directory, history, outcome)
}

fn changing() -> Vec<OperationKind> {
    OperationKind::ALL.into_iter().filter(|kind| kind.changes()).collect()
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
