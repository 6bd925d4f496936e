//! YCSB's workloads A to F: values of 1 KiB, scrambled zipfian keys, by one and by four threads.

use crate::engine::{Engine, Res};
use crate::keys::{Key, Values, ycsb_key};
use crate::random::{Random, Zipf};
use crate::rounds::{Done, Limit, run_together};
use crate::session::{Plan, Session};

use super::support::{Entry, range, write_entries};

const VALUE_BYTES: usize = 1_024;
const ENTRY_BYTES: u64 = 24 + VALUE_BYTES as u64;

/// Most entries of a scan.
const LONGEST_SCAN: u64 = 100;

/// Shares in percent; what is left to 100 reads.
struct Mix {
    name: &'static str,
    update: u64,
    insert: u64,
    scan: u64,
    modify: u64,
    /// Reads the latest inserts most, rather than the same few everywhere.
    latest: bool,
}

/// In YCSB's own order: D and E insert.
const MIXES: [Mix; 6] = [
    Mix { name: "a", update: 50, insert: 0, scan: 0, modify: 0, latest: false },
    Mix { name: "b", update: 5, insert: 0, scan: 0, modify: 0, latest: false },
    Mix { name: "c", update: 0, insert: 0, scan: 0, modify: 0, latest: false },
    Mix { name: "f", update: 0, insert: 0, scan: 0, modify: 50, latest: false },
    Mix { name: "d", update: 0, insert: 5, scan: 0, modify: 0, latest: true },
    Mix { name: "e", update: 0, insert: 5, scan: 95, modify: 0, latest: false },
];

#[derive(Clone, Copy)]
enum Request {
    Read,
    Write(u64),
    Modify(u64),
    Scan(u64),
}

pub fn run(plan: &Plan) -> Res<()> {
    let values = Values::new(VALUE_BYTES);
    let mut session = Session::begin(plan, "ycsb")?;
    if load(&session, &values)? {
        session.settle("settle", plan.entries * ENTRY_BYTES)?;
        session.reopen("reopen", false, &ycsb_key(0))?;
        let zipf = Zipf::new(plan.entries);
        for threads in [1, 4] {
            for mix in &MIXES {
                let name = if threads == 1 { mix.name.to_owned() } else { format!("{}{threads}", mix.name) };
                if plan.wants(&name) {
                    mixed(&session, &values, &zipf, mix, threads, &name)?;
                }
            }
        }
        session.settle("final_settle", plan.entries * ENTRY_BYTES)?;
    }
    session.end()
}

/// Whether it was done in time.
fn load(session: &Session, values: &Values) -> Res<bool> {
    let (plan, engine) = (session.plan, session.engine()?);
    let batch = engine.usual_batch();
    let mut phase = session.phase("load");
    let mut at = 0;
    let next = || {
        at += 1;
        Entry { key: ycsb_key(at - 1), value: values.of(at) }
    };
    let outcome = write_entries(engine, plan.pass(plan.entries, batch), batch, next)?;
    engine.sync()?;
    phase.outcome(&outcome).written_for(outcome.operations * ENTRY_BYTES).set("batch", batch);
    let complete = outcome.operations >= plan.entries;
    phase.set("complete", complete);
    phase.end();
    Ok(complete)
}

fn mixed(session: &Session, values: &Values, zipf: &Zipf, mix: &Mix, threads: u64, name: &str) -> Res<()> {
    let (plan, engine) = (session.plan, session.engine()?);
    let mut phase = session.phase(name);
    let worker = |id| {
        let mut requests = Requests::new(plan.entries, zipf, mix, threads * 10 + id);
        (move || requests.next(), |(key, request): &(Key, Request)| carry_out(engine, values, key, *request))
    };
    let limit = Limit { timed_every: 1, ..plan.reads() };
    let limit = if threads == 1 { limit } else { Limit { round: 8_192, ..limit } };
    phase.outcome(&run_together(limit, (0..threads).map(worker).collect())?);
    phase.end();
    Ok(())
}

fn carry_out(engine: &dyn Engine, values: &Values, key: &Key, request: Request) -> Res<Done> {
    match request {
        Request::Read => engine.get(key, &mut |_| ()).map(Done::read),
        Request::Write(number) => engine.put(key, values.of(number)).map(|()| Done::write(1)),
        Request::Modify(number) => {
            let mut value = Vec::with_capacity(VALUE_BYTES);
            engine.get(key, &mut |old| value.extend_from_slice(old))?;
            value.resize(VALUE_BYTES, 0);
            let field = values.of(number).get(..100).unwrap_or_default();
            value[..field.len()].copy_from_slice(field);
            engine.put(key, &value).map(|()| Done::write(1))
        }
        Request::Scan(length) => range(engine, key, length, true).map(Done::scan),
    }
}

/// What one thread asks for.
struct Requests<'a> {
    entries: u64,
    zipf: &'a Zipf,
    mix: &'a Mix,
    random: Random,
    /// Numbers of this thread's inserts begin here.
    base: u64,
    inserted: u64,
}

impl<'a> Requests<'a> {
    fn new(entries: u64, zipf: &'a Zipf, mix: &'a Mix, stream: u64) -> Self {
        // D and E insert other keys.
        let stream = stream * 2 + u64::from(mix.latest);
        Self { entries, zipf, mix, random: Random::new(stream), base: (stream + 1) << 40, inserted: 0 }
    }

    fn next(&mut self) -> (Key, Request) {
        let share = self.random.below(100);
        let Mix { update, insert, scan, modify, .. } = *self.mix;
        let number = self.random.next();
        if share < insert {
            self.inserted += 1;
            return (ycsb_key(self.base + self.inserted - 1), Request::Write(number));
        }
        let key = self.known_key();
        let request = match share - insert {
            share if share < update => Request::Write(number),
            share if share < update + scan => Request::Scan(1 + self.random.below(LONGEST_SCAN)),
            share if share < update + scan + modify => Request::Modify(number),
            _ => Request::Read,
        };
        (key, request)
    }

    /// A key that was loaded, or that this thread inserted.
    fn known_key(&mut self) -> Key {
        if !self.mix.latest {
            return ycsb_key(self.zipf.scrambled(&mut self.random));
        }
        let age = self.zipf.rank(&mut self.random);
        match self.inserted.checked_sub(age + 1) {
            Some(number) => ycsb_key(self.base + number),
            None => ycsb_key(self.entries - 1 - (age - self.inserted)),
        }
    }
}
