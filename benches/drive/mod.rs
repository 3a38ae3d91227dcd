//! Has criterion drive the ways that `hogback bench` compares, and prints their ratios as that does.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode};
use hogback::Error;
use hogback::bench::{Bench, Case, Question, Spread};
use hogback::sys::signal::StopRequest;
use hogback_kernels::Backend;

/// Samples of criterion.
const SAMPLES: usize = 10;
/// How often a sample that something came between is taken again.
const PATIENCE: usize = 20;

/// Runs a question, under the flags of criterion.
pub(crate) fn ask(question: Question) {
    let mut criterion = Criterion::default().configure_from_args();
    let done = Bench::new(Backend::best(), false, StopRequest::never()).and_then(|bench| {
        question.ask(&bench, &mut |mut case| {
            // Where criterion was told to leave it out there is nothing to compare.
            if drive(&mut criterion, &mut case, &bench)? { compare(case, &bench) } else { Ok(()) }
        })
    });
    if let Err(error) = done {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
    criterion.final_summary();
}

/// Has criterion measure each way by itself; whether it has measured any.
fn drive(criterion: &mut Criterion, case: &mut Case<'_>, bench: &Bench) -> Result<bool, Error> {
    let mut group = criterion.benchmark_group(case.question.name());
    group.sample_size(SAMPLES).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_millis(500));
    let (mut failure, mut any) = (None, false);
    for way in 0..case.ways.len() {
        let id = BenchmarkId::new(&case.ways[way].name, &case.name);
        group.bench_function(id, |bencher| {
            any = true;
            bencher.iter_custom(|times| {
                sample(case, way, times, bench).unwrap_or_else(|error| {
                    failure = Some(error);
                    Duration::from_nanos(1)
                })
            });
        });
    }
    group.finish();
    failure.map_or(Ok(any), Err)
}

/// A sample of one way; one that something came between is taken again.
fn sample(case: &mut Case<'_>, way: usize, times: u64, bench: &Bench) -> Result<Duration, Error> {
    let mut sample = case.sample(way, times, bench)?;
    for _ in 0..PATIENCE {
        if sample.good {
            break;
        }
        sample = case.sample(way, times, bench)?;
    }
    Ok(sample.took)
}

/// Prints what the ways are to each other, measured in turns.
fn compare(case: Case<'_>, bench: &Bench) -> Result<(), Error> {
    for figure in case.measure(bench)? {
        let Spread { median, low, high } = figure.ratio;
        let place = figure.placement.map_or("", |place| place.name());
        println!("{}: {} / {} {place}", figure.case, figure.way, figure.against);
        println!("                        ratio:  [{low:.3} {median:.3} {high:.3}], {} dropped", figure.dropped);
    }
    println!();
    Ok(())
}
