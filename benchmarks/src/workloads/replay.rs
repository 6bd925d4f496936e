//! Opening after a kill: another process writes and dies, this one opens what it left.

use std::process::Command;
use std::time::Instant;

use crate::engine::{Res, Settings};
use crate::engines;
use crate::keys::hash_key;
use crate::session::{Plan, Session, remove_if_there};

use super::support::put_all;

/// Puts before the death: few enough to lie in the write buffers of all engines.
const PUTS: u64 = 300_000;

/// Opens anew a store whose writer died, in the folder of the session, which is closed.
pub fn measure(session: &mut Session) -> Res<()> {
    let plan = session.plan;
    remove_if_there(&plan.dir)?;
    let status = Command::new(std::env::current_exe()?)
        .args(["die-after-writes", &plan.engine, "--dir"])
        .arg(&plan.dir)
        .args(["--cache-mb", &(plan.cache_bytes >> 20).to_string()])
        .status()?;
    if status.success() {
        return Err("the writer did not die".into());
    }
    let mut phase = session.phase("replay");
    let settings = Settings { dir: plan.dir.clone(), durable: false, cache_bytes: plan.cache_bytes };
    let begun = Instant::now();
    let engine = engines::open(&plan.engine, &settings)?;
    let found = engine.get(&hash_key(PUTS as i64 - 1), &mut |_| ())?;
    phase.set("open_ms", begun.elapsed().as_secs_f64() * 1e3).set("found", found).set("puts", PUTS);
    phase.end();
    engine.close()
}

/// The writer: puts, then dies without a destructor.
pub fn die_after_writes(plan: &Plan) -> Res<()> {
    let settings = Settings { dir: plan.dir.clone(), durable: false, cache_bytes: plan.cache_bytes };
    let engine = engines::open(&plan.engine, &settings)?;
    let batch = engine.usual_batch() as u64;
    for first in (0..PUTS).step_by(batch as usize) {
        let keys: Vec<_> = (first..first + batch).map(|number| hash_key(number as i64)).collect();
        put_all(&*engine, &keys)?;
    }
    std::process::abort()
}
