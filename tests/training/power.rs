//! The power fails after any operation of a whole life of a model: made, committed within passes, interrupted, resumed.

use super::planted::{Plant, Random, suited, write};
use super::{Request, count, logloss, passes, run, run_with, seed, tensors, with_children};
use hogback::checkpoint::{Existing, load};
use hogback::data::{CachePolicy, ReadOptions};
use hogback::error::Error;
use hogback::fault::{Faults, Point};
use hogback::model::configuration::Kind;
use hogback::store::Faulty;
use hogback::sys::signal::StopRequest;
use hogback::train::{Consistency, Settings};
use rustix::io::Errno;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::tempdir;

/// A directory to live in, and what is learned there.
struct Place<'a> {
    kind: Kind,
    data: &'a Path,
    home: PathBuf,
    consistency: Consistency,
}

/// The kinds that take turns.
const KINDS: [Kind; 4] = [Kind::Linear, Kind::Mlp, Kind::Deep, Kind::Text];

impl Place<'_> {
    fn model(&self) -> PathBuf {
        self.home.join("m")
    }

    /// Four passes of one child, committed whenever possible.
    fn request(&self, existing: Existing, faults: Faults) -> Request {
        let request = with_children(self.data, self.model(), 1);
        let read = ReadOptions { cache: CachePolicy::Dir(self.home.clone()), ..request.read.clone() };
        let (consistency, checkpoint_every) = (self.consistency, Duration::ZERO);
        let rank = self.kind.has_factors().then_some(3);
        let hidden = matches!(self.kind, Kind::Mlp | Kind::Deep).then(|| vec![4, 3]);
        let settings = Settings { kind: Some(self.kind), rank, hidden, ..passes(4) };
        Request { settings, existing, faults, read, consistency, checkpoint_every, ..request }
    }

    /// A model is made, interrupted in its second pass, and resumed. `done` tells which generation is there for sure.
    fn live(&self, store: &Faulty, done: &mut u64) -> Result<(), Error> {
        let interrupted = Faults::none().at(Point::TaskDone, 5, 1);
        match run_with(&self.request(Existing::Refuse, interrupted), store, &StopRequest::never()) {
            Err(Error::Interrupted { saved: true, .. }) => {}
            other => return other.map(drop),
        }
        *done = load(&self.model())?.manifest.generation;
        let resumed = run_with(&self.request(Existing::Continue, Faults::none()), store, &StopRequest::never())?;
        *done = resumed.generation;
        Ok(())
    }
}

#[test]
fn the_power_may_fail_after_any_operation_of_a_models_life() {
    let folder = tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let data = write(&root, &Plant { rows: 2500, features: 1 << 9, constant: true });
    let data = KINDS.map(|kind| suited(&data, kind));
    let place = |name: String, which: usize, consistency| {
        let home = root.join(name);
        fs::create_dir(&home).unwrap();
        fs::create_dir(home.join("attic")).unwrap();
        let store = Faulty::new(&home.join("attic"));
        (Place { kind: KINDS[which], data: &data[which], home, consistency }, store)
    };
    // By kind: the bits of a whole run in rounds, and the loss of one in place.
    let whole = [0, 1, 2, 3].map(|which| {
        let (whole, _) = place(format!("whole-{which}"), which, Consistency::Sync);
        run(&whole.request(Existing::Refuse, Faults::none())).unwrap();
        let expected = tensors(&whole.model());
        let (whole, _) = place(format!("other-{which}"), which, Consistency::Hogwild);
        (expected, logloss(&run(&whole.request(Existing::Refuse, Faults::none())).unwrap()))
    });

    // How many ways to lose what was not synced are tried after each operation.
    let (ways, seed) = (count(1), seed());
    let mut random = Random(seed);
    let (mut cuts, mut lost, mut old) = (0, 0, 0);
    for at in 1.. {
        let mut reached = false;
        for way in 0..ways {
            // Commits within passes are a matter of `hogwild`, to go on with the same bits from any commit is one of `sync`.
            let consistency = [Consistency::Sync, Consistency::Hogwild][((at + way) % 2) as usize];
            let which = ((at + way) / 2 % 4) as usize;
            let (expected, loss) = &whole[which];
            let (here, store) = place(format!("{at}-{way}"), which, consistency);
            store.fail_from(at, Errno::IO);
            let mut done = 0;
            let result = here.live(&store, &mut done);
            reached |= store.operations() >= at;
            // The disk has kept some of the names that were not synced, the oldest first, and of the bytes none, some or all.
            let names = random.below(store.pending_names() as u64 + 1) as usize;
            let bytes = [0, random.below(8000), u64::MAX][random.below(3) as usize];
            let story = format!(
                "{:?}, {consistency:?}, seed {seed}, stopped at {at}, {names} names and {bytes} bytes kept: {result:?}",
                here.kind
            );
            store.power_loss(names, bytes).unwrap();
            // The law: every generation that a run has told of is there, or a later one.
            let mut finished = false;
            let existing = match load(&here.model()) {
                Ok(loaded) => {
                    // The last one may have come to the disk though its run could not know.
                    finished = loaded.manifest.position["finished"] == true;
                    assert!(loaded.manifest.generation >= done, "{story}: {} of {done}", loaded.manifest.generation);
                    old += u64::from(result.is_err());
                    Existing::Continue
                }
                Err(error) => {
                    assert!(done == 0 && !here.model().exists(), "{story}: {error}");
                    lost += 1;
                    Existing::Refuse
                }
            };
            // And training goes on to the same end.
            if !finished {
                let resumed = run(&here.request(existing, Faults::none())).expect(&story);
                assert!(logloss(&resumed) / loss - 1.0 < 0.02, "{story}: {} and {loss}", logloss(&resumed));
            }
            assert!(consistency == Consistency::Hogwild || tensors(&here.model()) == *expected, "{story}");
            fs::remove_dir_all(&here.home).unwrap();
            cuts += 1;
        }
        if !reached {
            println!(
                "power: {cuts} cuts after each of {} operations (seed {seed}), {lost} before there was a model, {old} went on from a generation; 0 unreadable, 0 that ended otherwise",
                at - 1
            );
            return;
        }
    }
}
