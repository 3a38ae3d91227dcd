//! `tools/compare` and `tools/perf`, as a user runs them, with small data.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use common::{Run, run};

/// A script of `tools/` that measures the hogback of this build, and keeps what it makes among the files of tests.
fn tool(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tools").join(name));
    command.args(arguments).env("HOGBACK", env!("CARGO_BIN_EXE_hogback"));
    command.env("CARGO_TARGET_DIR", env!("CARGO_TARGET_TMPDIR")).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Whether a program is there and works; where not, the reason is printed.
fn works(program: &str, arguments: &[&str]) -> bool {
    let reason = match Command::new(program).args(arguments).output() {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().lines().last().unwrap_or("it fails").to_owned(),
        Err(error) => error.to_string(),
    };
    println!("skipped: {program} {}: {reason}", arguments.join(" "));
    false
}

/// The number at this place of the words of a line that begins so.
fn number(run: &Run, begins: &str, place: usize) -> f64 {
    let line = run.out.lines().find(|line| line.starts_with(begins)).unwrap_or_else(|| panic!("{begins}: {run:?}"));
    line.split_whitespace().nth(place).and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{line}"))
}

#[test]
fn compare_prints_a_line_for_each_set_and_tool() {
    // Python 3.10 has all that it uses; adult is packed.
    let python = ["-c", "import sys; assert sys.version_info >= (3, 10), 'older than 3.10'"];
    if !works("python3", &python) || !works("zstd", &["--version"]) {
        return;
    }
    let run = run(&mut tool("compare", &["--quick", "--tools", "hogback", "--threads", "1", "adult", "p16"])).done();
    println!("{}", run.out);
    assert_eq!(run.out.lines().count(), 4, "{run:?}");
    // adult hogback SECONDS RATIO …: log loss and AUC stand before the setting, which is the last word.
    let words = |set: &str| {
        let line = run.out.lines().find(|line| line.starts_with(set)).unwrap();
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let adult = words("adult ");
    assert_eq!((adult[1].as_str(), adult[3].as_str(), adult.last().unwrap().as_str()), ("hogback", "1.0", "defaults"));
    let metrics = |words: &[String]| [words.len() - 3, words.len() - 2].map(|at| words[at].parse::<f64>().unwrap());
    let [logloss, auc] = metrics(&adult);
    assert!(logloss < 0.36 && auc > 0.88 && auc < 1.0, "{adult:?}");
    // Two thousand rows are few for 65,536 features, but better than none: the constant prediction has 0.67.
    let [logloss, auc] = metrics(&words("p16 "));
    assert!(logloss < 0.66 && auc > 0.6, "{}", run.out);

    let wrong = run_wrong(&["--quick", "nosuchset"]);
    assert!(wrong.err.contains("there is no set nosuchset, but adult p16"), "{wrong:?}");
    let wrong = run_wrong(&["--tools", "nosuchtool"]);
    assert!(wrong.err.contains("there is no tool nosuchtool, but liblinear,"), "{wrong:?}");
}

fn run_wrong(arguments: &[&str]) -> Run {
    let run = run(&mut tool("compare", arguments));
    assert_eq!(run.code, Some(2), "{run:?}");
    run
}

/// Programs that stand in for those of other tools: what each is called with, and that the setting which is best on the last tenth
/// of the rows to learn from is the one that all rows are learned with, for as many passes as were best.
#[test]
fn compare_tunes_other_tools_without_the_test_file() {
    let python = ["-c", "import sys; assert sys.version_info >= (3, 10), 'older than 3.10'"];
    if !works("python3", &python) {
        return;
    }
    let folder = common::Folder::new();
    let mut command =
        tool("compare", &["--quick", "--threads", "1", "--tools", "vw,fw,xlearn,libffm,libfm,libmf", "pctr-fm"]);
    command.args(["pctr-ffm", "prat"]).env("TOLD", folder.path("told"));
    let programs = ["vw", "fw", "xlearn_train", "ffm-train", "libFM", "mf-train"];
    let variables = ["VW", "FW", "XLEARN", "LIBFFM", "LIBFM", "LIBMF"];
    for program in programs.iter().chain(&["xlearn_predict", "ffm-predict", "mf-predict"]) {
        let path = folder.path(program);
        std::fs::write(&path, include_str!("fixtures/peer.py")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    for (variable, program) in variables.iter().zip(programs) {
        command.env(variable, folder.path(program));
    }
    let run = run(&mut command).done();
    println!("{}", run.out);
    let told = String::from_utf8(folder.read("told")).unwrap();
    println!("{told}");

    // Log losses are those of .9 for what is, and ratings are clipped; passes and their seconds are what the program printed.
    for (tool, passes, end) in [
        ("pctr-fm xlearn", " 2 0.25 ", "0.1054 1.0000 -s 1 -k 4 -b 0 -r 0.5 -e 2 (best of 2)"),
        ("pctr-fm libfm", " 4 0.3 ", "0.1054 1.0000 -iter 4 -learn_rate 0.01 (best of 2)"),
        ("pctr-ffm vw", " 1 ", "0.1054 1.0000 -l 0.02 (best of 2)"),
        ("pctr-ffm fw", " 1 ", "0.1054 1.0000 -l 0.1 --ffm_learning_rate 0.02 (best of 2)"),
        ("pctr-ffm xlearn", " 2 0.25 ", "0.1054 1.0000 -s 2 -k 4 -b 0 -r 0.5 -e 2 (best of 2)"),
        ("pctr-ffm libffm", " 2 0.75 ", "0.1054 1.0000 -k 4 -l 0 -r 0.2 -t 2 (best of 2)"),
        ("prat vw", " 1 ", "0.0000 --lrq ui8 -l 0.1 (best of 2)"),
        ("prat xlearn", " 2 0.25 ", "0.0000 -s 4 -k 8 -b 0 -r 0.3 -e 2 (best of 2)"),
        ("prat libfm", " 10 0.12 ", "0.0000 -iter 10 -learn_rate 0.005 (best of 2)"),
        ("prat libmf", " 40 ", "0.0000 -k 8 -l2 0.02 -r 0.1 -t 40 (best of 2)"),
    ] {
        let mut lines = run.out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        let line = lines.find(|line| line.starts_with(tool)).unwrap_or_else(|| panic!("no {tool}: {run:?}"));
        assert!(line.contains(passes) && line.ends_with(&format!(" {end}")), "{line}");
    }
    assert!(run.out.ends_with("rmse: every tool's predictions clipped to the range of the ratings\n"), "{run:?}");

    for wanted in [
        "ffm-train -k 4 -l 0 -r 0.2 -t 15 -s 1 -p tuning/pctr.test.ffm --auto-stop tuning/pctr.train.ffm model",
        "ffm-train -k 4 -l 0 -r 0.2 -t 2 -s 1 pctr-quick/pctr.train.ffm model",
        "ffm-predict pctr-quick/pctr.test.ffm model predictions",
        "xlearn_train tuning/pctr.train.ffm -s 2 -k 4 -b 0 -r 0.5 -e 30 -nthread 1 -m model -v tuning/pctr.test.ffm",
        "xlearn_train pctr-quick/pctr.train.svm -s 1 -k 4 -b 0 -r 0.5 -e 2 -nthread 1 -m model --dis-es",
        "xlearn_predict pctr-quick/pctr.test.svm model -o predictions --sigmoid",
        "xlearn_predict prat-quick/prat.test.svm model -o predictions",
        "mf-train -f 0 -k 8 -l2 0.05 -r 0.1 -t 40 -s 1 tuning/prat.train.mf model",
        "mf-train -f 0 -k 8 -l2 0.02 -r 0.1 -t 40 -s 1 prat-quick/prat.train.mf model",
        "mf-predict -e 0 prat-quick/prat.test.mf model predictions",
        "libFM -task c -dim 1,1,4 -method sgd -seed 1 -train pctr-quick/pctr.train.svm -test pctr-quick/pctr.test.svm -out model \
         -iter 4 -learn_rate 0.01 -rlog measured",
        "libFM -task r -dim 1,1,8 -method sgd -seed 1 -train tuning/prat.train.fm -test tuning/prat.test.fm -out model \
         -iter 10 -learn_rate 0.01 -regular 0,0,0.02 -rlog measured",
        "vw -d prat-quick/prat.train.vw -f model -b 21 --lrq ui8 -l 0.1 --quiet",
        "vw -t -d prat-quick/prat.test.vw -i model -p predictions --quiet",
    ] {
        assert!(told.lines().any(|line| line == wanted), "{wanted}");
    }
    let fw = told.lines().find(|line| line.starts_with("fw --data pctr-quick/pctr.train.vw")).unwrap();
    assert!(fw.contains(" --ffm_k 4 --ffm_bit_precision 24 --ffm_field A --ffm_field B "), "{fw}");
    let vw = told.lines().find(|line| line.starts_with("vw -d pctr-quick/pctr.train.vw")).unwrap();
    assert!(vw.contains(" --loss_function logistic --lrqfa ABCDEFGHIJKLMNOPQRSTUVWX4 "), "{vw}");
    // Ten times a tool on a set, and each meets the test file but once.
    assert_eq!(told.lines().filter(|line| line.contains("-quick/") && line.contains(".test.")).count(), 10);
    let rows = |file: &str| {
        let data = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compare/data/pctr-quick");
        std::fs::read_to_string(data.join(file)).unwrap()
    };
    let parts = [rows("tuning/pctr.train.ffm"), rows("tuning/pctr.test.ffm")];
    assert_eq!(parts.each_ref().map(|text| text.lines().count()), [1800, 200]);
    assert_eq!(parts.concat(), rows("pctr.train.ffm"));
}

/// Images of two classes, and a program that stands in for a Python with PyTorch.
#[test]
fn compare_tells_pytorch_how_wide_the_hidden_layer_is() {
    let python = ["-c", "import sys; assert sys.version_info >= (3, 10), 'older than 3.10'"];
    if !works("python3", &python) {
        return;
    }
    let folder = common::Folder::new();
    std::fs::create_dir_all(folder.path("data/mnist")).unwrap();
    for (part, rows) in [("train", 40u8), ("t10k", 8)] {
        let images: Vec<u8> = [vec![0; 16], (0..rows).flat_map(|row| vec![row % 2 * 200 + 1; 784]).collect()].concat();
        let labels: Vec<u8> = [vec![0; 8], (0..rows).map(|row| row % 2).collect()].concat();
        folder.write(&format!("data/mnist/{part}-images-idx3-ubyte.gz"), common::gzip(&images));
        folder.write(&format!("data/mnist/{part}-labels-idx1-ubyte.gz"), common::gzip(&labels));
    }
    let torch = folder.path("torch");
    std::fs::write(&torch, include_str!("fixtures/peer.py")).unwrap();
    std::fs::set_permissions(&torch, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = tool("compare", &["--quick", "--threads", "1", "--tools", "pytorch", "mnist-mlp"]);
    command.env("TOLD", folder.path("told")).env("TORCH", torch).env("HOGBACK_SHARED", folder.path(""));
    let run = run(command.env("CARGO_TARGET_DIR", folder.path("target"))).done();
    println!("{}", run.out);
    let line = run.out.lines().find(|line| line.starts_with("mnist-mlp  pytorch")).unwrap_or_else(|| panic!("{run:?}"));
    let words = line.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(" 10 0.25 "), "{words}");
    assert!(words.ends_with(" 1.0000 --lr 0.001 --batch 64 --passes 10 --dropout 0.1 (best of 2)"), "{words}");
    let told = String::from_utf8(folder.read("told")).unwrap();
    for wanted in [
        "torch pytorch_run.py train tuning/mnist.train.svm model --hidden 128 --threads 1 --lr 0.001 --batch 64 --passes 10",
        "torch pytorch_run.py train mnist-quick/mnist.train.svm model --hidden 128 --threads 1 --lr 0.001 --batch 64 --passes 10 --dropout 0.1",
        "torch pytorch_run.py predict mnist-quick/mnist.test.svm model --out predictions",
    ] {
        assert!(told.lines().any(|line| line == wanted), "{wanted}: {told}");
    }
}

#[test]
fn metrics_of_compare_are_those_of_hogback() {
    if !works("python3", &["--version"]) {
        return;
    }
    let folder = common::Folder::with_model();
    let eval = folder.run(&["eval", "m", "good.svm", "--json"]).done().out;
    let eval: serde_json::Value = serde_json::from_str(&eval).unwrap();
    folder.write("scores", folder.predictions("m", "good.svm"));
    let script = "import sys; sys.path[:0] = [sys.argv[1]]; from peers.metrics import measure
labels = [float(line.split()[0]) for line in open('good.svm')]
found = measure([1.0 if label > 0 else -1.0 for label in labels], [float(line) for line in open('scores')])
print(found['logloss'], found['auc'])";
    let mut command = Command::new("python3");
    command.args(["-B", "-c", script]).arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tools"));
    let found = run(command.current_dir(folder.path(""))).done().out;
    let found: Vec<f64> = found.split_whitespace().map(|word| word.parse().unwrap()).collect();
    for (name, found) in ["logloss", "auc"].iter().zip(&found) {
        let said = eval["eval"][name].as_f64().unwrap_or_else(|| panic!("{eval}"));
        assert!((said - found).abs() < 1e-5, "{name}: {said} by eval, {found} by tools/compare");
    }
}

#[test]
fn perf_stat_tells_what_an_update_costs() {
    if !works("perf", &["stat", "-e", "task-clock", "true"]) {
        return;
    }
    let run =
        run(&mut tool("perf", &["stat", "@adult", "--passes", "2", "--early-stop", "0", "--children", "1"])).done();
    println!("{}", run.out);
    // Two passes over nine tenths of 451,592 nonzeros.
    let (passes, updates) = (number(&run, "2 passes", 0), number(&run, "2 passes", 2));
    assert!(passes == 2.0 && (updates - 0.8).abs() < 0.05, "{run:?}");
    let (milliseconds, nanoseconds) = (number(&run, "task-clock", 1), number(&run, "task-clock", 3));
    assert!((nanoseconds - milliseconds / updates).abs() < 0.1 * nanoseconds, "{run:?}");
    // Cycles are counted, or it is said that they are not.
    let missing = run.out.lines().find(|line| line.starts_with("not supported on this machine: "));
    let counted = run.out.lines().any(|line| line.starts_with("cycles "));
    assert!(counted != missing.is_some_and(|line| line.contains(" cycles")), "{run:?}");
    if let Some(line) = missing {
        println!("skipped: counters: {line}");
    }
}

/// Where there are no counters, as on most virtual machines: a perf that has them, and counts a thousand of each.
#[test]
fn perf_stat_divides_counters_by_updates() {
    let folder = common::Folder::new();
    folder.write(
        "perf",
        "#!/bin/sh
shift 2  # stat -x,
out=$2 events=$4
shift 4  # -o FILE -e EVENTS
for event in $(echo $events | tr , ' '); do
    case $event in
        task-clock) echo 10.5,msec,task-clock,10500000,100.00,, ;;
        instructions) echo 2500,,instructions:u,1,100.00,2.50,insn per cycle ;;
        branch-misses) echo '<not supported>,,branch-misses,0,100.00,,' ;;
        *) echo 1000,,$event:u,1,100.00,, ;;
    esac
done >$out
exec \"$@\"
",
    );
    let perf = std::fs::File::open(folder.path("perf")).unwrap();
    perf.set_permissions(std::fs::Permissions::from_mode(0o755)).unwrap();
    drop(perf);
    let path = format!("{}:{}", folder.path("").display(), std::env::var("PATH").unwrap());
    let mut command = tool("perf", &["stat", "@adult", "--passes", "2", "--early-stop", "0", "--holdout", "0"]);
    let run = run(command.env("PATH", path)).done();
    println!("{}", run.out);
    let updates = 2.0 * 451_592.0;
    let near = |found: f64, wanted: f64| assert!((found / wanted - 1.0).abs() < 2e-3, "{found} for {wanted}: {run:?}");
    near(number(&run, "cycles ", 2), 1000.0 / updates);
    near(number(&run, "cache-misses ", 2), 1000.0 / updates);
    near(number(&run, "task-clock ", 3), 1.05e7 / updates);
    near(number(&run, "instructions per cycle ", 3), 2.5);
    assert!(run.out.ends_with("\nnot supported on this machine: branch-misses\n"), "{run:?}");
}
