//! Ways of doing the same work, run in turns, and what they are to each other.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::clock::{Spread, on_cpu, repeat};
use super::pingpong::{Pinned, Placement, agreed};
use super::{Bench, Question};
use crate::error::Result;
use crate::report::format::{bytes, prefixed, rate};

/// A sample takes at least about this long.
const LEAST: Duration = Duration::from_millis(5);
/// The share of the time that a busy thread has a cpu at least.
const ALWAYS: f64 = 0.95;
/// The same of one that waits for others in the end.
const MOSTLY: f64 = 0.85;
/// No round is begun after that long, once there are as many as are wanted, good or bad.
const MOST: Duration = Duration::from_secs(1);
/// Rounds begun for each that is wanted, before what there is has to do.
const PATIENCE: usize = 4;

/// One way of doing a piece of work.
pub struct Way<'a> {
    /// What it is called.
    pub name: String,
    /// How much is done at a time, in the unit of the case.
    work: f64,
    /// How many cpus it keeps busy at least while nothing disturbs it.
    busy: f64,
    /// That goes for all that it does, and not for what it times alone.
    whole: bool,
    run: Box<dyn FnMut(u64) -> Result<Duration> + 'a>,
}

impl<'a> Way<'a> {
    /// A way that is told how often to do `work` and says how long that took.
    pub(super) fn timed(name: impl Into<String>, work: f64, mut run: impl FnMut(u64) -> Duration + 'a) -> Self {
        Self::fallible(name, work, move |times| Ok(run(times)))
    }

    /// [`Way::timed`] for what can fail.
    pub(super) fn fallible(name: impl Into<String>, work: f64, run: impl FnMut(u64) -> Result<Duration> + 'a) -> Self {
        Self { name: name.into(), work, busy: 0.0, whole: false, run: Box::new(run) }
    }

    /// A way that does `work` once when it is called.
    pub(super) fn new(name: impl Into<String>, work: f64, mut once: impl FnMut() + 'a) -> Self {
        Self::timed(name, work, move |times| repeat(times, &mut once)).busy(1)
    }

    /// The same, known to keep so many threads busy all the time: where they had less of the cpus, others were in the way.
    pub(super) fn busy(self, threads: u32) -> Self {
        Self { busy: ALWAYS * f64::from(threads), whole: true, ..self }
    }

    /// The same, known to keep so many threads busy but for the end, where they wait for the last one.
    pub(super) fn mostly_busy(self, threads: u32) -> Self {
        Self { busy: MOSTLY * f64::from(threads), ..self }
    }
}

/// Where ways run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// On one thread, kept on one cpu.
    One,
    /// On threads that have nothing to tell each other while they work, or that they start and place themselves.
    Own,
    /// On two that exchange cache lines: every sample stands between two looks at how far apart their cpus are.
    Two,
}

/// What work is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes of text read, of memory read and written, or copied.
    Bytes,
    /// Nonzeros learned.
    Nonzeros,
    /// Records handed over.
    Records,
    /// Products and sums of floats.
    Operations,
    /// Things that take a time: round trips, files opened.
    Times,
}

impl Unit {
    /// What is printed of so many a second.
    pub fn show(self, per_second: f64) -> String {
        match self {
            Self::Bytes => format!("{}/s", bytes(per_second as u64)),
            Self::Nonzeros => rate(per_second, "nnz"),
            Self::Records => format!("{}/s", prefixed(per_second)),
            Self::Operations => format!("{}FLOP/s", prefixed(per_second)),
            Self::Times => match 1.0 / per_second {
                seconds if seconds < 1e-6 => format!("{:.0} ns", seconds * 1e9),
                seconds if seconds < 1e-3 => format!("{:.1} us", seconds * 1e6),
                seconds => format!("{:.2} ms", seconds * 1e3),
            },
        }
    }

    /// What the numbers in JSON are, a second.
    fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Nonzeros => "nonzeros",
            Self::Records => "records",
            Self::Operations => "operations",
            Self::Times => "times",
        }
    }
}

/// The same work, done in several ways.
pub struct Case<'a> {
    /// What it is to answer.
    pub question: Question,
    /// What is done, on how much.
    pub name: String,
    /// Where.
    pub threads: Threads,
    /// What is counted.
    pub unit: Unit,
    /// How.
    pub ways: Vec<Way<'a>>,
    /// Which way is compared with which.
    pub(super) ratios: Vec<(usize, usize)>,
}

/// How fast a way is, and another, its limit.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// What it answers.
    pub question: Question,
    /// What is done, on how much.
    pub case: String,
    /// The way.
    pub way: String,
    /// The way it is compared with.
    pub against: String,
    /// Where the two cpus were to each other, for what two threads do together.
    pub placement: Option<Placement>,
    /// The speed of the way divided by that of the other, sample by sample.
    pub ratio: Spread,
    /// What the speeds count, a second.
    pub unit: &'static str,
    /// The speed of the way.
    pub speed: Spread,
    /// The speed of the other.
    pub limit: Spread,
    /// How many samples these are of.
    pub samples: usize,
    /// How many rounds were dropped, since the cpus moved or were taken meanwhile.
    pub dropped: usize,
    /// For printing.
    #[serde(skip)]
    pub counted: Unit,
}

/// How long a way took.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// That long.
    pub took: Duration,
    /// Where the cpus of two threads were, before and after.
    pub placement: Option<Placement>,
    /// Nothing came between: the cpus of two threads stayed where they were, busy threads had theirs all the time.
    pub good: bool,
}

/// The speeds of all ways, from one round.
type Round = Vec<f64>;

impl Case<'_> {
    /// Has a way do its work so many times.
    ///
    /// # Errors
    /// The way's.
    pub fn sample(&mut self, way: usize, times: u64, bench: &Bench) -> Result<Sample> {
        let Way { run, busy, whole, .. } = &mut self.ways[way];
        let mut run = || {
            let (begun, before) = (Instant::now(), on_cpu());
            let took = run(times)?;
            let (spent, all) = (on_cpu() - before, begun.elapsed());
            Ok((took, spent >= if *whole { all } else { took }.mul_f64(*busy)))
        };
        match (self.threads, bench.pair) {
            (Threads::Two, Some(pair)) => {
                let before = pair.round_trip();
                let (took, undisturbed) = run()?;
                let placement = agreed(before, pair.round_trip());
                Ok(Sample { took, placement, good: undisturbed && placement.is_some() })
            }
            (threads, pair) => {
                let _pinned = pair.filter(|_| threads == Threads::One).map(|pair| Pinned::to(pair.0));
                let (took, good) = run()?;
                Ok(Sample { took, placement: None, good })
            }
        }
    }

    /// Runs the ways in turns, and compares them.
    ///
    /// # Errors
    /// What one of the ways meets.
    pub fn measure(mut self, bench: &Bench) -> Result<Vec<Figure>> {
        let times = (0..self.ways.len()).map(|way| self.warm_up(way, bench)).collect::<Result<Vec<_>>>()?;
        let (wanted, mut kept, mut dropped) = (bench.samples(), Vec::<(Option<Placement>, Round)>::new(), Vec::new());
        let full = |kept: &[(Option<Placement>, Round)]| {
            kept.iter().any(|(one, _)| kept.iter().filter(|(other, _)| other == one).count() >= wanted)
        };
        let begun = Instant::now();
        while !full(&kept) {
            let rounds = kept.len() + dropped.len();
            if rounds >= PATIENCE * wanted || rounds >= wanted && begun.elapsed() > MOST {
                break;
            }
            let (samples, speeds) = self.round(&times, rounds, bench)?;
            let place = samples[0].placement;
            if samples.iter().all(|sample| sample.good && sample.placement == place) {
                kept.push((place, speeds));
            } else {
                dropped.push(speeds);
            }
        }
        let mut figures = Vec::new();
        let mut report = |place: Option<Placement>, rounds: &[&Round], dropped: usize| {
            let figure = |&(way, other): &(usize, usize)| Figure {
                question: self.question,
                case: self.name.clone(),
                way: self.ways[way].name.clone(),
                against: self.ways[other].name.clone(),
                placement: place,
                ratio: Spread::of(rounds.iter().map(|speeds| speeds[way] / speeds[other]).collect()),
                unit: self.unit.name(),
                speed: Spread::of(rounds.iter().map(|speeds| speeds[way]).collect()),
                limit: Spread::of(rounds.iter().map(|speeds| speeds[other]).collect()),
                samples: rounds.len(),
                dropped,
                counted: self.unit,
            };
            figures.extend(self.ratios.iter().map(figure));
        };
        for place in [None, Some(Placement::Near), Some(Placement::Far)] {
            let rounds: Vec<&Round> = kept.iter().filter(|round| round.0 == place).map(|round| &round.1).collect();
            if !rounds.is_empty() {
                report(place, &rounds, dropped.len());
            }
        }
        if kept.is_empty() {
            report(Some(Placement::Unsettled), &dropped.iter().collect::<Vec<_>>(), 0);
        }
        Ok(figures)
    }

    /// One sample of every way; odd rounds go from the last to the first, so that none always has the caches of the same other.
    fn round(&mut self, times: &[u64], nth: usize, bench: &Bench) -> Result<(Vec<Sample>, Round)> {
        let (mut samples, mut speeds) = (Vec::new(), vec![0.0; times.len()]);
        for turn in 0..times.len() {
            let way = if nth.is_multiple_of(2) { turn } else { times.len() - 1 - turn };
            let sample = self.sample(way, times[way], bench)?;
            speeds[way] = self.ways[way].work * times[way] as f64 / sample.took.as_secs_f64().max(1e-9);
            samples.push(sample);
        }
        Ok((samples, speeds))
    }

    /// Runs a way until it is warm; how often it has to run to be timed.
    fn warm_up(&mut self, way: usize, bench: &Bench) -> Result<u64> {
        let (mut times, least) = (1, bench.size(LEAST, LEAST / 50));
        loop {
            // What was disturbed is tried again, or all that follow would be too short.
            let mut sample = self.sample(way, times, bench)?;
            for _ in 1..3 {
                if !sample.good {
                    let again = self.sample(way, times, bench)?;
                    sample = if again.took < sample.took { again } else { sample };
                }
            }
            let took = sample.took;
            if took >= least || times >= 1 << 32 {
                return Ok(times);
            }
            let short = least.as_secs_f64() / took.as_secs_f64().max(1e-9);
            times = (times as f64 * short.clamp(1.1, 100.0)).ceil() as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::signal::StopRequest;
    use hogback_kernels::Backend;

    #[test]
    fn ratios_are_of_speeds_whatever_a_way_does_at_a_time() {
        let bench = Bench::new(Backend::best(), true, StopRequest::never()).unwrap();
        let way =
            |name: &str, work: f64, each: u64| Way::timed(name, work, move |times| Duration::from_micros(each * times));
        let case = Case {
            question: Question::Snapshot,
            name: "a case".to_owned(),
            threads: Threads::Own,
            unit: Unit::Bytes,
            ways: vec![way("one", 10.0, 10), way("half", 1.0, 2), way("twice", 4.0, 2)],
            ratios: vec![(0, 1), (0, 2)],
        };
        let figures = case.measure(&bench).unwrap();
        let ratios: Vec<f64> = figures.iter().map(|figure| figure.ratio.median).collect();
        assert!((ratios[0] - 2.0).abs() < 1e-9 && (ratios[1] - 0.5).abs() < 1e-9, "{ratios:?}");
        assert_eq!((figures[1].way.as_str(), figures[1].against.as_str()), ("one", "twice"));
        assert_eq!((figures[0].samples, figures[0].dropped, figures[0].placement), (bench.samples(), 0, None));
        assert!((figures[0].speed.median - 1e6).abs() < 1.0);
    }

    #[test]
    fn speeds_are_shown_in_their_unit() {
        assert_eq!(Unit::Bytes.show(352e9), "352 GB/s");
        assert_eq!(Unit::Nonzeros.show(412e6), "412 M nnz/s");
        assert_eq!(
            [1e-7, 4.8e-6, 1.2e-3].map(|seconds| Unit::Times.show(1.0 / seconds)),
            ["100 ns", "4.8 us", "1.20 ms"]
        );
    }
}
