//! Every backend reads every text as the plain way does: the same rows to the bit, or the same fault.

use hogback_kernels::Backend;

use super::*;
use crate::data::dictionary::Dictionary;
use crate::data::parse::libsvm::alike::Random;

fn line(random: &mut Random) -> String {
    let mut line =
        random.one(&["__label__a", "__label__b", " __label__a __label__b", "", "no", "__label__"]).to_string();
    for _ in 0..random.below(30) {
        line += random.one(&[" ", " ", " ", "\t", "  ", " \r"]);
        line += match random.below(9) {
            0 => "the",
            1 => "the:quick",
            2 => "na\u{ef}ve",
            3 => "a",
            4 => "__label__late",
            5 => "somewhat-longer-than-twelve",
            6 => "twelve-bytes",
            _ => random.one(&["x", "yz", "::", "1:2"]),
        };
    }
    line + random.one(&["", "", " ", "\r"])
}

/// What a text says, or the fault.
fn said(
    text: &[u8],
    grams: Grams,
    backend: Backend,
    skip: bool,
) -> Result<impl PartialEq + std::fmt::Debug + use<>, (u64, String)> {
    let (keys, classes) = (Dictionary::names(), Dictionary::names());
    let context = Context { keys: &keys, classes: Some(&classes), learning: true, skip };
    let parsed =
        parse(text, &Plan { grams, hashing: None, backend }, context).map_err(|fault| (fault.line, fault.what))?;
    let named = |names: Option<&Dictionary>| names.map_or(Vec::new(), Dictionary::to_bytes);
    let (block, counts) = (&parsed.block, (parsed.several, parsed.empty, parsed.lines));
    let rows = (block.labels.clone(), block.offsets.clone(), block.skipped.clone(), block.values.clone());
    Ok((rows, block.ids.clone(), named(parsed.new_keys.as_ref()), named(parsed.new_classes.as_ref()), counts))
}

#[test]
fn lines_and_noise() {
    let mut random = Random(5);
    let scalar = Backend::named("scalar").expect("every machine has it");
    for nth in (0..10).cycle().take(2000) {
        let mut text = String::new();
        for _ in 0..random.below(8) {
            text += &line(&mut random);
            text += random.one(&["\n", "\n", "\r\n", "\n\n"]);
        }
        let mut text = text.into_bytes();
        if random.below(4) == 0 {
            let at = random.below(text.len() as u64 + 1) as usize;
            let noise = random.noise();
            text.splice(at..at, noise);
        }
        text.truncate(text.len().saturating_sub(random.below(2) as usize));
        let grams = Grams { words: 1 + nth % 3, chars: "2-3".parse().ok().filter(|_| nth % 5 == 0) };
        for backend in Backend::all().filter(|&backend| backend != scalar) {
            for skip in [false, true] {
                let (plain, quick) = (said(&text, grams, scalar, skip), said(&text, grams, backend, skip));
                let shown = String::from_utf8_lossy(&text);
                assert!(plain == quick, "{}: {shown:?}\n{plain:?}\n{quick:?}", backend.name());
            }
        }
    }
}
