//! `hogback generate`: the bytes that figures are given for, what it refuses, and that its data can be learned.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::Folder;
use xxhash_rust::xxh3::xxh3_64;

/// Flags, what is printed, and the xxh3 of each file.
type Made = (&'static str, &'static str, &'static [(&'static str, u64)]);

/// Runs of generate, what they print, and the xxh3 of what they write: made by the reference program, a source file of its own that
/// the sets of the figures came from, with the arguments that stand beside each. It does not write libsvm and CSV for ratings, which
/// were compared with its other files, row by row.
const REFERENCE: [Made; 4] = [
    // sparse 20 300 50 1
    (
        "--preset p20 --rows 300 --test-rows 50",
        "out.train d=1048576 rows=300 nnz=18017 pos=0.3833 bayes_logloss(expected)=0.47347 \
         logloss_of_true_model_on_labels=0.50051 bayes_err=0.22885\n\
         out.test d=1048576 rows=50 nnz=2979 pos=0.3400 bayes_logloss(expected)=0.45957 \
         logloss_of_true_model_on_labels=0.41373 bayes_err=0.21151\n",
        &[
            ("train.svm", 0x0902_4a2b_1cca_9b74),
            ("train.vw", 0xd911_e981_8574_9b45),
            ("test.svm", 0x9ec9_403e_0fc9_2898),
            ("test.vw", 0xa43c_00c6_201c_14db),
        ],
    ),
    // sparse 10 400 0 7
    (
        "--kind sparse --features 1024 --rows 400 --test-rows 0 --seed 7",
        "out.train d=1024 rows=400 nnz=24221 pos=0.3350 bayes_logloss(expected)=0.48570 \
         logloss_of_true_model_on_labels=0.45176 bayes_err=0.23815\n",
        &[("train.svm", 0x782b_3555_3553_53cd), ("train.vw", 0xaafe_0940_cb2a_5c93)],
    ),
    // ctr 300 50 2
    (
        "--preset pctr --rows 300 --test-rows 50",
        "out.train d=577395 rows=300 nnz=7200 pos=0.2633 bayes_logloss=0.38798 true_model_on_labels=0.42464 \
         true_linear_part_only=0.55327\n\
         out.test d=577395 rows=50 nnz=1200 pos=0.1800 bayes_logloss=0.39591 true_model_on_labels=0.33792 \
         true_linear_part_only=0.47236\n",
        &[
            ("train.svm", 0x5b6c_bfbf_63df_69b8),
            ("train.vw", 0x55d5_18f7_5422_e40b),
            ("train.ffm", 0xca2a_d4a7_d7c6_6375),
            ("test.svm", 0xd2c1_1199_b890_9ea8),
            ("test.vw", 0x6944_ab96_d2f8_33cc),
            ("test.ffm", 0x3906_6e42_3489_7014),
        ],
    ),
    // ratings 1000 200 20000 300 3: more than one batch of rows
    (
        "--kind ratings --features 1200 --rows 20000 --test-rows 300 --seed 3",
        "out.train users=1000 items=200 rows=20000 rmse_of_planted_mean=0.7609\n\
         out.test users=1000 items=200 rows=300 rmse_of_planted_mean=0.7200\n",
        &[
            ("train.mf", 0xcd3d_66a8_72a4_2e66),
            ("train.fm", 0xb8b6_5b86_57f9_d159),
            ("train.vw", 0xdf53_ec9c_479b_a786),
            ("train.svm", 0x921d_b3b5_ae07_ec57),
            ("train.csv", 0x1157_9b20_875e_f707),
            ("test.mf", 0x4827_c6c9_987b_dc26),
            ("test.fm", 0xc869_0eed_c53a_f159),
            ("test.vw", 0x3036_44b1_eeee_13ce),
            ("test.svm", 0xd9e4_6271_0cdf_0b07),
            ("test.csv", 0x8e71_02be_2464_08f2),
        ],
    ),
];

/// The names in a folder, sorted.
fn names(folder: &Folder) -> Vec<String> {
    let entries = std::fs::read_dir(folder.path("")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn generate(folder: &Folder, flags: &str) -> common::Run {
    let arguments: Vec<&str> = ["generate", "out"].into_iter().chain(flags.split_whitespace()).collect();
    folder.run(&arguments)
}

#[test]
fn data_has_the_bytes_that_figures_are_given_for() {
    for (flags, printed, files) in REFERENCE {
        let folder = Folder::new();
        let run = generate(&folder, flags).done();
        assert_eq!((run.out.as_str(), run.err.as_str()), (printed, ""), "{flags}");
        assert_eq!(names(&folder).len(), files.len(), "{flags}");
        for (name, hash) in files {
            assert_eq!(xxh3_64(&folder.read(&format!("out.{name}"))), *hash, "{flags}: {name}");
        }
    }
}

#[test]
fn one_format_is_as_it_is_among_all() {
    for (flags, printed, files) in REFERENCE {
        for format in ["svm", "vw", "ffm", "mf", "fm", "csv"] {
            let among = files.iter().filter(|(name, _)| name.ends_with(&format!(".{format}")));
            let among: Vec<_> = among.map(|(name, hash)| (format!("out.{name}"), *hash)).collect();
            if among.is_empty() {
                continue;
            }
            let folder = Folder::new();
            assert_eq!(generate(&folder, &format!("{flags} --format {format}")).done().out, printed);
            assert_eq!(names(&folder).len(), among.len(), "{flags}");
            for (name, hash) in among {
                assert_eq!(xxh3_64(&folder.read(&name)), hash, "{flags}: {name}");
            }
        }
    }
}

#[test]
fn a_format_may_be_called_by_its_whole_name() {
    let folder = Folder::new();
    for (name, end) in [("libffm", "ffm"), ("libsvm", "svm")] {
        generate(&folder, &format!("--kind ctr --rows 20 --test-rows 0 --format {name}")).done();
        assert!(folder.has(&format!("out.train.{end}")));
    }
}

#[test]
fn a_file_that_is_there_is_kept_unless_it_may_be_replaced() {
    let folder = Folder::new();
    folder.write("out.test.vw", "precious");
    let flags = "--rows 20 --test-rows 20";
    generate(&folder, flags).failed_with(2, &["out.test.vw exists", "--overwrite replaces it"]);
    assert_eq!((names(&folder), folder.read("out.test.vw")), (vec!["out.test.vw".to_owned()], b"precious".to_vec()));
    generate(&folder, &format!("{flags} --format svm")).done();
    assert_eq!(folder.read("out.test.vw"), b"precious");
    generate(&folder, &format!("{flags} --overwrite")).done();
    assert_eq!(names(&folder), ["out.test.svm", "out.test.vw", "out.train.svm", "out.train.vw"]);
    assert_ne!(folder.read("out.test.vw"), b"precious");
}

#[test]
fn what_cannot_be_made_is_refused_in_one_line() {
    let folder = Folder::new();
    for (flags, parts) in [
        ("--format ffm", &["ffm", "svm, vw"][..]),
        ("--preset prat --format ffm", &["ffm", "svm, vw, csv, mf, fm"]),
        ("--preset pctr --nnz 10", &["--nnz has no meaning"]),
        ("--kind ctr --features 10", &["--features has no meaning"]),
        ("--kind ratings --zipf 1", &["--zipf has no meaning"]),
        ("--preset p16 --kind sparse", &["--preset", "--kind"]),
        ("--preset p17", &["p17", "p16"]),
        ("--features 100 --nnz 90", &["up to 120", "of 100", "--features"]),
        ("--zipf 5", &["up to 80", "exponent 5", "--zipf"]),
        ("--zipf -1", &["--zipf", "from 0 to 10"]),
        ("--features 3000000000", &["2147483648 features"]),
        ("--kind ratings --features 1", &["one user and one item"]),
        ("--rows 0", &["--rows", "1 or more"]),
    ] {
        generate(&folder, flags).failed_with(2, parts);
    }
    folder.run(&["generate", "out/", "--rows", "20"]).failed_with(2, &["out/", "data/p20"]);
    folder.run(&["generate", "no/out", "--rows", "20"]).failed_with(1, &["no/out.train.svm", "create", "no such file"]);
    assert!(names(&folder).is_empty());
}

#[test]
fn training_comes_near_the_loss_that_is_possible() {
    let folder = Folder::new();
    let flags = "--features 200 --nnz 15 --zipf 0.5 --rows 40000 --test-rows 20000 --format svm";
    let printed = generate(&folder, flags).done().out;
    let number = |text: &str| text.split_whitespace().next().unwrap().parse::<f64>().unwrap();
    let truth = number(printed.rsplit("logloss_of_true_model_on_labels=").next().unwrap());
    folder.run(&["train", "out.train.svm", "--model", "m", "--quiet"]).done();
    let learned = folder.run(&["eval", "m", "out.test.svm", "--json"]).done().summary();
    let learned = learned["eval"]["logloss"].as_f64().unwrap();
    // Above it, as no model goes below but by chance, and less than two percent above: 200 weights from 40,000 rows.
    assert!((truth - 0.001..truth + 0.01).contains(&learned), "{learned} where {truth} is possible");
}
