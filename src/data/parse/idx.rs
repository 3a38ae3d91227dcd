//! The images of an IDX file: a row an image, a key a pixel, from 1.

use super::number::is_rounded;
use super::{Context, Fault, Parsed};
use crate::data::hashing::Hashing;
use crate::data::idx::{Element, Images};
use crate::data::numbering::ChunkKeys;
use crate::data::repeats::Repeats;
use crate::data::source::Chunk;

/// Parses whole images.
pub(crate) fn parse(chunk: &Chunk<'_>, images: &Images, context: Context<'_>) -> Result<Parsed, Fault> {
    match images.element {
        Element::U8 => rows(chunk, images, context, |[byte]: [u8; 1]| f32::from(byte)),
        Element::I8 => rows(chunk, images, context, |bytes| f32::from(i8::from_be_bytes(bytes))),
        Element::I16 => rows(chunk, images, context, |bytes| f32::from(i16::from_be_bytes(bytes))),
        Element::I32 => rows(chunk, images, context, |bytes| i32::from_be_bytes(bytes) as f32),
        Element::F32 => rows(chunk, images, context, f32::from_be_bytes),
        Element::F64 => rows(chunk, images, context, |bytes| f64::from_be_bytes(bytes) as f32),
    }
}

fn rows<const N: usize>(
    chunk: &Chunk<'_>,
    images: &Images,
    context: Context<'_>,
    number: impl Fn([u8; N]) -> f32,
) -> Result<Parsed, Fault> {
    let size = images.pixels * N;
    let mut parsed = Parsed::with_room(chunk.text.len());
    let mut keys = ChunkKeys::new(context.keys, context.learning);
    let mut repeats = Repeats::default();
    let first = chunk.at as usize / size;
    for (nth, image) in chunk.text.chunks_exact(size).enumerate() {
        let label = images.labels.as_ref().map(|labels| labels[first + nth]);
        let before = keys.mark();
        if let Err(what) = row(image, label, &number, images.hashing.as_ref(), &mut keys, &mut repeats, &mut parsed) {
            parsed.skip(context, || Fault { line: nth as u64, what })?;
            keys.back_to(before);
        }
        parsed.lines += 1;
    }
    Ok(parsed.finish(keys, None))
}

fn row<const N: usize>(
    image: &[u8],
    label: Option<f64>,
    number: impl Fn([u8; N]) -> f32,
    hashing: Option<&Hashing>,
    keys: &mut ChunkKeys<'_>,
    repeats: &mut Repeats,
    parsed: &mut Parsed,
) -> Result<(), String> {
    for (key, &bytes) in (1..).zip(image.as_chunks().0) {
        let value = number(bytes);
        if !value.is_finite() {
            return Err(format!("pixel {key} of this image is not a finite number"));
        }
        parsed.block.push(key, value);
    }
    let (exact, label) = (label, label.map(|label| label as f32));
    if label.is_some_and(|label| !label.is_finite()) {
        return Err("the label of this image is not a finite number".into());
    }
    parsed.number_row(hashing, keys, repeats)?;
    parsed.unlabelled += u64::from(label.is_none());
    parsed.block.end_row(label.unwrap_or(f32::NAN));
    if let (Some(exact), Some(label)) = (exact, label)
        && exact != f64::from(label)
        && parsed.rounded.is_none()
        && is_rounded(exact.to_string().as_bytes(), label)
    {
        parsed.rounded = Some(Fault { line: parsed.lines, what: exact.to_string() });
    }
    Ok(())
}
