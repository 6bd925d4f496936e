//! More data than memory: the entries of workload D, loaded in scrambled order.
//!
//! The process should be limited (`--cgroup`), with a cache that is a part of that. Otherwise `--drop-pages`
//! asks the kernel twice a second to forget what it caches of the store's files.

use crate::engine::Res;
use crate::keys::{Key, Values, db_bench_key, db_bench_missing};
use crate::random::{Random, permuted};
use crate::rounds::{Done, run_alone};
use crate::session::{Plan, Session};

use super::support::{Entry, full_scan, range, write_entries};

const ENTRY_BYTES: u64 = 16 + VALUE_BYTES as u64;
const VALUE_BYTES: usize = 100;

/// Entries of a range.
const RANGE: u64 = 100;

/// The key of a number.
type KeyOf = fn(u64) -> Key;

pub fn run(plan: &Plan) -> Res<()> {
    let mut session = Session::begin(plan, "large")?;
    if load(&session)? {
        session.settle("settle", plan.entries * ENTRY_BYTES)?;
        session.reopen("reopen", false, &db_bench_key(0))?;
        read_phases(&session)?;
    }
    session.end()
}

/// Whether it was done in time.
fn load(session: &Session) -> Res<bool> {
    let (plan, engine) = (session.plan, session.engine()?);
    let values = Values::new(VALUE_BYTES);
    let batch = engine.usual_batch();
    let mut phase = session.phase("load");
    let (order, mut at) = (permuted(plan.entries), 0);
    let next = || {
        at += 1;
        Entry { key: db_bench_key(order((at - 1) % plan.entries)), value: values.of(at) }
    };
    let outcome = write_entries(engine, plan.pass(plan.entries, batch), batch, next)?;
    engine.sync()?;
    phase.outcome(&outcome).written_for(outcome.operations * ENTRY_BYTES).set("batch", batch);
    let complete = outcome.operations >= plan.entries;
    phase.set("complete", complete);
    phase.end();
    Ok(complete)
}

fn read_phases(session: &Session) -> Res<()> {
    let (plan, engine) = (session.plan, session.engine()?);
    let phases: [(&str, KeyOf); 2] = [("read", db_bench_key), ("read_missing", db_bench_missing)];
    for (name, key_of) in phases {
        if plan.wants(name) {
            let mut phase = session.phase(name);
            let mut random = Random::new(61);
            let act = |key: &Key| engine.get(key, &mut |_| ()).map(Done::read);
            phase.outcome(&run_alone(plan.writes(), || key_of(random.below(plan.entries)), act)?);
            phase.end();
        }
    }
    if plan.wants("range") {
        let mut phase = session.phase("range");
        let mut random = Random::new(62);
        let act = |key: &Key| range(engine, key, RANGE, true).map(Done::scan);
        phase.outcome(&run_alone(plan.writes(), || db_bench_key(random.below(plan.entries)), act)?);
        phase.end();
    }
    if plan.wants("scan") {
        let mut phase = session.phase("scan");
        let (entries, busy) = full_scan(engine, plan.cap)?;
        phase.rate(entries, busy);
        phase.end();
    }
    Ok(())
}
