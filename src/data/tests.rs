//! The whole way from text to rows. What caches do on it stands in `tests/caches.rs`, what fields are in `tests/fields.rs`.

mod caches;
mod fields;

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;

use tempfile::TempDir;

use super::*;
use crate::store::{Disk, Sink};
use crate::sys::signal::StopRequest;

const OPTIONS: ReadOptions = ReadOptions {
    format: None,
    label: None,
    ignore: Vec::new(),
    categorical: Vec::new(),
    grams: None,
    labels: LabelFile::Beside,
    skip_bad_rows: false,
    hashing: None,
    cache: CachePolicy::Off,
    kernels: None,
};

/// A directory with one data file.
struct Data {
    directory: TempDir,
    path: PathBuf,
}

impl Data {
    fn new(name: &str, text: impl AsRef<[u8]>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        Self { directory, path }
    }

    fn input(&self) -> Input {
        Input::Path(self.path.clone())
    }

    fn read(&self, options: &ReadOptions) -> Result<DataFile> {
        DataFile::read(&self.input(), options, &Disk, &|notice| panic!("{notice}"), &StopRequest::never())
    }

    fn cache(&self) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(".hogcache");
        path.into()
    }

    /// The file names in the directory, sorted.
    fn files(&self) -> Vec<String> {
        let files = fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

type Rows = Vec<(u32, Vec<(u32, u32)>)>;

/// All rows, floats as bits.
fn rows(data: &DataFile) -> Rows {
    let table = data.table();
    (0..table.rows())
        .map(|row| {
            let (block, row) = table.block_of(row);
            let block = table.block(block).unwrap();
            let (ids, values) = (block.ids(row).as_slice(), block.values(row));
            assert_eq!(values.is_empty(), data.all_ones() || ids.is_empty());
            let value = |at: usize| values.get(at).map_or(1.0, |&value| value).to_bits();
            (block.label(row).to_bits(), ids.iter().enumerate().map(|(at, &id)| (id, value(at))).collect())
        })
        .collect()
}

/// All rows, floats as bits, with the keys of the text.
fn by_key(data: &DataFile) -> Vec<(u32, Vec<(String, u32)>)> {
    let name = |&(id, value): &(u32, u32)| (data.dictionary().name_of(id), value);
    rows(data).iter().map(|(label, row)| (*label, row.iter().map(name).collect())).collect()
}

/// A few chunks of libsvm text in which new keys keep coming and some rows have repeated ones; much of it is comments.
fn long_text() -> String {
    let comment = format!(" # {}\n", "-".repeat(2000));
    let mut text = String::new();
    for row in 0..7000u32 {
        text += if row % 3 == 0 { "1" } else { "-1" };
        for at in 0..12 {
            let key = row.wrapping_mul(at * at + 7).wrapping_mul(2_654_435_769) >> (12 + at);
            text += &format!(" {}:{}", key + 1, if row < 2500 { 1.0 } else { f64::from(at) / 4.0 });
        }
        text += &comment;
    }
    text
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn numbering_depends_on_the_text_alone() {
    let text = long_text();
    let plain = Data::new("a.svm", &text);
    let packed = Data::new("a.svm.gz", gzip(text.as_bytes()));
    let cached = ReadOptions { cache: CachePolicy::Beside, ..OPTIONS };
    let mut all = Vec::new();
    for (data, options, threads) in [
        (&plain, &OPTIONS, 1),
        (&plain, &OPTIONS, 2),
        (&packed, &OPTIONS, 5),
        (&plain, &cached, 5),
        (&plain, &cached, 1),
    ] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let read = pool.install(|| data.read(options)).unwrap();
        assert!(read.table().blocks() > 3);
        let facts = (read.sum_squares().to_bits(), read.labels().clone(), read.longest_row(), read.nonzeros());
        all.push((rows(&read), read.dictionary().to_bytes(), facts));
    }
    assert!(all.windows(2).all(|two| two[0] == two[1]));
}

#[test]
fn small_and_large_indices_behind_a_chunk_of_comments_are_read_alike_by_any_number_of_threads() {
    let comment = format!("# {}\n", "-".repeat(2000));
    let mut text = comment.repeat(2500);
    let mut expected = Vec::new();
    for row in 0..5000u32 {
        let indices =
            [row % 50 + 1, 1000 + row, (1 << 24) - 1 + row % 3, (1 << 24) + row * 7, u32::MAX - row % 900 - 9];
        let value = row as f32 + 0.5;
        text += "1";
        indices.iter().for_each(|index| text += &format!(" {index}:{value}"));
        text += " ";
        text += &comment;
        let pairs = indices.iter().map(|index| (index.to_string(), value.to_bits())).collect();
        expected.push((1f32.to_bits(), pairs));
    }
    let data = Data::new("a.svm", text);
    let mut all = Vec::new();
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let read = pool.install(|| data.read(&OPTIONS)).unwrap();
        assert!(read.table().blocks() > 2);
        assert!(by_key(&read) == expected);
        all.push(read.dictionary().to_bytes());
    }
    assert!(all[0] == all[1]);
}

#[test]
fn keys_are_numbered_by_falling_frequency_then_as_they_appear() {
    let read = Data::new("a.svm", "1 9:1 5:2\n1 5:1 7:1\n1 7:1 5:3 8:1\n").read(&OPTIONS).unwrap();
    let keys: Vec<String> = (0..4).map(|row| read.dictionary().name_of(row)).collect();
    assert_eq!(keys, ["5", "7", "9", "8"]);
    assert_eq!(read.table().block(0).unwrap().ids(2).as_slice(), [1, 0, 3]);
}

#[test]
fn the_built_in_sets_are_what_they_are_known_to_be() {
    let read = |name: &str| {
        let notice = |notice: &str| panic!("{notice}");
        DataFile::read(&Input::parse(name).unwrap(), &OPTIONS, &Disk, &notice, &StopRequest::never()).unwrap()
    };
    let adult = read("@adult");
    assert_eq!((adult.rows(), adult.nonzeros(), adult.dictionary().len()), (32_561, 451_592, 123));
    assert_eq!((adult.all_ones(), adult.longest_row(), adult.bytes_mapped()), (true, 14, 0));
    assert_eq!(adult.labels().distinct, Some(vec![(-1.0, 24_720, 24_720.0), (1.0, 7841, 7841.0)]));
    assert_eq!((adult.sum_squares(), adult.columns()), (451_592.0, None));
    let digits = read("@digits");
    assert_eq!((digits.rows(), digits.labels().distinct.as_ref().map(Vec::len)), (1797, Some(10)));
    assert_eq!(digits.columns().map(<[Column]>::len), Some(65));
    assert_eq!((digits.most_value(), digits.least_value()), (16.0, 1.0));
}

#[test]
fn the_first_bad_line_of_the_file_is_told_whatever_the_threads() {
    let mut text = long_text();
    let middle = text[..text.len() / 2].rfind('\n').unwrap() + 1;
    let line = text[..middle].lines().count() + 1;
    text.insert_str(middle, "1 -1:1\n");
    text.push_str("1 x:1\n");
    for name in ["a.svm", "a.svm.gz"] {
        let data = Data::new(name, if name.ends_with("gz") { gzip(text.as_bytes()) } else { text.clone().into() });
        let options = ReadOptions { cache: CachePolicy::Beside, ..OPTIONS };
        let error = data.read(&options).unwrap_err().to_string();
        assert!(error.contains(&format!("{name}:{line}: \"-1:1\"")), "{error}");
        assert_eq!(data.files(), [name], "no cache and no half of one");
    }
}

#[test]
fn a_bad_line_is_told_though_the_file_is_cut_short_behind_it() {
    let text = long_text();
    for part in [8, 2] {
        let at = text[..text.len() / part].rfind('\n').unwrap() + 1;
        let (before, after) = text.split_at(at);
        let packed = gzip(format!("{before}1 -1:1\n{after}").as_bytes());
        let error = Data::new("a.svm.gz", &packed[..packed.len() - 9]).read(&OPTIONS).unwrap_err().to_string();
        assert!(error.contains(&format!("a.svm.gz:{}: \"-1:1\"", before.lines().count() + 1)), "{error}");
    }
}

#[test]
fn files_that_are_no_data_are_said_to_be_so() {
    let fault = |name: &str, text: &[u8]| Data::new(name, text).read(&OPTIONS).unwrap_err().to_string();
    for (name, text) in [("a.svm", &b""[..]), ("a", b""), ("a.svm", b"# x\n\n"), ("a.csv", b"y,x\n"), ("a.csv", b"\n")]
    {
        let error = fault(name, text);
        assert!(error.ends_with("holds no rows"), "{name} {text:?}: {error}");
    }
    assert!(fault("a", b"\x7fELF\0\0\n").contains("is not text"));
    assert!(fault("a.txt", b"the cat\n").contains("--format libsvm|libffm|vw|csv"));
    assert!(fault("a.svm.gz", &gzip(b"1 2:3\n")[..20]).contains("cut short"));
    let missing = Input::parse("no/such.svm").unwrap();
    let missing = DataFile::read(&missing, &OPTIONS, &Disk, &|_| {}, &StopRequest::never()).unwrap_err();
    assert!(missing.to_string().starts_with("no/such.svm: cannot open: no such file"), "{missing}");
    let labelled = ReadOptions { label: Some("y".into()), ..OPTIONS };
    let error = Data::new("a.svm", "1 1:1\n").read(&labelled).unwrap_err();
    assert_eq!((error.exit_code(), error.to_string().contains("leave out --label")), (2, true));
}

const PEOPLE: &str = "id,age,city,target\n1,30,Oslo,no\n2,,\"Rome, IT\",yes\n3,41.5,Oslo,no\n";

#[test]
fn csv_columns_become_keys() {
    let options = ReadOptions { ignore: vec!["id".into()], ..OPTIONS };
    let read = Data::new("a.csv", PEOPLE).read(&options).unwrap();
    let names: Vec<String> = (0..3).map(|row| read.dictionary().name_of(row)).collect();
    assert_eq!(names, ["age", "city=Oslo", "city=Rome, IT"]);
    assert_eq!((read.labels().names.join(" "), read.labels().mean), ("no yes".into(), 1.0 / 3.0));
    let kinds: Vec<ColumnKind> = read.columns().unwrap().iter().map(|column| column.kind).collect();
    assert_eq!(kinds, [ColumnKind::Ignored, ColumnKind::Number, ColumnKind::Words, ColumnKind::Label]);
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    let [thirty, one, age] = bits(&[30.0, 1.0, 41.5])[..] else { panic!("three values") };
    let expected = [(0, vec![(0, thirty), (1, one)]), (one, vec![(2, one)]), (0, vec![(0, age), (1, one)])];
    assert_eq!(rows(&read), expected);
}

#[test]
fn csv_columns_of_ids_become_words_where_it_is_said() {
    let options = ReadOptions { categorical: vec!["id".into(), "age".into()], ..OPTIONS };
    let read = Data::new("a.csv", PEOPLE).read(&options).unwrap();
    let mut names: Vec<String> = (0..7).map(|row| read.dictionary().name_of(row)).collect();
    names.sort();
    assert_eq!(names, ["age=30", "age=41.5", "city=Oslo", "city=Rome, IT", "id=1", "id=2", "id=3"]);
    let kinds: Vec<ColumnKind> = read.columns().unwrap().iter().map(|column| column.kind).collect();
    assert_eq!(kinds, [ColumnKind::Words, ColumnKind::Words, ColumnKind::Words, ColumnKind::Label]);
    assert!(read.all_ones());
    // What is left out is left out, whatever it is.
    let left_out = ReadOptions { ignore: vec!["id".into()], ..options };
    let read = Data::new("a.csv", PEOPLE).read(&left_out).unwrap();
    assert_eq!((read.dictionary().len(), read.columns().unwrap()[0].kind), (4, ColumnKind::Ignored));
}

#[test]
fn csv_of_many_chunks_with_newlines_in_quotes_is_read_alike_by_any_number_of_threads() {
    let note = "-".repeat(3000);
    let mut text = String::from("name,\"a\nb\",label\n");
    for row in 0..4000 {
        text += &format!("\"n{}\n,\",{},{}{note}\n", row % 700, row, row % 3);
    }
    let data = Data::new("a.csv", &text);
    let mut all = Vec::new();
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let read = pool.install(|| data.read(&OPTIONS)).unwrap();
        assert_eq!((read.rows(), read.labels().names.len(), read.dictionary().len()), (4000, 3, 701));
        assert!(read.table().blocks() > 2);
        all.push((rows(&read), read.dictionary().to_bytes()));
    }
    assert!(all[0] == all[1]);
    assert_eq!(all[0].0[3999].1[1].1, 3999f32.to_bits());
    text += "x,inf,1\n";
    let error = Data::new("a.csv", &text).read(&OPTIONS).unwrap_err().to_string();
    assert!(error.contains("a.csv:8003: column \"a\\nb\": \"inf\" is not finite"), "{error}");
}

#[test]
fn csv_flags_are_checked_against_the_columns() {
    let fault = |text: &str, options: &ReadOptions| Data::new("a.csv", text).read(options).unwrap_err();
    let unknown = fault(PEOPLE, &ReadOptions { label: Some("traget".into()), ..OPTIONS });
    assert_eq!(unknown.exit_code(), 2);
    assert!(unknown.to_string().contains("did you mean \"target\"?"), "{unknown}");
    assert!(fault("a,b\n1,2\n", &OPTIONS).to_string().contains("Use --label with one of a, b"));
    let ignored = ReadOptions { ignore: vec!["aeg".into()], ..OPTIONS };
    assert!(fault(PEOPLE, &ignored).to_string().contains("did you mean \"age\"?"));
    let words = ReadOptions { categorical: vec!["aeg".into()], ..OPTIONS };
    let words = fault(PEOPLE, &words).to_string();
    assert!(words.contains("--categorical aeg") && words.contains("It has id, age, city, target"), "{words}");
    assert!(fault("y,a\n1,2\n1\n", &OPTIONS).to_string().contains("a.csv:3: 1 cells, but 2 columns"));
    let both = ReadOptions { ignore: vec!["target".into()], ..OPTIONS };
    assert!(fault(PEOPLE, &both).to_string().contains("this column is the label"));
}

/// What `stream` hands over: labels and named pairs, and what it saw and noticed.
type Streamed = (Vec<(f32, Vec<(String, f32)>)>, Seen, Vec<String>);

fn streamed(data: &Data, model: &DataFile) -> Result<Streamed> {
    let known = Known {
        dictionary: model.dictionary(),
        columns: model.columns(),
        label_names: &model.labels().names,
        hashing: None,
        grams: None,
    };
    let notices = Mutex::new(Vec::new());
    let mut rows = Vec::new();
    let mut each = |owned: OwnedBlock| {
        let block = owned.as_block();
        assert_eq!(block.first_row, rows.len() as u64);
        for row in 0..block.rows() {
            let (ids, values) = (block.ids(row).as_slice(), block.values(row));
            let pair =
                |(at, &id): (usize, &u32)| (model.dictionary().name_of(id), values.get(at).map_or(1.0, |&value| value));
            rows.push((block.label(row), ids.iter().enumerate().map(pair).collect()));
        }
        Ok(())
    };
    let notice = |text: &str| notices.lock().unwrap().push(text.to_string());
    let seen = stream(&data.input(), &OPTIONS, &known, &notice, &StopRequest::never(), &mut each)?;
    Ok((rows, seen, notices.into_inner().unwrap()))
}

#[test]
fn a_stream_of_csv_is_matched_by_name() {
    let options = ReadOptions { ignore: vec!["id".into()], ..OPTIONS };
    let model = Data::new("a.csv", PEOPLE).read(&options).unwrap();
    let pairs = |pairs: &[(&str, f32)]| pairs.iter().map(|&(key, value)| (key.to_string(), value)).collect::<Vec<_>>();

    let (rows, seen, notices) =
        streamed(&Data::new("b.csv", "target;city;age\nyes;Oslo;2\n;Paris;0\nmaybe;?;1\n"), &model).unwrap();
    assert_eq!(rows[0], (1.0, pairs(&[("city=Oslo", 1.0), ("age", 2.0)])));
    assert!(rows[1].0.is_nan() && rows[1].1.is_empty() && rows[2].0.is_nan());
    let expected = Seen { rows: 3, nonzeros: 3, unknown_keys: 1, unlabelled: 1, unknown_labels: 1, ..Seen::default() };
    assert_eq!(seen, expected);
    assert!(notices.is_empty(), "{notices:?}");

    let (rows, seen, notices) = streamed(&Data::new("b.csv", "city,new\nOslo,5\n"), &model).unwrap();
    assert!(rows[0].0.is_nan() && rows[0].1 == pairs(&[("city=Oslo", 1.0)]) && seen.unlabelled == 1);
    assert!(
        notices.len() == 2 && notices[0].contains("no column age") && notices[1].contains("know column new"),
        "{notices:?}"
    );

    let error = streamed(&Data::new("b.csv", "age,city\n1,Oslo\nold,Oslo\n"), &model).unwrap_err().to_string();
    assert!(error.contains("b.csv:3: column \"age\": \"old\" is not a number"), "{error}");
    let error = streamed(&Data::new("b.svm", "1 1:1\n"), &model).unwrap_err().to_string();
    assert!(error.contains("this is libsvm data"), "{error}");
}

#[test]
fn a_stream_of_libsvm_comes_in_order_with_unknown_keys_dropped() {
    let text = long_text();
    let data = Data::new("a.svm", &text);
    let model = data.read(&OPTIONS).unwrap();
    let (rows, seen, _) = streamed(&data, &model).unwrap();
    assert_eq!((seen.rows, seen.nonzeros, seen.unknown_keys), (model.rows(), model.nonzeros(), 0));
    let table = model.table();
    for row in (0..model.rows()).step_by(97) {
        let (block, at) = table.block_of(row);
        let block = table.block(block).unwrap();
        let (label, pairs) = &rows[row as usize];
        assert_eq!(*label, block.label(at));
        let ids: Vec<u32> =
            pairs.iter().map(|(key, _)| model.dictionary().number(key.parse().unwrap()).unwrap()).collect();
        let values: Vec<f32> = pairs.iter().map(|&(_, value)| value).collect();
        assert_eq!((&ids[..], &values[..]), (block.ids(at).as_slice(), block.values(at)));
    }
    let other = Data::new("b.svm", "4000000000:1 1:1\n3 4000000001:2\n");
    let (rows, seen, _) = streamed(&other, &model).unwrap();
    assert!(rows[0].0.is_nan() && rows[1] == (3.0, vec![]));
    assert_eq!((seen.unlabelled, seen.unknown_keys + seen.nonzeros), (1, 3));
    let error = streamed(&Data::new("b.svm", "1 1:1\n\n1 1:x\n"), &model).unwrap_err().to_string();
    assert!(error.contains("b.svm:3: \"1:x\""), "{error}");
}

#[test]
fn images_of_many_chunks_keep_their_labels_whatever_the_threads() {
    let (count, size) = (3000u32, 4001u32);
    let pixel = |at: u32| if at.is_multiple_of(97) { (at / 97 % 256) as u8 } else { 0 };
    let bytes = |dimensions: &[u32], numbers: Vec<u8>| {
        let sizes: Vec<u8> = dimensions.iter().flat_map(|size| size.to_be_bytes()).collect();
        [vec![0, 0, 8, dimensions.len() as u8], sizes, numbers].concat()
    };
    let images = bytes(&[count, size], (0..count * size).map(pixel).collect());
    let label = |row: u32| (row % 251) as u8;
    let plain = Data::new("x-images.idx", &images);
    let packed = Data::new("x-images.idx.gz", gzip(&images));
    for data in [&plain, &packed] {
        let labels = bytes(&[count], (0..count).map(label).collect());
        fs::write(data.directory.path().join("x-labels.idx"), labels).unwrap();
    }
    let mut all = Vec::new();
    for (data, threads) in [(&plain, 1), (&plain, 3), (&packed, 2)] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let read = pool.install(|| data.read(&OPTIONS)).unwrap();
        assert!(read.table().blocks() > 2);
        all.push((rows(&read), read.dictionary().to_bytes()));
    }
    assert!(all[0] == all[1] && all[0] == all[2]);
    assert!((0..count).all(|row| all[0].0[row as usize].0 == f32::from(label(row)).to_bits()));
    let nonzeros: usize = all[0].0.iter().map(|(_, row)| row.len()).sum();
    assert_eq!(nonzeros, (0..count * size).filter(|&at| pixel(at) != 0).count());
}

#[test]
fn bad_rows_that_are_skipped_leave_nothing_behind_whatever_the_threads() {
    let text = long_text();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let bad = ["1 4000000000:1 4000000001:x", "word", "1 4000000000:1 -1:1", "1 3:3e38 3:3e38"];
    for (at, line) in (0..lines.len()).step_by(501).zip(bad.iter().cycle()) {
        lines.insert(at + at / 501, (*line).to_owned());
    }
    let data = Data::new("a.svm", lines.join("\n"));
    let skipping = ReadOptions { skip_bad_rows: true, ..OPTIONS };
    let mut all = Vec::new();
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let read = pool.install(|| data.read(&skipping)).unwrap();
        let skipped = read.skipped().unwrap().clone();
        assert_eq!((read.rows(), skipped.rows, read.dictionary().number(4_000_000_000)), (7000, 14, None));
        let first = skipped.first(Path::new("a.svm")).to_string();
        assert_eq!(first, "a.svm:1: \"4000000001:x\" has a value that is not a number");
        all.push((rows(&read), read.dictionary().to_bytes()));
    }
    assert!(all[0] == all[1]);
    let clean = Data::new("a.svm", text).read(&OPTIONS).unwrap();
    assert!(by_key(&data.read(&skipping).unwrap()) == by_key(&clean));
}
