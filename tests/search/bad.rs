//! What is refused, as a user would type it: the message, the exit code, and that nothing is lost.

use super::{FEW, folder, trials};
use crate::common::{Folder, csv, svm};
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

const LOG: &str = "m.trials.jsonl";

/// A search of four trials in a folder with `few.toml`, with these words behind it.
fn few<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let always = ["search", "@digits", "--space", "few.toml", "--model", "m", "--budget", "4", "--quiet"];
    [&always[..], more].concat()
}

#[test]
fn a_space_that_is_none() {
    let folder = folder();
    let search = |space: &str| folder.run(&["search", "@digits", "--space", space, "--model", "m", "--quiet"]);
    search("cnn").failed_with(2, &["there is no space \"cnn\": spaces are mlp and sparse"]);
    search("conv").failed_with(2, &["the space conv is not there yet"]);
    search("no.toml").failed_with(1, &["no.toml: cannot read the space: no such file or directory"]);
    search(".").failed_with(2, &["there is no space \".\""]);
    let of = |text: &str, parts: &[&str]| {
        folder.write("bad.toml", text);
        search("bad.toml").failed_with(2, parts);
    };
    of("layers = [1, 2\n", &["bad.toml:"]);
    of("layers = []\n", &["bad.toml:1", "`layers` has no values"]);
    of("kind = \"mlp\"\nlayers = 2\nwidth = 8\n", &["bad.toml:3: this is one model"]);
    of("layers = [1, 2]\nwidths = [1, 2]\n", &["bad.toml:2", "did you mean `width`?"]);
    of("batch = { choice = [8, 16], when = { depth = 3 } }\n", &["bad.toml:1", "depth"]);
    of(
        "layers = { choice = [1, 2], when = { batch = 16 } }\nbatch = { choice = [16, 32], when = { layers = 1 } }\n",
        &["bad.toml:1"],
    );
    of("kind = [\"mlp\", \"cnn\"]\n", &["bad.toml:1", "cnn"]);
    of("hidden = [\"8\", \"8\"]\n", &["bad.toml:1", "twice"]);
    of("lr = { log = [0, 1] }\n", &["bad.toml:1", "above 0"]);
    of("batch = { integer = [64, 16] }\n", &["bad.toml:1", "[16, 64]"]);
    assert!(!folder.has("m") && !folder.has(LOG));
}

#[test]
fn data_that_cannot_be_searched_on() {
    let folder = folder();
    let search = |data: &str| folder.run(&["search", data, "--no-cache", "--model", "m", "--quiet", "--budget", "3"]);
    folder.write("one.svm", svm(100).replace("-1 ", "+1 "));
    search("one.svm").failed_with(1, &["one.svm: has rows of one class only"]);
    folder.write("few.svm", "+1 1:1\n-1 2:1\n");
    search("few.svm").failed_with(1, &["few.svm: has 2 rows, too few"]);
    folder.write("none.svm", "");
    search("none.svm").failed_with(1, &["none.svm", "holds no rows"]);
    folder.write("bad.svm", svm(100) + "+1 3:x\n");
    search("bad.svm").failed_with(1, &["bad.svm:101: "]);
    search("no.svm").failed_with(1, &["no.svm: cannot open: no such file or directory"]);
    let piped = folder.pipe(&["search", "-", "--model", "m"], svm(100));
    piped.failed_with(2, &["standard input", "write what comes"]);
    let twice = folder.pipe(&["search", "few.svm", "-", "--model", "m"], svm(100));
    twice.failed_with(2, &["standard input"]);
    folder.run(&["search"]).failed_with(2, &["DATA"]);
    assert!(!folder.has("m") && !folder.has(LOG));
}

#[test]
fn a_space_that_does_not_suit_the_data() {
    let folder = folder();
    folder.write("good.svm", svm(200));
    folder.write("fields.toml", "kind = [\"ffm\", \"deep\"]\n");
    let flags = ["search", "good.svm", "--no-cache", "--space", "fields.toml", "--model", "m", "--quiet"];
    folder.run(&flags).failed_with(2, &["fields", "this has none"]);
    assert!(!folder.has("m"));
}

#[test]
fn numbers_that_are_none() {
    let folder = folder();
    let search = |flags: &[&str], parts: &[&str]| {
        let run = folder.run(&[&["search", "@digits", "--model", "m"], flags].concat());
        run.failed_with(2, parts);
    };
    let whole = "must be a whole number, 1 or more";
    for flag in ["--budget", "--child-passes", "--seeds"] {
        for value in ["0", "-1", "many", "1.5"] {
            search(&[flag, value], &[flag, whole]);
        }
    }
    for flag in ["--time", "--child-time"] {
        for value in ["0", "-1", "soon", "nan", "inf"] {
            search(&[flag, value], &[flag, "must be a number of seconds above 0"]);
        }
    }
    for value in ["0.5", "0", "1", "-0.1", "nan"] {
        search(&["--holdout", value], &["--holdout", "must be a share of the rows between 0 and 0.5"]);
    }
    for value in ["0", "-3", "101", "nan"] {
        search(&["--reward-power", value], &["--reward-power", "must be a number above 0, up to 100"]);
    }
    search(&["--strategy", "annealing"], &["--strategy", "possible values"]);
    search(&["--control", "evolution"], &["--control", "possible values"]);
    search(&["--policy", "paper2"], &["--policy", "possible values"]);
    search(&["--resume", "--overwrite"], &["--resume", "--overwrite"]);
    assert!(!folder.has("m") && !folder.has(LOG));
}

#[test]
fn a_policy_for_a_strategy_that_has_none() {
    let folder = folder();
    for strategy in ["thompson", "evolution", "random", "local"] {
        folder
            .run(&few(&["--strategy", strategy, "--policy", "paper"]))
            .failed_with(2, &["--policy is of --strategy reinforce"]);
    }
    folder.run(&few(&["--strategy", "reinforce", "--policy", "paper"])).done();
}

#[test]
fn a_resume_of_another_search_is_refused_and_the_difference_named() {
    let folder = folder();
    let flags = ["--seed", "5", "--child-passes", "3", "--strategy", "evolution", "--holdout", "0.25"];
    folder.run(&few(&flags)).done();
    let log = folder.read(LOG);
    let resumed = |find: &str, with: &str, part: &str| {
        let words = few(&flags);
        let words: Vec<&str> = words.iter().map(|&word| if word == find { with } else { word }).collect();
        let run = folder.run(&[&words[..], &["--resume"]].concat());
        run.failed_with(2, &["m.trials.jsonl is the log of another search: ", part, "begin anew without --resume"]);
        assert!(folder.read(LOG) == log, "{part}");
    };
    resumed("5", "4", "--seed was another");
    resumed("evolution", "random", "--strategy was another");
    resumed("0.25", "0.2", "--holdout was another");
    resumed("3", "2", "--child-passes or --halving was another");
    folder.write("other.toml", FEW.replace("[0.5, 1, 2]", "[0.5, 1]"));
    resumed("few.toml", "other.toml", "the space is another, look at `lr-factor`");
    folder.write("more.toml", format!("{FEW}batch = [16, 32]\n"));
    resumed("few.toml", "more.toml", "the space is another, look at `batch`");
    folder.write("swapped.toml", FEW.lines().rev().collect::<Vec<_>>().join("\n"));
    resumed("few.toml", "swapped.toml", "the space is another");
    folder.write("fixed.toml", format!("{FEW}batch = 16\n"));
    resumed("few.toml", "fixed.toml", "the space is another");
    // The same rows but one.
    folder.write("good.csv", csv(300));
    folder.write("other.csv", csv(300).replacen("0.5", "0.6", 1));
    resumed("@digits", "good.csv", "the data is another");
    let csv = ["search", "good.csv", "--no-cache", "--space", "few.toml", "--model", "n", "--budget", "4", "--quiet"];
    folder.run(&csv).done();
    let other: Vec<&str> = csv.iter().map(|&word| if word == "good.csv" { "other.csv" } else { word }).collect();
    folder.run(&[&other[..], &["--resume"]].concat()).failed_with(2, &["n.trials.jsonl", "the data is another"]);
    for (more, part) in [
        (&["--reward-power", "2"][..], "--reward-power was another"),
        (&["--seeds", "2"], "--seeds was another"),
        (&["--halving"], "--child-passes or --halving was another"),
        (&["--class-weight", "balanced"], "--loss, --quantile, --class-weight or --min-count was another"),
    ] {
        let run = folder.run(&[&few(&flags)[..], more, &["--resume"]].concat());
        run.failed_with(2, &["m.trials.jsonl is the log of another search: ", part]);
    }
    // Nothing of it is in the way of the same again.
    folder.run(&[&few(&flags)[..], &["--resume"]].concat()).done();
    assert_eq!(trials(&folder, LOG).len(), 4);
}

#[test]
fn a_resume_without_a_log() {
    let folder = folder();
    folder.run(&few(&["--resume"])).failed_with(2, &["m.trials.jsonl is not there", "begin without --resume"]);
    folder.run(&few(&["--resume", "--log", "l.jsonl"])).failed_with(2, &["l.jsonl is not there"]);
    fs::create_dir(folder.path("d.jsonl")).unwrap();
    folder
        .run(&few(&["--resume", "--log", "d.jsonl"]))
        .failed_with(1, &["d.jsonl: cannot read the log", "is a directory"]);
    assert!(!folder.has("m"));
}

#[test]
fn a_log_that_cannot_be_written() {
    let folder = folder();
    let cannot = ": cannot write the log of the search: ";
    folder.run(&few(&["--log", "no/l.jsonl"])).failed_with(1, &["no/l.jsonl", cannot, "no such file or directory"]);
    fs::create_dir(folder.path("dir")).unwrap();
    folder.run(&few(&["--log", "dir"])).failed_with(2, &["dir exists"]);
    folder.run(&few(&["--log", "/proc/l.jsonl"])).failed_with(1, &["/proc/l.jsonl", cannot]);
    folder.run(&few(&["--log", "/dev/full"])).failed(2);
    assert!(!folder.has("m"));
    // Nobody reads what is not for them, but root.
    folder.write("read-only.jsonl", "");
    let mut permissions = fs::metadata(folder.path("read-only.jsonl")).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(folder.path("read-only.jsonl"), permissions).unwrap();
    if fs::File::options().append(true).open(folder.path("read-only.jsonl")).is_err() {
        let flags = few(&["--resume", "--log", "read-only.jsonl"]);
        folder.run(&flags).failed_with(1, &["read-only.jsonl", cannot, "permission denied"]);
    }
}

#[test]
fn a_log_that_another_search_is_writing() {
    let folder = folder();
    let first =
        ["search", "@digits", "--space", "space.toml", "--model", "m", "--log", "l.jsonl", "--time", "60", "--quiet"];
    let mut writing = folder.spawn(&first);
    let begun = Instant::now();
    while !folder.has("l.jsonl") && begun.elapsed() < Duration::from_secs(20) {
        sleep(Duration::from_millis(10));
    }
    let second =
        ["search", "@digits", "--space", "space.toml", "--model", "n", "--log", "l.jsonl", "--resume", "--quiet"];
    let refused = folder.run(&second);
    writing.kill().unwrap();
    writing.wait().unwrap();
    refused.failed_with(1, &["l.jsonl: another search is writing this log", "--log"]);
    // It is nobody's when its writer is gone.
    folder.run(&[&second[..], &["--budget", "1"]].concat()).done();
}

#[test]
fn what_is_there_is_not_written_over_unasked() {
    let folder = folder();
    folder.run(&few(&["--log", "l.jsonl"])).done();
    let (log, model) = (folder.read("l.jsonl"), folder.model_bytes("m"));
    folder
        .run(&few(&["--log", "l.jsonl", "--overwrite"]))
        .failed_with(2, &["l.jsonl exists: --resume goes on with it"]);
    folder.run(&few(&["--log", "k.jsonl"])).failed_with(2, &["m exists", "--overwrite"]);
    assert!(!folder.has("k.jsonl"));
    fs::create_dir(folder.path("mine")).unwrap();
    fs::write(folder.path("mine/thesis.txt"), "years of work").unwrap();
    let other =
        ["search", "@digits", "--space", "few.toml", "--model", "mine", "--overwrite", "--budget", "4", "--quiet"];
    folder.run(&other).failed_with(1, &["mine: exists and is not a hogback model"]);
    assert_eq!(folder.read("mine/thesis.txt"), b"years of work");
    assert!(folder.read("l.jsonl") == log && folder.model_bytes("m") == model);
    folder.run(&few(&["--log", "k.jsonl", "--overwrite"])).done();
    // Without a name for the model the one before is kept.
    let unnamed = ["search", "@digits", "--space", "few.toml", "--budget", "4", "--quiet"];
    folder.run(&unnamed).done();
    let (first, log) = (folder.model_bytes("hogback-model"), folder.read("hogback-model.trials.jsonl"));
    folder.run(&unnamed).done();
    assert!(folder.model_bytes("hogback-model.previous") == first);
    assert!(folder.read("hogback-model.trials.jsonl.previous") == log && folder.has("hogback-model.trials.jsonl"));
    // What is refused takes no log away.
    let log = folder.read("hogback-model.trials.jsonl");
    folder.run(&["search", "@digits", "--space", "none.toml", "--budget", "5"]).failed_with(1, &["none.toml"]);
    assert!(folder.read("hogback-model.trials.jsonl") == log);
}

#[test]
fn a_policy_of_another_space_or_a_damaged_one() {
    let folder = folder();
    let flags = ["--strategy", "reinforce", "--children", "1"];
    folder.run(&few(&flags)).done();
    let resume = || folder.run(&few(&[&flags[..], &["--resume"]].concat()));
    // One of another search is none of this one's: what the log has is learned again.
    let other = ["search", "@digits", "--space", "space.toml", "--model", "n", "--budget", "4", "--quiet"];
    folder.run(&[&other[..], &flags].concat()).done();
    fs::rename(folder.path("m.policy"), folder.path("kept")).unwrap();
    fs::rename(folder.path("n.policy"), folder.path("m.policy")).unwrap();
    resume().done();
    // A byte of it is another.
    fs::remove_dir_all(folder.path("m.policy")).unwrap();
    fs::rename(folder.path("kept"), folder.path("m.policy")).unwrap();
    let weights = fs::read_dir(folder.path("m.policy/latest")).unwrap().map(|entry| entry.unwrap().path());
    let weights = weights.into_iter().find(|path| path.to_str().unwrap().contains("weights")).unwrap();
    let good = fs::read(&weights).unwrap();
    let mut bytes = good.clone();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&weights, bytes).unwrap();
    resume().failed_with(1, &["m.policy"]);
    fs::write(&weights, good).unwrap();
    resume().done();
}

#[test]
fn flags_of_train_that_a_search_decides_are_not_there() {
    let folder = Folder::new();
    for flag in [&["--valid", "a.svm"][..], &["--kind", "fm"], &["--lr", "1"], &["--hidden", "8"], &["--passes", "3"]] {
        let run = folder.run(&[&["search", "@digits", "--model", "m"], flag].concat());
        run.failed_with(2, &["unexpected argument", flag[0]]);
    }
}
