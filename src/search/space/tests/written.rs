//! Spaces as they are written: what they come to, and what is said to those that are none.

use std::collections::HashSet;
use std::path::Path;

use super::*;
use crate::model::configuration::{Activation, Kind, LossKind, Optimizer};

/// The space of these lines.
fn space(lines: &[&str]) -> Space {
    Space::parse(&lines.join("\n"), Path::new("s.toml")).unwrap()
}

/// What is said to these lines.
fn refused(lines: &[&str]) -> String {
    Space::parse(&lines.join("\n"), Path::new("s.toml")).unwrap_err().to_string()
}

/// The values of a decision, as they are told.
fn values(space: &Space, name: &str) -> Vec<String> {
    let decision = space.decisions().iter().find(|decision| decision.name == name).unwrap();
    decision.values.iter().map(file::shown).collect()
}

/// The architecture of these choices.
fn architecture(space: &Space, told: &str) -> Architecture {
    space.find(&serde_json::from_str(told).unwrap()).unwrap()
}

#[test]
fn values_are_listed_counted_and_spaced_by_logarithm() {
    let space = space(&[
        r#"kind = "mlp""#,
        r#"optimizer = ["adam", "sgd"]"#,
        "layers = { integer = [1, 9], step = 4 }",
        "width = { log = [16, 256], steps = 5 }",
        "batch = { choice = [64, 16, 32] }",
        "lr = { log = [1e-4, 1e-1] }",
        "[dropout]",
        "choice = [0, 0.5]",
        "when = { layers = [5, 9] }",
    ]);
    assert_eq!(space.name(), "s");
    assert_eq!(values(&space, "layers"), ["1", "5", "9"]);
    assert_eq!(values(&space, "width"), ["16", "32", "64", "128", "256"]);
    assert_eq!(values(&space, "batch"), ["64", "16", "32"]);
    assert_eq!(values(&space, "lr"), ["1e-4", "3.16e-4", "0.001", "0.00316", "0.01", "0.0316", "0.1"]);
    let ordered = |name: &str| space.decisions().iter().any(|decision| decision.name == name && decision.is_ordered);
    assert!(["layers", "width", "lr", "dropout"].into_iter().all(ordered));
    assert!(!["optimizer", "batch"].into_iter().any(ordered));
    let names: Vec<_> = space.decisions().iter().map(|decision| decision.name.as_str()).collect();
    assert_eq!(names, ["optimizer", "layers", "width", "batch", "lr", "dropout"]);
    assert_eq!(space.decisions()[5].when, Some(When { decision: 1, choices: vec![1, 2] }));
}

#[test]
fn what_only_some_layers_and_kinds_have_hangs_on_them_by_itself() {
    let space = space(&[
        r#"kind = ["linear", "mlp", "deep"]"#,
        "rank = [4, 8]",
        "layers = [0, 1, 2]",
        "width1 = [16, 32]",
        "width2 = [16, 32]",
        "skip0-2 = [true, false]",
        "skip1-3 = [false, true]",
        "lr-factor = [0.5, 1]",
    ]);
    let when = |nth: usize| space.decisions()[nth].when.clone();
    let on = |decision, choices: &[u8]| Some(When { decision, choices: choices.to_vec() });
    assert_eq!([when(0), when(1), when(2)], [None, on(0, &[2]), on(0, &[1, 2])]);
    assert_eq!([when(3), when(4), when(5), when(6)], [on(2, &[1, 2]), on(2, &[2]), on(2, &[1, 2]), on(2, &[2])]);
    assert_eq!(when(7), None);
    assert_eq!((space.decisions()[5].skip, values(&space, "skip0-2")), (Some((0, 2)), vec!["no".into(), "yes".into()]));
    // linear; and mlp once, deep twice: without layers, with one, with two.
    assert_eq!(space.size(), 2 * (1 + 3 * (1 + 2 * 2 + 2 * 2 * 2 * 2)));
    assert_eq!(space.size() as usize, space.all().count());
}

#[test]
fn one_value_is_no_decision() {
    let space = space(&[
        r#"kind = ["mlp", "linear"]"#,
        "batch = 32",
        "layers = [2]",
        "width = { choice = [64] }",
        "dropout = [0.1, 0.2]",
        "l2 = { choice = [0.5], when = { kind = \"linear\" } }",
    ]);
    let names: Vec<_> = space.decisions().iter().map(|decision| decision.name.as_str()).collect();
    assert_eq!(names, ["kind", "dropout"]);
    assert_eq!(space.decisions()[1].when, Some(When { decision: 0, choices: vec![0] }));
    let mlp = space.settings(&architecture(&space, r#"{"kind": "mlp", "dropout": 0.2}"#), 1);
    assert_eq!((mlp.hidden, mlp.batch, mlp.dropout, mlp.l2), (Some(vec![64, 64]), Some(32), Some(0.2), None));
    let linear = space.settings(&architecture(&space, r#"{"kind": "linear"}"#), 1);
    assert_eq!((linear.hidden, linear.batch, linear.dropout, linear.l2), (None, None, None, Some(0.5)));
}

#[test]
fn an_architecture_is_what_train_knows_it_by() {
    let space = space(&[
        r#"kind = ["deep", "fm"]"#,
        r#"interact = { choice = ["none", "::", "a:b,c:d"], when = { kind = "fm" } }"#,
        r#"bits = { choice = ["none", 18], when = { kind = "fm" } }"#,
        "rank = [4, 8]",
        "layers = [1, 3]",
        "width1 = [128, 64]",
        "width3 = [32, 16]",
        "skip0-2 = [false, true]",
        r#"activation = ["tanh", "gelu"]"#,
        "wide = [false, true]",
        r#"optimizer = { choice = ["adam", "momentum"], when = { kind = "deep" } }"#,
        r#"schedule = "constant""#,
        r#"loss = "logistic""#,
        "lr-factor = [0.5, 4]",
        "l2-rows = [0, 20]",
    ]);
    let deep = architecture(
        &space,
        r#"{"kind": "deep", "rank": 8, "layers": 3, "width1": 128, "width3": 16, "skip0-2": "yes", "activation": "gelu", "wide": "yes", "optimizer": "momentum", "lr-factor": 4, "l2-rows": 20}"#,
    );
    let settings = space.settings(&deep, 32_561);
    assert_eq!((settings.kind, settings.rank, settings.wide), (Some(Kind::Deep), Some(8), true));
    // The second layer has no width of its own: it is as wide as the first.
    assert_eq!((settings.hidden.as_deref(), settings.activation), (Some(&[128, 128, 16][..]), Some(Activation::Gelu)));
    assert_eq!((settings.optimizer, settings.lr), (Some(Optimizer::Momentum), Some(0.08)));
    assert_eq!((settings.l2, settings.loss), (Some(6.142e-4), Some(LossKind::Logistic)));
    assert_eq!(space.reading(&deep, &[]), None);
    assert_eq!(
        sentence(&settings, None),
        "deep of rank 8, wide, 3 layers of 128, 128 and 16, skips 0-2, gelu, momentum at 0.08, logistic loss, constant schedule, l2 0.0006142"
    );

    let fm = architecture(
        &space,
        r#"{"kind": "fm", "interact": "a:b,c:d", "bits": "none", "rank": 4, "lr-factor": 0.5, "l2-rows": 0}"#,
    );
    let (settings, hashing) = (space.settings(&fm, 100), space.reading(&fm, &["e".to_owned()]).unwrap());
    assert_eq!((settings.hidden.as_ref(), settings.lr, settings.l2), (None, Some(1.0), Some(0.0)));
    assert_eq!((hashing.bits, hashing.interactions.len(), hashing.ignored.len()), (24, 2, 1));
    assert_eq!(
        flags(&settings, Some(&hashing)).join(" "),
        "--kind fm --rank 4 --loss logistic --lr 1 --l2 0 --schedule constant --interact a:b,c:d"
    );
}

#[test]
fn the_rate_is_a_multiple_of_that_of_the_optimizer() {
    let space = space(&[r#"kind = "mlp""#, r#"optimizer = ["adam", "momentum", "sgd"]"#, "lr-factor = [0.5, 3]"]);
    let rates: Vec<f32> = space.all().filter_map(|architecture| space.settings(&architecture, 1).lr).collect();
    assert_eq!(rates, [1e-3, 6e-3, 1e-2, 6e-2, 0.05, 0.3]);
}

#[test]
fn presets_are_the_files_they_are_and_train_takes_all_they_hold() {
    let told = |name: &str| Space::named(name).unwrap().to_string();
    assert_eq!(told("mlp"), "mlp: 12 decisions, 1.91 million architectures");
    assert_eq!(told("sparse"), "sparse: 10 decisions, 21,490 architectures");
    for name in ["mlp", "sparse"] {
        let space = Space::named(name).unwrap();
        let read = Space::read(Path::new(&format!("src/search/space/{name}.toml"))).unwrap();
        assert_eq!((space.name(), &read, &Space::open(Path::new(name)).unwrap()), (name, &space, &space));
        let (mut random, mut met) = (Random::new(3), HashSet::new());
        for _ in 0..20_000 {
            let architecture = space.draw(&mut random);
            let (settings, hashing) = (space.settings(&architecture, 1000), space.reading(&architecture, &[]));
            settings.check(None).unwrap();
            assert_eq!(space.find(&space.told(&architecture)), Some(architecture.clone()));
            met.insert(flags(&settings, hashing.as_ref()));
        }
        // Hardly two are one to train.
        let all = (0..20_000).map(|_| space.draw(&mut random)).collect::<HashSet<_>>();
        assert!(met.len() * 10 > all.len() * 9, "{name}: {} of {}", met.len(), all.len());
    }
    let error = |name: &str| Space::named(name).unwrap_err().to_string();
    assert_eq!(
        error("conv"),
        "the space conv is not there yet: spaces are mlp and sparse, or a file such as ./space.toml"
    );
    assert_eq!(error("mpl"), r#"there is no space "mpl": spaces are mlp and sparse, or a file such as ./space.toml"#);
}

#[test]
fn the_spaces_of_the_documentation_are_spaces() {
    let text = include_str!("../../../../docs/search.md");
    let blocks: Vec<_> = text.split("```toml\n").skip(1).filter_map(|rest| rest.split_once("```")).collect();
    let told = |(block, _): &(&str, &str)| Space::parse(block, Path::new("s.toml")).unwrap().to_string();
    let told: Vec<String> = blocks.iter().map(told).collect();
    assert_eq!(told, ["small: 7 decisions, 3,920 architectures", "s: 7 decisions, 60 architectures"]);
}

#[test]
fn data_without_fields_is_searched_without_what_needs_some() {
    let space = Space::named("sparse").unwrap().without_fields().unwrap();
    assert_eq!(values(&space, "kind"), ["linear", "fm"]);
    for architecture in space.all() {
        assert!(space.settings(&architecture, 1).hidden.is_none() && space.reading(&architecture, &[]).is_none());
    }
    assert_eq!(space.size(), 35 * (3 + 4));
    let fields = Space::parse("kind = \"ffm\"\nrank = [4, 8]", Path::new("f")).unwrap();
    assert!(fields.without_fields().unwrap_err().to_string().contains("the space f is for data with fields"));
}

#[test]
fn readings_are_each_told_once_with_the_kinds_that_use_them() {
    let space = Space::named("sparse").unwrap();
    let readings = space.readings(&["x".to_owned()]);
    let bits: Vec<_> =
        readings.iter().map(|(hashing, kinds)| (hashing.as_ref().map(|hashing| hashing.bits), kinds.len())).collect();
    assert_eq!(bits, [(None, 4), (Some(24), 1)]);
    assert!(
        readings[1..]
            .iter()
            .all(|(hashing, kinds)| kinds == &[Kind::Linear] && hashing.as_ref().unwrap().ignored == ["x"])
    );
    for architecture in space.all() {
        let (reading, kind) =
            (space.reading(&architecture, &["x".to_owned()]), space.settings(&architecture, 1).kind.unwrap());
        assert!(readings.iter().any(|(hashing, kinds)| *hashing == reading && kinds.contains(&kind)));
    }
    assert_eq!(Space::named("mlp").unwrap().readings(&[]), [(None, vec![Kind::Mlp])]);
}

#[test]
fn narrowing_keeps_what_hangs_together() {
    for space in super::spaces() {
        for (nth, decision) in space.decisions().iter().enumerate() {
            for value in 0..decision.values.len() {
                let part = space.narrowed(|other, at| other != nth || at != value);
                let has = |architecture: &&Architecture| usize::from(architecture.choices()[nth]) != value;
                let never = decision.when.is_none() && decision.values.len() == 1;
                let told = |space: &Space, architecture: &Architecture| {
                    let said = space.said(architecture).map(|(name, value)| (name.to_owned(), file::shown(value)));
                    let mut said: Vec<_> = said.collect();
                    said.sort();
                    said
                };
                // A decision that has lost its only value is none any more, and what hangs on it is gone.
                if never || decision.values.len() == 1 {
                    continue;
                }
                let all: Vec<_> = space.all().collect();
                let mut wanted: Vec<_> =
                    all.iter().filter(has).map(|architecture| told(&space, architecture)).collect();
                let mut found: Vec<_> = part.all().map(|architecture| told(&part, &architecture)).collect();
                wanted.sort();
                found.sort();
                assert_eq!(found, wanted, "{nth} {value}");
                assert!(part.decisions().iter().all(|decision| decision.values.len() > 1));
            }
        }
    }
}

#[test]
fn what_is_no_space_is_refused_with_its_line_and_what_to_do() {
    for (lines, said) in [
        (
            &[""][..],
            "s.toml:1: this is one model, and there is nothing to search: name several values, such as lr-factor = [0.5, 1, 2]",
        ),
        (&["# a", r#"kind = "mlp""#, "batch = [32]"], "s.toml:3: this is one model"),
        (&["lr = [0.1, 1"], "s.toml:1:13: not TOML: "),
        (&["", "lr = []"], "s.toml:2: `lr` has no values: name those that may be chosen, such as [1, 2]"),
        (&["lr = { choice = [] }"], "s.toml:1: `lr` has no values"),
        (
            &["lr = {}"],
            "s.toml:1: `lr` does not say what may be chosen: choice = [...], integer = [FROM, TO] or log = [FROM, TO]",
        ),
        (&["lr = { choice = 1 }"], "s.toml:1: `lr` must have a list of values as its `choice`"),
        (&["[lr]", "choice = [1, 2]", "log = [1, 2]"], "s.toml:3: `lr` has `choice` and `log`: leave one out"),
        (
            &["[lr]", "chioce = [1, 2]"],
            "s.toml:2: `lr` has no `chioce`: did you mean `choice`? It may have choice, integer, log, step, steps, when",
        ),
        (&["lr = { log = [1, 2], step = 2 }"], "s.toml:1: `lr` has `step`, which is for `integer`, not for `log`"),
        (&["lr = { log = 1 }"], "s.toml:1: `lr` must have two numbers as its range, such as [1, 4]"),
        (&[r#"lr = { log = [1, "2"] }"#], "s.toml:1: `lr` must have two numbers as its range"),
        (
            &["lr = { log = [1, 0.5] }"],
            "s.toml:1: `lr` has a range from 1 to 0.5: write the smaller one first, [0.5, 1]",
        ),
        (&["lr = { log = [0, 1] }"], "s.toml:1: `lr` is from 0 on: the ends of `log` must be above 0"),
        (&["lr = { log = [-1, 1] }"], "s.toml:1: `lr` is from -1 on"),
        (&["lr = { log = [1, 2], steps = 0 }"], "s.toml:1: `lr` has `steps` that are no whole number, 2 or more"),
        (&["lr = { log = [1, 2], steps = 251 }"], "s.toml:1: `lr` has 251 values, more than 250: take fewer steps"),
        (
            &["lr = { log = [1, 1.01], steps = 30 }"],
            "s.toml:1: `lr` has 1 twice in 30 steps from 1 to 1.01: take fewer steps",
        ),
        (&["lr = { log = [1, inf] }"], "s.toml:1: `lr` must have two numbers as its range"),
        (
            &["batch = { integer = [1, 9], step = 0 }"],
            "s.toml:1: `batch` has a `step` that is no whole number, 1 or more",
        ),
        (
            &["batch = { integer = [1, 9], step = \"2\" }"],
            "s.toml:1: `batch` has a `step` that is no whole number, 1 or more",
        ),
        (
            &["batch = { integer = [1, 2.5] }"],
            "s.toml:1: `batch` is from 1 to 2.5: the ends of `integer` must be whole numbers",
        ),
        (
            &["batch = { integer = [1, 1000] }"],
            "s.toml:1: `batch` has 1,000 values, more than 250: take a step, such as step = 5, or `log`",
        ),
        (&["batch = { integer = [1, 1e300] }"], "s.toml:1: `batch` has "),
        (&["lr = [1, 2, 1.0]"], "s.toml:1: `lr` has 1 twice: each value once"),
        (&["dropout = [0, 1]"], "s.toml:1: `dropout` is 1: must be a share of the units: 0 or more, below 1"),
        (&["lr = [0, 1]"], "s.toml:1: `lr` is 0: must be a number above 0"),
        (&["lr = [1e-60, 1]"], "s.toml:1: `lr` is 1e-60: must be a number above 0"),
        (&["l2 = [-1, 1]"], "s.toml:1: `l2` is -1: must be a number, 0 or more"),
        (&["lr = [nan, 1]"], "s.toml:1: `lr` must have numbers, text, true or false as values"),
        (&["lr = [[1], 1]"], "s.toml:1: `lr` must have numbers, text, true or false as values"),
        (&["lr = [1979-05-27, 1]"], "s.toml:1: `lr` must have numbers, text, true or false as values"),
        (&["layers = [1, 2]", "width = [0, 8]"], "s.toml:2: `width` is 0: must be a whole number from 1 to 4294967295"),
        (&["rank = [4, 70000]"], "s.toml:1: `rank` is 70000: must be a whole number from 1 to 65535"),
        (&["bits = [18, 32]"], "s.toml:1: `bits` is 32: must be a whole number from 1 to 31, or \"none\""),
        (
            &[r#"activation = ["relu", "tahn"]"#],
            "s.toml:1: `activation` is tahn: did you mean \"tanh\"? It must be one of relu, tanh, gelu",
        ),
        (&["activation = [1, 2]"], "s.toml:1: `activation` is 1: must be one of relu, tanh, gelu"),
        (
            &["hidden = [64, 32]"],
            "s.toml:1: `hidden` is 64: must be the sizes of all layers in one text, such as \"64,32\", or \"none\"",
        ),
        (
            &[r#"interact = ["a", "none"]"#],
            "s.toml:1: `interact` is a: must be A:B, two namespaces or columns, or :: for any two",
        ),
        (&["wide = [0, 1]"], "s.toml:1: `wide` is 0: must be true or false"),
        (&["xyz = [1, 2]"], "s.toml:1: unknown key `xyz`: keys are name, kind, rank, "),
        (&["lr_factor = [1, 2]"], "s.toml:1: unknown key `lr_factor`: did you mean `lr-factor`?"),
        (&["width0 = [1, 2]"], "s.toml:1: unknown key `width0`: did you mean `width`?"),
        (&["skip0-1 = [true, false]"], "s.toml:1: unknown key `skip0-1`: did you mean `skip0-2`?"),
        (&["seed = [1, 2]"], "s.toml:1: `seed` is said of a run, not of a model: leave it out"),
        (&["name = 3"], "s.toml:1: `name` must be text, what the space is called"),
        (&["lr = [1, 2]", "lr-factor = [1, 2]"], "s.toml:1: `lr` and `lr-factor` (line 2) say the same: leave one out"),
        (
            &["width1 = [8, 9]"],
            "s.toml:1: `width1` needs `layers`, how many hidden layers there are, such as layers = [1, 2, 3], before it",
        ),
    ] {
        let refused = refused(lines);
        assert!(refused.starts_with(said), "{lines:?}\n{refused}\n{said}");
    }
}

#[test]
fn conditions_that_hang_in_the_air_are_refused() {
    let when = |name: &str, on: &str| format!("{name} = {{ choice = [0.1, 0.2], when = {{ {on} }} }}");
    let (lr, dropout) = (when("lr", "dropout = 0.1"), when("dropout", "lr = 0.1"));
    for (lines, said) in [
        (
            &["", "lr = [1, 2]", &when("dropout", "rank = 3")][..],
            "s.toml:3: `dropout` hangs on `rank`, which this space does not have",
        ),
        (
            &["lr-factor = [1, 2]", &when("dropout", "lr-fcator = 3")],
            "s.toml:2: `dropout` hangs on `lr-fcator`, which this space does not have; did you mean `lr-factor`?",
        ),
        (
            &["lr = [1, 2]", &when("dropout", "lr = [2, 3]")],
            "s.toml:2: `dropout` hangs on `lr` being 3, which it never is: it is 1 or 2",
        ),
        (
            &["lr = [1, 2]", &when("dropout", "lr = []")],
            "s.toml:2: `dropout` is never chosen: its `when` has no values of `lr`",
        ),
        (
            &["lr = [1, 2]", &when("dropout", "lr = [[1]]")],
            "s.toml:2: `dropout` has a `when` whose `lr` must have numbers, text, true or false as values",
        ),
        (
            &["lr = 1", &when("dropout", "lr = 1")],
            "s.toml:2: `dropout` hangs on `lr`, which is always 1: leave `when` out, or let `lr` be chosen",
        ),
        (
            &[&when("dropout", "lr = 1"), "lr = [1, 2]"],
            "s.toml:1: `dropout` hangs on `lr`, which comes later (line 2): move `lr` up",
        ),
        (
            &[&lr, &dropout],
            "s.toml:1: `lr` hangs on `dropout`, `dropout` hangs on `lr`, in a circle: nothing could be chosen first; leave one `when` out",
        ),
        (&[&when("lr", "lr = 0.1")], "s.toml:1: `lr` hangs on `lr`, in a circle"),
        (
            &["[lr]", "choice = [1, 2]", "when = 3"],
            "s.toml:3: `lr` must have as its `when` an earlier decision and its values, such as when = { layers = [2, 3] }",
        ),
        (
            &["lr = [1, 2]", "l1 = [1, 2]", &when("dropout", "lr = 1, l1 = 2")],
            "s.toml:3: `dropout` hangs on `l1` and on `lr`, and a decision may hang on one: ",
        ),
        (
            &["width2 = [1, 2]", "layers = [1, 2]"],
            "s.toml:1: `width2` hangs on `layers`, which comes later (line 2): move `layers` up",
        ),
        (
            &[r#"kind = "mlp""#, "layers = [1, 2]", "width3 = [1, 2]"],
            "s.toml:3: `width3` is for 3 layers or more, and `layers` is 2 at most",
        ),
        (
            &[r#"kind = "mlp""#, "layers = [1, 2]", "skip0-4 = [false, true]"],
            "s.toml:3: `skip0-4` is for 3 layers or more, and `layers` is 2 at most",
        ),
        (
            &[r#"kind = "mlp""#, "layers = [1, 2]", "width2 = { choice = [1, 2], when = { layers = [1, 2] } }"],
            "s.toml:3: `width2` is for 2 layers or more, and its `when` says 1: leave 1 out",
        ),
        (
            &[r#"kind = ["linear", "fm"]"#, "batch = [1, 2]"],
            "s.toml:2: `batch` is for kind mlp, deep, text, and `kind` is linear or fm: leave it out",
        ),
        (
            &["lr = [1, 2]", "rank = [1, 2]"],
            "s.toml:2: `rank` is for kind fm, ffm, deep, and without `kind` all are linear: begin with kind = \"fm\"",
        ),
        (
            &[r#"kind = "linear""#, "rank = [1, 2]"],
            "s.toml:2: `rank` is for kind fm, ffm, deep, and `kind` is linear: leave it out",
        ),
    ] {
        let refused = refused(lines);
        assert!(refused.starts_with(said), "{lines:?}\n{refused}\n{said}");
    }
}

#[test]
fn architectures_that_train_would_refuse_are_refused_at_once() {
    for (lines, said) in [
        (
            &[r#"kind = ["mlp", "linear"]"#, r#"optimizer = ["adam", "sgd"]"#][..],
            "s.toml:2: --optimizer adam is for layers; --kind linear is learned by adagrad, sgd or ftrl; `when` with `optimizer` says where it is chosen",
        ),
        (
            &["lr = [1, 2]", r#"loss = ["logistic", "hinge"]"#],
            "s.toml:2: `loss` is the same for all models, which are compared by what they predict: name one",
        ),
        (
            &[r#"kind = "fm""#, "lr = [1, 2]", r#"loss = "hinge""#],
            "s.toml:3: --kind fm learns by --loss logistic, softmax or squared; this is hinge",
        ),
        (
            &[r#"optimizer = ["sgd", "ftrl"]"#, "l1 = [0, 1]"],
            "s.toml:2: --l1 needs --optimizer ftrl, which can keep weights at 0; this is sgd",
        ),
        (
            &[r#"kind = ["fm", "ffm"]"#, "rank = [4, 8]", r#"bits = { choice = [18], when = { rank = 4 } }"#],
            "s.toml:3: --kind ffm needs fields, ",
        ),
        (
            &[r#"kind = ["mlp"]"#, "layers = [1, 2]"],
            "s.toml:2: layer 1 has no width: say `width`, or `width1`, `width2` and so on",
        ),
    ] {
        let refused = refused(lines);
        assert!(refused.starts_with(said), "{lines:?}\n{refused}\n{said}");
    }
    // However large it is.
    let many = "kind = [\"mlp\", \"linear\"]\nlayers = { integer = [0, 50] }\nwidth = { integer = [1, 250] }\nl2 = { log = [1e-9, 1], steps = 250 }\n";
    let widths: String = (1..=50).map(|layer| format!("width{layer} = {{ integer = [1, 250] }}\n")).collect();
    let space = Space::parse(&format!("{many}{widths}"), Path::new("s.toml")).unwrap();
    assert_eq!(space.to_string(), "s: 54 decisions, over 1e38 architectures");
}
