//! Fields: what they are in each format, whatever the names are made of, and what has none.

use super::*;

/// The fields of the keys of `text`, each beside its key, in the order of the fields.
fn fields_of(name: &str, text: &str) -> (Vec<String>, Vec<(String, String)>) {
    let options = ReadOptions { ignore: if name == "a.vw" { vec!["out".into()] } else { Vec::new() }, ..OPTIONS };
    let file = Data::new(name, text).read(&options).unwrap();
    let source = FieldSource::of_files("ffm", std::slice::from_ref(&file), file.dictionary()).unwrap();
    let json = serde_json::to_string(&source).unwrap();
    assert_eq!(serde_json::from_str::<FieldSource>(&json).unwrap(), source);
    let fields = source.fields(file.dictionary()).unwrap();
    assert_eq!((&fields.names, fields.of.len()), (&source.names, file.dictionary().len()));
    let mut all: Vec<_> = (0..).zip(&fields.of).map(|(row, &field)| (field, file.dictionary().name_of(row))).collect();
    all.sort();
    (source.names, all.into_iter().map(|(field, key)| (key, fields.names[usize::from(field)].clone())).collect())
}

fn check(name: &str, text: &str, names: &[&str], keys: &[(&str, &str)]) {
    let keys: Vec<_> = keys.iter().map(|&(key, field)| (key.to_owned(), field.to_owned())).collect();
    assert_eq!(fields_of(name, text), (names.iter().map(|&name| name.to_owned()).collect(), keys));
}

#[test]
fn those_of_libffm_rise_and_hold_their_indices() {
    check(
        "a.ffm",
        "1 10:5:1 2:5:1 02:007:1\n0 0:5:1 3:1:0\n",
        &["0", "2", "10"],
        &[("0:5", "0"), ("2:5", "2"), ("2:7", "2"), ("10:5", "10")],
    );
}

#[test]
fn those_of_vw_are_namespaces_as_they_appear() {
    check(
        "a.vw",
        "1 |user age:30 7 city=x |out z | plain\n-1 |i user:2 |user city:Oslo:x |void a:0\n",
        &["user", "", "i"],
        &[
            ("user^7", "user"),
            ("user^age", "user"),
            ("user^city=x", "user"),
            ("user^city^Oslo:x", "user"),
            ("plain", ""),
            ("i^user", "i"),
        ],
    );
}

#[test]
fn a_namespace_may_have_the_mark_in_its_name_and_so_may_a_feature() {
    check(
        "a.vw",
        "1 |a^b c ^d |a x^y b^z |= z=1 | none^of:3 ^ :2 :red\n",
        &["a^b", "a", "=", ""],
        &[
            ("a^b^^d", "a^b"),
            ("a^b^c", "a^b"),
            // Feature `b^z` of `a`, which has the weight of `z` of `a^b` as well.
            ("a^b^z", "a^b"),
            ("a^x^y", "a"),
            ("=^z=1", "="),
            ("0", ""),
            ("^", ""),
            ("^red", ""),
            ("none^of", ""),
        ],
    );
}

#[test]
fn those_of_csv_are_columns_in_their_order() {
    check(
        "a.csv",
        "km,label,city,empty,a=b,a\n3,1,Oslo,,2,x=y\n4,0,a=b=c,,3,b\n",
        &["km", "city", "a=b", "a"],
        &[("km", "km"), ("city=Oslo", "city"), ("city=a=b=c", "city"), ("a=b", "a=b"), ("a=x=y", "a")],
    );
}

#[test]
fn files_of_one_kind_are_joined_and_others_refused() {
    let read = |name: &str, text: &str| Data::new(name, text).read(&OPTIONS).unwrap();
    let joint = |files: &[DataFile]| {
        let mut keys = files[0].dictionary().clone();
        files[1..].iter().for_each(|file| _ = keys.merge(file.dictionary()).unwrap());
        FieldSource::of_files("ffm", files, &keys).map(|source| source.names)
    };
    let ffm = || read("a.ffm", "1 7:1:1 300:1:1\n");
    assert_eq!(joint(&[ffm(), read("b.ffm", "1 8:1:1 7:2:1\n")]).unwrap(), ["7", "8", "300"]);
    let vw = || read("a.vw", "1 |b x |a y\n");
    assert_eq!(joint(&[vw(), read("b.vw", "1 |c x |a z\n")]).unwrap(), ["b", "a", "c"]);
    let csv = |names: &str| read("a.csv", &format!("y,{names}\n1,2,x\n0,3,z\n"));
    assert_eq!(joint(&[csv("n,w"), csv("m,w")]).unwrap(), ["n", "w", "m"]);
    let error = joint(&[vw(), ffm()]).unwrap_err();
    assert!(error.exit_code() == 2 && error.to_string().contains("is vw data, "), "{error}");
    assert!(error.to_string().ends_with("is libffm data: give data of one kind"), "{error}");
}

#[test]
fn numbers_have_none_and_too_many_are_refused() {
    let fault = |name: &str, text: &str, options: &ReadOptions| {
        let file = Data::new(name, text).read(options).unwrap();
        let error = FieldSource::of_files("ffm", std::slice::from_ref(&file), file.dictionary()).unwrap_err();
        (error.exit_code(), error.to_string())
    };
    let (code, error) = fault("a.svm", "1 1:1\n", &OPTIONS);
    assert!(code == 2 && error.contains("needs fields, those of libffm, VW namespaces or CSV columns"), "{error}");
    assert!(error.ends_with("a.svm is libsvm or IDX data, which has none: --kind fm learns without"), "{error}");
    let hashed =
        ReadOptions { hashing: Some(Hashing { bits: 20, interactions: Vec::new(), ignored: Vec::new() }), ..OPTIONS };
    for (name, text) in [("a.ffm", "1 1:1:1\n"), ("a.vw", "1 |a b\n")] {
        let (code, error) = fault(name, text, &hashed);
        assert!(code == 2 && error.ends_with("hashed keys have none: leave out --bits and --interact"), "{error}");
    }
    let text = |fields: usize| (0..fields).map(|field| format!("1 {field}:1:1\n")).collect::<String>();
    let (code, error) = fault("a.ffm", &text(MOST_FIELDS + 1), &OPTIONS);
    assert!(
        code == 1 && error.ends_with("a.ffm: has 4097 fields: at most 4096 can be learned, leave some out"),
        "{error}"
    );
    assert_eq!(fields_of("a.ffm", &text(MOST_FIELDS)).0.len(), MOST_FIELDS);
}

#[test]
fn a_field_that_a_model_has_not_is_named() {
    let read = |name: &str, text: &str| Data::new(name, text).read(&OPTIONS).unwrap();
    for (name, old, new, field) in [
        ("a.ffm", "1 1:1:1 2:1:1\n", "1 2:9:1 3:1:1\n", "field 3"),
        ("a.vw", "1 | x |a x\n", "1 | y |b x\n", "namespace \"b\""),
        ("a.vw", "1 |a x\n", "1 |a y | x\n", "features without a namespace"),
        ("a.csv", "y,a\n1,2\n", "y,a,b\n1,2,word\n", "column \"b\""),
    ] {
        let (old, new) = (read(name, old), read(name, new));
        let source = FieldSource::of_files("ffm", std::slice::from_ref(&old), old.dictionary()).unwrap();
        source.check("ffm", std::slice::from_ref(&old)).unwrap();
        let error = source.check("ffm", std::slice::from_ref(&new)).unwrap_err().to_string();
        assert!(error.contains(&format!("{name}: has {field}, which the model has not")), "{error}");
    }
    let (vw, ffm) = (read("a.vw", "1 |a x\n"), read("a.ffm", "1 1:1:1\n"));
    let source = FieldSource::of_files("ffm", std::slice::from_ref(&vw), vw.dictionary()).unwrap();
    let error = source.check("ffm", std::slice::from_ref(&ffm)).unwrap_err().to_string();
    assert!(error.ends_with("a.ffm: this is libffm data, but the model was trained on vw data"), "{error}");
    assert_eq!(source.fields(ffm.dictionary()).unwrap_err(), "the key \"1:1\" is of no field that is known");
    assert!(source.fields(&Dictionary::numbers()).is_err());
}
