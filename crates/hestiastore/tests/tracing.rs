//! What subscribers of `tracing` are told: spans and events with the index's name, and the counters at the close.

#![allow(clippy::unwrap_used, reason = "test helpers fail by panicking")]

use std::fmt::{Debug, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use hestiastore::config::Durability;
use hestiastore::directory::{Directory, Fault, FaultRule, OperationKind, SimulatedDirectory};
use hestiastore::{Result, SegmentIndex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Writes down every span that is opened and every event, a line each: `flush index=memory segment=1`.
#[derive(Debug, Clone, Default)]
struct Told {
    lines: Arc<Mutex<Vec<String>>>,
    spans: Arc<AtomicU64>,
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let written = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
        written.unwrap();
    }
}

impl Subscriber for Told {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("hestiastore") && *metadata.level() <= Level::DEBUG
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut line = Line(span.metadata().name().to_owned());
        span.record(&mut line);
        self.lines.lock().unwrap().push(line.0);
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.lines.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Told {
    fn with(&self, parts: &[&str]) -> usize {
        let lines = self.lines.lock().unwrap();
        lines.iter().filter(|line| parts.iter().all(|part| line.contains(part))).count()
    }

    #[track_caller]
    fn assert_told(&self, parts: &[&str]) {
        assert!(self.with(parts) > 0, "{parts:?} in {:#?}", self.lines.lock().unwrap());
    }
}

type Index = SegmentIndex<u64, Vec<u8>>;

/// One test, for there is one subscriber for all threads.
#[test]
fn spans_and_events_carry_the_name_of_the_index() -> Result<()> {
    let told = Told::default();
    tracing::subscriber::set_global_default(told.clone()).unwrap();
    a_life(&told)?;
    a_failure(&told)
}

fn a_life(told: &Told) -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("orders");
    let builder = || {
        Index::builder(&place)
            .write_buffer(|w| w.budget_bytes(8 << 20))
            .segment(|s| s.target_bytes(16 << 10))
            .chunk(|c| c.max_keys(16).max_bytes(1 << 10).filters(["magic-number", "crc32"].into()))
    };
    let index = builder().create()?;
    for round in 0..2 {
        (0..500u64).for_each(|n| index.put(n, vec![round; 100]).unwrap());
        index.compact_and_wait()?;
    }
    index.wait_until_idle()?;
    (0..10).for_each(|n| assert!(index.get(n).unwrap().is_some()));
    index.check()?;
    index.scrub(Default::default())?;
    index.close()?;
    for span in ["open", "recovery", "flush", "merge", "split", "check", "scrub", "close"] {
        told.assert_told(&[&format!("{span} index=\"orders\"")]);
    }
    told.assert_told(&["flush index=\"orders\" segment=1"]);
    told.assert_told(&["INFO opened index=\"orders\" segments=1"]);
    told.assert_told(&["INFO opened for writing index=\"orders\""]);
    told.assert_told(&["INFO closed index=\"orders\" puts=1000 gets=10 get_hits=10 deletes=0 batches=0"]);
    assert_eq!(told.with(&["INFO closed"]), 1);
    assert_eq!(told.with(&["ERROR"]), 0);
    // Closed already: nothing more to tell.
    drop(index);
    assert_eq!(told.with(&["INFO closed"]), 1);
    Ok(())
}

fn a_failure(told: &Told) -> Result<()> {
    let directory = SimulatedDirectory::new();
    let index =
        Index::builder_in(Arc::new(directory.clone())).log(|l| l.durability(Durability::Sync)).create()?;
    index.put(1, vec![1])?;
    let name = directory.location();
    directory.inject(FaultRule::new(Fault::FailSyncAndForget).on(&[OperationKind::SyncFile]));
    assert!(index.put(2, vec![2]).is_err());
    assert!(index.put(3, vec![3]).is_err());
    assert_eq!(told.with(&["ERROR ERROR: nothing more is written", &name]), 1);
    drop(index);
    told.assert_told(&["WARN the close has failed", &name]);
    Ok(())
}
