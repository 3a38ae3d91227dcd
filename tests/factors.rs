//! Factorization machines as a user meets them: columns of any scale meet, and `eval` says of rows what a run has said of them.

#![allow(clippy::unwrap_used, reason = "a test fails where a step fails")]

mod common;

use std::fmt::Write;

use common::Folder;

/// Numbers that look random and are always the same, within -1 and 1.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / f64::from(1u32 << 30) - 1.0
    }
}

/// `rows` records with columns around 1e-3, 1, 1e6 and a year, and one of words; the target is a linear part, and `meeting` times the
/// product of the columns of very different scale and an effect of words on the year.
fn columns(rows: usize, meeting: f64) -> String {
    let (mut numbers, mut text) = (Numbers(7), "tiny,plain,huge,year,color,label\n".to_owned());
    for _ in 0..rows {
        let [tiny, plain, huge, year, noise] = [(); 5].map(|()| numbers.next());
        let color = ["red", "green", "blue"][(numbers.next().abs() * 2.999) as usize];
        let years = (5.0 * year).round();
        let of_color = [-1.0, 0.0, 1.0][color.len() - 3];
        let met = tiny * huge + of_color * years / 5.0;
        let label = 3.0 + tiny - plain + 0.5 * huge + 0.5 * of_color + meeting * met + 0.2 * noise;
        writeln!(text, "{},{plain},{},{},{color},{label:.4}", tiny / 1e3, huge * 1e6, 2015.0 + years).unwrap();
    }
    text
}

/// The held-out error of a run over `data`, after which `eval` says the same of the same rows.
fn rmse(folder: &Folder, data: &str, flags: &[&str]) -> f64 {
    let model = ["--model", "m", "--overwrite", "--json", "--quiet", "--no-cache", "--children", "1"];
    let train = [&["train", data, "--valid", "valid.csv"], &model[..], flags].concat();
    let said = folder.run(&train).done().summary()["valid"]["rmse"].as_f64().unwrap();
    let eval = folder.run(&["eval", "m", "valid.csv", "--json"]).done();
    let found = eval.summary()["eval"]["rmse"].as_f64().unwrap();
    assert!((said / found - 1.0).abs() < 1e-4, "{data} {flags:?}: a run says {said}, eval {found}");
    said
}

#[test]
fn columns_of_any_scale_meet() {
    let folder = Folder::new();
    for meeting in [0.0, 1.0] {
        let text = columns(13_000, meeting);
        let lines: Vec<&str> = text.lines().collect();
        folder.write("data.csv", lines[..10_001].join("\n") + "\n");
        folder.write("valid.csv", [&lines[..1], &lines[10_001..]].concat().join("\n") + "\n");
        let [linear, fm, ffm] = ["linear", "fm", "ffm"].map(|kind| rmse(&folder, "data.csv", &["--kind", kind]));
        println!(
            "{meeting} of interactions: {linear:.4} by weights, {fm:.4} with factors, {ffm:.4} with those of fields"
        );
        // The noise alone has a deviation of 0.1155.
        assert!(fm < 0.122 && ffm < 0.122, "{fm} {ffm}");
        assert!(if meeting > 0.0 { linear > 0.5 } else { fm.max(ffm) < 1.02 * linear }, "{linear} {fm} {ffm}");
    }
}
