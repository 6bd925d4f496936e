//! Crashes at every change that short scripts make in their directory, and faults in every one.
//!
//! Each script runs once. Before each change of the directory its image is kept, and each image is cut
//! off from power under each survival policy. What is found then is one of the states between the last
//! durable acknowledgement and the last issued write, passes `check`, takes more writes, and is the same
//! after a close. The same goes for crashes in the recovery. Images that are alike are tried once.
//!
//! `HESTIA_CRASH=full` runs all scripts instead of the shortest, `HESTIA_CRASH_SECOND=n` crashes again in the
//! recovery of each n-th image (1: of each), `HESTIA_CRASH_SCRIPT='...'` runs one script in full. With
//! `--nocapture` the tests say how much they did.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod amount;
mod disk;
mod faults;
mod generate;
mod history;
mod kept;
mod recorded;
mod recoveries;
mod recovery;
mod script;
mod segments;
mod store;
mod sweep;
mod written;

use amount::Amount;

#[test]
fn crashes_at_every_operation() {
    let amount = Amount::from_environment();
    let tally = sweep::sweep_all(&generate::scripts(&amount), amount.second_crash_of_each());
    println!("crash_points: {tally}");
}

#[test]
fn faults_in_every_operation() {
    let tally = faults::sweep_all(&generate::scripts_for_faults(&Amount::from_environment()));
    println!("crash_points: {tally} (faults)");
}

#[test]
fn wrong_answers_in_every_read_and_write() {
    let tally = disk::sweep_all(&generate::scripts_for_faults(&Amount::from_environment()));
    println!("crash_points: {tally} (wrong answers of the disk)");
}
