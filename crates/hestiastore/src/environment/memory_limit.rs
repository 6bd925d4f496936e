//! How much memory this process may take: the least of the machine's and of its control groups' limits.

use std::fmt;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Tells how much memory there is to take.
pub trait MemoryLimit: Send + Sync + fmt::Debug {
    /// In bytes; `None` if it is not known.
    fn limit_bytes(&self) -> Option<u64>;
}

/// Nothing is known: defaults stay as they are.
#[derive(Debug)]
pub(super) struct UnknownLimit;

impl MemoryLimit for UnknownLimit {
    fn limit_bytes(&self) -> Option<u64> {
        None
    }
}

/// What Linux tells in `/proc` and `/sys/fs/cgroup`; elsewhere nothing.
#[derive(Debug)]
pub(super) struct SystemLimit {
    root: PathBuf,
}

impl SystemLimit {
    pub(super) fn new() -> Self {
        Self { root: PathBuf::from("/") }
    }

    fn read(&self, path: impl AsRef<Path>) -> Option<String> {
        fs::read_to_string(self.root.join(path)).ok()
    }

    fn machine_bytes(&self) -> Option<u64> {
        let info = self.read("proc/meminfo")?;
        let line = info.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        kib.checked_mul(1024)
    }

    /// The least limit of the groups that this process is in, and of all groups around them.
    fn groups_bytes(&self) -> Option<u64> {
        let groups = self.read("proc/self/cgroup")?;
        groups.lines().filter_map(|line| self.group_bytes(line)).min()
    }

    /// `line` is `hierarchy:controllers:path`; version 2 has no controllers there.
    fn group_bytes(&self, line: &str) -> Option<u64> {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        if controllers.is_empty() {
            let roots = ["sys/fs/cgroup", "sys/fs/cgroup/unified"];
            let least = |root: &&str| self.least_in(root, path, &["memory.max", "memory.high"]);
            return roots.iter().filter_map(least).min();
        }
        let limits_memory = controllers.split(',').any(|controller| controller == "memory");
        let files = ["memory.limit_in_bytes"];
        limits_memory.then(|| self.least_in("sys/fs/cgroup/memory", path, &files)).flatten()
    }

    /// The least number in any of these files, in the group and in all around it. What cannot be read, as the
    /// groups outside of a container, and `max` are no limit.
    fn least_in(&self, hierarchy: &str, group: &str, files: &[&str]) -> Option<u64> {
        let is_name = |part: &Component<'_>| matches!(part, Component::Normal(_));
        let group: PathBuf = Path::new(group).components().filter(is_name).collect();
        let read = |folder: &Path, file: &&str| {
            let text = self.read(Path::new(hierarchy).join(folder).join(file))?;
            text.trim().parse::<u64>().ok()
        };
        group.ancestors().flat_map(|folder| files.iter().filter_map(move |file| read(folder, file))).min()
    }
}

impl MemoryLimit for SystemLimit {
    fn limit_bytes(&self) -> Option<u64> {
        self.machine_bytes().into_iter().chain(self.groups_bytes()).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of files in place of the system's.
    fn system(files: &[(&str, &str)]) -> (tempfile::TempDir, SystemLimit) {
        let folder = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let limit = SystemLimit { root: folder.path().to_owned() };
        (folder, limit)
    }

    fn limit(files: &[(&str, &str)]) -> Option<u64> {
        let (_folder, system) = system(files);
        system.limit_bytes()
    }

    const MACHINE: (&str, &str) = ("proc/meminfo", "MemTotal:       8000 kB\nMemFree:        100 kB\n");

    #[test]
    fn without_groups_the_machine_is_the_limit() {
        assert_eq!(limit(&[]), None);
        assert_eq!(limit(&[MACHINE]), Some(8_192_000));
        assert_eq!(limit(&[MACHINE, ("proc/self/cgroup", "0::/\n")]), Some(8_192_000));
        assert_eq!(limit(&[("proc/meminfo", "MemTotal: many\n"), ("proc/self/cgroup", "::\nx\n")]), None);
    }

    #[test]
    fn of_nested_groups_the_least_counts() {
        let group = ("proc/self/cgroup", "0::/outer/inner\n");
        let outer = ("sys/fs/cgroup/outer/memory.max", "3000000\n");
        let inner = ("sys/fs/cgroup/outer/inner/memory.max", "5000000\n");
        assert_eq!(limit(&[MACHINE, group, outer, inner]), Some(3_000_000));
        assert_eq!(
            limit(&[MACHINE, group, ("sys/fs/cgroup/outer/memory.max", "max\n"), inner]),
            Some(5_000_000)
        );
        let high = ("sys/fs/cgroup/outer/inner/memory.high", "1000000\n");
        assert_eq!(limit(&[MACHINE, group, outer, inner, high]), Some(1_000_000));
    }

    #[test]
    fn a_container_sees_its_own_group_as_the_root() {
        let root = ("sys/fs/cgroup/memory.max", "2000000\n");
        assert_eq!(limit(&[MACHINE, ("proc/self/cgroup", "0::/\n"), root]), Some(2_000_000));
        assert_eq!(limit(&[MACHINE, ("proc/self/cgroup", "0::/../../elsewhere\n"), root]), Some(2_000_000));
        let old = ("sys/fs/cgroup/memory/memory.limit_in_bytes", "1500000\n");
        let group = ("proc/self/cgroup", "5:cpu,cpuacct:/docker/1\n4:memory:/docker/1\n0::/\n");
        assert_eq!(limit(&[MACHINE, group, old]), Some(1_500_000));
    }

    #[test]
    fn version_1_has_a_hierarchy_for_memory() {
        let group = ("proc/self/cgroup", "9:memory,hugetlb:/a/b\n3:cpu:/c\n");
        let unlimited = ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        let limited = ("sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "4000000\n");
        assert_eq!(limit(&[MACHINE, group, unlimited]), Some(8_192_000));
        assert_eq!(limit(&[MACHINE, group, unlimited, limited]), Some(4_000_000));
    }
}
