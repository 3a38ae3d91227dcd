//! The machine and what `train` would make of it, for `hogback topology`.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use super::format::{cpus, memory, number};
use crate::engine::plan::Plan;
use crate::engine::topology::{Cache, Node, Topology};

/// A machine, as text for people and, serialised, as JSON for scripts.
#[derive(Debug, Serialize)]
pub struct Machine<'a> {
    /// Its nodes, caches and limits.
    #[serde(flatten)]
    pub topology: &'a Topology,
    /// The backend of its kernels.
    pub kernels: &'a str,
    /// What `train` would choose.
    pub plan: &'a Plan,
}

impl Display for Machine<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Topology { nodes, caches, quota, memory_limit } = self.topology;
        for node in nodes {
            writeln!(f, "{:<10}{}", format!("node {}", node.id), describe(node))?;
        }
        let caches = [("L1d", caches.l1d), ("L2", caches.l2), ("L3", caches.l3)];
        line(
            f,
            "caches",
            caches.into_iter().filter_map(|(name, cache)| cache.map(|cache| size(name, cache))),
            "unknown",
        )?;
        let limits = [quota.map(|cores| format!("{cores} cores' time")), memory_limit.map(memory)];
        line(f, "cgroup", limits.into_iter().flatten(), "no limit")?;
        writeln!(f, "{:<10}{}\n", "kernels", self.kernels)?;

        let Plan { shards, controllers } = self.plan;
        let sizes = controllers.iter().map(|controller| controller.children.len());
        let m = match (sizes.clone().min().unwrap_or(0), sizes.max().unwrap_or(0)) {
            (least, most) if least == most => most.to_string(),
            (least, most) => format!("{least} to {most}"),
        };
        writeln!(f, "train would choose")?;
        writeln!(f, "  S = {shards:<8}{}", if *shards == 1 { "parameter server" } else { "parameter servers" })?;
        writeln!(
            f,
            "  K = {:<8}{}",
            controllers.len(),
            if controllers.len() == 1 { "controller" } else { "controllers" }
        )?;
        writeln!(f, "  m = {m:<8}children per controller, {} in all", self.plan.children())?;
        for (at, controller) in controllers.iter().enumerate() {
            let mut children = controller.children.clone();
            children.sort_unstable();
            children.dedup();
            writeln!(f, "  controller {at} on node {}, children on cpus {}", controller.node, cpus(&children))?;
        }
        Ok(())
    }
}

/// A line of what is known under a heading, or what stands for nothing.
fn line(f: &mut Formatter<'_>, heading: &str, parts: impl Iterator<Item = String>, nothing: &str) -> fmt::Result {
    let parts = parts.collect::<Vec<_>>().join(", ");
    writeln!(f, "{heading:<10}{}", if parts.is_empty() { nothing } else { &parts })
}

fn describe(node: &Node) -> String {
    let mut all = node.cores.concat();
    all.sort_unstable();
    let mut text = format!("{}, cpus {}", number(node.cores.len() as u64, "core"), cpus(&all));
    if let Some(bytes) = node.memory {
        text = format!("{text}, {}", memory(bytes));
    }
    text
}

fn size(name: &str, cache: Cache) -> String {
    format!("{} × {name} {}", cache.instances, memory(cache.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::plan::Request;
    use crate::engine::topology::tests::Tree;

    fn plan(topology: &Topology) -> Plan {
        Plan::choose(topology, &Request::default()).unwrap().0
    }

    #[test]
    fn the_text_says_what_there_is_and_what_would_be_chosen() {
        let tree = Tree::machine(2, 9, 2, 9);
        tree.write("sys/fs/cgroup/memory.max", "4294967296");
        tree.write("proc/self/cgroup", "0::/");
        let topology = tree.topology(0..36);
        let text = Machine { topology: &topology, kernels: "avx2", plan: &plan(&topology) }.to_string();
        assert_eq!(
            text,
            "\
node 0    9 cores, cpus 0-8,18-26, 1 MiB
node 1    9 cores, cpus 9-17,27-35, 1 MiB
caches    18 × L1d 32 KiB, 18 × L2 1 MiB, 2 × L3 32 MiB
cgroup    4 GiB
kernels   avx2

train would choose
  S = 2       parameter servers
  K = 4       controllers
  m = 4 to 5  children per controller, 18 in all
  controller 0 on node 0, children on cpus 0-4
  controller 1 on node 0, children on cpus 5-8
  controller 2 on node 1, children on cpus 9-13
  controller 3 on node 1, children on cpus 14-17
"
        );
    }

    #[test]
    fn what_is_not_known_is_said_so() {
        let topology = Tree::new().topology([0]);
        let text = Machine { topology: &topology, kernels: "scalar", plan: &plan(&topology) }.to_string();
        assert_eq!(
            text,
            "\
node 0    1 core, cpus 0
caches    unknown
cgroup    no limit
kernels   scalar

train would choose
  S = 1       parameter server
  K = 1       controller
  m = 1       children per controller, 1 in all
  controller 0 on node 0, children on cpus 0
"
        );
    }

    #[test]
    fn the_json_has_the_same() {
        let tree = Tree::machine(1, 2, 1, 2);
        tree.quota(1.5);
        let topology = tree.topology(0..2);
        let json =
            serde_json::to_value(Machine { topology: &topology, kernels: "avx512", plan: &plan(&topology) }).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "nodes": [{"id": 0, "cores": [[0], [1]], "memory": 1 << 20}],
                "caches": {
                    "l1d": {"bytes": 32 << 10, "instances": 2},
                    "l2": {"bytes": 1 << 20, "instances": 2},
                    "l3": {"bytes": 32 << 20, "instances": 1},
                },
                "quota": 1.5,
                "memory_limit": null,
                "kernels": "avx512",
                "plan": {"shards": 1, "controllers": [{"node": 0, "cpus": [0, 1], "children": [0, 1]}]},
            })
        );
    }
}
