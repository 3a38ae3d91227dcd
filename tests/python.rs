//! A model directory as Python sees it: safetensors and numpy, without hogback (tools/fixtures/open_model.py).

#![allow(clippy::unwrap_used, reason = "a test fails where a step fails")]

mod reference;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use reference::{Linear, hogback};
use serde_json::Value;
use tempfile::TempDir;

/// A Python with safetensors and numpy: an environment that is made once and kept. Nothing, with the reason printed, where it
/// cannot be made.
fn python() -> Option<PathBuf> {
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    let python = environment.join("bin/python");
    let run = |program: &Path, arguments: &[&str]| -> Result<Output, String> {
        let output = Command::new(program).args(arguments).output().map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&output.stderr).trim().lines().last().unwrap_or_default().to_owned();
        if output.status.success() { Ok(output) } else { Err(said) }
    };
    let ready = || run(&python, &["-c", "import numpy, safetensors"]);
    let make = || {
        run(Path::new("python3"), &["-m", "venv", environment.to_str().unwrap()])?;
        run(
            &python,
            &["-m", "pip", "install", "--quiet", "--retries", "1", "--timeout", "10", "numpy", "safetensors"],
        )?;
        ready()
    };
    match ready().or_else(|_| make()) {
        Ok(_) => Some(python),
        Err(reason) => {
            println!("skipped: no Python with numpy and safetensors ({reason})");
            None
        }
    }
}

#[test]
fn python_opens_every_file_and_predicts_the_same() {
    let Some(python) = python() else { return };
    let directory = TempDir::new().unwrap();
    let path = |name: &str| directory.path().join(name);
    let packed = fs::read("src/data/builtin/adult.svm.zst").unwrap();
    fs::write(path("adult.svm"), zstd::decode_all(&packed[..]).unwrap()).unwrap();
    for shards in ["1", "3"] {
        let model = path(&format!("model-{shards}"));
        reference::train(&[&path("adult.svm")], &model, &["--shards", shards, "--passes", "2"], &[]);
        let predictions = hogback(&["predict", model.to_str().unwrap(), "@adult"], &[]);
        fs::write(path("predictions"), predictions).unwrap();
        fs::write(path("keys.json"), serde_json::to_string(&Linear::read(&model).keys).unwrap()).unwrap();

        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/fixtures/open_model.py");
        let mut command = Command::new(&python);
        command.arg(script).arg(&model).args(["keys.json", "adult.svm", "predictions"].map(path));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        println!("{shards} shards: {found}");
        assert_eq!((&found["shards"], &found["rows"]), (&shards.parse::<u32>().unwrap().into(), &32_561.into()));
    }
}
