//! What strace saw, as events: which call on which kind of file.

use std::collections::BTreeMap;

/// What a phase's name is written behind.
pub(super) const PHASE: &str = "phase: ";

/// Calls that change something on disk or make it durable.
pub(super) const CALLS: &str = "openat,write,pwrite64,pwritev,pwritev2,writev,fdatasync,fsync,sync_file_range,\
                                rename,renameat,renameat2,unlink,unlinkat,link,linkat,fallocate,ftruncate,mkdir,mkdirat";

/// The events of each phase, by thread, in the order of their beginning.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Phase {
    pub(super) name: String,
    /// Of the thread that called the engine.
    pub(super) caller: Vec<String>,
    /// Of the engine's own threads, of which one is at work at a time.
    pub(super) background: Vec<String>,
}

/// Reads a trace. Files are named by what they are; the same call on the same file, again and again, is one event.
pub(super) fn phases(trace: &str, place: &str) -> Vec<Phase> {
    let mut reading = Reading { place, first_thread: None, pending: BTreeMap::new(), phases: Vec::new() };
    trace.lines().for_each(|line| reading.line(line));
    for phase in &mut reading.phases {
        for events in [&mut phase.caller, &mut phase.background] {
            events.retain(|event| !event.is_empty());
            events.dedup();
        }
    }
    reading.phases
}

struct Reading<'a> {
    place: &'a str,
    first_thread: Option<&'a str>,
    /// Calls that have begun and not ended, by thread, with the place of their event.
    pending: BTreeMap<&'a str, (usize, bool, usize)>,
    phases: Vec<Phase>,
}

impl<'a> Reading<'a> {
    fn line(&mut self, line: &'a str) {
        let Some((thread, call)) = line.split_once(' ') else { return };
        let call = call.trim_start();
        let is_first = *self.first_thread.get_or_insert(thread) == thread;
        if let Some(name) = call.split_once(PHASE).and_then(|(_, name)| name.split("\\n").next()) {
            self.phases.push(Phase { name: name.to_owned(), ..Phase::default() });
            return;
        }
        if call.starts_with("<... ") {
            let pending = self.pending.remove(thread);
            if let Some((phase, caller, at)) = pending.filter(|_| call.contains(" = -1 ")) {
                self.events(phase, caller)[at].clear();
            }
            return;
        }
        if call.contains(" = -1 ") {
            return;
        }
        let Some(event) = event(call, self.place) else { return };
        let Some(phase) = self.phases.len().checked_sub(1) else { return };
        let events = self.events(phase, is_first);
        events.push(event);
        let at = events.len() - 1;
        if call.ends_with("<unfinished ...>") {
            self.pending.insert(thread, (phase, is_first, at));
        }
    }

    fn events(&mut self, phase: usize, caller: bool) -> &mut Vec<String> {
        let phase = &mut self.phases[phase];
        if caller { &mut phase.caller } else { &mut phase.background }
    }
}

/// `fdatasync(5</place/log-01.wal>)` as `fdatasync log`; nothing for what is not in the place.
fn event(call: &str, place: &str) -> Option<String> {
    let (name, arguments) = call.split_once('(')?;
    let verb = match name {
        "openat" if arguments.contains("O_CREAT") => "create",
        "openat" => return None,
        "write" | "pwrite64" | "pwritev" | "pwritev2" | "writev" => "write",
        "rename" | "renameat" | "renameat2" => "rename",
        "unlink" | "unlinkat" => "remove",
        other => other,
    };
    let files: Vec<String> = match verb {
        // Of a directory and a name.
        "create" | "rename" | "remove" | "link" | "linkat" | "mkdir" | "mkdirat" => {
            if !arguments.contains(place) {
                return None;
            }
            arguments.split('"').skip(1).step_by(2).map(kind).collect()
        }
        _ => {
            let path = arguments.split_once('<')?.1.split_once('>')?.0;
            let path = path.strip_suffix(" (deleted)").unwrap_or(path);
            let parent = place.rsplit_once('/')?.0;
            match path.strip_prefix(place) {
                Some("") => vec!["directory".to_owned()],
                Some(inside) => vec![kind(inside)],
                None if path == parent => vec!["parent".to_owned()],
                None => return None,
            }
        }
    };
    Some(format!("{verb} {}", files.join(" to ")))
}

/// What a file is, by its name.
fn kind(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    let kind = match name.split_once(['-', '.']) {
        Some(("log", _)) => "log",
        Some(("run", _)) => "run",
        _ if name == "index" => "directory",
        _ => name.strip_suffix(".tmp").unwrap_or(name),
    };
    let temporary = if name.ends_with(".tmp") { ".tmp" } else { "" };
    format!("{kind}{temporary}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_become_events_of_phases_and_threads() {
        let trace = "\
7 write(1<pipe:[1]>, \"phase: flush\\n\", 13) = 13
7 openat(3</d/p>, \"run-01.sst.tmp\", O_RDWR|O_CREAT|O_EXCL|O_CLOEXEC, 0666) = 5</d/p/run-01.sst.tmp>
7 pwrite64(5</d/p/run-01.sst.tmp>, \"..\", 4096, 0) = 4096
7 pwrite64(5</d/p/run-01.sst.tmp>, \"..\", 4096, 4096) = 4096
8 fdatasync(4</d/p/log-01.wal> <unfinished ...>
7 unlinkat(3</d/p>, \"MANIFEST.tmp\", 0) = -1 ENOENT (No such file or directory)
8 <... fdatasync resumed>) = 0
7 renameat(3</d/p>, \"run-01.sst.tmp\", 3</d/p>, \"run-01.sst\") = 0
7 fsync(3</d/p>) = 0
7 write(2</dev/null>, \"x\", 1) = 1
8 unlinkat(3</d/p>, \"MANIFEST.tmp\", 0 <unfinished ...>
8 <... unlinkat resumed>) = -1 ENOENT (No such file or directory)
";
        let found = phases(trace, "/d/p");
        assert_eq!(found.len(), 1);
        let caller = ["create run.tmp", "write run.tmp", "rename run.tmp to run", "fsync directory"];
        assert_eq!(found[0].caller, caller);
        assert_eq!(found[0].background, ["fdatasync log"]);
    }
}
