//! Random histories.

use hestiastore::config::Durability;
use hestiastore::directory::{CrashPolicy, Fault, OperationKind};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::data::KEY_NUMBERS;
use crate::settings::{Bloom, Settings};
use crate::step::{Crash, End, KeyNumber, Move, Read, Step, Trouble, ValueSpec};

/// A whole history: what the index is created with, what happens to it, and what it is opened with when the same
/// happens once more: each opening takes the next of these, whatever the steps say.
#[derive(Debug, Clone)]
pub struct Plan {
    pub settings: Settings,
    pub steps: Vec<Step>,
    pub others: Vec<Settings>,
}

pub fn history() -> impl Strategy<Value = Plan> {
    (settings(), vec(step(), 1..90), vec(settings(), 1..4)).prop_map(|(settings, steps, others)| Plan {
        settings,
        steps,
        others,
    })
}

/// Keys lie close together, so that histories meet the same ones again.
fn key() -> impl Strategy<Value = KeyNumber> {
    prop_oneof![4 => 0..90u16, 2 => 0..KEY_NUMBERS]
}

fn value() -> impl Strategy<Value = ValueSpec> {
    let length = prop_oneof![
        2 => Just(0u32),
        10 => 1..60u32,
        6 => 60..600u32,
        2 => 600..6_000u32,
        1 => (64u32 << 10) - 2..(64 << 10) + 3,
        1 => 65_000..180_000u32,
    ];
    (length, any::<bool>()).prop_map(|(length, plain)| ValueSpec { length, plain })
}

fn small_value() -> impl Strategy<Value = ValueSpec> {
    (prop_oneof![4 => 0..80u32, 2 => 80..400u32, 1 => 1_000..2_000u32], any::<bool>())
        .prop_map(|(length, plain)| ValueSpec { length, plain })
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Open), key().prop_map(End::Including), key().prop_map(End::Excluding)]
}

fn cursor_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        2 => key().prop_map(Move::Seek),
        2 => key().prop_map(Move::SeekBefore),
        1 => Just(Move::First),
        1 => Just(Move::Last),
        4 => (1..40u8).prop_map(Move::Next),
        4 => (1..40u8).prop_map(Move::Prev),
    ]
}

/// From one end, from the other, or from both by turns.
fn turns() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(u64::MAX), any::<u64>()]
}

fn read() -> impl Strategy<Value = Read> {
    prop_oneof![
        3 => key().prop_map(Read::Get),
        1 => vec(key(), 0..20).prop_map(Read::GetMany),
        3 => (end(), end(), turns()).prop_map(|(lower, upper, turns)| Read::Range { lower, upper, turns }),
        2 => (key(), 0..12u8, turns()).prop_map(|(key, length, turns)| Read::Prefix { key, length, turns }),
        3 => vec(cursor_move(), 1..20).prop_map(Read::Cursor),
        1 => Just(Read::Ends),
        2 => Just(Read::Everything),
    ]
}

fn batch() -> impl Strategy<Value = Step> {
    let operations = vec((key(), proptest::option::weighted(0.7, small_value())), 0..40);
    let modes = vec![Durability::Buffered, Durability::GroupSync, Durability::Sync];
    (operations, proptest::option::weighted(0.2, select(modes)))
        .prop_map(|(operations, durability)| Step::Batch { operations, durability })
}

fn fill() -> impl Strategy<Value = Step> {
    (key(), 1..10u8, 1..400u16, small_value()).prop_map(|(start, stride, count, value)| Step::Fill {
        start,
        stride,
        count,
        value,
    })
}

fn crash() -> impl Strategy<Value = Crash> {
    let again = proptest::option::weighted(0.4, (0..60u16, policy()));
    (proptest::option::weighted(0.8, policy()), any::<u64>(), again, settings())
        .prop_map(|(policy, seed, again, settings)| Crash { policy, seed, again, settings })
}

fn policy() -> impl Strategy<Value = CrashPolicy> {
    select(&CrashPolicy::ALL[..])
}

/// A fault that an operation of this kind can meet, and that no store could overlook: a sync that lies is not
/// among them.
fn fault() -> impl Strategy<Value = (Fault, OperationKind)> {
    use OperationKind::{Allocate, Create, Open, Read, Remove, Rename, SyncFile, SyncNames, Write};
    let errors = vec![std::io::ErrorKind::Other, std::io::ErrorKind::StorageFull];
    let failing = vec![Write, Write, SyncFile, SyncFile, Create, Rename, SyncNames, Allocate, Remove];
    prop_oneof![
        4 => (select(errors.clone()), select(failing.clone()))
            .prop_map(|(error, on)| (Fault::FailBefore(error), on)),
        3 => (select(errors), select(failing)).prop_map(|(error, on)| (Fault::FailAfter(error), on)),
        2 => select(vec![SyncFile, SyncNames]).prop_map(|on| (Fault::FailSyncAndForget, on)),
        2 => select(vec![Read, Open])
            .prop_map(|on| (Fault::FailBefore(std::io::ErrorKind::Other), on)),
        2 => select(vec![Fault::ShortRead, Fault::FlipBitOnRead]).prop_map(|fault| (fault, Read)),
    ]
}

fn trouble() -> impl Strategy<Value = Trouble> {
    let names = select(vec!["*", "run-*", "log-*", "MANIFEST*"]);
    (fault(), names, 0..40u16, 1..4u8, crash()).prop_map(|((fault, on), names, spared, times, crash)| {
        // What is read of the log and the manifest is read at openings, of which these know nothing.
        let names = if fault == Fault::FlipBitOnRead { "run-*" } else { names };
        Trouble { fault, on, names, spared, times, crash }
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (key(), value()).prop_map(|(key, value)| Step::Put(key, value)),
        4 => key().prop_map(Step::Delete),
        8 => fill(),
        2 => (key(), 1..200u16).prop_map(|(start, count)| Step::Clear { start, count }),
        5 => batch(),
        8 => read().prop_map(Step::Read),
        2 => Just(Step::OpenSnapshot),
        3 => (any::<u8>(), read()).prop_map(|(which, read)| Step::ReadSnapshot(which, read)),
        1 => any::<u8>().prop_map(Step::CloseSnapshot),
        2 => (end(), end()).prop_map(|(lower, upper)| Step::OpenIterator { lower, upper }),
        3 => (any::<u8>(), 1..60u8, turns())
            .prop_map(|(which, count, turns)| Step::AdvanceIterator { which, count, turns }),
        1 => any::<u8>().prop_map(Step::CloseIterator),
        1 => Just(Step::Flush),
        1 => Just(Step::Compact),
        5 => Just(Step::FlushAndWait),
        3 => Just(Step::CompactAndWait),
        3 => (end(), end()).prop_map(|(lower, upper)| Step::CompactRange(lower, upper)),
        2 => Just(Step::WaitUntilIdle),
        1 => Just(Step::Sync),
        1 => Just(Step::Check),
        1 => Just(Step::Scrub),
        4 => trouble().prop_map(Step::Trouble),
        1 => (0..200_000u32, crash()).prop_map(|(bytes, crash)| Step::FillDisk(bytes, crash)),
        2 => Just(Step::Heal),
        1 => (any::<u8>(), any::<u32>(), 1..=255u8)
            .prop_map(|(file, offset, mask)| Step::Rot { file, offset, mask }),
        1 => settings().prop_map(Step::ReadOnly),
        3 => settings().prop_map(Step::Reopen),
        3 => crash().prop_map(Step::Crash),
        2 => (0..200u16, crash()).prop_map(|(count, crash)| Step::FailAfter(count, crash)),
    ]
}

fn settings() -> impl Strategy<Value = Settings> {
    let memory = (
        select(vec![64u64 << 10, 256 << 10, 4 << 20, 16 << 20]),
        select(vec![0u64, 20_000, 8 << 20]),
        select(vec![0u64, 8 << 10, 1 << 20]),
        select(vec![None, Some(3u32)]),
        select(vec![64u64 << 10, 16 << 20]),
    );
    let shape = (
        // Far apart, so that the segments of one opening are small in another and are merged.
        select(vec![4u64 << 10, 8 << 10, 32 << 10, 256 << 10]),
        2..5u32,
        select(vec![1u32, 50, 400]),
        select(vec![1u32, 2, 3, 16]),
        select(vec![256u64, 1_024, 8_192]),
        any::<bool>(),
        select(vec![Bloom::Off, Bloom::Rate(0.01), Bloom::Rate(0.3), Bloom::Bytes(64)]),
        (select(vec![1u64 << 10, 64 << 10]), select(vec![4u64 << 10, 16 << 10])),
    );
    let work =
        (1..4u32, any::<bool>(), select(vec![0u64, 0, 1 << 20, 1 << 30]), select(vec![1u64, 3_600_000]));
    let modes = vec![
        Durability::Off,
        Durability::Buffered,
        Durability::Buffered,
        Durability::GroupSync,
        Durability::Sync,
    ];
    let log =
        (select(modes), select(vec![16u64 << 10, 64 << 10]), 1..4u64, any::<bool>(), select(vec![0, 50u64]));
    (memory, shape, work, log).prop_map(|(memory, shape, work, log)| {
        let (budget, delta_cache, cache, cached_segments, loaded) = memory;
        let (target, fan_in, main_percent, chunk_keys, chunk_bytes, compress, bloom, (io_buffer, block)) =
            shape;
        let (threads, automatic, scrub, idle_after_millis) = work;
        let (durability, log_file, log_growth, tight_log, group_delay_micros) = log;
        Settings {
            budget,
            delta_cache,
            target,
            fan_in,
            main_percent,
            chunk_keys,
            chunk_bytes,
            compress,
            bloom,
            block,
            io_buffer,
            cache,
            cached_segments,
            loaded,
            threads,
            automatic,
            durability,
            log_file,
            log_growth,
            tight_log,
            group_delay_micros,
            scrub,
            idle_after_millis,
        }
    })
}
