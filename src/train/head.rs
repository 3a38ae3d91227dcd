//! What is private to each child of a run, how often it is merged and how: by the machine, the plan and the size of Θ.
//!
//! What flows in: the plan, the machine, how far apart its cores are just now, Θ as it is laid out. What flows out: a [`Head`].

use std::time::Duration;

use hogback_kernels::{Layout, MergeRule, Rule};

use super::corpus::BATCH;
use super::{Consistency, Request};
use crate::engine::distance::{NEAR, round_trip};
use crate::engine::plan::Plan;
use crate::engine::topology::Topology;
use crate::model::configuration::{Configuration, LossKind};
use crate::report::format::memory;
use crate::theta::Theta;
use crate::theta::exchange::hogwild::Head;

/// Bytes of the head where `--head` does not say: a quarter of a first-level cache, the best size measured, with factors or without: a
/// merge goes through three times as much.
const HEAD_BYTES: usize = 8 << 10;
/// The same where a row has several outputs: 64 KiB are some 340 rows of 20 classes.
const WIDE_HEAD_BYTES: usize = 64 << 10;
/// How much longer than a merge the rows between two merges take at least, where that is not more rows than Adagrad bears.
const WORK: usize = 10;
/// The most children whose deltas may simply be summed.
const SUMMED: usize = 8;
/// Rows in flight, all children together, that Adagrad bears with less than half a percent of loss.
const IN_FLIGHT: usize = 512;
/// The same where all of the table is private, so that each child's steps fit each other.
const IN_FLIGHT_WHOLE: usize = 2048;
/// The share of a row's squared norm that lies in the direction all rows have in common, as far as SGD is concerned: with more of it
/// small data with a feature in every row is learned too slowly, with less large data overshoots (docs/performance.md).
const COMMON: f64 = 0.07;
/// How long the cores are looked at: 320 trips of a cache line, or as many as there are until then.
const LOOK: (usize, Duration) = (5, Duration::from_millis(2));

/// How far apart the two children are, in seconds there and back, where that may decide anything: under hogwild, where there are
/// two, and neither they nor what is private to them was asked for.
pub(super) fn distance(request: &Request, plan: &Plan) -> Option<f64> {
    let said = request.machine.children.is_some() || request.head.is_some() || request.merge.is_some();
    let children: Vec<usize> = plan.controllers.iter().flat_map(|controller| controller.children.clone()).collect();
    match children[..] {
        [one, other] if !said && request.consistency == Consistency::Hogwild => {
            round_trip((one, other), LOOK.0, LOOK.1)
        }
        _ => None,
    }
}

/// Whether all of a table of `table` bytes is to be private to each of `children`, though only small tables are by default: their
/// cores are so far apart, at `distance`, that sharing even the rare rows costs more than going through the whole table now and
/// then. Where the table and a child's two copies do not stay in the cache of `l2` bytes it costs more than that; and with each child
/// more somebody else's merges are waited for.
fn all_private(distance: Option<f64>, children: usize, rule: Rule, table: usize, l2: usize) -> bool {
    distance.is_some_and(|trip| trip > NEAR) && children == 2 && rule == Rule::Adagrad && table <= l2 / 2
}

/// What is said where the distance of the cores has decided.
fn note(trip: f64, table: usize, rows: usize) -> String {
    let (trip, table) = (trip * 1e9, memory(table as u64));
    format!(
        "note: the cores are far apart ({trip:.0} ns for a cache line there and back): all weights, {table}, are private to each \
         child and merged every {rows} rows"
    )
}

/// The part of the way to its minimum that a row of SGD goes along what all rows have in common, at the first rate.
pub(super) fn way(configuration: &Configuration) -> f64 {
    let curvature = match configuration.loss {
        LossKind::Squared | LossKind::Poisson => 1.0,
        LossKind::Logistic | LossKind::Hinge | LossKind::Quantile | LossKind::Softmax => 0.25,
    };
    COMMON * curvature * f64::from(configuration.lr)
}

/// What has to be left of the changes of each of `children`, after `interval` rows each, so that their sum is what one child would have
/// changed after all these rows, when each row goes `way` of the way: where the way is short all of it, where each child has gone
/// all of the way the mean.
fn part(way: f64, interval: usize, children: usize) -> f32 {
    let left = (1.0 - way.min(0.99)).powi(interval as i32);
    let (gone, m) = (1.0 - left, children as f64);
    if gone < 1e-9 { 1.0 } else { ((1.0 - left.powf(m)) / (m * gone)) as f32 }
}

/// What is private to each child, how often it is merged and how; and a line that says so, where `distance` has decided it. `floor`
/// is Adagrad's, `way` what [`way`] says of SGD, `nonzeros` the mean of a row of data;
/// `apart` says that children keep out of each other's way, so that there is nothing to keep private.
pub(super) fn head(
    request: &Request,
    plan: &Plan,
    topology: &Topology,
    theta: &Theta,
    (rule, layout, nonzeros): (Rule, Layout, usize),
    (floor, way): (f32, f64),
    (distance, apart): (Option<f64>, bool),
) -> (Head, Option<String>) {
    let children = plan.children();
    let row_bytes = layout.width() * 4;
    let table = theta.tensors()[0].rows() * row_bytes;
    // A table that fits a fraction of the second-level cache is replicated whole: then nothing is shared between merges.
    let cache = topology.caches.l2.map_or(256 << 10, |l2| l2.bytes as usize);
    let of_rows = if layout.outputs() == 1 { HEAD_BYTES } else { WIDE_HEAD_BYTES };
    let far = !apart && table > cache / 8 && all_private(distance, children, rule, table, cache);
    let bytes = request.head.unwrap_or(if table <= cache / 8 || far { table } else { of_rows });
    let rows = if children == 1 || apart { 0 } else { (bytes / row_bytes).min(theta.tensors()[0].rows()) };
    let hogwild = request.consistency == Consistency::Hogwild;
    // Short rows are learned so fast that merging as often as long ones would take longer: a word is merged by three loads and stores,
    // and learned by about as many.
    let busy = if apart { BATCH } else { WORK * rows / nonzeros.max(1) / 3 };
    let most = if layout.factors().is_some() { busy.clamp(64, BATCH) } else { 64 };
    let interval = match rule {
        Rule::Adagrad | Rule::Ftrl => (IN_FLIGHT / children).clamp(8, if far { BATCH } else { most }),
        // Constant rates bear few rows in flight, and fewer where their steps are summed.
        Rule::Sgd if hogwild => (64 / children).clamp(1, 32),
        Rule::Sgd => (64 / (children * children)).clamp(1, 32),
    };
    let interval = request.merge.unwrap_or(interval).min(BATCH);
    let every = if far { (IN_FLIGHT_WHOLE / children / interval) as u32 } else { 1 };
    let scaled = |layout| match rule {
        Rule::Adagrad => MergeRule::Scaled { floor, layout },
        Rule::Sgd if hogwild => MergeRule::Part(part(way, interval, children)),
        // Sums of gradients and of their squares are sums, whoever has added to them.
        Rule::Sgd | Rule::Ftrl => MergeRule::Sum,
    };
    let head = Head {
        layout,
        rows,
        interval,
        every,
        rule: if children > SUMMED || rule == Rule::Sgd { scaled(layout) } else { MergeRule::Sum },
        // A feature that every row has: its deltas are the first to overshoot.
        bias_rule: if children > 1 { scaled(layout.intercept()) } else { MergeRule::Sum },
    };
    let said = distance.filter(|_| far).map(|trip| note(trip, table, interval * every as usize));
    (head, said)
}

/// The same for a model with layers, which is learned batch by batch and merged after as many rows as its children bear; the intercepts
/// are the layers'.
pub(super) fn in_batches(head: Head, request: &Request, children: usize, batch: usize) -> Head {
    let rows = request.merge.unwrap_or(IN_FLIGHT / children);
    Head { interval: batch, every: (rows / batch).max(1) as u32, bias_rule: MergeRule::Sum, ..head }
}

/// Whether the table is larger than the cache that a core has to itself.
pub(super) fn exceeds_cache(theta: &Theta, topology: &Topology) -> bool {
    let bytes = theta.tensors()[0].cells().len() * 4;
    bytes > topology.caches.l2.map_or(1 << 20, |l2| l2.bytes as usize)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use hogback_kernels::Backend;

    use super::*;
    use crate::engine::plan;
    use crate::sys::pin::allowed_cpus;
    use crate::theta::{Class, TensorSpec};

    const L2: usize = 1 << 20;

    #[test]
    fn all_of_a_table_is_private_where_two_cores_are_far_apart_and_it_stays_in_their_caches() {
        let (near, far) = (Some(70e-9), Some(320e-9));
        let two = |distance, table| all_private(distance, 2, Rule::Adagrad, table, L2);
        assert!(two(far, L2 / 2) && two(Some(1400e-9), L2 / 4));
        assert!(!two(near, L2 / 2) && !two(None, L2 / 2) && !two(Some(NEAR), L2 / 2));
        assert!(!two(far, L2 / 2 + 8));
        assert!(![1, 3, 8].iter().any(|&children| all_private(far, children, Rule::Adagrad, L2 / 2, L2)));
        assert!(![Rule::Sgd, Rule::Ftrl].iter().any(|&rule| all_private(far, 2, rule, L2 / 2, L2)));
    }

    #[test]
    fn what_was_chosen_is_said() {
        assert_eq!(
            note(318.4e-9, 512 << 10, 1024),
            "note: the cores are far apart (318 ns for a cache line there and back): all weights, 512 KiB, are private to each \
             child and merged every 1024 rows"
        );
    }

    #[test]
    fn the_part_of_a_change_is_that_of_the_rows_between_two_merges_whoever_chose_them() {
        let mut request = Request::new(Vec::new(), Backend::best());
        let topology = Topology::read(Path::new("/"), &allowed_cpus()).unwrap();
        let eight = plan::Request { controllers: Some(1), children: Some(8), ..plan::Request::default() };
        let (plan, _) = Plan::choose(&topology, &eight).unwrap();
        let layout = Rule::Sgd.layout(1);
        let spec = |name, rows| TensorSpec { name, rows, capacity: rows, width: 1, class: Class::Sparse };
        let theta = Theta::reserve([spec("weight", 9000), spec("bias", 1)], 1, Backend::best()).unwrap();
        for (merge, rows) in [(None, 8), (Some(200), 200), (Some(1), 1)] {
            request.merge = merge;
            let (head, said) =
                head(&request, &plan, &topology, &theta, (Rule::Sgd, layout, 60), (1.0, 0.0175), (None, false));
            assert_eq!((head.interval, head.rule), (rows, MergeRule::Part(part(0.0175, rows, 8))));
            assert!(said.is_none());
        }
    }

    #[test]
    fn merged_parts_go_as_far_as_one_child_that_learned_all_rows() {
        for way in [1e-4, 0.0075, 0.075, 0.5, 2.0] {
            for (children, interval) in [(2, 32), (4, 16), (8, 8), (32, 2)] {
                let part = f64::from(part(way, interval, children));
                let left = |rows: usize| (1.0 - way.min(0.99)).powi(rows as i32);
                let (each, all) = (1.0 - left(interval), 1.0 - left(interval * children));
                assert!((part * each * children as f64 - all).abs() < 1e-5, "{way} {children} {interval}: {part}");
                assert!(part > 0.999 / children as f64 && part <= 1.0, "{way} {children} {interval}: {part}");
            }
        }
        assert_eq!((part(0.0, 32, 2), part(0.3, 8, 1)), (1.0, 1.0));
    }
}
