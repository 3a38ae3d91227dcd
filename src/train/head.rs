//! What is private to each child of a run, how often it is merged and how: by the machine, the plan and the size of Θ.
//!
//! What flows in: the plan, the machine, Θ as it is laid out. What flows out: a [`Head`].

use hogback_kernels::{Layout, MergeRule, Rule};

use super::Request;
use super::corpus::BATCH;
use crate::engine::plan::Plan;
use crate::engine::topology::Topology;
use crate::theta::Theta;
use crate::theta::exchange::hogwild::Head;

/// Bytes of the head where `--head` does not say: a quarter of a first-level cache, the best size measured.
const HEAD_BYTES: usize = 8 << 10;
/// The same where a row has several outputs: 64 KiB are some 340 rows of 20 classes.
const WIDE_HEAD_BYTES: usize = 64 << 10;
/// The most children whose deltas may simply be summed.
const SUMMED: usize = 8;
/// Rows in flight, all children together, that Adagrad bears with less than half a percent of loss.
const IN_FLIGHT: usize = 512;

/// What is private to each child, how often it is merged and how.
pub(super) fn head(
    request: &Request,
    plan: &Plan,
    topology: &Topology,
    theta: &Theta,
    (rule, layout): (Rule, Layout),
    floor: f32,
) -> Head {
    let children = plan.children();
    let row_bytes = layout.width() * 4;
    let table = theta.tensors()[0].rows() * row_bytes;
    // A table that fits a fraction of the second-level cache is replicated whole: then nothing is shared between merges.
    let cache = topology.caches.l2.map_or(256 << 10, |l2| l2.bytes as usize);
    let of_rows = if layout.outputs() == 1 { HEAD_BYTES } else { WIDE_HEAD_BYTES };
    let bytes = request.head.unwrap_or(if table <= cache / 8 { table } else { of_rows });
    let rows = if children == 1 { 0 } else { (bytes / row_bytes).min(theta.tensors()[0].rows()) };
    let interval = match rule {
        Rule::Adagrad | Rule::Ftrl => (IN_FLIGHT / children).clamp(8, 64),
        // Constant rates bear few rows in flight.
        Rule::Sgd => (64 / (children * children)).clamp(1, 32),
    };
    let scaled = match rule {
        Rule::Adagrad => MergeRule::Scaled { floor, stride: layout.stride() },
        // Sums of gradients and of their squares are sums, whoever has added to them.
        Rule::Sgd | Rule::Ftrl => MergeRule::Sum,
    };
    Head {
        layout,
        rows,
        interval: request.merge.unwrap_or(interval).min(BATCH),
        rule: if children > SUMMED { scaled } else { MergeRule::Sum },
        // A feature that every row has: its deltas are the first to overshoot.
        bias_rule: if children > 1 { scaled } else { MergeRule::Sum },
    }
}

/// Whether the table is larger than the cache that a core has to itself.
pub(super) fn exceeds_cache(theta: &Theta, topology: &Topology) -> bool {
    let bytes = theta.tensors()[0].cells().len() * 4;
    bytes > topology.caches.l2.map_or(1 << 20, |l2| l2.bytes as usize)
}
