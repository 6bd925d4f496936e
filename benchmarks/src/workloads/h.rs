//! Workload H, the reference's: hash keys of 32 bytes, one value of 23 bytes.

use std::time::Duration;

use crate::engine::{Engine, Res};
use crate::keys::{HASH_VALUE, HASH_VALUE_AFTER, Key, hash_key};
use crate::random::{Random, Zipf, permuted};
use crate::rounds::{Done, Limit, Outcome, run_alone, run_together};
use crate::session::{Plan, Session};

use super::replay;
use super::support::{Entry, beside_a_writer, full_scan, full_scan_owned, put_all, range, write_entries};

pub const ENTRY_BYTES: u64 = 32 + HASH_VALUE.len() as u64;

/// Entries of a range.
const RANGE: u64 = 100;

/// Threads of the phases with several.
const THREADS: u64 = 4;

pub fn run(plan: &Plan) -> Res<()> {
    let mut session = Session::begin(plan, "h")?;
    if load(&mut session)? {
        session.settle("settle", plan.entries * ENTRY_BYTES)?;
        session.reopen("reopen", false, &hash_key(0))?;
        read_phases(&session)?;
        scan_phases(&session)?;
        change_phases(&mut session)?;
        synced_phases(&mut session)?;
        if plan.wants("replay") {
            session.close()?;
            replay::measure(&mut session)?;
        }
    }
    session.end()
}

/// Numbers of keys added later: none of those loaded, and none of the absent ones, which are negative.
fn fresh(stream: u64, number: u64) -> i64 {
    ((stream + 1) << 40 | number) as i64
}

/// `number(0)`, `number(1)`, … as keys.
fn counting(mut number: impl FnMut(u64) -> i64) -> impl FnMut() -> Key {
    let mut at = 0;
    move || {
        at += 1;
        hash_key(number(at - 1))
    }
}

fn put_keys(
    engine: &dyn Engine,
    limit: Limit,
    batch: usize,
    value: &'static [u8],
    mut next: impl FnMut() -> Key,
) -> Res<Outcome> {
    write_entries(engine, limit, batch, || Entry { key: next(), value })
}

/// Whether it was done in time.
fn load(session: &mut Session) -> Res<bool> {
    let plan = session.plan;
    let engine = session.engine()?;
    let batch = engine.usual_batch();
    let mut phase = session.phase("load");
    let limit = plan.pass(plan.entries, batch);
    let outcome = put_keys(engine, limit, batch, HASH_VALUE, counting(|number| number as i64))?;
    phase.outcome(&outcome).set("batch", batch);
    let begun = phase.elapsed();
    engine.sync()?;
    let sync_s = (phase.elapsed() - begun).as_secs_f64();
    phase.set("sync_s", sync_s);
    phase.written_for(outcome.operations * ENTRY_BYTES);
    let complete = outcome.operations >= plan.entries;
    phase.set("complete", complete);
    phase.end();
    Ok(complete)
}

/// Keys to read: `hits_of_5` of five are there.
fn wanted(entries: u64, seed: u64, hits_of_5: u64) -> impl FnMut() -> Key {
    let mut random = Random::new(seed);
    move || {
        let number = random.below(entries) as i64;
        if random.below(5) < hits_of_5 { hash_key(number) } else { hash_key(-1 - number) }
    }
}

/// A value that is none of the workload's.
fn check(value: &[u8], good: &mut bool) {
    *good &= value == HASH_VALUE || value == HASH_VALUE_AFTER || value.ends_with(b"xxxxxxxxxxxxxxx");
}

fn get(engine: &dyn Engine, key: &Key) -> Res<Done> {
    let mut good = true;
    let found = engine.get(key, &mut |value| check(value, &mut good))?;
    if good { Ok(Done::read(found)) } else { Err("a read returned a wrong value".into()) }
}

fn read_phases(session: &Session) -> Res<()> {
    let (plan, engine) = (session.plan, session.engine()?);
    let entries = plan.entries;
    let phases = [("read_first", 11, 4), ("read", 12, 4), ("read_missing", 13, 0)];
    for (name, seed, hits_of_5) in phases {
        if plan.wants(name) {
            let mut phase = session.phase(name);
            let keys = wanted(entries, seed, hits_of_5);
            phase.outcome(&run_alone(plan.reads(), keys, |key| get(engine, key))?);
            phase.end();
        }
    }
    if plan.wants("read_reader")
        && let Some(mut reader) = engine.reader()?
    {
        let mut phase = session.phase("read_reader");
        let get = |key: &Key| reader.get(key, &mut |_| ()).map(Done::read);
        phase.outcome(&run_alone(plan.reads(), wanted(entries, 14, 4), get)?);
        phase.end();
    }
    if plan.wants("read4") {
        let mut phase = session.phase("read4");
        let worker = |id| (wanted(entries, 100 + id, 4), |key: &Key| get(engine, key));
        let limit = Plan::side_by_side(plan.reads(), 1);
        phase.outcome(&run_together(limit, (0..THREADS).map(worker).collect())?);
        phase.end();
    }
    Ok(())
}

fn scan_phases(session: &Session) -> Res<()> {
    let (plan, engine) = (session.plan, session.engine()?);
    if plan.wants("scan") {
        check_scan(session)?;
        let mut phase = session.phase("scan");
        let (entries, busy) = full_scan(engine, Duration::MAX)?;
        phase.rate(entries, busy);
        phase.end();
    }
    if plan.wants("scan_owned") {
        let mut phase = session.phase("scan_owned");
        let (entries, busy) = full_scan_owned(engine)?;
        phase.rate(entries, busy);
        phase.end();
    }
    for (name, forwards) in [("range", true), ("range_back", false)] {
        if plan.wants(name) {
            let mut phase = session.phase(name);
            phase.outcome(&ranges(plan, engine, forwards)?);
            phase.end();
        }
    }
    if plan.wants("range_beside_writer") {
        let mut phase = session.phase("range_beside_writer");
        let (batch, entries) = (engine.usual_batch(), plan.entries);
        let mut random = Random::new(31);
        let write = move || {
            let keys: Vec<Key> = (0..batch).map(|_| hash_key(random.below(entries) as i64)).collect();
            put_all(engine, &keys)
        };
        let (outcome, writes) = beside_a_writer(write, || ranges(plan, engine, true))?;
        phase.outcome(&outcome).set("writes_per_s", (writes * batch as f64).round());
        phase.end();
    }
    Ok(())
}

/// An untimed pass that sees to order, count and values; it fills the cache too.
fn check_scan(session: &Session) -> Res<()> {
    let phase = session.phase("scan_check");
    let (mut entries, mut before, mut good) = (0u64, Vec::new(), true);
    session.engine()?.scan(b"", &mut |key, value| {
        good &= entries == 0 || *before < *key;
        check(value, &mut good);
        before.clear();
        before.extend_from_slice(key);
        entries += 1;
        true
    })?;
    phase.end();
    if good && entries == session.plan.entries {
        return Ok(());
    }
    Err(format!("a scan gave {entries} entries, in order and with right values: {good}").into())
}

fn ranges(plan: &Plan, engine: &dyn Engine, forwards: bool) -> Res<Outcome> {
    let mut random = Random::new(77);
    let keys = || hash_key(random.next() as i64);
    let limit = Limit { timed_every: 1, round: 64, ..plan.reads() };
    run_alone(limit, keys, |key| range(engine, key, RANGE, forwards).map(Done::scan))
}

fn change_phases(session: &mut Session) -> Res<()> {
    if session.plan.wants("overwrite") {
        overwrite(session)?;
        session.settle("overwrite_settle", session.plan.entries * ENTRY_BYTES)?;
        session.reopen("overwrite_reopen", false, &hash_key(0))?;
    }
    if session.plan.wants("mixed") {
        mixed(session)?;
    }
    for (name, threads, single) in
        [("write1", 1, false), ("write4", THREADS, false), ("write4_single", THREADS, true)]
    {
        let batch = session.engine()?.usual_batch();
        // Engines that write without a transaction do nothing else in `write4`.
        if session.plan.wants(name) && !(single && batch == 1) {
            write_new(session, name, threads, if single { 1 } else { batch })?;
        }
    }
    if session.plan.wants("delete_half") {
        delete_half(session)?;
        session.settle("delete_settle", session.plan.entries / 2 * 32)?;
    }
    Ok(())
}

fn overwrite(session: &Session) -> Res<()> {
    let (plan, engine) = (session.plan, session.engine()?);
    let batch = engine.usual_batch();
    let mut phase = session.phase("overwrite");
    let order = permuted(plan.entries);
    let limit = plan.pass(plan.entries, batch);
    // A last batch that is not full begins anew.
    let numbers = counting(|number| order(number % plan.entries) as i64);
    let outcome = put_keys(engine, limit, batch, HASH_VALUE_AFTER, numbers)?;
    phase.outcome(&outcome).set("batch", batch);
    engine.sync()?;
    phase.written_for(outcome.operations * ENTRY_BYTES);
    phase.end();
    Ok(())
}

/// Half reads, half zipfian overwrites, each write alone.
fn mixed(session: &Session) -> Res<()> {
    let (plan, engine) = (session.plan, session.engine()?);
    let (zipf, mut random, mut at) = (Zipf::new(plan.entries), Random::new(5), 0u64);
    let mut phase = session.phase("mixed");
    let make = move || {
        at += 1;
        (hash_key(zipf.rank(&mut random) as i64), at)
    };
    let act = |(key, at): &(Key, u64)| {
        if at % 2 == 0 {
            return get(engine, key);
        }
        let mut value = [b'x'; HASH_VALUE.len()];
        value[..8].copy_from_slice(&at.to_be_bytes());
        engine.put(key, &value).map(|()| Done::write(1))
    };
    phase.outcome(&run_alone(plan.writes(), make, act)?);
    phase.end();
    Ok(())
}

/// Puts of new keys by some threads.
fn write_new(session: &Session, name: &str, threads: u64, batch: usize) -> Res<()> {
    let (plan, engine) = (session.plan, session.engine()?);
    let mut phase = session.phase(name);
    let base = if batch == 1 { threads * 10 } else { threads * 100 };
    let worker = |id| {
        let mut next = counting(move |number| fresh(base + id, number));
        let make = move || (0..batch).map(|_| next()).collect::<Vec<Key>>();
        (make, |keys: &Vec<Key>| put_all(engine, keys).map(|()| Done::write(keys.len())))
    };
    let limit = Limit { round: (1_024 / batch).max(1), ..plan.writes() };
    let limit = if threads == 1 { limit } else { Plan::side_by_side(limit, batch) };
    phase.outcome(&run_together(limit, (0..threads).map(worker).collect())?).set("batch", batch);
    phase.end();
    Ok(())
}

/// Deletes of every other key that was loaded, in a scrambled order.
fn delete_half(session: &Session) -> Res<()> {
    let (plan, engine) = (session.plan, session.engine()?);
    let (batch, half) = (engine.usual_batch(), plan.entries / 2);
    let mut phase = session.phase("delete_half");
    let order = permuted(half.max(1));
    let mut next = counting(move |number| (order(number % half.max(1)) * 2) as i64);
    let make = move || (0..batch).map(|_| next()).collect::<Vec<Key>>();
    let act = |keys: &Vec<Key>| {
        match keys.as_slice() {
            [key] => engine.delete(key)?,
            keys => engine.delete_batch(&keys.iter().map(|key| &**key).collect::<Vec<_>>())?,
        }
        Ok(Done::write(keys.len()))
    };
    let outcome = run_alone(plan.pass(half, batch), make, act)?;
    phase.outcome(&outcome).set("batch", batch);
    phase.end();
    Ok(())
}

/// New keys, each write on stable storage when it returns.
fn synced_phases(session: &mut Session) -> Res<()> {
    let plan = session.plan;
    if !plan.wants("sync1") && !plan.wants("sync4") {
        return Ok(());
    }
    session.engine()?.sync()?;
    session.reopen("sync_reopen", true, &hash_key(1))?;
    let engine = session.engine()?;
    for (name, threads) in [("sync1", 1), ("sync4", THREADS)] {
        let mut phase = session.phase(name);
        let worker = |id| {
            let make = counting(move |number| fresh(1_000 * threads + id, number));
            (make, |key: &Key| engine.put(key, HASH_VALUE).map(|()| Done::write(1)))
        };
        let limit = Limit { time: plan.synced_time, ..plan.writes() };
        let limit = if threads == 1 { limit } else { Plan::side_by_side(limit, 1) };
        phase.outcome(&run_together(limit, (0..threads).map(worker).collect())?);
        phase.end();
    }
    Ok(())
}
