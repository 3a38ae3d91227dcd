//! Images of IDX files: the rows and labels they are, where the labels are looked for, and what is wrong with files that are cut.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::env;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use common::{Folder, Run, gzip};
use hogback::data::{CachePolicy, DataFile, Input, ReadOptions};
use hogback::store::Disk;
use hogback::sys::signal::StopRequest;

/// An IDX file: its type, its dimensions, its numbers.
fn idx(code: u8, dimensions: &[u32], numbers: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, code, dimensions.len() as u8];
    bytes.extend(dimensions.iter().flat_map(|size| size.to_be_bytes()));
    bytes.extend(numbers);
    bytes
}

const COUNT: u32 = 90;

/// Pixels of 90 images of 2 × 3, most of them 0.
fn pixels() -> Vec<u8> {
    let pixel = |at: u32| {
        let mixed = at.wrapping_mul(2_654_435_769) >> 20;
        if mixed.is_multiple_of(3) { (mixed % 127) as u8 } else { 0 }
    };
    (0..COUNT * 6).map(pixel).collect()
}

/// 1 where the first half of an image is the brighter one.
fn labels() -> Vec<u8> {
    let sum = |half: &[u8]| half.iter().map(|&pixel| u32::from(pixel)).sum::<u32>();
    pixels().chunks(6).map(|image| u8::from(sum(&image[..3]) > sum(&image[3..]))).collect()
}

fn images() -> Vec<u8> {
    idx(8, &[COUNT, 2, 3], &pixels())
}

/// The same as libsvm text.
fn text() -> String {
    let mut text = String::new();
    for (image, label) in pixels().chunks(6).zip(labels()) {
        write!(text, "{label}").unwrap();
        for (at, pixel) in (1..).zip(image).filter(|&(_, &pixel)| pixel != 0) {
            write!(text, " {at}:{pixel}").unwrap();
        }
        text.push('\n');
    }
    text
}

/// A folder with images, their labels, and a model of them, `m`.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("t-images-idx3-ubyte", images());
    folder.write("t-labels-idx1-ubyte", idx(8, &[COUNT], &labels()));
    train(&folder, "t-images-idx3-ubyte", "m", &["--no-cache"]).done();
    folder
}

fn train(folder: &Folder, data: &str, model: &str, flags: &[&str]) -> Run {
    folder.run(&[&["train", data, "--model", model, "--children", "1", "--passes", "3"], flags].concat())
}

#[test]
fn images_are_the_same_data_as_their_libsvm_text() {
    let folder = folder();
    folder.write("t.svm", text());
    train(&folder, "t.svm", "text", &[]).done();
    assert_eq!(folder.model_bytes("text"), folder.model_bytes("m"));
    let predictions = folder.predictions("text", "t.svm");
    assert_eq!(predictions.lines().count(), COUNT as usize);
    assert_eq!(folder.predictions("text", "t-images-idx3-ubyte"), predictions);
    assert_eq!(folder.predictions("m", "t.svm"), predictions);
    let eval = |data| folder.run(&["eval", "m", data, "--json"]).done().summary()["eval"].clone();
    assert_eq!(eval("t-images-idx3-ubyte"), eval("t.svm"));
    assert!(eval("t.svm")["auc"].as_f64().unwrap() > 0.9);
}

/// The bytes of a small number in a type.
type Widen = fn(u8) -> Vec<u8>;

#[test]
fn every_type_of_numbers_and_every_packing_is_read_alike() {
    let folder = folder();
    let expected = folder.model_bytes("m");
    let types: [(u8, Widen); 5] = [
        (0x09, |number| vec![number]),
        (0x0B, |number| i16::from(number).to_be_bytes().into()),
        (0x0C, |number| i32::from(number).to_be_bytes().into()),
        (0x0D, |number| f32::from(number).to_be_bytes().into()),
        (0x0E, |number| f64::from(number).to_be_bytes().into()),
    ];
    for (code, number) in types {
        let wide = |numbers: Vec<u8>| numbers.into_iter().flat_map(number).collect::<Vec<u8>>();
        folder.write("t-images.idx", idx(code, &[COUNT, 6], &wide(pixels())));
        folder.write("t-labels.idx", idx(code, &[COUNT], &wide(labels())));
        train(&folder, "t-images.idx", "n", &["--overwrite"]).done();
        assert_eq!(folder.model_bytes("n"), expected, "type {code}");
    }
    for (name, packed) in [
        ("p-images-idx3-ubyte.gz", gzip(&images())),
        ("q-images-idx3-ubyte.zst", zstd::encode_all(&*images(), 3).unwrap()),
        ("images told by their first bytes", images()),
    ] {
        folder.write(name, packed);
        for (beside, labels) in [("", idx(8, &[COUNT], &labels())), (".gz", gzip(&idx(8, &[COUNT], &labels())))] {
            let plain = name.replace("images", "labels").replace("idx3", "idx1").replace(".gz", "").replace(".zst", "");
            folder.write(&(plain.clone() + beside), labels);
            train(&folder, name, "n", &["--overwrite", "--no-cache"]).done();
            assert_eq!(folder.model_bytes("n"), expected, "{name}, labels{beside}");
            std::fs::remove_file(folder.path(&(plain + beside))).unwrap();
        }
    }
    folder.write("labels", idx(8, &[COUNT], &labels()));
    for piped in [images(), gzip(&images())] {
        let train = ["train", "-", "--labels", "labels", "--model", "n", "--overwrite", "--children", "1"];
        folder.pipe(&[&train[..], &["--passes", "3"]].concat(), &piped).done();
        assert_eq!(folder.model_bytes("n"), expected);
        let predictions = folder.pipe(&["predict", "m", "-"], piped).done();
        assert_eq!(predictions.out, folder.predictions("m", "t-images-idx3-ubyte"));
    }
}

#[test]
fn predict_wants_no_labels_and_others_say_where_they_looked() {
    let folder = folder();
    folder.write("new-images-idx3-ubyte.gz", gzip(&images()));
    assert_eq!(folder.predictions("m", "new-images-idx3-ubyte.gz"), folder.predictions("m", "t-images-idx3-ubyte"));
    let parts =
        ["new-images-idx3-ubyte.gz: no labels beside it (new-labels-idx1-ubyte", ".gz or .zst", "--labels FILE"];
    folder.run(&["eval", "m", "new-images-idx3-ubyte.gz"]).failed_with(1, &parts);
    train(&folder, "new-images-idx3-ubyte.gz", "n", &[]).failed_with(1, &parts);
    let valid = ["--valid", "new-images-idx3-ubyte.gz", "--labels", "t-labels-idx1-ubyte"];
    train(&folder, "t-images-idx3-ubyte", "n", &valid).failed_with(1, &parts);
    folder.run(&["eval", "m", "new-images-idx3-ubyte.gz", "--labels", "t-labels-idx1-ubyte"]).done();
    folder.write("digits.idx", images());
    train(&folder, "digits.idx", "n", &[]).failed_with(1, &["digits.idx: ", "--labels FILE"]);
    let gone = train(&folder, "digits.idx", "n", &["--labels", "gone"]);
    gone.failed_with(1, &["gone: cannot open: no such file"]);
}

#[test]
fn files_that_are_no_images_or_no_labels_are_said_to_be_so() {
    let folder = folder();
    let cut = |bytes: Vec<u8>, by: usize| bytes[..bytes.len() - by].to_vec();
    let packed = gzip(&images());
    for (name, bytes, parts) in [
        ("a-ubyte", b"PK\x03\x04\0\0".to_vec(), &["is no IDX file", "80, 75, 3, 4", "0, 0, a type"][..]),
        ("a-ubyte", idx(7, &[1, 1, 1], &[1]), &["is no IDX file", "0, 0, 7, 3"]),
        ("a.idx", b"1 2:3\n".to_vec(), &["is no IDX file", "\"1 2:\""]),
        ("a.idx", cut(idx(8, &[1, 1, 1], &[]), 2), &["ends within its header"]),
        ("a.idx", idx(8, &[], &[1]), &["has no dimensions"]),
        ("a.idx", idx(8, &[3], &[1, 0, 1]), &["as labels are kept: give the file of the images"]),
        ("a.idx", idx(8, &[1, 0, 4], &[]), &["images of 0 × 4"]),
        ("a.idx", idx(8, &[1, u32::MAX, u32::MAX], &[]), &["between 1 byte and 1 GiB"]),
        (
            "a.idx",
            cut(images(), 1),
            &["ends after 89 of the 90 images of 6 bytes that its header says: the file is cut"],
        ),
        ("a.idx", cut(images(), 6), &["ends after 89 of the 90 images"]),
        ("a.idx", [images(), vec![1]].concat(), &["goes on behind the 90 images of 6 bytes"]),
        ("a.idx", [images(), vec![0; 6]].concat(), &["goes on behind the 90 images of 6 bytes"]),
        ("a.idx.gz", cut(packed.clone(), packed.len() / 2), &["the gzip data ends too early: the file is cut short"]),
        ("a.idx.gz", gzip(&cut(images(), 7)), &["ends after 88 of the 90 images"]),
        ("a.svm", images(), &["is not text", "--format idx"]),
    ] {
        folder.write(name, &bytes);
        train(&folder, name, "n", &["--labels", "t-labels-idx1-ubyte"]).failed(1);
        folder.run(&["predict", "m", name]).failed_with(1, &[&[name], parts].concat());
        assert!(!folder.has(&format!("{name}.hogcache")) && !folder.has("n"), "{name}");
    }
    for (bytes, parts) in [
        (idx(8, &[COUNT - 1], &labels()[1..]), &["has 89 labels, but t-images-idx3-ubyte has 90 images"][..]),
        (cut(idx(8, &[COUNT], &labels()), 3), &["ends after 87 labels, its header says 90"]),
        (idx(8, &[COUNT], &[labels(), vec![1]].concat()), &["goes on behind the 90 labels"]),
        (images(), &["has 3 dimensions: labels have one"]),
        (b"0\n1\n".to_vec(), &["is no IDX file"]),
        (idx(8, &[COUNT], &[]), &["ends after 0 labels"]),
    ] {
        folder.write("t-labels-idx1-ubyte", bytes);
        for run in [train(&folder, "t-images-idx3-ubyte", "n", &[]), folder.run(&["eval", "m", "t-images-idx3-ubyte"])]
        {
            run.failed_with(1, &[&["t-labels-idx1-ubyte: "], parts].concat());
        }
    }
    let nan = [1.0f32, f32::NAN, 0.0].map(f32::to_be_bytes).concat();
    folder.write("nan.idx", idx(0x0D, &[3, 1], &nan));
    folder.write("three", idx(8, &[3], &[0, 1, 0]));
    let run = train(&folder, "nan.idx", "n", &["--labels", "three"]);
    run.failed_with(1, &["nan.idx:2: pixel 1 of this image is not a finite number"]);
}

#[test]
fn pixels_that_a_model_has_never_seen_are_ignored_and_counted() {
    let folder = folder();
    folder.write("wide.idx", idx(8, &[2, 8], &[0, 9, 0, 0, 0, 0, 7, 7, 0, 9, 0, 0, 0, 0, 0, 0]));
    let run = folder.run(&["predict", "m", "wide.idx"]).done();
    assert_eq!(run.err, "note: 2 values of features that the model does not know: ignored\n");
    let predictions: Vec<&str> = run.out.lines().collect();
    assert!(predictions.len() == 2 && predictions[0] == predictions[1], "{run:?}");
}

#[test]
fn a_cache_is_that_of_the_images_and_of_their_labels() {
    let folder = folder();
    let said =
        |flags: &[&str]| train(&folder, "t-images-idx3-ubyte", "n", &[&["--overwrite"], flags].concat()).done().err;
    assert!(said(&[]).contains("read in") && said(&[]).contains("from the cache"));
    folder.write("t-labels-idx1-ubyte", idx(9, &[COUNT], &labels().iter().map(|label| 1 - label).collect::<Vec<_>>()));
    assert!(said(&[]).contains("read in"), "the labels are others");
    let turned = folder.predictions("n", "t-images-idx3-ubyte");
    assert_ne!(turned, folder.predictions("m", "t-images-idx3-ubyte"));
    folder.write("first", idx(8, &[COUNT], &labels()));
    assert!(
        said(&["--labels", "first"]).contains("read in") && said(&["--labels", "first"]).contains("from the cache")
    );
    assert_eq!(folder.model_bytes("n"), folder.model_bytes("m"));
}

#[test]
fn flags_that_are_not_for_images_or_for_images_alone() {
    let folder = folder();
    folder.write("t.svm", text());
    for (arguments, parts) in [
        ("train t-images-idx3-ubyte --label y", &["t-images-idx3-ubyte is idx data", "leave out --label"][..]),
        (
            "train t.svm --labels t-labels-idx1-ubyte",
            &["t.svm is libsvm data, which holds its labels: leave out --labels"],
        ),
        ("train t-images-idx3-ubyte t.svm --labels t-labels-idx1-ubyte", &["--labels is the file of one file"]),
        ("predict m t.svm --labels t-labels-idx1-ubyte", &["--labels"]),
    ] {
        folder.run(&arguments.split(' ').collect::<Vec<_>>()).failed_with(2, parts);
    }
    folder.write("a.csv", common::csv(30));
    train(&folder, "a.csv", "c", &[]).done();
    folder.run(&["predict", "c", "t-images-idx3-ubyte"]).failed_with(1, &["this is idx data", "trained on csv data"]);
}

/// The folder of data sets that lie beside the checkout, where there is one.
fn shared() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    env::var_os("HOGBACK_SHARED").map_or_else(beside, PathBuf::from)
}

#[test]
fn mnist_is_what_it_is_known_to_be() {
    let images = shared().join("data/mnist/train-images-idx3-ubyte.gz");
    if !images.exists() {
        println!("skipped: there is no {}", images.display());
        return;
    }
    let read = ReadOptions { cache: CachePolicy::Off, ..ReadOptions::default() };
    let (input, stop) = (Input::Path(images), StopRequest::never());
    let mnist = DataFile::read(&input, &read, &Disk, &|notice| panic!("{notice}"), &stop).unwrap();
    assert_eq!((mnist.rows(), mnist.nonzeros()), (60_000, 8_994_156));
    let table = mnist.table();
    let blocks = (0..table.blocks()).map(|block| table.block(block).unwrap());
    let sum: f64 = blocks
        .flat_map(|block| (0..block.rows()).flat_map(|row| block.values(row)))
        .map(|&pixel| f64::from(pixel))
        .sum();
    assert_eq!(sum, 1_567_298_545.0);
    let counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949];
    let counts: Vec<(f32, u64, f64)> =
        counts.iter().enumerate().map(|(digit, &count)| (digit as f32, count, count as f64)).collect();
    assert_eq!(mnist.labels().distinct, Some(counts));
    assert_eq!((mnist.most_value(), mnist.least_value()), (255.0, 1.0));
}
