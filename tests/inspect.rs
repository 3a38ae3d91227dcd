//! What `inspect` shows of a model and `export` writes of it, as a user sees them.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::fs;

use common::{Folder, as_ffm, csv, run, svm};
use hogback::Model;
use safetensors::SafeTensors;

/// A folder with models: `two` of two classes and columns, `words` of three classes that are words, `few` of few weights.
fn folder() -> Folder {
    let folder = Folder::with_model();
    folder.write("two.csv", csv(400));
    let kinds = ["red", "green", "blue"];
    let rows = (0..300).map(|row| format!("{},{},{}\n", row % 3, row % 7, kinds[row % 3])).collect::<String>();
    folder.write("words.csv", format!("a,b,label\n{rows}"));
    for (data, model, flags) in [
        ("two.csv", "two", &[][..]),
        ("words.csv", "words", &["--holdout", "0"]),
        ("good.svm", "few", &["--l1", "8", "--holdout", "0"]),
    ] {
        folder.run(&[&["train", data, "--model", model, "--children", "1", "--no-cache"], flags].concat()).done();
    }
    folder
}

#[test]
fn inspect_tells_what_a_model_is_and_names_its_heaviest_weights() {
    let folder = folder();
    let text = folder.run(&["inspect", "two"]).done().out;
    for part in [
        "model     linear, logistic loss, adagrad, rate 1 (invsqrt), seed 0\n",
        "; 5 features, 5 weights other than 0\n",
        "saved     generation 1, 1 shard, ",
        "held-out  logloss 0.",
        "class 1, intercept ",
        "; the heaviest 5 of 5:\n",
        "  size\n",
        "  color=red\n",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    let json = folder.run(&["inspect", "words", "--json", "--top", "1"]).done().summary();
    assert_eq!((&json["features"], &json["generation"], &json["shards"]), (&2.into(), &1.into(), &1.into()));
    let outputs = json["outputs"].as_array().unwrap();
    let classes: Vec<&str> = outputs.iter().map(|output| output["class"].as_str().unwrap()).collect();
    assert_eq!(classes, ["blue", "green", "red"]);
    // Column a is 0 for red and 2 for blue: that tells them.
    assert!(outputs.iter().all(|output| output["heaviest"].as_array().unwrap().len() == 1));
    assert_eq!((&outputs[0]["heaviest"][0][0], &outputs[2]["heaviest"][0][0]), (&"a".into(), &"a".into()));
    let weight = |output: usize| outputs[output]["heaviest"][0][1].as_f64().unwrap();
    assert!(weight(0) > 0.0 && weight(2) < 0.0, "{json}");
}

#[test]
fn what_is_heaviest_is_sorted_by_size_whatever_the_sign() {
    let folder = folder();
    let json = folder.run(&["inspect", "m", "--json", "--top", "1000"]).done().summary();
    let heaviest = json["outputs"][0]["heaviest"].as_array().unwrap();
    let sizes: Vec<f64> = heaviest.iter().map(|pair| pair[1].as_f64().unwrap().abs()).collect();
    assert!(sizes.is_sorted_by(|a, b| a >= b) && sizes.len() == 30, "{sizes:?}");
    let model = Model::open(folder.path("m")).unwrap();
    for pair in heaviest {
        let row = model.dictionary().find(pair[0].as_str().unwrap()).unwrap();
        assert_eq!(model.weights(row as usize).next(), pair[1].as_f64().map(|weight| weight as f32));
    }
}

#[test]
fn text_has_a_line_for_each_feature_that_has_a_weight() {
    let folder = folder();
    let run = folder.run(&["export", "few", "few.tsv"]).done();
    let text = String::from_utf8(folder.read("few.tsv")).unwrap();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!((&lines[0][..], lines[1][0]), (&["feature", "weight"][..], "(intercept)"));
    let (model, features) = (Model::open(folder.path("few")).unwrap(), &lines[2..]);
    assert!(!features.is_empty() && features.len() < model.features(), "{} of {}", features.len(), model.features());
    assert_eq!(
        run.err,
        format!("{} features of 30 in few.tsv: those that have a weight other than 0\n", features.len())
    );
    for feature in features {
        let row = model.dictionary().find(feature[0]).unwrap();
        assert_eq!(model.weights(row as usize).next(), feature[1].parse().ok());
        assert_ne!(feature[1], "0");
    }
    folder.run(&["export", "words", "words.tsv"]).done();
    let text = String::from_utf8(folder.read("words.tsv")).unwrap();
    assert!(text.starts_with("feature\tblue\tgreen\tred\n(intercept)\t"), "{text}");
    assert!(text.lines().all(|line| line.split('\t').count() == 4), "{text}");
}

#[test]
fn one_safetensors_file_holds_weights_intercepts_and_names() {
    let folder = folder();
    for (name, outputs) in [("words", 3), ("two", 1)] {
        folder.run(&["export", name, "out.safetensors", "--overwrite"]).done();
        let bytes = folder.read("out.safetensors");
        let (file, model) = (SafeTensors::deserialize(&bytes).unwrap(), Model::open(folder.path(name)).unwrap());
        let mut names = file.names();
        names.sort_unstable();
        assert_eq!(names, ["bias", "features", "weight"]);
        let floats = |name: &str| -> Vec<f32> {
            let data = file.tensor(name).unwrap().data();
            data.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
        };
        assert_eq!(file.tensor("weight").unwrap().shape(), [model.features(), outputs]);
        assert_eq!(floats("bias"), model.bias().collect::<Vec<_>>());
        let features = String::from_utf8(file.tensor("features").unwrap().data().to_vec()).unwrap();
        for (feature, weights) in features.lines().zip(floats("weight").chunks_exact(outputs)) {
            let row = model.dictionary().find(feature).unwrap();
            assert_eq!(weights, model.weights(row as usize).collect::<Vec<_>>());
        }
        assert_eq!(features.lines().count(), model.features());
    }
}

/// A folder with models with factors: `fm` of libsvm data, `ffm` of libffm data in six fields, `kinds` of three classes that are words.
fn with_factors() -> Folder {
    let folder = Folder::new();
    folder.write("good.svm", svm(400));
    folder.write("good.ffm", as_ffm(&svm(400)));
    let kinds = ["red", "green", "blue"];
    let rows = (0..300).map(|row| format!("c{},d{},{}\n", row % 3, row % 7, kinds[row % 3])).collect::<String>();
    folder.write("kinds.csv", format!("a,b,label\n{rows}"));
    for (data, model, flags) in [
        ("good.svm", "fm", ["--kind", "fm", "--rank", "3"]),
        ("good.ffm", "ffm", ["--kind", "ffm", "--rank", "5"]),
        ("kinds.csv", "kinds", ["--kind", "ffm", "--rank", "2"]),
    ] {
        let always = ["train", data, "--model", model, "--children", "1", "--passes", "10", "--no-cache"];
        folder.run(&[&always[..], &flags, &["--l2", "0", "--lr", "8"]].concat()).done();
    }
    folder
}

/// The vectors of a feature, as one.
fn vector(model: &Model, name: &str) -> Vec<f32> {
    model.factors(model.dictionary().find(name).unwrap() as usize).collect()
}

#[test]
fn inspect_tells_of_fields_and_of_the_longest_vectors() {
    let folder = with_factors();
    let text = folder.run(&["inspect", "ffm", "--top", "2"]).done().out;
    for part in [
        "model     ffm of rank 5, logistic loss, adagrad, rate 8 ",
        "\nfields    6: 0, 1, 2, 3, 4, 5\n",
        "the longest 2 vectors:\n",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    let text = folder.run(&["inspect", "fm"]).done().out;
    assert!(text.starts_with("model     fm of rank 3, ") && !text.contains("fields"), "{text}");
    let train = ["train", "good.ffm", "--kind", "ffm", "--rank", "5", "--model", "n", "--json", "--no-cache"];
    let run = folder.run(&train).done();
    assert!(run.err.contains("\nmodel     ffm of rank 5 for 6 fields, logistic loss, "), "{}", run.err);
    let start: serde_json::Value = serde_json::from_str(run.out.lines().next().unwrap()).unwrap();
    assert_eq!((&start["rank"], &start["fields"]), (&5.into(), &6.into()));
    assert!(!folder.run(&["inspect", "kinds", "--top", "0"]).done().out.contains("longest"));
    for (name, outputs, numbers) in [("fm", 1, 3), ("ffm", 1, 30), ("kinds", 3, 4)] {
        let json = folder.run(&["inspect", name, "--json"]).done().summary();
        let model = Model::open(folder.path(name)).unwrap();
        for output in 0..outputs {
            let length = |name: &str| {
                let part = &vector(&model, name)[output * numbers..(output + 1) * numbers];
                part.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt()
            };
            let longest = json["outputs"][output]["longest"].as_array().unwrap();
            let lengths: Vec<f64> = longest.iter().map(|pair| pair[1].as_f64().unwrap()).collect();
            assert!(lengths.is_sorted_by(|a, b| a >= b) && lengths.len() == 5, "{lengths:?}");
            for (pair, told) in longest.iter().zip(&lengths) {
                assert!((length(pair[0].as_str().unwrap()) - told).abs() < 1e-5, "{pair} {told}");
            }
            let all = (0..model.features() as u32).map(|row| length(&model.dictionary().name_of(row)));
            assert_eq!(all.filter(|length| length - 1e-5 > lengths[0]).count(), 0);
        }
    }
}

#[test]
fn near_a_feature_are_those_whose_vectors_have_the_smallest_angle_to_its() {
    let folder = with_factors();
    for (name, feature) in [("fm", "7"), ("ffm", "1:7"), ("kinds", "a=c1")] {
        let json = folder.run(&["inspect", name, "--near", feature, "--top", "4", "--json"]).done().summary();
        let model = Model::open(folder.path(name)).unwrap();
        let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        let cosine = |other: &str| {
            let (a, b) = (vector(&model, feature), vector(&model, other));
            product(&a, &b) / (product(&a, &a) * product(&b, &b)).sqrt()
        };
        let nearest: Vec<(&str, f64)> = json["nearest"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pair| (pair[0].as_str().unwrap(), pair[1].as_f64().unwrap()))
            .collect();
        let compared = json["compared"].as_u64().unwrap() as usize;
        assert!(nearest.len() == 4 && compared < model.features(), "{json}");
        assert!(
            nearest.is_sorted_by(|a, b| a.1 >= b.1) && nearest.iter().all(|(other, _)| *other != feature),
            "{json}"
        );
        for (other, told) in &nearest {
            assert!((cosine(other) - told).abs() < 1e-5, "{other}: {} {told}", cosine(other));
        }
        // At most those that no row has moved far are left out.
        let names = (0..model.features() as u32).map(|row| model.dictionary().name_of(row));
        let nearer = names.filter(|other| other != feature && cosine(other) > nearest[3].1 + 1e-5).count();
        assert!(nearer < 4 + model.features() - 1 - compared, "{json}");
    }
    let text = folder.run(&["inspect", "fm", "--near", "7", "--top", "1"]).done().out;
    assert!(text.starts_with("near 7 by the cosine of their vectors, 1 of ") && text.lines().count() == 2, "{text}");
}

#[test]
fn near_says_what_it_cannot_be_asked() {
    let folder = with_factors();
    folder.run(&["inspect", "ffm", "--near", "17"]).failed_with(2, &["--near 17: ffm has no such feature", "\"3:17\""]);
    folder
        .run(&["inspect", "kinds", "--near", "a=c"])
        .failed_with(2, &["no such feature", "\"a=c0\", \"a=c1\", \"a=c2\""]);
    folder.run(&["train", "good.svm", "--model", "line", "--no-cache"]).done();
    folder
        .run(&["inspect", "line", "--near", "7"])
        .failed_with(2, &["--near needs a model whose features have vectors, fm, ffm, deep or text; line is linear"]);
    // At such a rate a pass moves no vector far from where it began.
    let flags = ["--kind", "fm", "--lr", "1e-6", "--passes", "1", "--no-cache"];
    folder.run(&[&["train", "good.svm", "--model", "fresh"][..], &flags].concat()).done();
    folder.run(&["inspect", "fresh", "--near", "7"]).failed_with(2, &["--near 7: too few rows have moved its vector"]);
}

#[test]
fn vectors_are_exported_as_they_are_with_what_prediction_needs() {
    let folder = with_factors();
    for (name, shape, columns) in
        [("fm", &[30, 3][..], 1 + 3), ("ffm", &[30, 6, 5], 1 + 30), ("kinds", &[10, 3, 2, 2], 3 + 12)]
    {
        folder.run(&["export", name, "out.safetensors", "--overwrite"]).done();
        folder.run(&["export", name, "out.tsv", "--overwrite"]).done();
        let (bytes, model) = (folder.read("out.safetensors"), Model::open(folder.path(name)).unwrap());
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensor = file.tensor("factors").unwrap();
        assert_eq!(tensor.shape(), shape, "{name}");
        let numbers = |data: &[u8]| -> Vec<f32> {
            data.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
        };
        let all: Vec<f32> = (0..model.features()).flat_map(|row| model.factors(row).collect::<Vec<_>>()).collect();
        assert_eq!(numbers(tensor.data()), all);
        if name == "ffm" {
            let names = file.tensor("features").unwrap().data().to_vec();
            let fields = file.tensor("fields").unwrap();
            let fields = fields.data().chunks_exact(4).map(|bytes| i32::from_le_bytes(bytes.try_into().unwrap()));
            for (name, field) in String::from_utf8(names).unwrap().lines().zip(fields) {
                assert!(name.starts_with(&format!("{field}:")), "{name} is of field {field}");
            }
        } else {
            assert_eq!(file.tensor("fields").is_ok(), name == "kinds");
        }
        let text = String::from_utf8(folder.read("out.tsv")).unwrap();
        let mut lines = text.lines().map(|line| line.split('\t').collect::<Vec<_>>());
        let (header, intercept) = (lines.next().unwrap(), lines.next().unwrap());
        assert_eq!((header.len(), intercept.len()), (1 + columns, 1 + model.outputs()));
        for (row, line) in lines.enumerate() {
            let line: Vec<f32> = line[1..].iter().map(|number| number.parse().unwrap()).collect();
            assert_eq!(line, model.weights(row).chain(model.factors(row)).collect::<Vec<_>>());
        }
        let last = [("fm", "factor:3"), ("ffm", "factor:5:5"), ("kinds", "factor:red:b:2")];
        assert!(last.contains(&(name, header[columns])), "{header:?}");
    }
}

/// A folder with models with layers: `mlp` of two columns of very different size and three classes, `deep` of two columns of words and two
/// classes, `wide` the same without vectors that meet, `text` of three classes, each of which has words of its own.
fn with_layers() -> Folder {
    let folder = Folder::new();
    let kinds = ["red", "green", "blue"];
    let rows = (0..600).map(|row| format!("{},{},{}\n", 1e4 * (row % 3) as f64, row % 7, kinds[row % 3]));
    folder.write("sizes.csv", format!("size,noise,label\n{}", rows.collect::<String>()));
    let rows = (0..600).map(|row| format!("a{},b{},{}\n", row % 5, row % 7, u8::from((row % 5 + row % 7) % 2 == 0)));
    folder.write("words.csv", format!("a,b,label\n{}", rows.collect::<String>()));
    let line = |row: usize| format!("__label__{0} the {0}{1} {0}{2} of\n", kinds[row % 3], row % 4, row % 5);
    folder.write("lines.txt", (0..600).map(line).collect::<String>());
    for (data, model, flags) in [
        ("sizes.csv", "mlp", &["--kind", "mlp", "--hidden", "8,6", "--activation", "tanh", "--dropout", "0.25"][..]),
        ("words.csv", "deep", &["--kind", "deep", "--rank", "3", "--hidden", "5"]),
        ("words.csv", "wide", &["--kind", "deep", "--rank", "3", "--hidden", "5", "--wide", "--batch", "16"]),
        ("lines.txt", "text", &["--kind", "text", "--dim", "6", "--optimizer", "sgd"]),
    ] {
        let always = ["train", data, "--model", model, "--children", "1", "--passes", "10", "--no-cache"];
        folder.run(&[&always[..], flags].concat()).done();
    }
    folder
}

#[test]
fn inspect_tells_of_layers_and_of_the_features_that_they_hear_most() {
    let folder = with_layers();
    let told = |model: &str, parts: &[&str]| {
        let text = folder.run(&["inspect", model]).done().out;
        for part in parts {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
        assert!(!text.contains("intercept"), "{text}");
        text
    };
    let mlp = [
        "model     mlp, softmax loss, adam, rate 0.002 (linear), seed 0\n",
        "network   2 → 8 tanh → 6 tanh → 3, 99 parameters\n",
        "batches   of 16 rows, 0.25 of the hidden units left out\n",
        "inputs    values less their means, times 2^-13 to 2^-1\n",
        "\nlearned   10 passes; 2 features\n",
        "\nthe longest 2 of 2 rows of the first layer, as learned:\n",
    ];
    assert!(!told("mlp", &mlp).contains("weight"));
    let deep = ["model     deep of rank 3, ", "network   6 → 5 relu → 1, 41 parameters\n", "fields    2: a, b\n"];
    let text = told("deep", &[&deep[..], &["; 12 features, 12 weights other than 0\n"]].concat());
    assert!(text.contains("class 1, the heaviest 12 of 12:") && text.contains("the longest 5 vectors:"), "{text}");
    told("wide", &["batches   of 16 rows, 0.2 of the hidden units left out; wide: vectors do not meet\n"]);
    let text = [
        "model     text of dim 6, softmax loss, sgd, ",
        "text      words, weighed by log, there 2 times or more\n",
        "network   6 → 3, 21 parameters\n",
        "0.3 of the features of a row left out\n",
        "the longest 17 of 17 vectors:\n",
    ];
    told("text", &text);
    let skips = ["--kind", "mlp", "--hidden", "8,6", "--skips", "1-3,0-3", "--passes", "1", "--model", "skips"];
    folder.run(&[&["train", "sizes.csv"], &skips[..]].concat()).done();
    told("skips", &["network   2 → 8 relu → 6 relu → 3, skips 0-3,1-3, 129 parameters\n"]);
    // What tells classes comes before what does not, whatever it is measured in.
    let json = folder.run(&["inspect", "mlp", "--json"]).done().summary();
    assert_eq!(json["outputs"][0]["longest"][0][0], "size");
    assert_eq!(json["network"], serde_json::json!({"sizes": [2, 8, 6, 3], "parameters": 99}));
    let json = folder.run(&["inspect", "text", "--json"]).done().summary();
    let longest: Vec<&str> =
        json["outputs"][0]["longest"].as_array().unwrap().iter().map(|pair| pair[0].as_str().unwrap()).collect();
    assert!(longest[15..].contains(&"the") && longest[15..].contains(&"of"), "{longest:?}");
}

#[test]
fn near_a_word_are_the_words_of_its_class() {
    let folder = with_layers();
    let json = folder.run(&["inspect", "text", "--near", "red1", "--json", "--top", "4"]).done().summary();
    let nearest = json["nearest"].as_array().unwrap();
    assert!(nearest.len() == 4 && nearest.iter().all(|pair| pair[0].as_str().unwrap().starts_with("red")), "{json}");
    assert!(folder.run(&["inspect", "deep", "--near", "a=a1"]).done().out.starts_with("near a=a1 by the cosine "));
    folder
        .run(&["inspect", "mlp", "--near", "size"])
        .failed_with(2, &["--near needs a model whose features have vectors"]);
}

#[test]
fn layers_are_exported_by_name_behind_the_features() {
    let folder = with_layers();
    for (name, tensors, columns) in [
        (
            "mlp",
            "centre features layer1.bias layer1.weight layer2.bias layer2.weight layer3.bias layer3.weight scale",
            8,
        ),
        ("deep", "factors features fields layer1.bias layer1.weight layer2.bias layer2.weight weight", 1 + 3),
        ("text", "factors features layer1.bias layer1.weight", 6),
    ] {
        let run = folder.run(&["export", name, "out.safetensors", "--overwrite"]).done();
        folder.run(&["export", name, "out.tsv", "--overwrite"]).done();
        let (bytes, model) = (folder.read("out.safetensors"), Model::open(folder.path(name)).unwrap());
        let (network, words) = model.layers().unwrap();
        let said = format!(
            "{0} features of {0}, and layers of {1} parameters, in out.safetensors\n",
            model.features(),
            network.parameters()
        );
        assert_eq!(run.err, said);
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let mut names = file.names();
        names.sort_unstable();
        assert_eq!(names.join(" "), tensors);
        let text = String::from_utf8(folder.read("out.tsv")).unwrap();
        let lines: Vec<(&str, Vec<f32>)> = text
            .lines()
            .skip(1)
            .map(|line| {
                let mut cells = line.split('\t');
                (cells.next().unwrap(), cells.map(|number| number.parse().unwrap()).collect())
            })
            .collect();
        assert_eq!(text.lines().next().unwrap().split('\t').count(), 1 + columns);
        let (features, layers) = lines.split_at(model.features());
        assert!(features.iter().all(|(_, numbers)| numbers.len() == columns));
        let mut layers = layers.iter();
        for part in network.parts() {
            let data = file.tensor(&part.name).unwrap().data().to_vec();
            let numbers: Vec<f32> =
                data.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
            assert_eq!(numbers, words[part.words.clone()], "{name} {}", part.name);
            if name == "mlp" && part.name == "layer1.weight" {
                assert_eq!(numbers, features.iter().flat_map(|(_, numbers)| numbers.clone()).collect::<Vec<_>>());
                continue;
            }
            for (row, words) in (1..).zip(numbers.chunks(part.width)) {
                let told = if part.rows > 1 { format!("({}:{row})", part.name) } else { format!("({})", part.name) };
                assert_eq!(layers.next(), Some(&(&told[..], words.to_vec())));
            }
        }
        assert_eq!(layers.next(), None);
    }
}

#[test]
fn nothing_is_exported_over_what_is_there_or_in_part() {
    let folder = folder();
    folder.write("there.tsv", "mine");
    folder.run(&["export", "two", "there.tsv"]).failed_with(2, &["there.tsv exists: --overwrite replaces it"]);
    assert_eq!(folder.read("there.tsv"), b"mine");
    folder.run(&["export", "two", "nowhere/out.tsv"]).failed_with(1, &["nowhere/out.tsv", "no such file or directory"]);
    folder.run(&["export", "none", "out.tsv"]).failed_with(1, &["none: no such model"]);
    let script = "ulimit -f 0; exec \"$@\"";
    let program = env!("CARGO_BIN_EXE_hogback");
    let mut command = std::process::Command::new("sh");
    command.args(["-c", script, "sh", program, "export", "two", "out.tsv"]).current_dir(folder.path(""));
    run(&mut command).failed_with(1, &["out.tsv", "file too large"]);
    let left = fs::read_dir(folder.path("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<String> = left.filter(|name| name.contains("out.tsv")).collect();
    assert!(left.is_empty(), "{left:?}");
}
