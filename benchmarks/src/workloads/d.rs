//! Workload D, after `db_bench`: keys of 16 bytes, values of 100 bytes that compress to about half.

use std::time::Duration;

use crate::engine::{Engine, Res};
use crate::keys::{Key, Values, db_bench_key, db_bench_missing};
use crate::random::Random;
use crate::rounds::{Done, Limit, run_alone};
use crate::session::{Plan, Session};

use super::support::{Entry, beside_a_writer, full_scan, range, write_entries};

const ENTRY_BYTES: u64 = 16 + VALUE_BYTES as u64;
const VALUE_BYTES: usize = 100;

/// Entries of a batch in `fillseq_batch`.
const BATCH: usize = 1_000;

/// The key of a number.
type KeyOf = fn(u64) -> Key;

pub fn run(plan: &Plan) -> Res<()> {
    let values = Values::new(VALUE_BYTES);
    let mut session = Session::begin(plan, "d")?;
    if plan.wants("fillseq") {
        let batch = session.engine()?.usual_batch();
        fill(&session, &values, "fillseq", batch, |at| at)?;
    }
    if plan.wants("fillseq_batch") {
        session.open_empty("fillseq_batch_open")?;
        fill(&session, &values, "fillseq_batch", BATCH, |at| at)?;
        session.settle("fillseq_batch_settle", plan.entries * ENTRY_BYTES)?;
    }
    session.open_empty("fillrandom_open")?;
    let batch = session.engine()?.usual_batch();
    let mut random = Random::new(42);
    if fill(&session, &values, "fillrandom", batch, |_| random.below(plan.entries))? {
        session.settle("fillrandom_settle", plan.entries * ENTRY_BYTES)?;
        read_phases(&session, &values)?;
        if plan.wants("overwrite") {
            let mut random = Random::new(44);
            fill(&session, &values, "overwrite", batch, |_| random.below(plan.entries))?;
            session.settle("overwrite_settle", plan.entries * ENTRY_BYTES)?;
        }
    }
    session.end()
}

/// Whether it was done in time.
fn fill(
    session: &Session,
    values: &Values,
    name: &str,
    batch: usize,
    mut number: impl FnMut(u64) -> u64,
) -> Res<bool> {
    let (plan, engine) = (session.plan, session.engine()?);
    let mut phase = session.phase(name);
    let mut at = 0;
    let next = || {
        at += 1;
        Entry { key: db_bench_key(number(at - 1)), value: values.of(at) }
    };
    let outcome = write_entries(engine, plan.pass(plan.entries, batch), batch, next)?;
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

fn read_phases(session: &Session, values: &Values) -> Res<()> {
    let (plan, engine) = (session.plan, session.engine()?);
    let entries = plan.entries;
    // The first pass fills the caches.
    let phases: [(&str, u64, KeyOf); 3] = [
        ("readrandom_first", 43, db_bench_key),
        ("readrandom", 45, db_bench_key),
        ("readmissing", 46, db_bench_missing),
    ];
    for (name, seed, key_of) in phases {
        if plan.wants(name) {
            let mut phase = session.phase(name);
            let mut random = Random::new(seed);
            let act = |key: &Key| read(engine, key);
            phase.outcome(&run_alone(plan.reads(), || key_of(random.below(entries)), act)?);
            phase.end();
        }
    }
    if plan.wants("readseq") {
        full_scan(engine, Duration::MAX)?;
        let mut phase = session.phase("readseq");
        let (entries, busy) = full_scan(engine, Duration::MAX)?;
        phase.rate(entries, busy);
        phase.end();
    }
    if plan.wants("seekrandom") {
        let mut phase = session.phase("seekrandom");
        let mut random = Random::new(47);
        let act = |key: &Key| range(engine, key, 1, true).map(Done::scan);
        phase.outcome(&run_alone(plan.reads(), || db_bench_key(random.below(entries)), act)?);
        phase.end();
    }
    if plan.wants("readwhilewriting") {
        read_while_writing(session, values)?;
    }
    Ok(())
}

fn read(engine: &dyn Engine, key: &Key) -> Res<Done> {
    let mut length = VALUE_BYTES;
    let found = engine.get(key, &mut |value| length = value.len())?;
    if length == VALUE_BYTES { Ok(Done::read(found)) } else { Err("a read returned a wrong value".into()) }
}

/// One reader beside one writer, each as fast as it can.
fn read_while_writing(session: &Session, values: &Values) -> Res<()> {
    let (plan, engine) = (session.plan, session.engine()?);
    let (entries, batch) = (plan.entries, engine.usual_batch());
    let mut phase = session.phase("readwhilewriting");
    let (mut random, mut at) = (Random::new(48), 0);
    let write = || {
        at += 1;
        if batch == 1 {
            return engine.put(&db_bench_key(random.below(entries)), values.of(at));
        }
        let keys: Vec<Key> = (0..batch).map(|_| db_bench_key(random.below(entries))).collect();
        engine.put_batch(&keys.iter().map(|key| (&**key, values.of(at))).collect::<Vec<_>>())
    };
    let mut random = Random::new(49);
    let limit = Limit { timed_every: 1, ..plan.reads() };
    let reads = || run_alone(limit, || db_bench_key(random.below(entries)), |key| read(engine, key));
    let (outcome, writes) = beside_a_writer(write, reads)?;
    phase.outcome(&outcome).set("writes_per_s", (writes * batch as f64).round());
    phase.end();
    Ok(())
}
