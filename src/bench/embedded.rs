//! What do vectors cost that dense layers see, beside the bytes that they move: embedding a batch, and moving what it touched, without the
//! layers in between.

use hogback_kernels::{Embedded, Embedding, Factors, Layout, Row, Scratch, Table};

use super::Bench;
use super::contest::Case;
use super::factors::{Drawn, FIELDS, GROUP, STEP, beside_limit, table};
use crate::error::Result;
use crate::generate::{Random, Zipf};

/// Words of a text.
const WORDS: usize = 30;

pub(super) fn ask(bench: &Bench, clicks: &Drawn, each: &mut dyn FnMut(Case<'_>) -> Result<()>) -> Result<()> {
    for rank in [4, 8, 16] {
        let layout = Layout::factored(1, Factors { rank, fields: 1 }).with_field();
        let embedding = Embedding { fields: FIELDS, meets: true, weighs: true };
        embed(bench, &format!("deep, {FIELDS} fields, rank {rank}"), layout, embedding, clicks, each)?;
    }
    let texts = texts(bench.size(60_000, 400), bench.size(20_000, 40));
    for rank in [50, 100] {
        let layout = Layout::factored(1, Factors { rank, fields: 1 });
        let embedding = Embedding { fields: 1, meets: false, weighs: false };
        embed(bench, &format!("text, rank {rank}"), layout, embedding, &texts, each)?;
    }
    Ok(())
}

/// `rows` texts of different words out of so many, by Zipf's law.
fn texts(vocabulary: u64, rows: usize) -> Drawn {
    let (zipf, mut random, mut ids) = (Zipf::new(vocabulary, 1.0), Random::new(9), Vec::new());
    for end in (1..=rows).map(|row| row * WORDS) {
        while ids.len() < end {
            let word = zipf.rank(&mut random) as u32;
            if !ids[end - WORDS..].contains(&word) {
                ids.push(word);
            }
        }
    }
    Drawn { ids, targets: vec![0.0; rows], limit: vocabulary as u32 }
}

/// Batches embedded, and learned by slopes that are always the same.
fn embed(
    bench: &Bench,
    name: &str,
    layout: Layout,
    embedding: Embedding,
    drawn: &Drawn,
    each: &mut dyn FnMut(Case<'_>) -> Result<()>,
) -> Result<()> {
    let width = drawn.ids.len() / drawn.targets.len();
    let dense = embedding.fields * layout.factors().map_or(0, |factors| factors.rank);
    let (ids, values) = (drawn.ids(), vec![1.0 / width as f32; width]);
    // Features of a text weigh as much as it has fewer of them; those of clicks are there or not.
    let values = if embedding.fields == 1 { &values[..] } else { &[] };
    let row = |row, &target| Row::new(ids.slice(row * width..(row + 1) * width), values, target);
    let rows: Vec<Row<'_>> = drawn.targets.iter().enumerate().map(|(nth, target)| row(nth, target)).collect();
    let words = table(layout, drawn.limit)?;
    let (mut inputs, mut margins, mut scratch) = (vec![0.0; GROUP * dense], [0.0; GROUP], Scratch::default());
    let gradients: Vec<f32> = (0..GROUP * dense).map(|at| 0.01 - 0.001 * (at % 21) as f32).collect();
    let slopes: [f32; GROUP] = std::array::from_fn(|row| if row % 2 == 0 { 0.4 } else { -0.4 });
    let learn = || {
        let table = Table::whole(words.cells(), layout);
        for rows in rows.chunks(GROUP) {
            let (inputs, margins) = (&mut inputs[..rows.len() * dense], &mut margins[..rows.len()]);
            bench.backend.embed(&table, rows, embedding, inputs, margins, &mut scratch);
            let (slopes, gradients) = (&slopes[..rows.len()], &gradients[..rows.len() * dense]);
            let embedded = Embedded { inputs, slopes, gradients };
            bench.backend.learn_embedded(&table, rows, embedding, embedded, &STEP, &mut scratch);
        }
    };
    beside_limit(bench, name, layout, drawn, Box::new(learn), each)
}
