//! IDX files, as MNIST comes: a header, then the numbers of the images, image after image; their labels in a file of
//! the same kind.
//!
//! All numbers are big-endian. The header is two zero bytes, the type of the numbers (a byte), how many dimensions there
//! are (a byte), and each of them (u32).

use std::fs;
use std::path::{Path, PathBuf};

use super::cut::{Cut, LONGEST};
use super::hashing::Hashing;
use super::input::{Input, excerpt};
use super::source::Source;
use super::{LabelFile, ReadOptions};
use crate::error::{Error, Result};
use crate::sys::signal::StopRequest;

/// How the images of a file are read.
#[derive(Debug)]
pub(crate) struct Images {
    pub(crate) element: Element,
    /// The numbers of one image.
    pub(crate) pixels: usize,
    /// How many images.
    pub(crate) count: u64,
    /// One an image, if they are wanted.
    pub(crate) labels: Option<Vec<f64>>,
    /// Whether keys are buckets, not numbers of pixels.
    pub(crate) hashing: Option<Hashing>,
}

/// The type of the numbers of an IDX file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    U8,
    I8,
    I16,
    I32,
    F32,
    F64,
}

impl Element {
    fn of(code: u8) -> Option<Self> {
        Some(match code {
            0x08 => Self::U8,
            0x09 => Self::I8,
            0x0B => Self::I16,
            0x0C => Self::I32,
            0x0D => Self::F32,
            0x0E => Self::F64,
            _ => return None,
        })
    }

    /// The bytes of one number.
    fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::I16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// True for what an IDX file begins with.
pub(crate) fn is_magic(head: &[u8]) -> bool {
    matches!(head, [0, 0, code, dimensions, ..] if Element::of(*code).is_some() && *dimensions > 0)
}

impl Images {
    /// Reads the header of the images that `source` begins with, and their labels, if those are wanted.
    ///
    /// # Errors
    /// Where it is no header of images, or there are no labels, or not as many.
    pub(crate) fn open(source: &mut Source, options: &ReadOptions) -> Result<Self> {
        let (element, dimensions) = header(source)?;
        let name = source.name();
        let wrong = |what: String| Err(Error::data(name, what));
        let [count, sizes @ ..] = &dimensions[..] else { return wrong("has no dimensions".into()) };
        if sizes.is_empty() {
            return wrong("holds a single column of numbers, as labels are kept: give the file of the images".into());
        }
        // A pixel's key is a u32.
        let pixels = sizes.iter().try_fold(1u32, |all, &size| all.checked_mul(size));
        let size = pixels.map(|pixels| pixels as usize * element.bytes()).filter(|size| (1..=LONGEST).contains(size));
        let (Some(pixels), Some(_)) = (pixels, size) else {
            return wrong(format!("has images of {}: between 1 byte and 1 GiB was expected", times(sizes)));
        };
        let labels =
            label_file(source.input(), options)?.map(|path| labels(&path, *count, name, source.stop())).transpose()?;
        let hashing = options.hashing.clone();
        Ok(Self { element, pixels: pixels as usize, count: u64::from(*count), labels, hashing })
    }

    /// Where the file may be cut.
    pub(crate) fn cut(&self) -> Cut {
        Cut::Images { size: self.pixels * self.element.bytes(), count: self.count }
    }
}

fn are_of_size(sizes: &[u32], trained: &[u32], path: &Path) -> Result<()> {
    if sizes == trained {
        return Ok(());
    }
    let what = format!("has images of {}, the model was trained on images of {}", times(sizes), times(trained));
    Err(Error::data(path, what))
}

/// The size of the images of `inputs`, where there are any: pixel 7 of one size would be taken for pixel 7 of another, so there is one, and that
/// which a model was `trained` on. What holds no images, or can be read only once, is left to those who read it.
///
/// # Errors
/// [`Error::Data`] with the first file whose images are of another size.
pub(crate) fn size_of_all(inputs: &[&Input], trained: Option<&[u32]>, stop: &StopRequest) -> Result<Option<Vec<u32>>> {
    let mut first: Option<(PathBuf, Vec<u32>)> = None;
    let is_file =
        |input: &&&Input| matches!(input, Input::Path(path) if fs::metadata(path).is_ok_and(|at| at.is_file()));
    for &input in inputs.iter().filter(is_file) {
        let Ok(mut source) = Source::open(input, stop) else { continue };
        if !source.head().is_ok_and(is_magic) {
            continue;
        }
        let Ok((_, dimensions)) = header(&mut source) else { continue };
        let sizes = &dimensions[1..];
        trained.map_or(Ok(()), |trained| are_of_size(sizes, trained, source.name()))?;
        let (name, others) = first.get_or_insert_with(|| (source.name().to_owned(), sizes.to_vec()));
        if sizes != others {
            let what = format!("has images of {}, those of {} are {}", times(sizes), name.display(), times(others));
            return Err(Error::data(source.name(), what));
        }
    }
    Ok(first.map(|(_, sizes)| sizes))
}

/// Sizes for a message: `28 × 28`.
fn times(sizes: &[u32]) -> String {
    sizes.iter().map(u32::to_string).collect::<Vec<_>>().join(" × ")
}

/// The type of the numbers and the dimensions of an IDX file.
fn header(source: &mut Source) -> Result<(Element, Vec<u32>)> {
    let magic = source.take(4)?;
    let (Some(element), [0, 0, _, dimensions]) = (magic.get(2).and_then(|&code| Element::of(code)), &magic[..]) else {
        let what = format!("is no IDX file: it begins with {}, not with 0, 0, a type and dimensions", bytes(&magic));
        return Err(Error::data(source.name(), what));
    };
    let dimensions = usize::from(*dimensions);
    let sizes = source.take(4 * dimensions)?;
    let sizes: Vec<u32> = sizes.as_chunks().0.iter().map(|&size| u32::from_be_bytes(size)).collect();
    if sizes.len() < dimensions {
        return Err(Error::data(source.name(), "ends within its header: the file is cut short"));
    }
    Ok((element, sizes))
}

/// `bytes` for a message: as text where it is some.
fn bytes(bytes: &[u8]) -> String {
    if bytes.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ') {
        return excerpt(bytes);
    }
    let bytes: Vec<String> = bytes.iter().map(u8::to_string).collect();
    bytes.join(", ")
}

/// The file that holds the labels of the images `input`, if they are wanted.
///
/// # Errors
/// Where none is given and none is beside them.
fn label_file(input: &Input, options: &ReadOptions) -> Result<Option<PathBuf>> {
    let beside = match (&options.labels, input) {
        (LabelFile::Unwanted, _) => return Ok(None),
        (LabelFile::At(path), _) => return Ok(Some(path.clone())),
        (LabelFile::Beside, Input::Path(path)) => beside(path),
        (LabelFile::Beside, _) => Vec::new(),
    };
    let Some(plain) = beside.first() else {
        return Err(Error::data(input.to_string(), "nothing says where the labels are: give --labels FILE"));
    };
    let found = beside.iter().find(|path| path.exists()).cloned();
    found.map(Some).ok_or_else(|| {
        let plain = plain.display();
        let what = format!("no labels beside it ({plain}, or that with .gz or .zst): give --labels FILE");
        Error::data(input.to_string(), what)
    })
}

/// The file whose labels `path` has if it holds images, where there is one.
pub(crate) fn labels_of(path: &Path, options: &ReadOptions) -> Option<PathBuf> {
    label_file(&Input::Path(path.to_path_buf()), options).ok().flatten()
}

/// Where the labels of the images at `path` may be: `labels` in the place of `images` and one dimension in that of
/// three, plain or packed. Nowhere, if the name does not say that there are images.
fn beside(path: &Path) -> Vec<PathBuf> {
    let packed = path.extension().is_some_and(|end| end == "gz" || end == "zst");
    let name = if packed { path.file_stem() } else { path.file_name() };
    let Some((before, after)) = name.and_then(|name| name.to_str()?.rsplit_once("images")) else { return Vec::new() };
    let mut after = after.to_owned();
    if let Some(digit) = after.find("idx").map(|at| at + 3)
        && after[digit..].starts_with(|digit: char| digit.is_ascii_digit())
    {
        after.replace_range(digit..=digit, "1");
    }
    ["", ".gz", ".zst"].map(|packing| path.with_file_name(format!("{before}labels{after}{packing}"))).to_vec()
}

/// The labels in the file at `path`, one for each of the `count` images of `images`.
fn labels(path: &Path, count: u32, images: &Path, stop: &StopRequest) -> Result<Vec<f64>> {
    let mut source = Source::open(&Input::Path(path.to_path_buf()), stop)?;
    let (element, dimensions) = header(&mut source)?;
    let wrong = |what: String| Err(Error::data(path, what));
    let [labels] = dimensions[..] else {
        return wrong(format!("has {} dimensions: labels have one", dimensions.len()));
    };
    if labels != count {
        return wrong(format!("has {labels} labels, but {} has {count} images", images.display()));
    }
    let length = labels as usize * element.bytes();
    // One byte more shows whether the file goes on.
    let numbers = source.take(length + 1)?;
    match numbers.len() {
        read if read < length => {
            let whole = read / element.bytes();
            wrong(format!("ends after {whole} labels, its header says {labels}: the file is cut short"))
        }
        read if read > length => wrong(format!("goes on behind the {labels} labels that its header says")),
        _ => Ok(match element {
            Element::U8 => numbers.into_iter().map(f64::from).collect(),
            Element::I8 => each(&numbers, |byte| f64::from(i8::from_be_bytes(byte))),
            Element::I16 => each(&numbers, |bytes| f64::from(i16::from_be_bytes(bytes))),
            Element::I32 => each(&numbers, |bytes| f64::from(i32::from_be_bytes(bytes))),
            Element::F32 => each(&numbers, |bytes| f64::from(f32::from_be_bytes(bytes))),
            Element::F64 => each(&numbers, f64::from_be_bytes),
        }),
    }
}

fn each<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    bytes.as_chunks().0.iter().map(|&bytes| number(bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_looked_for_beside_the_images() {
        let names =
            |path: &str| beside(Path::new(path)).iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
        let labels = ["d/t-labels-idx1-ubyte", "d/t-labels-idx1-ubyte.gz", "d/t-labels-idx1-ubyte.zst"];
        for images in ["d/t-images-idx3-ubyte", "d/t-images-idx3-ubyte.gz", "d/t-images-idx2-ubyte.zst"] {
            assert_eq!(names(images), labels, "{images}");
        }
        assert_eq!(names("images/x.images.idx")[..2], ["images/x.labels.idx", "images/x.labels.idx.gz"]);
        assert_eq!(names("images/digits.idx"), [""; 0]);
    }

    #[test]
    fn magic_bytes_are_told_from_others() {
        assert!(is_magic(&[0, 0, 8, 3, 0, 0, 0, 1]) && is_magic(&[0, 0, 0x0D, 1]));
        for other in [&b"1 2:3"[..], &[], &[0, 0, 8], &[0, 0, 8, 0], &[0, 0, 7, 3], &[0, 1, 8, 3]] {
            assert!(!is_magic(other), "{other:?}");
        }
    }
}
