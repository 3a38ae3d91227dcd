//! Strategies under trial.
use std::collections::HashMap;

use hogback::random::Random;
use hogback::search::archive::Archive;
use hogback::search::space::{Architecture, Space, UNMADE};
use hogback::search::strategy::{Setting, Strategy, Update};

pub fn setting(name: &str) -> Setting {
    let set: HashMap<String, f64> =
        name.split(':').filter_map(|p| p.split_once('=').map(|(k, v)| (k.to_string(), v.parse().unwrap()))).collect();
    let get = |key: &str, otherwise: f64| set.get(key).copied().unwrap_or(otherwise);
    if name.contains("paper") {
        return Setting::PAPER;
    }
    Setting {
        rate: get("lr", 0.02) as f32,
        entropy: get("ent", 0.01) as f32,
        decay: get("decay", 0.9) as f32,
        normalise: get("norm", 1.0) > 0.0,
        batch: get("batch", 1.0) as usize,
        updates: get("updates", 1.0) as usize,
        clip: set.get("clip").map(|c| *c as f32),
        depth: None,
        half_life: f32::INFINITY,
        edits: set.get("edits").map(|n| *n as usize),
        heat: get("heat", 1.0) as f32,
        whole: get("whole", 0.0) > 0.0,
        most: get("most", 100.0) as f32,
        parent: get("parent", 1.0) > 0.0,
    }
}

pub fn named<'s>(name: &str, space: &'s Space) -> Option<Box<dyn Strategy + 's>> {
    let mut parts = name.split(':');
    let kind = parts.next()?;
    let set: HashMap<String, f64> =
        parts.filter_map(|p| p.split_once('=').map(|(k, v)| (k.to_string(), v.parse().unwrap()))).collect();
    let get = |key: &str, otherwise: f64| set.get(key).copied().unwrap_or(otherwise);
    let common = |get: &dyn Fn(&str, f64) -> f64| Common {
        space,
        logits: space.decisions().iter().map(|d| vec![0.0; d.values.len()]).collect(),
        m: space.decisions().iter().map(|d| vec![0.0; d.values.len()]).collect(),
        v: space.decisions().iter().map(|d| vec![0.0; d.values.len()]).collect(),
        t: 0,
        lr: get("lr", 0.1),
        adam: get("adam", 1.0) > 0.0,
        entropy: get("ent", 0.0),
        normalise: get("norm", 1.0) > 0.0,
        baseline: 0.0,
        square: 0.0,
        heard: 0,
        decay: get("decay", 0.95),
    };
    Some(match kind {
        "f" => Box::new(Whole { c: common(&get), elite: get("elite", 0.0) as usize, keep: get("keep", 2.0), starts: get("starts", 10.0) as usize, parent_base: get("pb", 1.0) > 0.0, in_flight: vec![], top: vec![] , clip: get("clip", 3.0), repeats: 0}),
        "e" => Box::new(Edit { c: common(&get), elite: get("elite", 1.0) as usize, starts: get("starts", 10.0) as usize, in_flight: vec![], top: vec![], clip: get("clip", 3.0), mine: get("tau", 1.0) }),
        "m" => Box::new(Model::new(space, get("starts", 10.0) as usize, get("elite", 1.0) as usize, get("ridge", 1.0), get("explore", 0.0), get("near", 0.0), get("fit", 0.0), get("alike", 0.0))),
        _ => return None,
    })
}

struct Common<'s> {
    space: &'s Space,
    logits: Vec<Vec<f64>>,
    m: Vec<Vec<f64>>,
    v: Vec<Vec<f64>>,
    t: i32,
    lr: f64,
    adam: bool,
    entropy: f64,
    normalise: bool,
    baseline: f64,
    square: f64,
    heard: u32,
    decay: f64,
}

fn softmax(l: &[f64]) -> Vec<f64> {
    let max = l.iter().copied().fold(f64::MIN, f64::max);
    let e: Vec<f64> = l.iter().map(|x| (x - max).exp()).collect();
    let s: f64 = e.iter().sum();
    e.iter().map(|x| x / s).collect()
}
fn pick(p: &[f64], random: &mut Random) -> usize {
    let mut u = random.share();
    for (i, x) in p.iter().enumerate() {
        u -= x;
        if u < 0.0 {
            return i;
        }
    }
    p.len() - 1
}

impl Common<'_> {
    /// Advantage of R against the moving average (or what is given), by the spread.
    fn advantage(&mut self, r: f64, base: Option<f64>) -> f64 {
        self.heard += 1;
        let rate = (1.0 - self.decay).max(1.0 / self.heard as f64);
        let off = r - base.unwrap_or(self.baseline);
        let a = if self.heard == 1 { 0.0 } else { off };
        self.baseline += rate * (r - self.baseline);
        self.square += rate * (off * off - self.square);
        if self.normalise { a / (self.square.sqrt() + 1e-9) } else { a }
    }
    fn step(&mut self, grad: &[Vec<f64>]) {
        self.t += 1;
        for d in 0..grad.len() {
            for v in 0..grad[d].len() {
                let g = grad[d][v];
                if self.adam {
                    self.m[d][v] = 0.9 * self.m[d][v] + 0.1 * g;
                    self.v[d][v] = 0.999 * self.v[d][v] + 0.001 * g * g;
                    let mh = self.m[d][v] / (1.0 - 0.9f64.powi(self.t));
                    let vh = self.v[d][v] / (1.0 - 0.999f64.powi(self.t));
                    self.logits[d][v] += self.lr * mh / (vh.sqrt() + 1e-8);
                } else {
                    self.logits[d][v] += self.lr * g;
                }
            }
        }
    }
}

/// Whole architectures, decision by decision, with a bonus for the parent's choice.
struct Whole<'s> {
    c: Common<'s>,
    elite: usize,
    keep: f64,
    starts: usize,
    parent_base: bool,
    in_flight: Vec<(Architecture, Option<(Architecture, f32)>)>,
    top: Vec<(f32, Architecture)>,
    clip: f64,
    repeats: u32,
}

impl Whole<'_> {
    fn logits(&self, d: usize, parent: Option<&Architecture>) -> Vec<f64> {
        let mut l = self.c.logits[d].clone();
        if let Some(p) = parent {
            let c = p.choices()[d];
            if c != UNMADE {
                l[c as usize] += self.keep + (l.len() as f64 - 1.0).ln();
            }
        }
        l
    }
}

impl Strategy for Whole<'_> {
    fn propose(&mut self, archive: &Archive, random: &mut Random) -> Architecture {
        if self.starts > 0 {
            self.starts -= 1;
            return self.c.space.draw(random);
        }
        let mut tries = 0;
        loop {
            tries += 1;
            let parent = if self.elite > 0 && !self.top.is_empty() {
                Some(self.top[random.below(self.top.len().min(self.elite))].clone())
            } else {
                None
            };
            let mut choices = Vec::new();
            for d in 0..self.c.space.decisions().len() {
                if !self.c.space.is_made(d, &choices) {
                    choices.push(UNMADE);
                    continue;
                }
                let l = self.logits(d, parent.as_ref().map(|p| &p.1));
                choices.push(pick(&softmax(&l), random) as u8);
            }
            let mut a = self.c.space.settle(choices, random);
            if tries > 8 {
                while archive.reward(&a).is_some() {
                    a = self.c.space.mutate(&a, random);
                }
            }
            if tries < 300 && (archive.reward(&a).is_some() || self.in_flight.iter().any(|x| x.0 == a)) {
                continue;
            }
            self.in_flight.push((a.clone(), parent.map(|p| (p.1, p.0))));
            return a;
        }
    }
    fn learn(&mut self, a: &Architecture, r: f32, _: bool) -> Option<Update> {
        let at = self.in_flight.iter().position(|x| x.0 == *a);
        let parent = at.and_then(|at| self.in_flight.swap_remove(at).1);
        let at = self.top.iter().position(|x| x.0 < r).unwrap_or(self.top.len());
        self.top.insert(at, (r, a.clone()));
        self.top.truncate(64);
        let base = parent.as_ref().filter(|_| self.parent_base).map(|p| p.1 as f64);
        let adv = self.c.advantage(r as f64, base).clamp(-self.clip, self.clip);
        let mut grad: Vec<Vec<f64>> = self.c.logits.iter().map(|l| vec![0.0; l.len()]).collect();
        for (d, &c) in a.choices().iter().enumerate() {
            if c == UNMADE {
                continue;
            }
            let p = softmax(&self.logits(d, parent.as_ref().map(|p| &p.0)));
            let h: f64 = p.iter().map(|x| -x * x.max(1e-12).ln()).sum();
            for v in 0..p.len() {
                grad[d][v] = adv * (f64::from(v == c as usize) - p[v]) - self.c.entropy * p[v] * (p[v].max(1e-12).ln() + h);
            }
        }
        self.c.step(&grad);
        let _ = self.repeats;
        None
    }
}

/// One edit of a parent of the elite: which decision and to what.
struct Edit<'s> {
    c: Common<'s>,
    elite: usize,
    starts: usize,
    in_flight: Vec<(Architecture, Option<Chosen>)>,
    top: Vec<(f32, Architecture)>,
    clip: f64,
    mine: f64,
}
struct Chosen {
    parent: f32,
    edits: Vec<(usize, usize, f64)>,
    from: Vec<u8>,
    which: usize,
}

impl Strategy for Edit<'_> {
    fn propose(&mut self, archive: &Archive, random: &mut Random) -> Architecture {
        if self.starts > 0 || self.top.is_empty() {
            self.starts = self.starts.saturating_sub(1);
            return self.c.space.draw(random);
        }
        let mut rank = random.below(self.top.len().min(self.elite));
        loop {
            if rank >= self.top.len() {
                return self.c.space.draw(random);
            }
            let parent = &self.top[rank];
            let mut edits = vec![];
            let mut children = vec![];
            for (d, dec) in self.c.space.decisions().iter().enumerate() {
                let c = parent.1.choices()[d];
                if c == UNMADE {
                    continue;
                }
                for v in 0..dec.values.len() {
                    if v == c as usize {
                        continue;
                    }
                    let child = self.c.space.with(&parent.1, d, v as u8, random);
                    if archive.reward(&child).is_some() || self.in_flight.iter().any(|x| x.0 == child) {
                        continue;
                    }
                    edits.push((d, v, (self.c.logits[d][v] - self.c.logits[d][c as usize]) * self.mine));
                    children.push(child);
                }
            }
            if edits.is_empty() {
                rank += 1;
                continue;
            }
            let p = softmax(&edits.iter().map(|e| e.2).collect::<Vec<_>>());
            let which = pick(&p, random);
            for (e, p) in edits.iter_mut().zip(p) {
                e.2 = p;
            }
            let child = children[which].clone();
            self.in_flight.push((child.clone(), Some(Chosen { parent: parent.0, edits, from: parent.1.choices().to_vec(), which })));
            return child;
        }
    }
    fn learn(&mut self, a: &Architecture, r: f32, _: bool) -> Option<Update> {
        let at = self.in_flight.iter().position(|x| x.0 == *a);
        let chosen = at.and_then(|at| self.in_flight.swap_remove(at).1);
        let at = self.top.iter().position(|x| x.0 < r).unwrap_or(self.top.len());
        self.top.insert(at, (r, a.clone()));
        if let Some(ch) = chosen {
            let adv = self.c.advantage(r as f64, Some(ch.parent as f64)).clamp(-self.clip, self.clip);
            let mut grad: Vec<Vec<f64>> = self.c.logits.iter().map(|l| vec![0.0; l.len()]).collect();
            for (i, &(d, v, p)) in ch.edits.iter().enumerate() {
                let g = adv * (f64::from(i == ch.which) - p);
                grad[d][v] += g;
                grad[d][ch.from[d] as usize] -= g;
            }
            self.c.step(&grad);
        }
        None
    }
}

/// Additive model by least squares; edits by what it expects.
struct Model<'s> {
    space: &'s Space,
    offsets: Vec<usize>,
    /// Covariance of the weights over the noise.
    p: Vec<f64>,
    w: Vec<f64>,
    n: usize,
    starts: usize,
    elite: usize,
    explore: f64,
    near: f64,
    fit: f64,
    top: Vec<(f32, Architecture)>,
    in_flight: Vec<Architecture>,
    mean: f64,
    heard: f64,
    dead: Vec<bool>,
    resid: f64,
}

impl<'s> Model<'s> {
    fn new(space: &'s Space, starts: usize, elite: usize, ridge: f64, explore: f64, near: f64, fit: f64, alike: f64) -> Self {
        let mut offsets = vec![];
        let mut n = 1;
        for d in space.decisions() {
            offsets.push(n);
            n += d.values.len();
        }
        let mut p = vec![0.0; n * n];
        for i in 0..n {
            p[i * n + i] = 1.0 / ridge;
        }
        if alike > 0.0 {
            for (d, dec) in space.decisions().iter().enumerate() {
                if dec.is_ordered {
                    for i in 0..dec.values.len() {
                        for j in 0..dec.values.len() {
                            p[(offsets[d] + i) * n + offsets[d] + j] = (-(i.abs_diff(j) as f64) / alike).exp() / ridge;
                        }
                    }
                }
            }
        }
        p[0] = 100.0;
        Self { space, offsets, p, w: vec![0.0; n], n, starts, elite, explore, near, fit, top: vec![], in_flight: vec![], mean: 0.0, heard: 0.0, dead: vec![], resid: 0.0 }
    }
    fn active(&self, a: &Architecture) -> Vec<usize> {
        let mut v = vec![0];
        v.extend(a.choices().iter().enumerate().filter(|(_, c)| **c != UNMADE).map(|(d, c)| self.offsets[d] + *c as usize));
        v
    }
}

impl Strategy for Model<'_> {
    fn propose(&mut self, archive: &Archive, random: &mut Random) -> Architecture {
        if self.starts > 0 || self.top.is_empty() {
            self.starts = self.starts.saturating_sub(1);
            let a = self.space.draw(random);
            self.in_flight.push(a.clone());
            return a;
        }
        let mut best: Option<(f64, Architecture)> = None;
        let mut used = 0;
        let sd = (self.resid / self.heard.max(1.0)).sqrt();
        for rank in 0..self.top.len() {
            if self.dead[rank] {
                continue;
            }
            if used >= self.elite {
                break;
            }
            let mut any = false;
            let parent = self.top[rank].clone();
            for a in self.space.neighbours(&parent.1, random).into_iter().map(|e| e.child) {
                if archive.reward(&a).is_some() || self.in_flight.contains(&a) {
                    continue;
                }
                any = true;
                let x = self.active(&a);
                let xp = self.active(&parent.1);
                // What the model says of the difference, on top of what the parent came to.
                let dx: Vec<(usize, f64)> = x.iter().map(|&i| (i, 1.0)).chain(xp.iter().map(|&i| (i, -1.0))).collect();
                let pred: f64 = dx.iter().map(|&(i, s)| s * self.w[i]).sum::<f64>();
                let own: f64 = xp.iter().map(|&i| self.w[i]).sum();
                let var: f64 = if self.explore > 0.0 { dx.iter().map(|&(i, s)| dx.iter().map(|&(j, t)| s * t * self.p[i * self.n + j]).sum::<f64>()).sum() } else { 0.0 };
                let base = self.fit * own + (1.0 - self.fit) * parent.0 as f64;
                let score = base + pred + self.explore * sd * var.max(0.0).sqrt() * random.normal() + self.near * random.share() * sd;
                if best.as_ref().is_none_or(|b| score > b.0) {
                    best = Some((score, a));
                }
            }
            if !any {
                self.dead[rank] = true;
            } else {
                used += 1;
            }
        }
        let a = best.map_or_else(|| self.space.draw(random), |b| b.1);
        self.in_flight.push(a.clone());
        a
    }
    fn learn(&mut self, a: &Architecture, r: f32, _: bool) -> Option<Update> {
        self.in_flight.retain(|x| x != a);
        let at = self.top.iter().position(|x| x.0 < r).unwrap_or(self.top.len());
        self.top.insert(at, (r, a.clone()));
        self.dead.insert(at, false);
        let x = self.active(a);
        let _ = self.mean;
        let n = self.n;
        let mut k = vec![0.0; n];
        for (i, k) in k.iter_mut().enumerate() {
            *k = x.iter().map(|&j| self.p[i * n + j]).sum();
        }
        let s = 1.0 + x.iter().map(|&j| k[j]).sum::<f64>();
        let e = r as f64 - x.iter().map(|&j| self.w[j]).sum::<f64>();
        self.resid += e * e / s;
        self.heard += 1.0;
        for i in 0..n {
            self.w[i] += k[i] * e / s;
        }
        for i in 0..n {
            for j in 0..n {
                self.p[i * n + j] -= k[i] * k[j] / s;
            }
        }
        None
    }
}
