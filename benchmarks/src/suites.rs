//! The suites: which workload, how large, on which engines.

/// One workload at one size.
#[derive(Debug, Clone, Copy)]
pub struct Suite {
    pub name: &'static str,
    pub title: &'static str,
    pub workload: &'static str,
    pub entries: u64,
    pub cache_mib: u64,
    /// None for all.
    pub engines: Option<&'static [&'static str]>,
    pub seconds: f64,
    pub synced_seconds: f64,
    pub cap_seconds: f64,
    pub repetitions: u32,
    /// More data than memory.
    pub limited: bool,
}

/// The engines that have a cache of their own to hold everything.
const CACHED: Option<&[&str]> = Some(&["hestiastore", "rocksdb", "redb"]);

/// Ours and the two best at 10 million.
const LARGEST: Option<&[&str]> = Some(&["hestiastore", "rocksdb", "heed"]);

const H1M: Suite = Suite {
    name: "h1m",
    title: "Workload H, 1 million entries",
    workload: "h",
    entries: 1_000_000,
    cache_mib: 512,
    engines: None,
    seconds: 5.0,
    synced_seconds: 4.0,
    cap_seconds: 300.0,
    repetitions: 3,
    limited: false,
};

pub const FULL: &[Suite] = &[
    H1M,
    Suite {
        name: "h10m",
        title: "Workload H, 10 million entries",
        entries: 10_000_000,
        cap_seconds: 900.0,
        ..H1M
    },
    Suite {
        name: "h10m-cached",
        title: "Workload H, 10 million entries, a cache that holds everything",
        entries: 10_000_000,
        cache_mib: 4_096,
        engines: CACHED,
        cap_seconds: 900.0,
        ..H1M
    },
    Suite {
        name: "h100m",
        title: "Workload H, 100 million entries",
        entries: 100_000_000,
        engines: LARGEST,
        seconds: 10.0,
        cap_seconds: 3_600.0,
        repetitions: 1,
        ..H1M
    },
    Suite { name: "d5m", title: "Workload D, 5 million entries", workload: "d", entries: 5_000_000, ..H1M },
    Suite { name: "ycsb1m", title: "YCSB, 1 million entries", workload: "ycsb", ..H1M },
    LARGE,
];

/// 2.3 GB of entries, in 512 MiB of memory where a cgroup allows it.
const LARGE: Suite = Suite {
    name: "large",
    title: "Larger than memory, 20 million entries of workload D",
    workload: "large",
    entries: 20_000_000,
    cache_mib: 128,
    cap_seconds: 900.0,
    seconds: 15.0,
    repetitions: 2,
    limited: true,
    ..H1M
};

const QUICK_H: Suite = Suite {
    name: "h-quick",
    title: "Workload H, 200 thousand entries",
    entries: 200_000,
    seconds: 0.5,
    synced_seconds: 0.5,
    cap_seconds: 30.0,
    repetitions: 1,
    ..H1M
};

/// Ten minutes, for a look at the whole rather than for figures.
pub const QUICK: &[Suite] = &[
    QUICK_H,
    Suite {
        name: "h-quick-cached",
        title: "Workload H, 200 thousand entries, a cache that holds everything",
        cache_mib: 4_096,
        engines: CACHED,
        ..QUICK_H
    },
    Suite {
        name: "d-quick",
        title: "Workload D, 100 thousand entries",
        workload: "d",
        entries: 100_000,
        ..QUICK_H
    },
    Suite {
        name: "ycsb-quick",
        title: "YCSB, 50 thousand entries",
        workload: "ycsb",
        entries: 50_000,
        ..QUICK_H
    },
];
