//! REINFORCE (Williams 1992) over edits: the policy does not write whole architectures, it says which decision of the best so far is to be
//! made otherwise, and how.
//!
//! What flows in: Θ, which all controllers share, and R. What flows out: architectures one decision away from the best, and gradients. The
//! policy is that of Zoph & Le, led along the parent: an edit is as likely as the choice it puts there, given what stands before, is against
//! the one that stood there, beside all other edits that are not known. What R is compared with is R of the parent, which is nearer than
//! any average of what was tried.

use super::frontier::{Frontier, Place};
use super::{STARTS, Strategy, Update};
use crate::random::Random;
use crate::search::archive::Archive;
use crate::search::policy::{Allowed, SharedPolicy, Walk};
use crate::search::space::{Architecture, Edit, UNMADE};
use crate::theta::private::Aligned;

/// The rate of Adam.
const RATE: f32 = 0.05;
/// What remains at each trial of the mean square of what edits have changed, in whose roots such changes are counted.
const DECAY: f32 = 0.9;

/// REINFORCE over edits.
#[derive(Debug)]
pub struct Edits<'s> {
    shared: &'s SharedPolicy<'s>,
    frontier: Frontier<'s>,
    weights: Aligned,
    gradient: Aligned,
    walk: Walk,
    allowed: Allowed,
    /// What was proposed and is not answered.
    flights: Vec<Flight>,
    /// How many updates this controller has made.
    own: u64,
    /// The mean square of what edits have changed, and what the weights in that sum to.
    square: f32,
    weight: f32,
}

/// An edit that is under way.
#[derive(Debug)]
struct Flight {
    child: Architecture,
    parent: Architecture,
    /// R of the parent.
    reward: f32,
    /// The decisions and choices that there were to take, and the number of the one that was taken.
    edits: Vec<(usize, u8)>,
    taken: usize,
    /// How many updates were done when it was drawn, and how many of this controller were made.
    updates: u64,
    own: u64,
}

impl<'s> Edits<'s> {
    /// A controller over Θ, which others may share.
    pub fn new(shared: &'s SharedPolicy<'s>) -> Self {
        let policy = shared.policy();
        Self {
            shared,
            frontier: Frontier::new(policy.space()),
            weights: Aligned::new(policy.words()),
            gradient: Aligned::new(policy.words()),
            walk: policy.walk(),
            allowed: policy.allowed(None),
            flights: Vec::new(),
            own: 0,
            square: 0.0,
            weight: 0.0,
        }
    }

    /// Follows the policy, as it is now, to `parent`; how likely each of some edits of it is, of those alone, and how many updates were done.
    fn follow(&mut self, parent: &Architecture, edits: &[(usize, u8)]) -> (Vec<f32>, u64) {
        let policy = self.shared.policy();
        let updates = self.shared.pull(self.weights.as_mut_slice());
        policy.follow(self.weights.as_slice(), &self.allowed, parent, &mut self.walk);
        let odds = |&(decision, choice): &(usize, u8)| policy.log_odds(&self.walk, decision, choice);
        let mut shares: Vec<f32> = edits.iter().map(odds).collect();
        let most = shares.iter().copied().fold(f32::MIN, f32::max);
        shares.iter_mut().for_each(|share| *share = (*share - most).exp());
        let sum = shares.iter().sum::<f32>();
        shares.iter_mut().for_each(|share| *share /= sum);
        (shares, updates)
    }

    /// Draws an edit of a place; its number.
    fn draw(&mut self, place: &Place, random: &mut Random) -> usize {
        let edits: Vec<_> = place.around().iter().map(|Edit { decision, choice, .. }| (*decision, *choice)).collect();
        let (shares, updates) = self.follow(&place.architecture, &edits);
        let mut left = random.share() as f32;
        let falls = shares.iter().position(|share| {
            left -= share;
            left < 0.0
        });
        let taken = falls.unwrap_or(edits.len() - 1);
        let child = place.around()[taken].child.clone();
        let parent = place.architecture.clone();
        self.flights.push(Flight { child, parent, reward: place.reward, edits, taken, updates, own: self.own });
        taken
    }

    /// Counts by how much an edit has bettered its parent in what edits change as a rule.
    fn count(&mut self, better: f32) -> f32 {
        let average = |old: f32, new: f32| DECAY * old + (1.0 - DECAY) * new;
        self.weight = average(self.weight, 1.0);
        self.square = average(self.square, better * better);
        let deviation = (self.square / self.weight).sqrt();
        if deviation > 0.0 { better / deviation } else { 0.0 }
    }
}

impl Strategy for Edits<'_> {
    fn propose(&mut self, archive: &Archive, random: &mut Random) -> Architecture {
        let space = self.shared.policy().space();
        self.shared.count_sample();
        if archive.different() < STARTS {
            return space.draw(random);
        }
        // It is lent out to draw from it.
        let mut frontier = std::mem::replace(&mut self.frontier, Frontier::new(space));
        let next = frontier.take(1, archive, random, |places, random| (0, self.draw(&places[0], random)));
        self.frontier = frontier;
        next.unwrap_or_else(|| space.draw(random))
    }

    fn recall(&mut self, architecture: &Architecture) {
        // Nobody has written down what it was an edit of: the best that is known so far.
        let Some((parent, edit)) = self.frontier.parent(architecture) else { return };
        let (reward, parent) = (parent.reward, parent.architecture.clone());
        let decisions = self.shared.policy().space().decisions().iter().zip(parent.choices()).enumerate();
        let made = decisions.filter(|(_, (_, choice))| **choice != UNMADE);
        let others = made.flat_map(|(nth, (decision, &choice))| {
            (0..decision.values.len() as u8).filter(move |other| *other != choice).map(move |other| (nth, other))
        });
        let edits: Vec<(usize, u8)> = others.collect();
        let taken = edits.iter().position(|other| *other == edit).unwrap_or_default();
        let (child, updates, own) = (architecture.clone(), self.shared.updates(), self.own);
        self.flights.push(Flight { child, parent, reward, edits, taken, updates, own });
    }

    fn forget(&mut self, architecture: &Architecture) {
        self.flights.retain(|flight| flight.child != *architecture);
    }

    fn learn(&mut self, architecture: &Architecture, reward: f32, mine: bool) -> Option<Update> {
        self.frontier.put(architecture, reward);
        let is_it = |flight: &Flight| flight.child == *architecture;
        let nth = self.flights.iter().position(is_it).filter(|_| mine)?;
        let Flight { parent, reward: baseline, edits, taken, updates, own, .. } = self.flights.remove(nth);
        let staleness = (self.shared.updates() - updates).saturating_sub(self.own - own);
        let advantage = self.count(reward - baseline);
        let (shares, _) = self.follow(&parent, &edits);
        let entropy = -shares.iter().map(|share| share * share.max(f32::MIN_POSITIVE).ln()).sum::<f32>();
        // Θ goes down a gradient, and log p is to go up. Its slopes by log-odds are 1 - p for what was taken and -p for the others.
        let slope = |(nth, (&(decision, choice), share)): (usize, (&(usize, u8), &f32))| {
            let taken = f32::from(u8::from(nth == taken));
            (decision, choice, advantage * (share - taken))
        };
        let slopes = edits.iter().zip(&shares).enumerate().map(slope);
        let gradient = self.gradient.as_mut_slice();
        gradient.fill(0.0);
        self.shared.policy().edits_gradient(self.weights.as_slice(), &mut self.walk, slopes, gradient);
        self.shared.push(gradient, RATE);
        self.own += 1;
        Some(Update { staleness, baseline, entropy })
    }
}

#[cfg(test)]
mod tests {
    use hogback_kernels::Backend;

    use super::*;
    use crate::search::policy::Policy;
    use crate::search::space::{Decision, Space, Value};
    use crate::search::strategy::LocalSearch;

    /// Sixteen decisions of four values, of which the third is always the best.
    fn space() -> Space {
        let decision = |nth: usize| Decision {
            name: format!("d{nth}"),
            values: (0..4).map(|value| Value::Number(f64::from(value))).collect(),
            is_ordered: false,
            when: None,
            skip: None,
        };
        Space::new("edits".to_owned(), (0..16).map(decision).collect())
    }

    /// After how many trials the best is found.
    fn trials(strategy: &mut dyn Strategy, random: &mut Random) -> usize {
        let mut archive = Archive::default();
        for trials in 1.. {
            let next = strategy.propose(&archive, random);
            let reward = next.choices().iter().filter(|choice| **choice == 2).count() as f32 / 16.0;
            strategy.learn(&next, reward, true);
            archive.put(next, reward);
            if reward == 1.0 {
                return trials;
            }
        }
        unreachable!("the best is never found")
    }

    /// An edit that was good for one parent is tried on the next: there the same decisions are edited in vain again and again by those who do
    /// not learn.
    #[test]
    fn what_edits_are_worth_is_learned() {
        let space = space();
        let (mut learning, mut local) = (0, 0);
        for seed in 0..20 {
            let shared = SharedPolicy::new(Policy::new(&space, Backend::best()), 1, seed).unwrap();
            learning += trials(&mut Edits::new(&shared), &mut Random::new(seed));
            local += trials(&mut LocalSearch::new(&space), &mut Random::new(seed));
        }
        assert!(learning * 5 < local * 4, "{learning} trials, {local} without learning");
    }

    /// It is log p of an edit beside others whose gradient is taken.
    #[test]
    fn the_gradient_of_an_edit_is_that_of_central_differences() {
        let space = space();
        let policy = Policy::new(&space, Backend::best());
        let mut weights = vec![0.0; policy.words()];
        policy.begin(&mut weights, 3);
        weights.iter_mut().for_each(|word| *word *= 5.0);
        let parent = space.draw(&mut Random::new(4));
        let edits: Vec<(usize, u8)> =
            space.neighbours(&parent, &mut Random::new(5)).iter().map(|edit| (edit.decision, edit.choice)).collect();
        let (allowed, mut walk) = (policy.allowed(None), policy.walk());
        let mut log_odds = |weights: &[f32]| -> Vec<f32> {
            policy.follow(weights, &allowed, &parent, &mut walk);
            edits.iter().map(|&(decision, choice)| policy.log_odds(&walk, decision, choice)).collect()
        };
        let log = |odds: &[f32]| odds[7] - odds.iter().map(|odd| odd.exp()).sum::<f32>().ln();
        let sum = log_odds(&weights).iter().map(|odd| odd.exp()).sum::<f32>();
        let slopes: Vec<f32> = log_odds(&weights).iter().map(|odd| -odd.exp() / sum).collect();
        let mut random = Random::new(6);
        let direction: Vec<f32> = (0..weights.len()).map(|_| random.normal() as f32).collect();
        let moved = |by: f32| weights.iter().zip(&direction).map(|(word, way)| word + by * way).collect::<Vec<_>>();
        let step = 1e-3;
        let slope = (log(&log_odds(&moved(step))) - log(&log_odds(&moved(-step)))) / (2.0 * step);
        let mut gradient = vec![0.0; weights.len()];
        policy.follow(&weights, &allowed, &parent, &mut walk);
        let slopes = edits.iter().zip(slopes).enumerate();
        let slopes =
            slopes.map(|(nth, (&(decision, choice), slope))| (decision, choice, slope + f32::from(u8::from(nth == 7))));
        policy.edits_gradient(&weights, &mut walk, slopes, &mut gradient);
        let found: f32 = gradient.iter().zip(&direction).map(|(slope, way)| slope * way).sum();
        assert!((found - slope).abs() < 2e-3 * slope.abs().max(1.0), "{found} {slope}");
    }
}
