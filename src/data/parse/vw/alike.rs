//! Every backend reads every text as the plain way does: the same rows to the bit, or the same fault.

use hogback_kernels::Backend;

use super::*;
use crate::data::dictionary::Dictionary;
use crate::data::parse::libsvm::alike::Random;

fn line(random: &mut Random) -> String {
    let mut line = random
        .one(&["1 |", "-1 |", "1 2.5 'tag |f", "-1|", "1 |", "|", "1 |a b |c", "1 |s:0.5", "2 |skip"])
        .to_string();
    let usual = random.below(3) > 0;
    for _ in 0..random.below(20) {
        let name = match random.below(if usual { 2 } else { 12 }) {
            0 => random.digits(1, 8),
            2 => String::new(),
            3 => "colour:red".into(),
            4 => "a|b".into(),
            5 => format!("plain {}", random.digits(1, 3)),
            6 => "na\u{ef}ve".into(),
            _ => format!("word{}", random.digits(1, 12)),
        };
        let blank = if usual { " " } else { random.one(&[" ", "\t", "  "]) };
        line += &format!("{blank}{name}:{}", random.number());
    }
    line + random.one(&["", "", " ", "\r", " \r\r"])
}

/// What a text says, each number to the bit, or the fault.
fn said(text: &[u8], backend: Backend, skip: bool) -> Result<impl PartialEq + std::fmt::Debug + use<>, (u64, String)> {
    let keys = Dictionary::names();
    let context = Context { keys: &keys, classes: None, learning: true, skip };
    let plan = Plan { ignored: vec!["skip".into()], hashing: None, backend };
    let parsed = parse(text, &plan, context).map_err(|fault| (fault.line, fault.what))?;
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    let (block, new) = (&parsed.block, parsed.new_keys.as_ref().map_or(Vec::new(), Dictionary::to_bytes));
    let rows = (bits(&block.labels), bits(&block.weights), block.offsets.clone(), block.skipped.clone());
    Ok((rows, block.ids.clone(), bits(&block.values), new, parsed.spaces.clone(), parsed.lines))
}

#[test]
fn lines_and_noise() {
    let mut random = Random(21);
    let scalar = Backend::named("scalar").expect("every machine has it");
    for _ in 0..3000 {
        let mut text = String::from("1 | a:1 b:1 c:1 d:1\n");
        for _ in 0..random.below(6) {
            text += &line(&mut random);
            text += random.one(&["\n", "\n", "\r\n", "\n\n"]);
        }
        let mut text = text.into_bytes();
        if random.below(3) == 0 {
            let at = random.below(text.len() as u64) as usize;
            let noise = random.noise();
            text.splice(at..at, noise);
        }
        text.truncate(text.len() - random.below(2) as usize);
        for backend in Backend::all().filter(|&backend| backend != scalar) {
            for skip in [false, true] {
                let (plain, quick) = (said(&text, scalar, skip), said(&text, backend, skip));
                assert!(
                    plain == quick,
                    "{}: {:?}\n{plain:?}\n{quick:?}",
                    backend.name(),
                    String::from_utf8_lossy(&text)
                );
            }
        }
    }
}
