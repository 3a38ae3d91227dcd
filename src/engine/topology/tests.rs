//! Machines made of files.

use std::fs;
use std::path::Path;

use super::{Cache, Caches, Node, Topology, parse_list, parse_size};

/// A root with the files of a machine, deleted with the value.
pub(crate) struct Tree(tempfile::TempDir);

impl Tree {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A machine of `nodes` × `cores` × `threads` cpus, numbered as Linux mostly does: the first threads of all cores,
    /// then the second ones. Every `under_l3` cores share a last-level cache.
    pub(crate) fn machine(nodes: usize, cores: usize, threads: usize, under_l3: usize) -> Self {
        let tree = Self::new();
        let all = nodes * cores;
        let cpus_of = |cores: std::ops::Range<usize>| {
            let cpus = (0..threads).flat_map(|thread| cores.clone().map(move |core| core + thread * all));
            cpus.map(|cpu| cpu.to_string()).collect::<Vec<_>>().join(",")
        };
        for node in 0..nodes {
            let folder = format!("sys/devices/system/node/node{node}");
            tree.write(&format!("{folder}/cpulist"), &cpus_of(node * cores..(node + 1) * cores));
            tree.write(
                &format!("{folder}/meminfo"),
                &format!("Node {node} MemTotal:     1024 kB\nNode {node} MemFree: 1 kB"),
            );
        }
        for cpu in 0..all * threads {
            let (core, l3) = (cpu % all, cpu % all / under_l3 * under_l3);
            let folder = format!("sys/devices/system/cpu/cpu{cpu}");
            tree.write(&format!("{folder}/topology/core_cpus_list"), &cpus_of(core..core + 1));
            for (index, (level, kind, size, sharing)) in [
                (1, "Data", "32K", cpus_of(core..core + 1)),
                (1, "Instruction", "64K", cpus_of(core..core + 1)),
                (2, "Unified", "1024K", cpus_of(core..core + 1)),
                (3, "Unified", "32M", cpus_of(l3..(l3 + under_l3).min(all))),
            ]
            .iter()
            .enumerate()
            {
                let cache = format!("{folder}/cache/index{index}");
                tree.write(&format!("{cache}/level"), &level.to_string());
                tree.write(&format!("{cache}/type"), kind);
                tree.write(&format!("{cache}/size"), size);
                tree.write(&format!("{cache}/shared_cpu_list"), sharing);
            }
        }
        tree
    }

    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{text}\n")).unwrap();
    }

    /// Limits the process to `cores` worth of time.
    pub(crate) fn quota(&self, cores: f64) {
        self.write("proc/self/cgroup", "0::/");
        self.write("sys/fs/cgroup/cpu.max", &format!("{} 100000", cores * 1e5));
    }

    pub(crate) fn topology(&self, allowed: impl IntoIterator<Item = usize>) -> Topology {
        Topology::read(self.root(), &allowed.into_iter().collect::<Vec<_>>()).unwrap()
    }
}

fn level(bytes: u64, instances: usize) -> Option<Cache> {
    Some(Cache { bytes, instances })
}

#[test]
fn one_node_of_two_cores() {
    let tree = Tree::machine(1, 2, 1, 2);
    tree.quota(1.5);
    let topology = tree.topology(0..2);
    assert_eq!(topology.nodes, [Node { id: 0, cores: vec![vec![0], vec![1]], memory: Some(1 << 20) }]);
    assert_eq!(topology.caches, Caches { l1d: level(32 << 10, 2), l2: level(1 << 20, 2), l3: level(32 << 20, 1) });
    assert_eq!((topology.quota, topology.memory_limit, topology.usable_cores()), (Some(1.5), None, 2));
}

#[test]
fn two_nodes_of_twelve_cores_of_two_threads() {
    let topology = Tree::machine(2, 12, 2, 12).topology(0..48);
    assert_eq!(topology.nodes.iter().map(|node| node.id).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(topology.nodes[0].cores, (0..12).map(|core| vec![core, core + 24]).collect::<Vec<_>>());
    assert_eq!(topology.nodes[1].cores, (12..24).map(|core| vec![core, core + 24]).collect::<Vec<_>>());
    assert_eq!(topology.caches, Caches { l1d: level(32 << 10, 24), l2: level(1 << 20, 24), l3: level(32 << 20, 2) });
    assert_eq!((topology.cores(), topology.usable_cores()), (24, 24));
}

#[test]
fn only_allowed_cpus_count() {
    let topology = Tree::machine(2, 12, 2, 12).topology([13, 37, 40]);
    assert_eq!(topology.nodes, [Node { id: 1, cores: vec![vec![13, 37], vec![40]], memory: Some(1 << 20) }]);
    assert_eq!(topology.caches.l1d, level(32 << 10, 2));
    assert!(Topology::read(Path::new("/"), &[]).is_err());
}

#[test]
fn cores_under_one_last_level_cache_stand_side_by_side() {
    let tree = Tree::machine(1, 8, 1, 4);
    // As some firmware numbers them: even cpus under one cache, odd ones under the other.
    for cpu in 0..8 {
        let sharing = ["0,2,4,6", "1,3,5,7"][cpu % 2];
        tree.write(&format!("sys/devices/system/cpu/cpu{cpu}/cache/index3/shared_cpu_list"), sharing);
    }
    let topology = tree.topology(0..8);
    assert_eq!(topology.nodes[0].cores.concat(), [0, 2, 4, 6, 1, 3, 5, 7]);
    assert_eq!(topology.caches.l3, level(32 << 20, 2));
}

#[test]
fn a_machine_that_tells_nothing_is_one_node_of_single_cpu_cores() {
    let topology = Tree::new().topology([5, 2, 3]);
    let nodes = vec![Node { id: 0, cores: vec![vec![2], vec![3], vec![5]], memory: None }];
    assert_eq!(topology, Topology { nodes, caches: Caches::default(), quota: None, memory_limit: None });
}

#[test]
fn broken_files_count_as_missing() {
    let tree = Tree::machine(2, 2, 1, 2);
    for (path, text) in [
        ("sys/devices/system/node/node1/cpulist", "2-x"),
        ("sys/devices/system/node/node0/meminfo", "MemTotal: much kB"),
        ("sys/devices/system/cpu/cpu0/topology/core_cpus_list", "3-1"),
        ("sys/devices/system/cpu/cpu0/cache/index0/size", "32 apples"),
        ("sys/devices/system/cpu/cpu0/cache/index2/level", "two"),
        ("proc/self/cgroup", "\0"),
    ] {
        tree.write(path, text);
    }
    let topology = tree.topology(0..4);
    // Cpus 2 and 3 are in no node any more, so no node is believed.
    assert_eq!(topology.nodes, [Node { id: 0, cores: vec![vec![0], vec![1], vec![2], vec![3]], memory: None }]);
    assert_eq!(topology.caches, Caches { l1d: None, l2: None, l3: level(32 << 20, 2) });
}

#[test]
fn memory_is_known_without_nodes() {
    let tree = Tree::new();
    tree.write("proc/meminfo", "MemTotal:       2048 kB\nMemFree:          10 kB");
    assert_eq!(tree.topology([0]).nodes[0].memory, Some(2 << 20));
}

#[test]
fn this_machine_can_be_read() {
    let allowed = crate::sys::pin::allowed_cpus();
    let topology = Topology::read(Path::new("/"), &allowed).unwrap();
    let mut cpus = topology.nodes.iter().flat_map(|node| node.cores.concat()).collect::<Vec<_>>();
    cpus.sort_unstable();
    assert_eq!(cpus, allowed);
}

#[test]
fn lists_of_cpus() {
    assert_eq!(parse_list("0-3,8"), Some(vec![0, 1, 2, 3, 8]));
    assert_eq!(parse_list("7"), Some(vec![7]));
    assert_eq!(parse_list(""), Some(vec![]));
    for broken in ["3-1", "a", "1-", "-1", "0-99999999999", "1;2", "0x1"] {
        assert_eq!(parse_list(broken), None, "{broken}");
    }
}

#[test]
fn sizes_of_caches() {
    assert_eq!(parse_size("48K"), Some(48 << 10));
    assert_eq!(parse_size("32M"), Some(32 << 20));
    assert_eq!(parse_size("512"), Some(512));
    for broken in ["", "K", "1T", "1.5M", "99999999999999999999", "9999999999999999G", "3é"] {
        assert_eq!(parse_size(broken), None, "{broken}");
    }
}
