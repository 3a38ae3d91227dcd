//! The machine as far as this process may use it: NUMA nodes, cores, caches, memory, and what its cgroup leaves of them.
//!
//! All of it comes from files under `sys` and `proc`. Any of them may be missing (containers, other architectures) or
//! unreadable; what cannot be known is then left out, and a machine that tells nothing is one node whose cpus are a core
//! each.

mod cgroup;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::error::{Error, Result};

/// What a process may use of its machine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Topology {
    /// The NUMA nodes with a cpu the process may run on, by rising id; never none.
    pub nodes: Vec<Node>,
    /// The caches of the first cpu.
    pub caches: Caches,
    /// How many cores' worth of time the cgroup grants, where it limits that.
    pub quota: Option<f64>,
    /// How much memory the cgroup grants, in bytes, where it limits that.
    pub memory_limit: Option<u64>,
}

/// A NUMA node.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Node {
    /// Its number in the system.
    pub id: usize,
    /// Its physical cores, those that share a last-level cache side by side. A core is its cpus (hardware threads), lowest
    /// first; never none.
    pub cores: Vec<Vec<usize>>,
    /// Its memory in bytes, where known.
    pub memory: Option<u64>,
}

/// The caches that a cpu reads data through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Caches {
    /// The first level, for data.
    pub l1d: Option<Cache>,
    /// The second level.
    pub l2: Option<Cache>,
    /// The third level.
    pub l3: Option<Cache>,
}

/// One level of cache.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cache {
    /// The size of one such cache, in bytes.
    pub bytes: u64,
    /// How many of them the process's cores have.
    pub instances: usize,
}

impl Topology {
    /// Reads the machine whose `sys` and `proc` are under `root` (`/` in life), as far as the cpus `allowed` go.
    ///
    /// # Errors
    /// [`Error::Engine`] where no cpu is allowed. Missing files are no error.
    pub fn read(root: &Path, allowed: &[usize]) -> Result<Self> {
        let allowed: BTreeSet<usize> = allowed.iter().copied().collect();
        let Some(&first) = allowed.first() else {
            return Err(Error::Engine("this process may not run on any cpu: widen its affinity mask".into()));
        };
        let cpus = root.join("sys/devices/system/cpu");
        let mut seen = CachesSeen::default();
        let nodes = node_cpus(root, &allowed)
            .into_iter()
            .map(|(id, members)| Node { id, cores: cores(&cpus, members, &mut seen), memory: node_memory(root, id) })
            .collect();
        let limits = cgroup::Limits::read(root);
        Ok(Self { nodes, caches: seen.of(&cpus, first), quota: limits.cpus, memory_limit: limits.memory })
    }

    /// How many physical cores there are.
    pub fn cores(&self) -> usize {
        self.nodes.iter().map(|node| node.cores.len()).sum()
    }

    /// How many children can work at once: the cores, or fewer where the quota grants less; at least 1.
    pub fn usable_cores(&self) -> usize {
        self.quota.map_or(self.cores(), |quota| (quota.ceil() as usize).clamp(1, self.cores()))
    }
}

/// The allowed cpus of each node; all of them in node 0 where the system does not place every one.
fn node_cpus(root: &Path, allowed: &BTreeSet<usize>) -> BTreeMap<usize, BTreeSet<usize>> {
    let mut left = allowed.clone();
    let mut nodes = BTreeMap::new();
    for (id, folder) in numbered(&root.join("sys/devices/system/node"), "node") {
        let listed = text(&folder.join("cpulist")).and_then(|list| parse_list(&list)).unwrap_or_default();
        let members: BTreeSet<usize> = listed.into_iter().filter(|cpu| left.remove(cpu)).collect();
        if !members.is_empty() {
            nodes.insert(id, members);
        }
    }
    if left.is_empty() { nodes } else { BTreeMap::from([(0, allowed.clone())]) }
}

/// The cores that `members`, the cpus of a node, make up.
fn cores(cpus: &Path, mut members: BTreeSet<usize>, seen: &mut CachesSeen) -> Vec<Vec<usize>> {
    let mut cores = Vec::new();
    while let Some(cpu) = members.first().copied() {
        let topology = cpus.join(format!("cpu{cpu}/topology"));
        let siblings = ["core_cpus_list", "thread_siblings_list"]
            .iter()
            .find_map(|name| text(&topology.join(name)).and_then(|list| parse_list(&list)))
            .unwrap_or_default();
        let core: Vec<usize> =
            members.iter().copied().filter(|other| *other == cpu || siblings.contains(other)).collect();
        members.retain(|other| !core.contains(other));
        cores.push((seen.add(cpus, cpu), core));
    }
    // Contiguous runs of cores become controllers, whose children are better off under one last-level cache.
    cores.sort();
    cores.into_iter().map(|(_, core)| core).collect()
}

/// A node's memory in bytes; of node 0 also where the system knows no nodes.
fn node_memory(root: &Path, id: usize) -> Option<u64> {
    let meminfo = text(&root.join(format!("sys/devices/system/node/node{id}/meminfo")))
        .or_else(|| if id == 0 { text(&root.join("proc/meminfo")) } else { None })?;
    let line = meminfo.lines().find(|line| line.contains("MemTotal:"))?;
    let kib: u64 = line.split_once("MemTotal:")?.1.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kib.checked_mul(1024)
}

/// The distinct caches of each level that the cores seen so far have, each known by its level and its lowest cpu.
#[derive(Default)]
struct CachesSeen(BTreeSet<(u8, usize)>);

impl CachesSeen {
    /// Adds the caches of `cpu`; returns the lowest cpu under its third-level cache, 0 where there is none.
    fn add(&mut self, cpus: &Path, cpu: usize) -> usize {
        let mut last_level = 0;
        for (level, _, sharing) in data_caches(cpus, cpu) {
            let lowest = sharing.into_iter().min().unwrap_or(cpu);
            self.0.insert((level, lowest));
            if level == 3 {
                last_level = lowest;
            }
        }
        last_level
    }

    /// The sizes of the caches of `cpu`, with how many were seen of their level.
    fn of(&self, cpus: &Path, cpu: usize) -> Caches {
        let mut caches = Caches::default();
        for (level, bytes, _) in data_caches(cpus, cpu) {
            let slot = match level {
                1 => &mut caches.l1d,
                2 => &mut caches.l2,
                3 => &mut caches.l3,
                _ => continue,
            };
            *slot = Some(Cache { bytes, instances: self.0.iter().filter(|seen| seen.0 == level).count() });
        }
        caches
    }
}

/// Level, size in bytes and cpus of each cache that `cpu` reads data through.
fn data_caches(cpus: &Path, cpu: usize) -> Vec<(u8, u64, Vec<usize>)> {
    let read = |folder: &Path| {
        if text(&folder.join("type"))? == "Instruction" {
            return None;
        }
        let level = text(&folder.join("level"))?.parse().ok()?;
        let size = parse_size(&text(&folder.join("size"))?)?;
        let sharing = text(&folder.join("shared_cpu_list")).and_then(|list| parse_list(&list)).unwrap_or_default();
        Some((level, size, sharing))
    };
    let folders = numbered(&cpus.join(format!("cpu{cpu}/cache")), "index");
    folders.values().filter_map(|folder| read(folder)).collect()
}

/// The entries of `folder` named `prefix` and a number, by that number; none where it cannot be read.
fn numbered(folder: &Path, prefix: &str) -> BTreeMap<usize, std::path::PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let number = |path: &Path| path.file_name()?.to_str()?.strip_prefix(prefix)?.parse().ok();
    entries.filter_map(|entry| Some((number(&entry.path())?, entry.path()))).collect()
}

/// The trimmed text of a file; none where it cannot be read.
fn text(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// The numbers of a list such as `0-3,8`; none where it is no such list.
fn parse_list(list: &str) -> Option<Vec<usize>> {
    /// No machine has more cpus; a list that says so is broken, and would fill the memory.
    const MOST: usize = 1 << 16;
    let mut numbers = Vec::new();
    for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        if first > last || last >= MOST {
            return None;
        }
        numbers.extend(first..=last);
    }
    Some(numbers)
}

/// The bytes of a size such as `32K`.
fn parse_size(size: &str) -> Option<u64> {
    let digits = size.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
    let unit = match &size[digits.len()..] {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
pub(crate) mod tests;
