//! A disk that answers wrongly, once, in each operation of each script in turn.
//!
//! A write that is lost, flipped or misdirected leaves an error, or everything that was promised is there; what
//! is read wrong once leaves nothing behind at all: the next open finds everything.

use std::io::ErrorKind;
use std::sync::atomic::Ordering;

use hestiastore::Error;
use hestiastore::directory::{Fault, FaultRule, OperationKind};

use crate::faults::{Harm, Outcome, Tally, run};
use crate::history::History;
use crate::recoveries::Recoveries;
use crate::recovery::{Legal, look};
use crate::script::Script;
use crate::sweep::on_all_cores;

const WRITTEN: [Fault; 4] =
    [Fault::LoseWrite, Fault::FlipBitOnWrite, Fault::Misdirect { by: 512 }, Fault::Misdirect { by: 4096 }];

const READ: [Fault; 4] = [
    Fault::ShortRead,
    Fault::FlipBitOnRead,
    Fault::Misdirect { by: 64 },
    Fault::FailBefore(ErrorKind::Other),
];

pub fn sweep_all(scripts: &[Script]) -> Tally {
    let tally = Tally::default();
    on_all_cores(scripts, |script| {
        tally.scripts.fetch_add(1, Ordering::Relaxed);
        let (directory, _, _) = run(script, Harm::None);
        let operations = directory.take_operations();
        for (kind, faults) in [(OperationKind::Write, WRITTEN), (OperationKind::Read, READ)] {
            let of_kind = operations.iter().filter(|operation| operation.kind == kind);
            for (number, operation) in of_kind.enumerate() {
                for fault in faults {
                    tally.faults.fetch_add(1, Ordering::Relaxed);
                    tally.cases.fetch_add(1, Ordering::Relaxed);
                    let rule = FaultRule::new(fault).on(&[kind]).from_nth(number as u64).times(1);
                    let outcome = run(script, Harm::Rule(rule));
                    let judged = if kind == OperationKind::Write {
                        written(&outcome)
                    } else {
                        read(&outcome, fault, &tally.recoveries)
                    };
                    judged.map_err(|text| format!("{fault:?} at {kind:?} {number} ({operation}), {text}"))?;
                }
            }
        }
        Ok(())
    });
    tally
}

/// After a write that went wrong: an error, or nothing is lost.
fn written((directory, history, _): &Outcome) -> Result<(), String> {
    match look(directory, history.mode) {
        Err(Error::Corruption { .. } | Error::Unsupported { .. }) => Ok(()),
        Err(error) => Err(format!("opening it: {error}")),
        Ok(found) => promised(history).check(&found),
    }
}

/// After a read that went wrong: nothing is lost, whatever the script was told.
fn read(
    (directory, history, outcome): &Outcome,
    fault: Fault,
    recoveries: &Recoveries,
) -> Result<(), String> {
    if let (Fault::ShortRead, Err(error)) = (fault, outcome) {
        return Err(format!("the script failed: {error}"));
    }
    promised(history).check(&recoveries.of(directory, history.mode)?.0)
}

fn promised(history: &History) -> Legal<'_> {
    let (durable, issued) = (history.promised.durable(), history.promised.issued());
    Legal { states: &history.states[durable..=issued], mode: history.mode }
}
