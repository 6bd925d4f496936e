//! The audit of system calls: what the engine really asks of the system in a commit, a flush, a new log, a
//! close, compared with what is claimed.
//!
//! A child does one of each under strace; the sequences that `docs/durability.md` claims are in
//! [`expected`].

mod child;
mod expected;
mod trace;

use std::process::{Command, Stdio};

pub(crate) use child::{Arguments as ChildArguments, run as run_child};

use crate::outcome::{Outcome, failure};
use trace::{CALLS, Phase};

/// What the closing line says if there is no strace that works.
const SKIPPED: &str = "skipped: strace is missing or may not trace";

/// Traces and compares. With `show` prints what was seen.
pub(crate) fn run(show: bool) -> Outcome<String> {
    if !can_trace() {
        install();
        if !can_trace() {
            return Ok(SKIPPED.to_owned());
        }
    }
    let seen = trace_child()?;
    if show {
        seen.iter().for_each(print);
    }
    let mut wrong = String::new();
    for expected in expected::PHASES {
        match seen.iter().find(|phase| phase.name == expected.name) {
            None => wrong += &format!("\n{}: not seen", expected.name),
            Some(phase) => {
                wrong += &difference(phase, "caller", &phase.caller, expected.caller);
                wrong += &difference(phase, "background", &phase.background, expected.background);
            }
        }
    }
    if wrong.is_empty() {
        let calls: usize = expected::PHASES.iter().map(|phase| phase.calls()).sum();
        return Ok(format!("{} sequences of {calls} calls as claimed", expected::PHASES.len()));
    }
    failure(format!("other system calls than claimed:{wrong}"))
}

fn can_trace() -> bool {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "true"]);
    let status = strace.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Where that is allowed and possible; whether it worked is asked afterwards.
fn install() {
    let mut install = Command::new("apt-get");
    install.args(["install", "-y", "-qq", "strace"]);
    let _ = install.stdout(Stdio::null()).stderr(Stdio::null()).status();
}

fn trace_child() -> Outcome<Vec<Phase>> {
    let folder = tempfile::tempdir()?;
    // strace shows paths without symbolic links.
    let folder_path = folder.path().canonicalize()?;
    let (place, output) = (folder_path.join("index"), folder_path.join("trace"));
    let status = Command::new("strace")
        .args(["-f", "-qq", "-y", "-s", "60", "-e", "signal=none", "-e", &format!("trace={CALLS}"), "-o"])
        .arg(&output)
        .arg(std::env::current_exe()?)
        .arg("audit-child")
        .arg(&place)
        .stdout(Stdio::null())
        .status()?;
    if !status.success() {
        return failure(format!("the traced process: {status}"));
    }
    let text = String::from_utf8_lossy(&std::fs::read(&output)?).into_owned();
    Ok(trace::phases(&text, &place.to_string_lossy()))
}

fn print(phase: &Phase) {
    println!("{}", phase.name);
    for (who, events) in [("caller", &phase.caller), ("background", &phase.background)] {
        events.iter().for_each(|event| println!("  {who}: {event}"));
    }
}

fn difference(phase: &Phase, who: &str, seen: &[String], expected: &[&[&str]]) -> String {
    let expected = expected.concat();
    if seen == expected {
        return String::new();
    }
    format!("\n{}, {who}:\n  expected {expected:?}\n  seen     {seen:?}", phase.name)
}
