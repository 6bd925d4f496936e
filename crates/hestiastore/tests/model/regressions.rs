//! Histories that once failed, shrunk, each with the bug that it found.

use hestiastore::config::Durability;
use hestiastore::directory::{CrashPolicy, Fault, OperationKind};

use crate::generate::Plan;
use crate::settings::Settings;
use crate::step::{Crash, End, Read, Step, Trouble, ValueSpec};
use crate::world::run;

fn bytes(length: u32) -> ValueSpec {
    ValueSpec { length, plain: false }
}

fn check(settings: Settings, steps: Vec<Step>) {
    run(&Plan { settings, steps, others: Vec::new() });
}

/// A writer that needed more room than was free slept for ever when the active buffers held less than
/// half of the budget: no flush was due, and none was asked for again.
#[test]
fn a_large_value_waits_for_room_that_comes() {
    let small = Step::Fill { start: 3, stride: 1, count: 15, value: bytes(1_500) };
    check(
        Settings::PLAIN,
        vec![small.clone(), Step::Put(5, bytes(60_000)), small, Step::Put(6, bytes(180_000))],
    );
}

/// Two flushes that both joined the main runs were given the whole segment as their range, and the
/// second edit was refused: the index failed at close.
#[test]
fn flushes_with_disjoint_keys_join_main_side_by_side() {
    let settings = Settings { durability: Durability::Off, target: 4 << 10, ..Settings::PLAIN };
    let fill = Step::Fill { start: 3, stride: 1, count: 34, value: bytes(1_785) };
    check(settings, vec![fill, Step::FlushAndWait, Step::Put(0, bytes(1)), Step::FlushAndWait]);
}

/// A merge of deltas on both sides of a main run that it left alone wrote one run around it, and the
/// keys of the run in the middle could not be found any more.
#[test]
fn a_merge_does_not_surround_a_main_run_that_it_leaves_alone() {
    let (low, middle, high) = (9, 3, 10);
    let mut steps = Vec::new();
    for key in [low, middle, high, low, high] {
        steps.extend([Step::Put(key, bytes(40)), Step::FlushAndWait]);
    }
    let merging = Settings { automatic: true, main_percent: 1, ..Settings::PLAIN };
    steps.extend([Step::Reopen(merging), Step::Put(low, bytes(41)), Step::FlushAndWait, Step::WaitUntilIdle]);
    steps.extend([Step::Read(Read::Get(middle)), Step::Read(Read::Everything), Step::Check]);
    check(Settings::PLAIN, steps);
}

/// The children of a split share the parent's buffers; a scan of one child ran on into the keys of the
/// next, and then over what lay between. And of two flushes that trimmed the log at once, the later edit
/// could name the lower floor, whose log was gone: the index failed.
#[test]
fn a_scan_keeps_to_its_segments_part_of_a_shared_buffer() {
    let settings =
        Settings { automatic: true, budget: 16 << 20, target: 4 << 10, threads: 2, ..Settings::PLAIN };
    let mut steps = Vec::new();
    for round in 0..30 {
        steps.push(Step::Fill { start: round * 20, stride: 7, count: 120, value: bytes(100) });
        steps.extend([Step::Flush, Step::Read(Read::Everything)]);
        let turns = if round % 2 == 0 { u64::MAX } else { 0x5555_5555_5555_5555 };
        steps.push(Step::Read(Read::Range { lower: End::Open, upper: End::Open, turns }));
    }
    check(settings, steps);
}

/// A killed process leaves its last writes in the page cache; an open that only read them was closed
/// without a sync, and a power cut after that clean close lost them.
#[test]
fn a_close_without_a_write_makes_safe_what_was_recovered() {
    let settings = Settings::PLAIN;
    let crash = |policy| Step::Crash(Crash { policy, seed: 1, again: None, settings });
    let batch =
        Step::Batch { operations: vec![(3, Some(bytes(20))), (12, Some(bytes(30)))], durability: None };
    check(settings, vec![batch, crash(None), Step::Reopen(settings), crash(Some(CrashPolicy::LoseAll))]);
}

/// The same after a sync of the log that failed, and with it forgot what it was to write: the sync of the next
/// process found nothing to do and succeeded, and what its close had promised was gone after a power cut.
/// Seed 116 of the random histories.
#[test]
fn a_close_writes_anew_what_a_failed_sync_forgot() {
    let settings = Settings { durability: Durability::GroupSync, ..Settings::PLAIN };
    let crash = |policy| Crash { policy, seed: 1, again: None, settings };
    let trouble = Trouble {
        fault: Fault::FailSyncAndForget,
        on: OperationKind::SyncFile,
        names: "log-*1.wal",
        spared: 0,
        times: 1,
        crash: crash(None),
    };
    let cut = Step::Crash(crash(Some(CrashPolicy::Prefix)));
    let put = Step::Put(57, bytes(145));
    check(settings, vec![put.clone(), Step::Trouble(trouble), put, Step::Reopen(settings), cut]);
}
