//! The layers of Θ as tensors of a model directory, and back.

use super::Error;
use crate::checkpoint::TensorData;
use crate::error::Result;
use crate::model::configuration::{Configuration, Optimizer};
use crate::model::network::{Network, Part};
use crate::theta::exchange::{LAYERS, STEPS};
use crate::theta::{Snapshot, Theta};

/// The tensor that every model with layers has.
pub(super) const FIRST: &str = "layer1.weight";
/// How many steps the optimiser slots have seen.
const COUNT: &str = "layers.steps";

/// What the slots of an optimizer are called, behind the name of what they are of.
fn slots(optimizer: Optimizer) -> &'static [&'static str] {
    match optimizer {
        Optimizer::Adam => &["mean", "squares"],
        Optimizer::Adagrad => &["squares"],
        Optimizer::Momentum => &["momentum"],
        Optimizer::Sgd | Optimizer::Ftrl => &[],
    }
}

/// Adds the layers of a snapshot to what is saved, with `prefix` before their names.
pub(super) fn tensors(
    network: &Network,
    configuration: &Configuration,
    snapshot: &Snapshot,
    prefix: &str,
    weights: &mut Vec<TensorData>,
    state: &mut Vec<TensorData>,
) {
    let tensor = |part: &Part, name: String, plane| TensorData {
        name: format!("{prefix}{name}"),
        rows: part.rows as u64,
        width: part.width as u32,
        data: snapshot.plane(LAYERS, plane)[part.words.clone()].to_vec(),
    };
    for part in network.parts() {
        weights.push(tensor(&part, part.name.clone(), 0));
        let slots = slots(configuration.optimizer).iter().zip(1..);
        state.extend(slots.map(|(slot, plane)| tensor(&part, format!("{}.{slot}", part.name), plane)));
    }
    let data = snapshot.plane(STEPS, 0).to_vec();
    state.push(TensorData { name: format!("{prefix}{COUNT}"), rows: 1, width: 1, data });
}

/// Puts loaded layers, which `find` has by name, into Θ, which is all zero; inputs that the model had not begin.
///
/// # Errors
/// [`Error::Model`] where tensors are missing or of another size.
pub(super) fn restore<'l>(
    network: &Network,
    configuration: &Configuration,
    theta: &Theta,
    find: &dyn Fn(&str) -> Option<&'l TensorData>,
) -> Result<()> {
    let layers = &theta.tensors()[LAYERS];
    let put = |part: &Part, name: &str, plane: usize| {
        let tensor = find(name).ok_or_else(|| Error::model("model", format!("holds no tensor {name}")))?;
        if tensor.width as usize != part.width || tensor.data.len() > part.words.len() {
            let what = format!("tensor {name} is not of the size that its settings call for");
            return Err(Error::model("model", what));
        }
        let from = part.words.start;
        theta.backend().copy_in(&tensor.data, layers.plane(plane).slice(from..from + tensor.data.len()));
        Ok(())
    };
    let fresh = configuration.fresh_layers(network, &vec![0.0; network.outputs()]);
    theta.backend().copy_in(&fresh, layers.plane(0));
    for part in network.parts() {
        put(&part, &part.name, 0)?;
        for (slot, plane) in slots(configuration.optimizer).iter().zip(1..) {
            put(&part, &format!("{}.{slot}", part.name), plane)?;
        }
    }
    let steps = find(COUNT).and_then(|tensor| tensor.data.first().copied());
    theta.tensors()[STEPS].cells().set(0, steps.unwrap_or(0.0));
    Ok(())
}
