//! What the kernel tells of this process and of the machine.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::engine::Res;

/// Counters at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Counters {
    /// CPU of this process, to the nanosecond.
    pub cpu_seconds: f64,
    /// Of it in user mode, in ticks.
    pub own_user_seconds: f64,
    /// User mode of the whole machine, and what the hypervisor took: kernel threads, which work for the
    /// engine, have none.
    pub machine_user_seconds: f64,
    /// Pages that this process dirtied or wrote past the page cache.
    pub dirtied_bytes: u64,
    /// Bytes passed to `write` calls.
    pub passed_bytes: u64,
}

/// Ticks of `/proc`: `USER_HZ` is 100 wherever Linux runs today.
const TICKS_PER_SECOND: f64 = 100.0;

impl Counters {
    pub fn now() -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let io = fs::read_to_string("/proc/self/io").unwrap_or_default();
        Self {
            cpu_seconds: cpu.tv_sec as f64 + cpu.tv_nsec as f64 * 1e-9,
            own_user_seconds: own_user_seconds(),
            machine_user_seconds: machine_user_seconds(),
            dirtied_bytes: field(&io, "write_bytes:"),
            passed_bytes: field(&io, "wchar:"),
        }
    }
}

/// CPU of the calling thread.
pub fn thread_cpu() -> Duration {
    let cpu = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(cpu.tv_sec as u64, cpu.tv_nsec as u32)
}

fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn own_user_seconds() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in brackets may hold spaces; `utime` is the twelfth field behind it.
    let behind_name = text.rsplit(')').next().unwrap_or_default();
    let ticks: f64 =
        behind_name.split_whitespace().nth(11).and_then(|ticks| ticks.parse().ok()).unwrap_or(0.0);
    ticks / TICKS_PER_SECOND
}

fn machine_user_seconds() -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    // user nice system idle iowait irq softirq steal
    let ticks = text.split_whitespace().skip(1).take(8).map(|ticks| ticks.parse::<f64>().unwrap_or(0.0));
    let all: Vec<f64> = ticks.collect();
    [0, 1, 7].iter().filter_map(|at| all.get(*at)).sum::<f64>() / TICKS_PER_SECOND
}

/// Bytes on disk below a folder.
#[derive(Debug, Default, Clone, Copy)]
pub struct Disk {
    pub allocated: u64,
    /// Of it in logs.
    pub logs: u64,
}

/// Adds up all files; those gone meanwhile are left out.
pub fn disk(dir: &Path, is_log: &dyn Fn(&Path) -> bool) -> Disk {
    let mut sum = Disk::default();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_dir() {
            let below = disk(&entry.path(), is_log);
            sum.allocated += below.allocated;
            sum.logs += below.logs;
            continue;
        }
        let allocated = metadata.blocks() * 512;
        sum.allocated += allocated;
        sum.logs += if is_log(&entry.path()) { allocated } else { 0 };
    }
    sum
}

/// Writes all dirty pages of the folder's file system, so that blocks are allocated.
pub fn sync_file_system(dir: &Path) -> Res<()> {
    Ok(rustix::fs::syncfs(fs::File::open(dir)?)?)
}

/// Asks the kernel to forget the cached pages of all files below a folder.
pub fn drop_page_cache(dir: &Path) -> Res<()> {
    for entry in fs::read_dir(dir)?.flatten() {
        let path = entry.path();
        if path.is_dir() {
            drop_page_cache(&path)?;
        } else if let Ok(file) = fs::File::open(&path) {
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        }
    }
    Ok(())
}

static PEAK_ANONYMOUS: AtomicU64 = AtomicU64::new(0);

/// Pages of this kernel.
const PAGE_BYTES: u64 = 4_096;

/// Memory of this process that no file backs.
pub fn anonymous_bytes() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let mut pages = text.split_whitespace().map(|pages| pages.parse::<u64>().unwrap_or(0));
    let (resident, of_files) = (pages.nth(1).unwrap_or(0), pages.next().unwrap_or(0));
    resident.saturating_sub(of_files) * PAGE_BYTES
}

/// Begins to watch the peak, every 10 ms, for as long as the process lives.
pub fn watch_anonymous_memory() {
    thread::spawn(|| {
        loop {
            PEAK_ANONYMOUS.fetch_max(anonymous_bytes(), Ordering::Relaxed);
            thread::sleep(Duration::from_millis(10));
        }
    });
}

/// The peak since the last call.
pub fn take_peak_anonymous() -> u64 {
    let now = anonymous_bytes();
    PEAK_ANONYMOUS.swap(now, Ordering::Relaxed).max(now)
}

/// Begins to drop the page cache of a folder twice a second, for as long as the process lives.
pub fn keep_dropping_pages(dir: std::path::PathBuf) {
    thread::spawn(move || {
        loop {
            // Files come and go meanwhile.
            let _ = drop_page_cache(&dir);
            thread::sleep(Duration::from_millis(500));
        }
    });
}
