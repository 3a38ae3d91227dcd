//! A model written down: `train --spec`, and the spec that every model has.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{Folder, Run, csv, svm};

/// A folder with `good.svm`, whose rows are never cached.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("good.svm", svm(200));
    folder
}

/// What train makes of a spec of these `lines`, with these flags behind it.
fn train(folder: &Folder, lines: &[&str], flags: &[&str]) -> Run {
    folder.write("s.toml", lines.join("\n"));
    folder.run(&[&["train", "--spec", "s.toml"], flags].concat())
}

/// The spec in a model.
fn written(folder: &Folder, model: &str) -> String {
    String::from_utf8(folder.read(&format!("{model}/latest/spec.toml"))).unwrap()
}

/// The lines of a spec that say something.
fn keys(spec: &str) -> Vec<&str> {
    let keys = spec.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    keys.map(|line| line.trim_end_matches(" # chosen")).collect()
}

#[test]
fn a_spec_says_what_flags_say() {
    let folder = Folder::new();
    folder.write("one.csv", csv(200));
    folder.write("other.csv", csv(50));
    let spec = [
        r#"data = ["one.csv", "other.csv"]"#,
        r#"model = "by-spec""#,
        "",
        "# The model",
        r#"kind = "linear""#,
        r#"loss = "hinge""#,
        r#"optimizer = "sgd""#,
        "lr = 5e-1",
        "l2 = 0.001",
        r#"class-weight = "0:2,1:1""#,
        "seed = 0x10",
        "passes = 1_0",
        "holdout = 0.25",
        "early-stop = 0",
        r#"schedule = "plateau""#,
        r#"format = "csv""#,
        r#"label = "label""#,
        r#"ignore = ["size"]"#,
        r#"categorical = ["weight", "color"]"#,
        "bits = 12",
        r#"interact = ["color:color", "::"]"#,
        "skip-bad-rows = true",
        "no-cache = true",
        "shards = 2",
        "controllers = 1",
        "children = 1",
        "nodes = 1",
        r#"consistency = "sync""#,
        "head = 0",
        "merge = 16",
        "checkpoint-every = 5",
    ];
    train(&folder, &spec, &[]).done();
    let flags = "train one.csv other.csv --model by-flags --kind linear --loss hinge --optimizer sgd --lr 0.5 --l2 0.001 \
                 --class-weight 0:2,1:1 --seed 16 --passes 10 --holdout 0.25 --early-stop 0 --schedule plateau --format csv --label label \
                 --ignore size --categorical weight,color --bits 12 --interact color:color,:: --skip-bad-rows --no-cache --shards 2 --controllers 1 --children 1 --nodes 1 \
                 --consistency sync --head 0 --merge 16 --checkpoint-every 5";
    folder.run(&flags.split_whitespace().collect::<Vec<_>>()).done();
    assert_eq!(folder.model_bytes("by-spec"), folder.model_bytes("by-flags"));
    let [spec, flags] = ["by-spec", "by-flags"].map(|model| written(&folder, model));
    assert_eq!(spec.replace("by-spec", "by-flags"), flags);
    assert!(!folder.has("one.csv.hogcache"));
}

#[test]
fn every_model_can_be_trained_again_by_its_spec() {
    let folder = folder();
    folder.write("data.csv", csv(300));
    folder.write("valid.svm", svm(60));
    let numbers = csv(300).replace("label", "size2");
    folder.write("numbers.csv", numbers);
    for (nth, flags) in [
        &["good.svm"][..],
        &["good.svm", "--l1", "0.3", "--seed", "18446744073709551615", "--lr", "1e-3", "--l2", "3e-30"],
        &["good.svm", "--loss", "quantile", "--quantile", "0.3", "--children", "2", "--consistency", "sync"],
        &["good.svm", "--valid", "valid.svm", "--class-weight", "balanced", "--schedule", "linear"],
        &["data.csv", "--interact", "::", "--bits", "12", "--ignore", "weight", "--class-weight", "0:2,1:0.5"],
        &["data.csv", "--categorical", "weight,size"],
        &["data.csv", "--label", "color", "--loss", "hinge", "--holdout", "0.3", "--skip-bad-rows"],
        &["numbers.csv", "--label", "weight", "--cache", "caches", "--optimizer", "sgd", "--early-stop", "3"],
        &["good.svm", "--kind", "mlp", "--hidden", "6,5", "--skips", "1-3,0-2", "--passes", "2"],
        &["good.svm", "--kind", "mlp", "--hidden", "none", "--passes", "2"],
    ]
    .iter()
    .enumerate()
    {
        let one: &[&str] = if flags.contains(&"--children") { &[] } else { &["--children", "1"] };
        let model = format!("m{nth}");
        folder.run(&[&["train", "--model", &model], one, flags].concat()).done();
        let spec = format!("{model}/latest/spec.toml");
        folder.run(&["train", "--spec", &spec, flags[0], "--model", "again"]).done();
        assert_eq!(folder.model_bytes("again"), folder.model_bytes(&model), "{flags:?}");
        // What is written the second time says the same, all of it said.
        assert_eq!(keys(&written(&folder, "again")), keys(&written(&folder, &model)), "{flags:?}");
        // And nothing but the flags of the machine is left to choose.
        std::fs::remove_dir_all(folder.path("again")).unwrap();
    }
}

#[test]
fn a_written_spec_shows_what_was_chosen_and_names_no_data() {
    let folder = folder();
    folder.run(&["train", "good.svm", "--model", "m", "--passes", "3", "--children", "1"]).done();
    let spec = written(&folder, "m");
    for line in [
        r#"# data = ["good.svm"]"#,
        r#"# model = "m""#,
        r#"loss = "logistic" # chosen"#,
        "lr = 1.0 # chosen",
        "passes = 3",
        "holdout = 0.1 # chosen",
        "children = 1",
        "shards = 1 # chosen",
    ] {
        assert!(spec.lines().any(|other| other == line), "{line}: {spec}");
    }
    for key in ["data", "model", "quantile", "l1", "valid", "resume", "overwrite", "json", "quiet"] {
        assert!(!keys(&spec).iter().any(|line| line.starts_with(&format!("{key} "))), "{key}: {spec}");
    }
    // Runs that are not repeatable leave it to the next machine who works where.
    folder.run(&["train", "good.svm", "--model", "n", "--controllers", "2"]).done();
    let spec = written(&folder, "n");
    assert!(keys(&spec).contains(&"controllers = 2"), "{spec}");
    assert!(spec.contains("\n# shards = ") && spec.contains("\n# children = "), "{spec}");
}

#[test]
fn every_generation_has_its_spec() {
    let folder = folder();
    folder.run(&["train", "good.svm", "--model", "m", "--passes", "2", "--class-weight=-1:2,1:1"]).done();
    folder.run(&["train", "good.svm", "--model", "m", "--resume", "--passes", "1", "--lr", "0.5"]).done();
    let [before, after] =
        ["gen-00001", "gen-00002"].map(|name| String::from_utf8(folder.read(&format!("m/{name}/spec.toml"))).unwrap());
    assert!(keys(&before).contains(&"passes = 2") && keys(&after).contains(&"passes = 1"), "{before}{after}");
    assert!(keys(&after).contains(&"lr = 0.5") && after.contains("went on with a model"), "{after}");
    assert!(keys(&after).contains(&r#"class-weight = "-1:2.0,1:1.0""#), "what the model has: {after}");
}

#[test]
fn flags_come_before_the_spec() {
    let folder = folder();
    folder.write("other.svm", svm(50));
    let spec = [r#"data = "none.svm""#, r#"model = "m""#, "passes = 9", r#"loss = "hinge""#, "children = 1"];
    let run = train(&folder, &spec, &["--passes", "1", "--model", "n", "good.svm", "other.svm", "--json"]).done();
    let summary = run.summary();
    assert_eq!((summary["rows"].as_u64(), summary["passes"].as_u64()), (Some(250), Some(1)));
    assert_eq!((summary["loss"].as_str(), summary["model"].as_str()), (Some("hinge"), Some("n")));
    assert!(!folder.has("m") && !run.err.contains("note: s.toml"), "{run:?}");
}

#[test]
fn a_key_that_does_not_go_with_a_flag_gives_way_and_that_is_said() {
    let folder = folder();
    folder.write("valid.svm", svm(50));
    let gives_way = |lines: &[&str], flags: &[&str], notes: &[&str]| {
        let spec = [lines, &["passes = 1"]].concat();
        let run = train(&folder, &spec, &[&["good.svm", "--no-cache"], flags].concat()).done();
        let said: Vec<_> = run.err.lines().filter(|line| line.starts_with("note: s.toml:")).collect();
        assert_eq!(said.len(), notes.len(), "{run:?}");
        said.iter().zip(notes).for_each(|(said, note)| assert!(said.contains(note), "{note}: {said}"));
        written(&folder, "hogback-model")
    };
    let spec = gives_way(&[r#"valid = "valid.svm""#], &["--holdout", "0.2"], &["s.toml:1: valid is left out"]);
    assert!(keys(&spec).contains(&"holdout = 0.2"), "{spec}");
    gives_way(&["", "holdout = 0.3"], &["--valid", "valid.svm"], &["s.toml:2: holdout is left out"]);
    gives_way(&[r#"cache = "c""#], &[], &["s.toml:1: cache is left out for the flags: the argument '--cache <DIR>'"]);
    gives_way(&["l1 = 0.1"], &["--optimizer", "sgd"], &["s.toml:1: l1 is left out for the flags: --l1 needs"]);
    gives_way(&[r#"loss = "squared""#], &["--quantile", "0.5", "--loss", "quantile"], &[]);
    gives_way(&[r#"class-weight = "balanced""#], &["--loss", "squared"], &["class-weight is left out"]);
    // One after the other, the last that may be at fault first.
    let chosen = [r#"optimizer = "adagrad""#, "quantile = 0.3", r#"loss = "quantile""#, r#"schedule = "linear""#];
    let notes = ["optimizer is left out", "schedule is left out", "quantile is left out"];
    let spec = gives_way(&chosen, &["--l1", "0.1", "--loss", "logistic"], &notes);
    assert!(keys(&spec).contains(&r#"optimizer = "ftrl""#), "{spec}");
    let run = train(&folder, &["holdout = 0.3"], &["--valid", "valid.svm", "good.svm", "--quiet"]).done();
    assert_eq!(run.err, "");
}

#[test]
fn what_no_flag_may_say_is_refused_with_its_line() {
    let folder = folder();
    let refused = |lines: &[&str], parts: &[&str]| {
        train(&folder, lines, &["good.svm"]).failed_with(2, parts);
        assert!(!folder.has("hogback-model"), "{lines:?}");
    };
    refused(&["passes = 1", "early_stop = 2"], &["s.toml:2: unknown key `early_stop`", "did you mean `early-stop`?"]);
    refused(&["optimiser = 'sgd'"], &["s.toml:1: unknown key", "did you mean `optimizer`?"]);
    refused(&["dat = 'a.svm'"], &["did you mean `data`?"]);
    refused(&["zzz = 2"], &["s.toml:1: unknown key `zzz`: keys are `data` and the long flags of hogback train"]);
    refused(&["overwrite = true"], &["s.toml:1: `overwrite` is said of a run", "on the command line"]);
    refused(&["help = true"], &["s.toml:1: `help`"]);
    refused(&["", "[machine]", "shards = 1"], &["s.toml:2: `machine` is a section", "a spec has none"]);
    refused(&["model.lr = 1"], &["s.toml:1: `model` is a section"]);

    refused(&["passes = 1", "", "lr = -1"], &["s.toml:3: invalid value '-1' for '--lr", "must be a number above 0"]);
    refused(&["passes = 1.5"], &["s.toml:1: ", "'--passes", "must be a whole number, 1 or more"]);
    refused(&["loss = 'log'"], &["s.toml:1: invalid value 'log' for '--loss", "possible values: logistic"]);
    refused(&["seed = true"], &["s.toml:1: invalid value 'true' for '--seed"]);
    refused(&["children = 300"], &["s.toml:1: --children is 300, must be at most 256"]);
    refused(&["data = '@adlt'"], &["s.toml:1: invalid value '@adlt'", "no such built-in data"]);
    refused(&["lr = [1, 2]"], &["s.toml:1: `lr` is a list: one value was expected"]);
    refused(&["ignore = [['a']]"], &["s.toml:1: `ignore` is a list of lists"]);
    refused(&["no-cache = 1"], &["s.toml:1: `no-cache` must be true or false"]);

    // Also where a flag would come before it.
    train(&folder, &["lr = -1"], &["good.svm", "--lr", "1"]).failed_with(2, &["s.toml:1: invalid value '-1'"]);
    train(&folder, &["passes = 1"], &["good.svm", "--lr", "x"]).failed_with(2, &["invalid value 'x' for '--lr"]);
    train(&folder, &["passes = 1"], &["good.svm", "--l1", "1", "--optimizer", "sgd"]).failed_with(2, &["--l1 needs"]);
}

#[test]
fn keys_that_contradict_each_other_are_refused() {
    let folder = folder();
    let refused = |lines: &[&str], parts: &[&str]| train(&folder, lines, &["good.svm"]).failed_with(2, parts);
    refused(&["valid = 'a'", "holdout = 0.2"], &["s.toml:2: the argument '--valid", "cannot be used with '--holdout"]);
    refused(&["no-cache = true", "cache = 'c'"], &["s.toml:2: the argument '--no-cache' cannot be used with '--cache"]);
    refused(
        &["l1 = 0.1", "passes = 2", "optimizer = 'sgd'"],
        &["s.toml:3: --l1 needs --optimizer ftrl", "this is sgd"],
    );
    refused(&["schedule = 'linear'", "l1 = 0.1"], &["s.toml:2: --optimizer ftrl has a rate of its own"]);
    refused(&["loss = 'squared'", "class-weight = 'balanced'"], &["s.toml:2: --class-weight is for classes"]);
    refused(&["data = ['a', 'b']", "labels = 'c'"], &["s.toml:2: --labels is the file of one file of images"]);
    // A key that says nothing contradicts nothing.
    train(&folder, &["no-cache = false", "cache = 'c'", "passes = 1"], &["good.svm"]).done();
}

#[test]
fn what_is_not_toml_is_refused_with_line_and_column() {
    let folder = folder();
    let refused = |text: &str, parts: &[&str]| train(&folder, &[text], &["good.svm"]).failed_with(2, parts);
    refused("passes = 1\nlr = = 2\n", &["s.toml:2:6: not TOML: "]);
    refused("passes = 1\nlr = 2\n\nlr = 3\n", &["s.toml:4:1: not TOML: duplicate key"]);
    refused("name \u{e4} = \"x", &["s.toml:1:"]);
    refused("a line of text\n", &["s.toml:1:", "not TOML"]);
    folder.run(&["train", "--spec", "none.toml"]).failed_with(1, &["none.toml: cannot read the spec: no such file"]);
    folder.write("s.toml", b"\xff");
    folder.run(&["train", "--spec", "s.toml"]).failed_with(1, &["s.toml: cannot read the spec", "UTF-8"]);
    train(&folder, &["passes = 1"], &[])
        .failed_with(2, &["s.toml has no data: name the data there or on the command line"]);
    folder.run(&["train"]).failed_with(2, &["<DATA>"]);
}

#[test]
fn data_of_any_name_is_that_data() {
    let folder = folder();
    for name in ["-a.svm", "--passes", "a b.svm", "\u{e4}.svm"] {
        folder.write(name, svm(100));
        let data = format!("data = ['{name}']");
        let run = train(&folder, &["passes = 1", &data, "format = 'libsvm'"], &["--json"]).done();
        assert_eq!(run.summary()["rows"], 100, "{name}");
        train(&folder, &[&data, "format = 'libsvm'", "passes = 1"], &["--quiet", "--"]).done();
    }
    let run = folder.pipe(&["train", "--spec", "s.toml", "-", "--json"], svm(70));
    assert_eq!(run.done().summary()["rows"], 70);
}

#[test]
fn a_spec_goes_on_with_a_model_as_flags_do() {
    let folder = folder();
    let spec = ["data = 'good.svm'", "model = 'm'", "passes = 2", "loss = 'logistic'", "early-stop = 0"];
    train(&folder, &spec, &[]).done();
    train(&folder, &spec, &[]).failed_with(2, &["m exists: --resume goes on with it"]);
    let passes = |run: Run| run.done().summary()["passes"].as_u64();
    assert_eq!(passes(train(&folder, &spec, &["--resume", "--json"])), Some(4));
    // The model's own spec as well, which agrees with it.
    folder.write("own.toml", written(&folder, "m"));
    let own = ["train", "--spec", "own.toml", "--model", "m", "--resume", "good.svm", "--json", "--passes", "1"];
    assert_eq!(passes(folder.run(&own)), Some(5));
    let other = [&spec[..3], &["loss = 'hinge'"]].concat();
    train(&folder, &other, &["--resume"]).failed_with(2, &["the model was trained with --loss logistic"]);
    train(&folder, &other, &["--resume", "--loss", "logistic"]).done();
    assert_eq!(passes(train(&folder, &spec, &["--overwrite", "--json"])), Some(2));
}
