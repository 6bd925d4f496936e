//! The sequences that `docs/durability.md` claims. Each sync is `fdatasync` for a file and `fsync` for the
//! directory.

/// One thing that the engine is asked to do, and what it does on disk, in parts that follow each other.
pub(super) struct Expected {
    pub(super) name: &'static str,
    pub(super) caller: &'static [Part],
    pub(super) background: &'static [Part],
}

type Part = &'static [&'static str];

const LOCK: Part = &["create .lock", "ftruncate .lock", "write .lock"];
const UNLOCK: Part = &["ftruncate .lock"];

/// Whole and durable before it has its name, and its name durable before the first edit.
const NEW_MANIFEST: Part = &[
    "create MANIFEST.tmp",
    "fallocate MANIFEST.tmp",
    "write MANIFEST.tmp",
    "fdatasync MANIFEST.tmp",
    "rename MANIFEST.tmp to MANIFEST",
    "fsync directory",
];

const EDIT: Part = &["write MANIFEST", "fdatasync MANIFEST"];

/// Files that a crash left are removed by now, with durable names.
const TIDY: Part = &["fsync directory"];

/// A record, its sync, and the SYNC mark that tells of it.
const COMMIT: Part = &["write log", "fdatasync log", "write log"];

/// The log was synced before. The run has its content before its name, and its name before the edit.
const NEW_RUN: Part = &[
    "create run.tmp",
    "write run.tmp",
    "fdatasync run.tmp",
    "rename run.tmp to run",
    "fsync directory",
    "write MANIFEST",
    "fdatasync MANIFEST",
];

/// Header and name are durable before the edit that lists the log.
const NEW_LOG: Part = &[
    "create log",
    "fallocate log",
    "write log",
    "fdatasync log",
    "fsync directory",
    "write MANIFEST",
    "fdatasync MANIFEST",
];

/// The new identity before the new name, and both before the edit that lists it.
const RECYCLED_LOG: Part = &[
    "write log",
    "fdatasync log",
    "rename log to log",
    "fallocate log",
    "fsync directory",
    "write MANIFEST",
    "fdatasync MANIFEST",
];

/// The log through the last mark, then the CLOSE edit that names its end.
const CLOSE: Part = &["fdatasync log", "fsync directory", "write MANIFEST", "fdatasync MANIFEST"];

impl Expected {
    pub(super) fn calls(&self) -> usize {
        self.caller.iter().chain(self.background).map(|part| part.len()).sum()
    }
}

pub(super) const PHASES: &[Expected] = &[
    Expected {
        name: "create",
        caller: &[&["mkdir directory", "fsync parent"], LOCK, NEW_MANIFEST],
        background: &[],
    },
    Expected { name: "open", caller: &[LOCK], background: &[] },
    Expected {
        name: "first write",
        // The log that a clean close left has its whole room again before it is written on.
        caller: &[NEW_MANIFEST, EDIT, TIDY, &["fallocate log"], COMMIT],
        background: &[],
    },
    Expected { name: "commit", caller: &[COMMIT], background: &[] },
    Expected { name: "flush", caller: &[], background: &[NEW_RUN] },
    Expected { name: "log rotation", caller: &[COMMIT], background: &[NEW_LOG] },
    // The second edit moves the floor above the log.
    Expected { name: "flush that frees a log", caller: &[], background: &[NEW_RUN, EDIT] },
    Expected { name: "log rotation that recycles", caller: &[COMMIT], background: &[RECYCLED_LOG] },
    Expected { name: "merge", caller: &[], background: &[NEW_RUN, &["remove run"]] },
    Expected {
        name: "close after a flush",
        caller: &[EDIT, &["remove log"], TIDY, EDIT, UNLOCK],
        background: &[],
    },
    Expected { name: "close without a write", caller: &[LOCK, UNLOCK], background: &[] },
    Expected { name: "buffered commit", caller: &[&["write log"]], background: &[] },
    Expected { name: "sync", caller: &[&["fdatasync log", "write log"]], background: &[] },
    Expected { name: "close", caller: &[CLOSE, UNLOCK], background: &[] },
];
