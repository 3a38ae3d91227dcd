//! What data is to models of a kind: one corpus of all files, centred, scaled and weighed as the kind wants it, and what is known of it.
//!
//! What flows in: what was read. What flows out: a [`Material`], of which one model is made, or one after the other.

use std::borrow::Cow;

use super::configure::{Content, configuration, decays, penalties};
use super::corpus::{Corpus, Part, Source};
use super::keys::Keys;
use super::target::{self, LabelFacts};
use super::{Penalties, Settings, pairs, scale};
use crate::data::{Column, ColumnKind, DataFile, Dictionary, FieldSource, Hashing};
use crate::error::{Error, Result};
use crate::model::configuration::{Configuration, Kind};
use crate::model::factors::Fresh;
use crate::model::weighting::Text;

/// What was read.
pub(super) struct Read<'d> {
    pub(super) files: &'d [DataFile],
    pub(super) keys: Keys<'d>,
    /// What is made of it, if it is text.
    pub(super) text: Option<Text>,
    /// The size of the images, if it is images.
    pub(super) images: Option<Vec<u32>>,
    /// How keys were hashed, if they were.
    pub(super) hashing: Option<Hashing>,
}

/// What data is to models of a kind.
pub(crate) struct Material<'d> {
    pub(super) corpus: Corpus<'d>,
    pub(super) dictionary: Cow<'d, Dictionary>,
    pub(super) facts: LabelFacts,
    pub(super) content: Content,
    /// The field of each feature, where the kind wants to know it.
    fields: Vec<u16>,
}

impl<'d> Material<'d> {
    /// What the files are to models of kind `kind`, or to the one that is resumed, `old`.
    ///
    /// # Errors
    /// Files that do not go together, or not with the kind; a damaged block of a cache.
    pub(super) fn new(
        kind: Kind,
        read: Read<'d>,
        facts: LabelFacts,
        old: Option<&Configuration>,
        notice: &dyn Fn(&str),
    ) -> Result<Self> {
        let Read { files, keys: Keys { mut dictionary, maps, nonzeros, .. }, text, images, hashing } = read;
        facts.notices.iter().for_each(|text| notice(text));
        let columns = columns(files, old)?;
        if matches!(kind, Kind::Fm | Kind::Ffm) {
            for file in files {
                pairs::lone(file)?.iter().for_each(|text| notice(text));
            }
        }

        let limit = u32::try_from(dictionary.len()).map_err(|_| Error::Engine("more than 2^32 keys".to_owned()))?;
        let parts = files.iter().zip(maps).map(|(file, map)| Part {
            source: Source::Table(file.table()),
            rows: file.rows(),
            ones: file.all_ones(),
            pairs: file.longest_row() == 2 && file.nonzeros() == 2 * file.rows(),
            map,
            labels: target::map(file.labels(), &facts.target, facts.outputs()),
        });
        let mut corpus = Corpus::new(parts.collect(), limit);
        corpus.weigh(&facts.class_weights, facts.mean_weight);
        if let Some(text) = &text {
            corpus.weigh_counts(text.weighting, dictionary.idf.clone().unwrap_or_default());
        }
        let mut standard = None;
        let centres = match old {
            Some(old) => old.centres.clone(),
            None if kind == Kind::Mlp => {
                let found = scale::standard(&corpus)?;
                dictionary.to_mut().scales = Some(found.exponents.clone());
                standard = Some(found);
                Vec::new()
            }
            None if text.is_some() => Vec::new(),
            None => scale::centres(&corpus)?,
        };
        corpus.centre(&centres);
        if standard.is_none() && (text.is_none() || old.is_some()) {
            scale_columns(&mut corpus, &mut dictionary, files, old.map(|old| old.kind), notice)?;
        }
        let factors = dictionary.scales.clone();
        if let Some(exponents) = &factors {
            corpus.scale(exponents.iter().map(|&exponent| scale::power(i32::from(exponent))).collect());
        }
        let mean_square = match (old, &standard) {
            (Some(old), _) => old.mean_square,
            (_, Some(standard)) => standard.mean_square,
            _ if text.is_some() || factors.is_some() || !centres.is_empty() => scale::mean_square(&corpus)?,
            _ => files.iter().map(DataFile::sum_squares).sum::<f64>() / corpus.rows().max(1) as f64,
        };
        let fields = fields(kind, old, files, &dictionary)?;
        let rows = corpus.rows();
        let content =
            Content { columns, fields, text, images, hashing, centres, standard, mean_square, nonzeros, rows };
        let fields = match &content.fields {
            None => Vec::new(),
            Some(source) => source.fields(&dictionary).map_err(|what| Error::data(files[0].name(), what))?.of,
        };
        Ok(Self { corpus, dictionary, facts, content, fields })
    }

    /// How many rows have each feature, where models of `configuration` want that.
    ///
    /// # Errors
    /// A damaged block of a cache.
    pub(super) fn uses(&self, configuration: &Configuration) -> Result<Vec<u32>> {
        if decays(configuration) { scale::uses(&self.corpus) } else { Ok(Vec::new()) }
    }

    /// What a model with these settings is, beside the one that is resumed, `old`; `has_valid` says that it stops by data of its own.
    ///
    /// # Errors
    /// [`Error::Usage`] for settings that do not go together.
    pub(super) fn configuration(
        &self,
        settings: &Settings,
        has_valid: bool,
        old: Option<&Configuration>,
    ) -> Result<Configuration> {
        configuration(settings, has_valid, old, &self.facts, &self.content)
    }

    /// The penalties of a model, and what its rows begin with if they have factors; `uses` is what [`Material::uses`] says.
    pub(super) fn begin(&self, configuration: &Configuration, uses: &[u32]) -> (Penalties, Option<Fresh>) {
        let mut penalties = penalties(configuration, uses, self.corpus.rows());
        if configuration.layout().factors().is_none() {
            return (penalties, None);
        }
        let fields = if configuration.fields.is_some() { self.fields.clone() } else { Vec::new() };
        let fresh = Fresh::new(configuration, std::mem::take(&mut penalties.decays), fields);
        (penalties, Some(fresh))
    }
}

/// The fields of a model to which they matter: those of all files, which must be known to the model that is resumed.
fn fields(
    kind: Kind,
    old: Option<&Configuration>,
    files: &[DataFile],
    dictionary: &Dictionary,
) -> Result<Option<FieldSource>> {
    match old {
        Some(old) => {
            old.fields.as_ref().map_or(Ok(()), |fields| fields.check(old.kind.name(), files))?;
            Ok(old.fields.clone())
        }
        None => match kind {
            Kind::Ffm | Kind::Deep => FieldSource::of_files(kind.name(), files, dictionary).map(Some),
            _ => Ok(None),
        },
    }
}

/// The columns of all files, which must be the same, and those of the model that is resumed.
fn columns(files: &[DataFile], old: Option<&Configuration>) -> Result<Option<Vec<Column>>> {
    let first = files[0].columns();
    if let Some(other) = files.iter().find(|file| file.columns() != first) {
        let which = difference(first, other.columns(), false);
        let what = format!("has other columns than {}, or other kinds of them: look at {which}", files[0].name());
        return Err(Error::data(other.name(), what));
    }
    if let Some(old) = old
        && old.columns.as_deref() != first
    {
        let which = difference(old.columns.as_deref(), first, true);
        let what = format!("has other columns than the model was trained on, or other kinds of them: look at {which}");
        return Err(Error::data(files[0].name(), what));
    }
    Ok(first.map(<[Column]>::to_vec))
}

/// A column that `then` and `now` do not both have, and what may be said for it, unless what was then is `fixed`.
fn difference(then: Option<&[Column]>, now: Option<&[Column]>, fixed: bool) -> String {
    let (then, now) = (then.unwrap_or_default(), now.unwrap_or_default());
    let odd = then.iter().find(|column| !now.contains(column)).or(now.iter().find(|column| !then.contains(column)));
    let Some(Column { name, .. }) = odd else { return "their order".to_owned() };
    let kind = |columns: &[Column]| columns.iter().find(|column| column.name == *name).map(|column| column.kind);
    match (kind(then), kind(now)) {
        (Some(ColumnKind::Words), Some(ColumnKind::Number)) => {
            format!("column {name}, all numbers here: --categorical {name} makes them words")
        }
        (Some(ColumnKind::Number), Some(ColumnKind::Words)) if !fixed => {
            format!("column {name}, all numbers there: --categorical {name} makes them words")
        }
        _ => format!("column {name}"),
    }
}

/// Gives the dictionary column scales, if the data needs them and the model has no say yet.
fn scale_columns(
    corpus: &mut Corpus<'_>,
    dictionary: &mut Cow<'_, Dictionary>,
    files: &[DataFile],
    resumed: Option<Kind>,
    notice: &dyn Fn(&str),
) -> Result<()> {
    if let Some(kind) = resumed {
        let rows = dictionary.len();
        if dictionary.scales.as_ref().is_some_and(|scales| scales.len() < rows)
            && let Some(scales) = &mut dictionary.to_mut().scales
        {
            // New inputs of a perceptron are brought to a size; new columns of other models with scales are taken as they are.
            let found = if kind == Kind::Mlp { scale::sizes(corpus)? } else { Vec::new() };
            scales.extend(found.into_iter().skip(scales.len()));
            scales.resize(rows, 0);
        }
        return Ok(());
    }
    let least = files.iter().map(DataFile::least_value).filter(|&least| least > 0.0).fold(f32::MAX, f32::min);
    let most = files.iter().map(DataFile::most_value).fold(0.0, f32::max);
    // What is far from 0 may be near it, once centred.
    if (corpus.is_centred() || scale::may_need_scales(least, most))
        && let Some(scales) = scale::exponents(corpus)?
    {
        dictionary.to_mut().scales = Some(scales);
        notice("note: columns differ widely in scale: each is learned in units of its own size");
    }
    Ok(())
}
