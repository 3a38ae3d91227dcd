//! How many shards, controllers and children there are, and which cpus each of them runs on.

use std::collections::BTreeMap;

use serde::Serialize;

use super::topology::{Node, Topology};
use crate::error::{Error, Result};
use crate::report::format::number;

/// The most children a controller has by default.
const CHILDREN: usize = 8;
/// The most of each that may be asked for.
const MOST_CHILDREN: usize = 256;
const MOST_CONTROLLERS: usize = 256;
const MOST_SHARDS: usize = 4096;

/// What the user asked for; the rest follows from the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request {
    /// S, the parameter servers.
    pub shards: Option<usize>,
    /// K, the controllers.
    pub controllers: Option<usize>,
    /// m, the children of each controller.
    pub children: Option<usize>,
    /// How many nodes to use; a machine that has fewer is split into that many.
    pub nodes: Option<usize>,
}

/// Who works where.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// S, the parameter servers.
    pub shards: usize,
    /// The controllers, each within one node, by rising node.
    pub controllers: Vec<ControllerPlan>,
}

/// A controller and its children.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ControllerPlan {
    /// The id of its node; where `--nodes` splits the machine, the number of the part, from 0.
    pub node: usize,
    /// The cpus of its node, which the controller's own thread may run on, in rising order.
    pub cpus: Vec<usize>,
    /// The cpu of each child.
    pub children: Vec<usize>,
}

impl Plan {
    /// Chooses what `request` leaves open so that every core of `topology` has one child, and as many as its quota
    /// grants: m is the cores of a node up to 8, K what that takes. An m that is asked for has one controller a node. S
    /// is the number of nodes at work.
    ///
    /// Also returns what the user should be warned of, a line each.
    ///
    /// # Errors
    /// [`Error::Usage`] where a number asked for is 0 or beyond reason.
    pub fn choose(topology: &Topology, request: &Request) -> Result<(Self, Vec<String>)> {
        within("--shards", request.shards, MOST_SHARDS)?;
        within("--controllers", request.controllers, MOST_CONTROLLERS)?;
        within("--children", request.children, MOST_CHILDREN)?;
        within("--nodes", request.nodes, topology.cores())?;

        let nodes = match request.nodes {
            Some(parts) => split(&topology.nodes, parts),
            None => needed(&topology.nodes, topology.usable_cores()),
        };
        let sizes: Vec<usize> = nodes.iter().map(|node| node.cores.len()).collect();
        // The cores that have a child by default: nodes and controllers that were asked for have one each, whatever the quota.
        let asked = request.nodes.max(request.controllers).unwrap_or(1);
        let usable = apportion(&sizes, topology.usable_cores().max(asked).min(sizes.iter().sum()));
        let controllers = match (request.controllers, request.children) {
            (Some(controllers), _) => apportion(&sizes, controllers),
            (None, Some(_)) => vec![1; nodes.len()],
            (None, None) => usable.iter().map(|cores| cores.div_ceil(CHILDREN)).collect(),
        };

        let mut plan = Self { shards: 0, controllers: Vec::new() };
        let mut crowd = Crowd::default();
        for ((node, usable), controllers) in nodes.iter().zip(usable).zip(controllers) {
            let cores = &node.cores[..if request.children.is_some() { node.cores.len() } else { usable }];
            let mut cpus = node.cores.concat();
            cpus.sort_unstable();
            for own in shares(cores, controllers) {
                let children = request.children.unwrap_or(own.len().min(CHILDREN));
                let children = (0..children).map(|_| crowd.place(own)).collect();
                plan.controllers.push(ControllerPlan { node: node.id, cpus: cpus.clone(), children });
            }
        }
        plan.shards = request.shards.unwrap_or(plan.nodes());
        let warnings = plan.warnings(topology, &crowd);
        Ok((plan, warnings))
    }

    /// How many nodes have a controller.
    pub fn nodes(&self) -> usize {
        self.controllers.chunk_by(|a, b| a.node == b.node).count()
    }

    /// The children of all controllers.
    pub fn children(&self) -> usize {
        self.controllers.iter().map(|controller| controller.children.len()).sum()
    }

    fn warnings(&self, topology: &Topology, crowd: &Crowd) -> Vec<String> {
        let children = self.children();
        let (cores, cpus) = (crowd.cores(), crowd.cpus());
        let mut warnings = Vec::new();
        if crowd.taking_turns() {
            let place = if cores == cpus { number(cores as u64, "core") } else { number(cpus as u64, "cpu") };
            warnings.push(format!("{children} children share {place}: they take turns, which costs speed"));
        } else if children > cores {
            let place = number(cores as u64, "core");
            warnings.push(format!(
                "{children} children share {place}: hardware threads are slower than cores of their own"
            ));
        }
        if let Some(quota) = topology.quota
            && children.min(cores) > quota.ceil() as usize
        {
            warnings.push(format!("{children} children share a cpu quota of {quota}: the system will hold them up"));
        }
        warnings
    }
}

/// The children placed so far on each core, by its first cpu, with how many cpus it has.
#[derive(Default)]
struct Crowd(BTreeMap<usize, (usize, usize)>);

impl Crowd {
    /// Places one more child on the emptiest of `cores`; returns its cpu.
    fn place(&mut self, cores: &[Vec<usize>]) -> usize {
        let placed = |core: &Vec<usize>| self.0.get(&core[0]).map_or(0, |crowd| crowd.0);
        // `min_by_key` takes the first of equals. A controller has a core and a core a cpu.
        let core = cores.iter().min_by_key(|core| placed(core)).expect("a controller without cores");
        let (placed, cpus) = self.0.entry(core[0]).or_insert((0, core.len()));
        *placed += 1;
        core[(*placed - 1) % *cpus]
    }

    /// How many cores have a child.
    fn cores(&self) -> usize {
        self.0.len()
    }

    /// How many cpus these cores have.
    fn cpus(&self) -> usize {
        self.0.values().map(|&(_, cpus)| cpus).sum()
    }

    /// True where a cpu has more than one child.
    fn taking_turns(&self) -> bool {
        self.0.values().any(|&(children, cpus)| children > cpus)
    }
}

fn within(flag: &str, asked: Option<usize>, most: usize) -> Result<()> {
    match asked {
        Some(0) => Err(Error::Usage(format!("{flag} must be at least 1"))),
        Some(number) if number > most => Err(Error::Usage(format!("{flag} is {number}, must be at most {most}"))),
        _ => Ok(()),
    }
}

/// The first of `nodes` that together have `cores`.
fn needed(nodes: &[Node], cores: usize) -> Vec<Node> {
    let mut found = 0;
    nodes
        .iter()
        .take_while(|node| {
            let more = found < cores;
            found += node.cores.len();
            more
        })
        .cloned()
        .collect()
}

/// `nodes` as `parts` nodes: the first of them, or, where they are fewer, cut into as many and numbered from 0.
fn split(nodes: &[Node], parts: usize) -> Vec<Node> {
    if parts <= nodes.len() {
        return nodes[..parts].to_vec();
    }
    let sizes: Vec<usize> = nodes.iter().map(|node| node.cores.len()).collect();
    let cut = nodes.iter().zip(apportion(&sizes, parts)).flat_map(|(node, pieces)| {
        let memory = node.memory.map(|bytes| bytes / pieces as u64);
        shares(&node.cores, pieces).map(move |cores| (cores.to_vec(), memory))
    });
    cut.enumerate().map(|(id, (cores, memory))| Node { id, cores, memory }).collect()
}

/// Gives `seats` to groups of these `sizes`: one each as far as they go, then each to the group with the most members a seat
/// (Adams' method). No group has more seats than members unless all do.
fn apportion(sizes: &[usize], seats: usize) -> Vec<usize> {
    let mut given = vec![0; sizes.len()];
    for _ in 0..seats {
        // a/b > c/d as a·d > c·b; the first of equals wins.
        let next = (1..sizes.len())
            .fold(0, |best, at| if sizes[at] * given[best] > sizes[best] * given[at] { at } else { best });
        given[next] += 1;
    }
    given
}

/// `cores` in `parts` runs as equal as can be, longer ones first; where there are more parts than cores, one core each, in turn.
fn shares(cores: &[Vec<usize>], parts: usize) -> impl Iterator<Item = &[Vec<usize>]> {
    (0..parts).map(move |part| {
        if parts > cores.len() {
            return &cores[part % cores.len()..][..1];
        }
        let start = |part: usize| part * (cores.len() / parts) + part.min(cores.len() % parts);
        &cores[start(part)..start(part + 1)]
    })
}

#[cfg(test)]
mod tests {
    use super::super::topology::tests::Tree;
    use super::*;

    fn chosen(topology: &Topology, request: Request) -> (Plan, Vec<String>) {
        Plan::choose(topology, &request).unwrap()
    }

    /// The cpus of each controller's children.
    fn children(plan: &Plan) -> Vec<Vec<usize>> {
        plan.controllers.iter().map(|controller| controller.children.clone()).collect()
    }

    #[test]
    fn two_cores_have_one_controller_of_two_children() {
        let (plan, warnings) = chosen(&Tree::machine(1, 2, 1, 2).topology(0..2), Request::default());
        let controller = ControllerPlan { node: 0, cpus: vec![0, 1], children: vec![0, 1] };
        assert_eq!(plan, Plan { shards: 1, controllers: vec![controller] });
        assert!(warnings.is_empty(), "{warnings:?}");
    }

    #[test]
    fn two_nodes_of_twelve_cores_have_two_controllers_of_six_children_each() {
        let (plan, warnings) = chosen(&Tree::machine(2, 12, 2, 12).topology(0..48), Request::default());
        assert_eq!(plan.shards, 2);
        let runs = [0..6, 6..12, 12..18, 18..24];
        assert_eq!(children(&plan), runs.map(Iterator::collect::<Vec<usize>>));
        assert_eq!(plan.controllers.iter().map(|controller| controller.node).collect::<Vec<_>>(), [0, 0, 1, 1]);
        assert_eq!(plan.controllers[3].cpus, (12..24).chain(36..48).collect::<Vec<_>>());
        assert_eq!((plan.nodes(), plan.children()), (2, 24));
        assert!(warnings.is_empty(), "{warnings:?}");
    }

    #[test]
    fn controllers_follow_the_last_level_caches_and_uneven_cores_are_balanced() {
        let (plan, _) = chosen(&Tree::machine(1, 16, 2, 8).topology(0..32), Request::default());
        assert_eq!(children(&plan), [(0..8).collect::<Vec<_>>(), (8..16).collect()]);
        let (plan, _) = chosen(&Tree::machine(1, 9, 1, 9).topology(0..9), Request::default());
        assert_eq!(children(&plan), [vec![0, 1, 2, 3, 4], vec![5, 6, 7, 8]]);
    }

    #[test]
    fn a_mask_of_three_cpus_has_a_child_for_each_core_in_it() {
        let (plan, warnings) = chosen(&Tree::machine(2, 12, 2, 12).topology([3, 27, 14]), Request::default());
        assert_eq!(children(&plan), [[3], [14]]);
        assert_eq!(plan.controllers[0].cpus, [3, 27]);
        assert_eq!(plan.shards, 2);
        assert!(warnings.is_empty(), "{warnings:?}");
    }

    #[test]
    fn a_quota_is_rounded_up_and_kept_on_few_nodes() {
        let tree = Tree::machine(2, 12, 2, 12);
        tree.quota(1.5);
        let (plan, warnings) = chosen(&tree.topology(0..48), Request::default());
        assert_eq!((plan.shards, children(&plan)), (1, vec![vec![0, 1]]));
        assert!(warnings.is_empty(), "{warnings:?}");
        tree.quota(16.0);
        let (plan, _) = chosen(&tree.topology(0..48), Request::default());
        assert_eq!(children(&plan), [(0..8).collect::<Vec<_>>(), (12..20).collect()]);
        tree.quota(0.2);
        let (plan, _) = chosen(&tree.topology(0..48), Request::default());
        assert_eq!(children(&plan), [[0]]);
    }

    #[test]
    fn what_is_asked_for_is_what_there_is() {
        let topology = Tree::machine(2, 12, 2, 12).topology(0..48);
        let request = Request { shards: Some(20), controllers: Some(6), children: Some(3), nodes: None };
        let (plan, warnings) = chosen(&topology, request);
        assert_eq!(plan.shards, 20);
        let firsts: [usize; 6] = [0, 4, 8, 12, 16, 20];
        assert_eq!(children(&plan), firsts.map(|first| vec![first, first + 1, first + 2]));
        assert!(warnings.is_empty(), "{warnings:?}");

        let (plan, _) = chosen(&topology, Request { children: Some(1), ..Request::default() });
        assert_eq!(children(&plan), [[0], [12]], "one controller a node");
        let (plan, _) = chosen(&topology, Request { controllers: Some(1), ..Request::default() });
        assert_eq!((plan.shards, children(&plan)), (1, vec![(0..8).collect()]), "one node at work");
    }

    #[test]
    fn hardware_threads_come_after_cores_and_turns_after_hardware_threads() {
        let topology = Tree::machine(1, 2, 2, 2).topology(0..4);
        let ask = |children| chosen(&topology, Request { children: Some(children), ..Request::default() });
        let (plan, warnings) = ask(3);
        assert_eq!(children(&plan), [[0, 1, 2]]);
        assert_eq!(warnings, ["3 children share 2 cores: hardware threads are slower than cores of their own"]);
        let (plan, warnings) = ask(6);
        assert_eq!(children(&plan), [[0, 1, 2, 3, 0, 1]]);
        assert_eq!(warnings, ["6 children share 4 cpus: they take turns, which costs speed"]);
    }

    #[test]
    fn too_many_children_take_turns_and_the_user_is_told() {
        let tree = Tree::machine(1, 2, 1, 2);
        let (plan, warnings) = chosen(&tree.topology(0..2), Request { children: Some(16), ..Request::default() });
        assert_eq!(children(&plan), [[0, 1].repeat(8)]);
        assert_eq!(warnings, ["16 children share 2 cores: they take turns, which costs speed"]);

        let (plan, warnings) = chosen(&tree.topology(0..2), Request { controllers: Some(3), ..Request::default() });
        assert_eq!(children(&plan), [[0], [1], [0]]);
        assert_eq!(warnings, ["3 children share 2 cores: they take turns, which costs speed"]);

        tree.quota(1.0);
        let (plan, warnings) = chosen(&tree.topology(0..2), Request { controllers: Some(2), ..Request::default() });
        assert_eq!(children(&plan), [[0], [1]]);
        assert_eq!(warnings, ["2 children share a cpu quota of 1: the system will hold them up"]);
    }

    #[test]
    fn one_node_can_be_split_and_two_can_be_one() {
        let nodes = |parts| Request { nodes: Some(parts), ..Request::default() };
        let small = Tree::machine(1, 2, 1, 2);
        small.quota(1.0);
        let (plan, _) = chosen(&small.topology(0..2), nodes(2));
        assert_eq!(plan.shards, 2);
        assert_eq!(plan.controllers[0], ControllerPlan { node: 0, cpus: vec![0], children: vec![0] });
        assert_eq!(plan.controllers[1], ControllerPlan { node: 1, cpus: vec![1], children: vec![1] });

        let large = Tree::machine(2, 3, 1, 3).topology(0..6);
        let (plan, _) = chosen(&large, nodes(1));
        assert_eq!((plan.shards, children(&plan)), (1, vec![vec![0, 1, 2]]));
        let (plan, _) = chosen(&large, nodes(3));
        assert_eq!((plan.shards, children(&plan)), (3, vec![vec![0, 1], vec![2], vec![3, 4, 5]]));
    }

    #[test]
    fn none_and_too_many_are_wrong_usage() {
        let topology = Tree::machine(1, 2, 1, 2).topology(0..2);
        let message = |request| match Plan::choose(&topology, &request) {
            Err(Error::Usage(message)) => message,
            other => panic!("{other:?}"),
        };
        let none = Request::default();
        assert_eq!(message(Request { children: Some(0), ..none }), "--children must be at least 1");
        assert_eq!(message(Request { controllers: Some(0), ..none }), "--controllers must be at least 1");
        assert_eq!(message(Request { shards: Some(0), ..none }), "--shards must be at least 1");
        assert_eq!(message(Request { nodes: Some(0), ..none }), "--nodes must be at least 1");
        assert_eq!(message(Request { children: Some(257), ..none }), "--children is 257, must be at most 256");
        assert_eq!(message(Request { controllers: Some(257), ..none }), "--controllers is 257, must be at most 256");
        assert_eq!(message(Request { shards: Some(4097), ..none }), "--shards is 4097, must be at most 4096");
        assert_eq!(message(Request { nodes: Some(3), ..none }), "--nodes is 3, must be at most 2");
        let most = Request { shards: Some(4096), controllers: Some(256), children: Some(256), nodes: Some(2) };
        assert_eq!(chosen(&topology, most).0.children(), 65_536);
    }
}
