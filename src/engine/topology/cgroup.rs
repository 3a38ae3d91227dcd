//! What the process's cgroup, version 2 or 1, leaves of the machine.

use std::path::Path;

use super::text;

/// The tightest limits on the way from the process's cgroup up to the root.
#[derive(Debug, PartialEq)]
pub(super) struct Limits {
    /// Cores' worth of time.
    pub(super) cpus: Option<f64>,
    /// Bytes of memory.
    pub(super) memory: Option<u64>,
}

impl Limits {
    /// Reads the limits of the process whose `proc/self/cgroup` is under `root`, as far as they are told.
    pub(super) fn read(root: &Path) -> Self {
        let mut limits = Self { cpus: None, memory: None };
        let cgroups = root.join("sys/fs/cgroup");
        for line in text(&root.join("proc/self/cgroup")).unwrap_or_default().lines() {
            // `0::/path` for version 2, `4:cpu,cpuacct:/path` for version 1.
            let mut fields = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
            let mounts = match controllers {
                "" => vec!["", "unified"],
                // Mounted by all the controllers' names together, or by each.
                names => names.split(',').chain([names]).collect(),
            };
            // A container may see the path of its host here, but as `sys/fs/cgroup` only its own part of the tree: whatever
            // part of the path does not exist is passed over, and the root of the mount counts in any case.
            for mount in mounts {
                for group in Path::new(path.trim_start_matches('/')).ancestors() {
                    limits.tighten(&cgroups.join(mount).join(group));
                }
            }
        }
        limits
    }

    /// Takes the limits of one cgroup into account.
    fn tighten(&mut self, group: &Path) {
        let read = |name: &str| text(&group.join(name));
        let cpus = read("cpu.max")
            .and_then(|max| {
                let (quota, period) = max.split_once(' ')?;
                ratio(quota, period)
            })
            .or_else(|| ratio(&read("cpu.cfs_quota_us")?, &read("cpu.cfs_period_us")?));
        let memory = read("memory.max").or_else(|| read("memory.limit_in_bytes")).and_then(|bytes| bytes.parse().ok());

        self.cpus = [self.cpus, cpus].into_iter().flatten().reduce(f64::min);
        // Version 1 says "no limit" by the largest number of whole pages.
        let memory = memory.filter(|&bytes: &u64| bytes < 1 << 62);
        self.memory = [self.memory, memory].into_iter().flatten().min();
    }
}

/// Cores' worth of time, from microseconds of work in each period; none for `max` and `-1`, which stand for no limit.
fn ratio(quota: &str, period: &str) -> Option<f64> {
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

#[cfg(test)]
mod tests {
    use super::super::tests::Tree;
    use super::*;

    #[test]
    fn the_tightest_cgroup_on_the_way_up_counts() {
        let tree = Tree::new();
        tree.write("proc/self/cgroup", "0::/a/b");
        tree.write("sys/fs/cgroup/a/b/cpu.max", "max 100000");
        tree.write("sys/fs/cgroup/a/b/memory.max", "2000000");
        tree.write("sys/fs/cgroup/a/cpu.max", "150000 100000");
        tree.write("sys/fs/cgroup/a/memory.max", "1000000");
        tree.write("sys/fs/cgroup/cpu.max", "400000 100000");
        assert_eq!(Limits::read(tree.root()), Limits { cpus: Some(1.5), memory: Some(1_000_000) });
    }

    #[test]
    fn a_container_that_names_its_hosts_path_still_has_its_limits() {
        let tree = Tree::new();
        tree.write("proc/self/cgroup", "0::/system.slice/docker-1f.scope");
        tree.write("sys/fs/cgroup/cpu.max", "50000 100000");
        assert_eq!(Limits::read(tree.root()), Limits { cpus: Some(0.5), memory: None });
    }

    #[test]
    fn version_1_counts_as_well() {
        let tree = Tree::new();
        tree.write("proc/self/cgroup", "4:memory:/job\n3:cpu,cpuacct:/job\n1:name=systemd:/job\n0::/");
        tree.write("sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "300000");
        tree.write("sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us", "100000");
        tree.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1");
        tree.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000");
        tree.write("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "4096000");
        tree.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712");
        assert_eq!(Limits::read(tree.root()), Limits { cpus: Some(3.0), memory: Some(4_096_000) });
    }

    #[test]
    fn no_limit_and_nonsense_are_no_limit() {
        let tree = Tree::new();
        assert_eq!(Limits::read(tree.root()), Limits { cpus: None, memory: None });
        tree.write("proc/self/cgroup", "0::/\nnonsense\n::");
        for max in ["max 100000", "0 100000", "100000 0", "100000", "x y", ""] {
            tree.write("sys/fs/cgroup/cpu.max", max);
            tree.write("sys/fs/cgroup/memory.max", "max");
            assert_eq!(Limits::read(tree.root()), Limits { cpus: None, memory: None }, "{max:?}");
        }
    }
}
