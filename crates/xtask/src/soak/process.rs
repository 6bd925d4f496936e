//! What the kernel says of this process and of the store's folder.

use std::fs;
use std::path::Path;

use crate::outcome::Outcome;

/// At one moment.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Usage {
    pub(super) anonymous_bytes: u64,
    pub(super) file_bytes: u64,
    pub(super) descriptors: u64,
    pub(super) threads: u64,
    pub(super) files: u64,
    pub(super) disk_bytes: u64,
    /// CPU time since the process began, and how much longer its threads would have run had there been more CPUs.
    pub(super) cpu_micros: u64,
    pub(super) cpu_wait_micros: u64,
}

impl Usage {
    pub(super) fn now(folder: &Path) -> Outcome<Self> {
        let status = fs::read_to_string("/proc/self/status")?;
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0)
        };
        let mut usage = Self {
            anonymous_bytes: number("RssAnon:") << 10,
            file_bytes: number("RssFile:") << 10,
            threads: number("Threads:"),
            descriptors: fs::read_dir("/proc/self/fd")?.count() as u64,
            ..Self::default()
        };
        for task in fs::read_dir("/proc/self/task")? {
            // A thread may have ended meanwhile.
            let times = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
            let mut times = times.split_whitespace().filter_map(|nanos| nanos.parse::<u64>().ok());
            usage.cpu_micros += times.next().unwrap_or(0) / 1_000;
            usage.cpu_wait_micros += times.next().unwrap_or(0) / 1_000;
        }
        for file in fs::read_dir(folder)? {
            // A file may have been deleted meanwhile.
            if let Ok(metadata) = file?.metadata() {
                usage.files += 1;
                usage.disk_bytes += std::os::unix::fs::MetadataExt::blocks(&metadata) * 512;
            }
        }
        Ok(usage)
    }
}
