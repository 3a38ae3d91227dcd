//! REINFORCE (Williams 1992): the policy that writes architectures is moved towards those that did better than others.
//!
//! What flows in: Θ, which all controllers share, and R of what was proposed. What flows out: architectures, drawn with weights that were
//! pulled, and gradients, pushed without waiting for anybody. The gradient of an update is taken at weights pulled just before it, as
//! those may have moved since the architecture was drawn.

use super::{Strategy, Update};
use crate::random::Random;
use crate::search::archive::Archive;
use crate::search::policy::{Allowed, Odds, SharedPolicy, Walk};
use crate::search::space::Architecture;
use crate::theta::private::Aligned;

/// The logarithm of the largest ratio that counts: where R is below the baseline nothing else bounds it.
const FARTHEST: f32 = 3.0;

/// How a policy learns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Setting {
    /// The rate of Adam.
    pub rate: f32,
    /// What the mean entropy of the decisions, in nats, counts beside R - baseline.
    pub entropy: f32,
    /// After how many updates of all controllers that is half of it, and again; infinite where it stays.
    pub half_life: f32,
    /// What remains of the baseline, an exponential moving average of R, at each trial.
    pub decay: f32,
    /// Whether R - baseline is divided by its own deviation, whose square is averaged like the baseline.
    pub normalise: bool,
    /// Of how many trials an update is.
    pub batch: usize,
    /// How many updates are made of the same trials, each with a gradient of its own.
    pub updates: usize,
    /// Where a number: a trial stops pulling its architecture's probability, now against when it was drawn, past a ratio of 1 ± this
    /// (Schulman et al., "Proximal Policy Optimization Algorithms", 2017, equation 7); else none of that, and no ratio.
    pub clip: Option<f32>,
    /// How deep models may be, where that grows.
    pub depth: Option<Depth>,
}

/// How deep models may be: the most that the decision called `layers` may say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Depth {
    /// At first.
    pub first: u32,
    /// How many more each time.
    pub more: u32,
    /// After how many samples of all controllers.
    pub every: u64,
}

impl Setting {
    /// That of Zoph & Le 2017, section 4.1.
    pub const PAPER: Self = Self {
        rate: 6e-4,
        entropy: 0.0,
        half_life: f32::INFINITY,
        decay: 0.95,
        normalise: false,
        batch: 1,
        updates: 1,
        clip: None,
        depth: Some(Depth { first: 6, more: 2, every: 1600 }),
    };
}

impl Depth {
    /// How deep a model may be after so many samples.
    pub fn after(self, samples: u64) -> u32 {
        let times = u32::try_from(samples / self.every.max(1)).unwrap_or(u32::MAX);
        self.first.saturating_add(self.more.saturating_mul(times))
    }
}

/// The strategy of one controller.
#[derive(Debug)]
pub struct Reinforce<'s> {
    shared: &'s SharedPolicy<'s>,
    setting: Setting,
    /// The weights as pulled, and how many updates were done by then; none at first.
    weights: Aligned,
    pulled: Option<u64>,
    gradient: Aligned,
    walk: Walk,
    /// How many updates this controller has made.
    own: u64,
    /// How deep models may be, and what may be chosen therefore.
    depth: Option<u32>,
    allowed: Allowed,
    baseline: Baseline,
    /// What was drawn and is not answered.
    flights: Vec<Flight>,
    /// What was answered, for the next update.
    answered: Vec<(Flight, f32)>,
}

/// An architecture that was drawn.
#[derive(Debug)]
struct Flight {
    architecture: Architecture,
    odds: Odds,
    /// How many updates were done when its weights were pulled, and how many of this controller were made.
    updates: u64,
    own: u64,
}

impl<'s> Reinforce<'s> {
    /// A controller over Θ, which others may share.
    pub fn new(shared: &'s SharedPolicy<'s>, setting: Setting) -> Self {
        let policy = shared.policy();
        let depth = setting.depth.map(|depth| depth.after(shared.samples()));
        Self {
            shared,
            setting,
            weights: Aligned::new(policy.words()),
            pulled: None,
            gradient: Aligned::new(policy.words()),
            walk: policy.walk(),
            own: 0,
            depth,
            allowed: policy.allowed(depth),
            baseline: Baseline::default(),
            flights: Vec::new(),
            answered: Vec::new(),
        }
    }

    /// Pulls the weights, if they have moved; how many updates were done by then.
    fn pull(&mut self) -> u64 {
        match self.pulled {
            Some(pulled) if pulled == self.shared.updates() => pulled,
            _ => *self.pulled.insert(self.shared.pull(self.weights.as_mut_slice())),
        }
    }

    /// Makes an update of what was answered; the mean entropy of the policy there.
    fn update(&mut self) -> f32 {
        self.pull();
        let Self { shared, setting, weights, gradient, walk, allowed, answered, .. } = self;
        let (weights, gradient) = (weights.as_slice(), gradient.as_mut_slice());
        let share = 1.0 / answered.len() as f32;
        let by_entropy = setting.entropy * (-(shared.updates() as f32) / setting.half_life).exp2();
        let mut entropy = 0.0;
        gradient.fill(0.0);
        for (flight, advantage) in answered {
            let odds = shared.policy().follow(weights, allowed, &flight.architecture, walk);
            let pull = match setting.clip {
                None => *advantage,
                Some(within) => {
                    let ratio = (odds.log_probability - flight.odds.log_probability).min(FARTHEST).exp();
                    let is_past = if *advantage > 0.0 { ratio >= 1.0 + within } else { ratio <= 1.0 - within };
                    if is_past { 0.0 } else { ratio * *advantage }
                }
            };
            entropy += share * odds.entropy;
            // Θ goes down a gradient, and log p is to go up.
            shared.policy().gradient(weights, walk, -share * pull, -share * by_entropy, gradient);
        }
        shared.push(gradient, setting.rate);
        self.own += 1;
        entropy
    }
}

impl Strategy for Reinforce<'_> {
    fn propose(&mut self, _: &Archive, random: &mut Random) -> Architecture {
        let samples = self.shared.count_sample();
        let depth = self.setting.depth.map(|depth| depth.after(samples));
        if depth > self.depth {
            self.depth = depth;
            self.allowed = self.shared.policy().allowed(depth);
        }
        let updates = self.pull();
        let weights = self.weights.as_slice();
        let architecture = self.shared.policy().sample(weights, &self.allowed, random, &mut self.walk);
        let odds = self.walk.odds();
        self.flights.push(Flight { architecture: architecture.clone(), odds, updates, own: self.own });
        architecture
    }

    fn recall(&mut self, architecture: &Architecture) {
        // As if it had been drawn just now.
        let updates = self.pull();
        let Self { shared, weights, allowed, walk, .. } = self;
        let odds = shared.policy().follow(weights.as_slice(), allowed, architecture, walk);
        self.flights.push(Flight { architecture: architecture.clone(), odds, updates, own: self.own });
    }

    fn forget(&mut self, architecture: &Architecture) {
        if let Some(nth) = self.flights.iter().rposition(|flight| flight.architecture == *architecture) {
            self.flights.remove(nth);
        }
    }

    fn learn(&mut self, architecture: &Architecture, reward: f32, mine: bool) -> Option<Update> {
        let is_it = |flight: &Flight| flight.architecture == *architecture;
        let nth = self.flights.iter().position(is_it).filter(|_| mine)?;
        let flight = self.flights.remove(nth);
        let reward = if reward.is_finite() { reward } else { 0.0 };
        let (baseline, advantage) = self.baseline.compare(reward, &self.setting);
        self.answered.push((flight, advantage));
        if self.answered.len() < self.setting.batch {
            return None;
        }
        let first = &self.answered[0].0;
        let (updates, own) = (first.updates, first.own);
        let staleness = (self.shared.updates() - updates).saturating_sub(self.own - own);
        let entropy = self.update();
        for _ in 1..self.setting.updates {
            self.update();
        }
        self.answered.clear();
        Some(Update { staleness, baseline, entropy })
    }
}

/// What R is compared with: exponential moving averages, in which the first trials count as much as they have to for the weights to sum
/// to 1.
#[derive(Clone, Copy, Debug, Default)]
struct Baseline {
    /// What the weights of the trials so far would sum to, did those not count more.
    weight: f32,
    /// The averages of R and of (R - baseline)².
    reward: f32,
    square: f32,
}

impl Baseline {
    /// The baseline of the trials before this one, R itself at first, and by how much R is better, as the setting counts it.
    fn compare(&mut self, reward: f32, setting: &Setting) -> (f32, f32) {
        let baseline = if self.weight > 0.0 { self.reward } else { reward };
        let better = reward - baseline;
        self.weight = setting.decay * self.weight + 1.0 - setting.decay;
        // Steps towards the new, so that what is always the same differs from its average by nothing at all.
        let step = (1.0 - setting.decay) / self.weight;
        self.reward = baseline + step * better;
        self.square += step * (better * better - self.square);
        // Without a difference so far there is none to count in.
        let deviation = self.square.sqrt();
        (baseline, if setting.normalise && deviation > 0.0 { better / deviation } else { better })
    }
}

#[cfg(test)]
mod tests;
