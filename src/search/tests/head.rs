//! What a search is, and what another one differs in.

use serde_json::{Map, Value as Json};
use tempfile::tempdir;

use super::*;
use crate::model::configuration::LossKind;
use crate::search::head::Head;
use crate::search::strategy::Policies;
use crate::train::{ClassWeights, Settings};

const DATA: &str = "+1 1:0.5 2:1\n-1 3:0.1\n+1 2:0.30000001\n-1 1:7\n";

/// As it stands in a log.
fn written(head: &Head) -> Map<String, Json> {
    serde_json::from_slice(&serde_json::to_vec(head).unwrap()).unwrap()
}

/// Another request, of the same data.
type Change = Box<dyn Fn(&mut Request)>;

#[test]
fn a_search_goes_on_with_its_own_log_and_with_no_other() {
    let folder = tempdir().unwrap();
    let data = write(folder.path(), "d.svm", DATA);
    let read = files(&Input::Path(data.clone()));
    let request = || request(&data);
    let of = |request: &Request, space: &Space, passes: &[u32]| Head::new(request, space, &read, 0.2, passes);
    let sparse = Space::named("sparse").unwrap();
    let head = of(&request(), &sparse, &[10]);
    assert!(head.check(&data, &written(&head)).is_ok());
    let refused = |other: &Head, what: &str| {
        let error = head.check(&data, &written(other)).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains(&format!("d.svm is the log of another search: {what}")), "{what}: {error}");
        assert_ne!(head.hash(), other.hash(), "{what}");
    };
    let changed: [(&str, Change); 10] = [
        ("--strategy was another", Box::new(|request| request.strategy = Strategies::Evolution)),
        ("--policy was another", Box::new(|request| request.policy = Some(Policies::Paper))),
        ("--seed was another", Box::new(|request| request.train.settings.seed = Some(1))),
        ("--reward-power was another", Box::new(|request| request.power = 1.0 / 3.0)),
        ("--seeds was another", Box::new(|request| request.seeds = 2)),
        ("--loss, ", Box::new(|request| request.train.settings.loss = Some(LossKind::Hinge))),
        ("--loss, ", Box::new(|request| request.train.settings.quantile = Some(0.3))),
        ("--loss, ", Box::new(|request| request.train.settings.class_weights = Some(ClassWeights::Balanced))),
        (
            "--loss, ",
            Box::new(|request| {
                request.train.settings.class_weights = Some(ClassWeights::Named(vec![("1".to_owned(), 2.0)]));
            }),
        ),
        ("--loss, ", Box::new(|request| request.train.settings.min_count = Some(3))),
    ];
    for (what, change) in &changed {
        let mut request = request();
        change(&mut request);
        refused(&of(&request, &sparse, &[10]), what);
    }
    refused(&of(&request(), &sparse, &[1, 3, 10]), "--child-passes or --halving was another");
    refused(&Head::new(&request(), &sparse, &read, 0.25, &[10]), "--holdout was another");
    refused(&of(&request(), &Space::named("mlp").unwrap(), &[10]), "the space is another, look at `");
    refused(&of(&request(), &sparse.without_fields().unwrap(), &[10]), "the space is another, look at `kind`");
    // What ends a search, and what it runs on, is no part of it.
    let more = Request { budget: None, time: Some(std::time::Duration::from_secs(3)), control: true, ..request() };
    let settings = Settings { seed: Some(0), ..Settings::default() };
    let more = Request { train: train::Request { settings, ..more.train }, ..more };
    assert!(head.check(&data, &written(&of(&more, &sparse, &[10]))).is_ok());
}

#[test]
fn data_is_told_apart_by_rows_values_and_labels() {
    let folder = tempdir().unwrap();
    let head = |text: &str| {
        let data = write(folder.path(), "d.svm", text);
        Head::new(&request(&data), &space(3), &files(&Input::Path(data)), 0.2, &[1])
    };
    let (first, path) = (head(DATA), folder.path().join("l.jsonl"));
    assert!(first.check(&path, &written(&head(DATA))).is_ok());
    for other in
        [DATA.replace("0.5", "0.6"), DATA.replace("-1 3", "+1 3"), format!("{DATA}+1 1:1\n"), DATA.replace(" 2:1", "")]
    {
        let error = first.check(&path, &written(&head(&other))).unwrap_err().to_string();
        assert!(error.contains("the data is another"), "{other}: {error}");
    }
}

#[test]
fn what_is_no_head_is_refused() {
    let folder = tempdir().unwrap();
    let data = write(folder.path(), "d.svm", DATA);
    let head = Head::new(&request(&data), &space(3), &files(&Input::Path(data.clone())), 0.2, &[1]);
    let error = head.check(&data, &Map::new()).unwrap_err().to_string();
    assert!(error.contains("its first line is no search's"), "{error}");
    // Each of its fields is looked at.
    let whole = written(&head);
    for field in whole.keys() {
        let mut without = whole.clone();
        without.remove(field);
        assert!(head.check(&data, &without).is_err(), "{field}");
    }
    // Not so the name of the space: a file may be renamed.
    let mut renamed = whole.clone();
    renamed["space"]["name"] = "other".into();
    assert!(head.check(&data, &renamed).is_ok());
}
