//! What a search comes to on given data.

use std::fmt::Write as _;

use clap::ValueEnum;
use tempfile::tempdir;

use super::*;
use crate::model::configuration::{Kind, LossKind};
use crate::random::Random;
use crate::search::plan::{self, Ways};
use crate::train::Settings;

#[test]
fn trials_have_fewer_passes_on_more_rows() {
    assert_eq!([0, 1, 1000, 60_000, 75_000, 200_000, 10_000_000].map(plan::passes), [10, 10, 10, 10, 8, 3, 2]);
}

#[test]
fn log_and_policy_stand_beside_the_model() {
    let request = |model: &str| {
        let mut request = request(Path::new("d.svm"));
        request.train.model = model.into();
        request
    };
    assert_eq!(plan::log(&request("a/m.1")), Path::new("a/m.1.trials.jsonl"));
    assert_eq!(plan::policy(&request("m")), Path::new("m.policy"));
    let named = Request { log: Some("x/l".into()), ..request("a/m") };
    assert_eq!((plan::log(&named), plan::policy(&named)), ("x/l".into(), "a/m.policy".into()));
}

/// A space of the text of a file.
fn space_of(text: &str) -> Space {
    let folder = tempdir().unwrap();
    Space::read(&write(folder.path(), "s.toml", text)).unwrap()
}

#[test]
fn every_architecture_has_its_way_to_be_read_in() {
    for text in [
        "kind = \"linear\"\nlr = [0.1, 1]\n",
        "kind = [\"linear\", \"fm\"]\nbits = [\"none\", 4, 8]\n",
        // How the data is read hangs on what has nothing to do with data.
        "kind = \"linear\"\noptimizer = [\"adagrad\", \"ftrl\"]\nbits = { choice = [4, 8], when = { optimizer = \"ftrl\" } }\n",
        "optimizer = [\"adagrad\", \"sgd\"]\nkind = { choice = [\"linear\", \"fm\"], when = { optimizer = \"adagrad\" } }\ninteract = { choice = [\"none\", \"a:b\"], when = { kind = \"linear\" } }\n",
    ] {
        let space = space_of(text);
        let ways = Ways::of(&space, &["left".to_owned()]);
        for architecture in space.all() {
            let nth = ways.reading(&space, &architecture, &["left".to_owned()]);
            let hashing = space.reading(&architecture, &["left".to_owned()]);
            assert_eq!(ways.readings[nth], hashing, "{text}");
            let kind = space.settings(&architecture, 1).kind.unwrap_or_default();
            assert!(ways.kinds.contains(&(kind, nth)), "{text}: {kind:?} {nth}");
        }
        // Nothing is read for nobody.
        let mut used: Vec<bool> = vec![false; ways.readings.len()];
        space.all().for_each(|architecture| used[ways.reading(&space, &architecture, &["left".to_owned()])] = true);
        assert!(used.iter().all(|&used| used), "{text}");
    }
}

/// What the space is that was chosen, and what was said to it.
fn chosen(text: &str, name: &str, wanted: Option<&str>) -> Result<(Space, Vec<String>), String> {
    let folder = tempdir().unwrap();
    let data = write(folder.path(), name, text);
    let said = std::cell::RefCell::new(Vec::new());
    let request = Request { space: wanted.map(PathBuf::from), ..request(&data) };
    let notice = |text: &str| said.borrow_mut().push(text.to_owned());
    let space =
        plan::space(&request, &files(&Input::Path(data.clone())), &notice).map_err(|error| error.to_string())?;
    Ok((space, said.into_inner()))
}

fn kinds(space: &Space) -> Vec<Kind> {
    let mut random = Random::new(1);
    let drawn: Vec<Kind> = (0..500).filter_map(|_| space.settings(&space.draw(&mut random), 1).kind).collect();
    Kind::value_variants().iter().copied().filter(|kind| drawn.contains(kind)).collect()
}

#[test]
fn the_space_is_what_suits_the_data_where_nobody_says() {
    let (mut dense, mut sparse, mut ffm) = ("a,b,label\n".to_owned(), String::new(), String::new());
    for row in 1..60 {
        writeln!(dense, "{row},{},{}", row % 7, row % 2).unwrap();
        writeln!(sparse, "{} {}:1 {}:1", row % 2, row % 30 + 1, row % 29 + 31).unwrap();
        writeln!(ffm, "{} 0:{}:1 1:{}:1", row % 2, row % 30 + 1, row % 29 + 31).unwrap();
    }
    let (space, said) = chosen(&dense, "d.csv", None).unwrap();
    assert_eq!((space.name(), kinds(&space), said.len()), ("mlp", vec![Kind::Mlp], 0));
    // What cannot be tried on it is left out, and that is said.
    let (space, said) = chosen(&sparse, "s.svm", None).unwrap();
    assert_eq!((space.name(), kinds(&space)), ("sparse", vec![Kind::Linear, Kind::Fm]));
    assert!(said.len() == 1 && said[0].contains("no fields"), "{said:?}");
    let (space, said) = chosen(&ffm, "f.ffm", None).unwrap();
    assert_eq!((space.name(), kinds(&space)), ("sparse", vec![Kind::Linear, Kind::Fm, Kind::Ffm, Kind::Deep]));
    assert!(said.len() == 1 && said[0].contains("no names of fields: products"), "{said:?}");
    assert!(
        space
            .readings(&[])
            .iter()
            .all(|(hashing, _)| hashing.as_ref().is_none_or(|hashing| hashing.interactions.is_empty()))
    );
    // Columns have fields and names.
    let (space, said) = chosen(&dense, "d.csv", Some("sparse")).unwrap();
    assert_eq!((kinds(&space).len(), said.len()), (4, 0));
    let error = chosen(&dense, "d.csv", Some("dense")).unwrap_err();
    assert!(error.contains("there is no space \"dense\""), "{error}");
}

#[test]
fn flags_that_go_with_no_model_of_a_space_are_refused() {
    let hinge = || Settings { loss: Some(LossKind::Hinge), ..Settings::default() };
    let linear = space_of("kind = \"linear\"\nlr = [0.1, 1]\n");
    assert_eq!(plan::said(&linear, hinge()).unwrap().loss, Some(LossKind::Hinge));
    let some = space_of("kind = [\"linear\", \"fm\"]\n");
    assert!(plan::said(&some, hinge()).is_ok());
    let layered = space_of("kind = \"mlp\"\nhidden = [\"4\", \"8\"]\n");
    let error = plan::said(&layered, hinge()).unwrap_err();
    assert!(error.exit_code() == 2 && error.to_string().contains("--loss"), "{error}");
    let squared = space_of("loss = \"squared\"\nlr = [0.1, 1]\n");
    let error = plan::said(&squared, hinge()).unwrap_err().to_string();
    assert!(error.contains("--loss hinge, but the space says loss = squared"), "{error}");
    assert_eq!(plan::said(&squared, Settings::default()).unwrap().loss, Some(LossKind::Squared));
}
