//! All scores of two sets of features, with what has to be known to compare them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::neighbours::Copies;
use super::numpy_random::RandomState;
use super::{SEED, Table, frechet, inception_score, kid, neighbours};
use crate::Result;
use crate::model::argmax;
use crate::ranks::{Ranks, Solo, deal};

/// Where features come from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FeatureSource {
    /// The network.
    pub name: String,
    /// SHA-256 of its weights, where known.
    pub weights_sha256: Option<String>,
    /// How drawings were brought to its size; `None` where they have it.
    pub resize: Option<String>,
}

/// Everything that has to be equal for two scores to be comparable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Protocol {
    /// Real rows.
    pub real: usize,
    /// Generated rows.
    pub generated: usize,
    /// Elements of a row.
    pub width: usize,
    /// Where the features come from.
    #[serde(flatten)]
    pub extractor: FeatureSource,
    /// Of subsets and orders.
    pub seed: u32,
    /// Rows of KID's subsets.
    pub kid_subset_size: usize,
    /// Neighbours of precision, recall, density and coverage.
    pub k: usize,
    /// The same scores between two disjoint halves of the real rows; `None` where they are too few.
    pub floor: Option<FeatureScores>,
    /// The floor's FID∞, where it was asked for and the halves are large enough for it.
    pub floor_fid_infinity: Option<f64>,
}

/// The scores of two sets of features.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the scores' names")]
pub struct FeatureScores {
    pub fid: f64,
    pub kid_mean: f64,
    /// `None` where all subsets are the same rows.
    pub kid_std: Option<f64>,
    /// `None`, as the next three, where a side has no more rows than neighbours.
    pub precision: Option<f64>,
    pub recall: Option<f64>,
    pub density: Option<f64>,
    pub coverage: Option<f64>,
}

/// All that was computed. As JSON, one flat object but for `passport` and `warnings`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Of features.
    #[serde(flatten)]
    pub features: FeatureScores,
    /// The Inception Score, where there are logits of enough rows.
    pub is_mean: Option<f64>,
    /// Its standard deviation over splits.
    pub is_std: Option<f64>,
    /// FID extrapolated to endless samples, where it was asked for and rows are enough.
    pub fid_infinity: Option<f64>,
    /// How they were measured.
    pub passport: Protocol,
    /// Why some of them may not mean what they seem to.
    pub warnings: Vec<String>,
    /// The same of single scores, by their names above; of one that is left out, why.
    #[serde(default)]
    pub notes: BTreeMap<String, String>,
}

/// The scores of balls around rows.
const COVERAGE: [&str; 4] = ["precision", "recall", "density", "coverage"];

/// The scores to compute.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// For the passport.
    pub extractor: FeatureSource,
    /// Whether to compute FID∞, which takes as long as fifteen FIDs.
    pub fid_infinity: bool,
}

/// Computes every score of `real` and `generated: (N, d)`, and the Inception Score of the generated side's `logits`.
/// KID's subsets are of 1,000 rows, or of as many as the smaller side has, with a warning.
///
/// # Errors
/// If widths differ, a side has less than two rows, or logits are not a row for each generated one. A score that takes more rows than
/// there are is left out, and a note says why.
pub fn score(real: Table, generated: Table, logits: Option<Table>, options: &Options) -> Result<Scores> {
    score_among(real, generated, logits, options, &Solo)
}

/// [`score`] by several ranks with the same tables and options: pairs of rows are dealt out by blocks, Fréchet distances each as a
/// whole. All get the scores, of which no digit depends on how many they are.
///
/// # Errors
/// As [`score`].
pub fn score_among(
    real: Table,
    generated: Table,
    logits: Option<Table>,
    options: &Options,
    ranks: &dyn Ranks,
) -> Result<Scores> {
    if let Some(logits) = &logits {
        logits.check_pairs(&generated)?;
    }
    real.check_width(&generated)?;
    [real, generated].iter().try_for_each(|side| side.check_rows(2, "a covariance"))?;
    let mut notes = BTreeMap::new();
    // Why a score is left out, where it is.
    let mut enough = |names: &[&str], checked: Result<()>| {
        let why = checked.err().map(|error| error.to_string());
        notes.extend(why.iter().flat_map(|why| names.iter().map(|name| ((*name).to_owned(), why.clone()))));
        why.is_none()
    };
    let logits_of_splits = logits.filter(|logits| enough(&["is_mean"], inception_score::check(logits)));
    let has_coverage = enough(&COVERAGE, neighbours::check_sides(&real, &generated, neighbours::K));
    let has_infinity =
        options.fid_infinity && enough(&["fid_infinity"], generated.check_rows(frechet::FEWEST, frechet::SIZES_TOLD));
    let inception = logits_of_splits.map(inception_score::inception_score).transpose()?;
    // Radii of fewer neighbours, where there are not as many, are made for nothing: rows are few.
    let k = if has_coverage { neighbours::K } else { 1 };
    let pairs = |real: Table, generated: Table| {
        let size = subset_size(real, generated);
        let (kid, coverage, copies) = kid::with_coverage(real, generated, size, k, ranks)?;
        // One set of rows, drawn a hundred times.
        let varies = real.rows() > size || generated.rows() > size;
        Ok((kid.mean, varies.then_some(kid.std), coverage, copies))
    };
    let at_infinity = |real: Table, generated: Table| match has_infinity {
        true => frechet::fid_infinity_among(real, generated, ranks).map(Some),
        false => Ok(None),
    };
    // The smaller half needs more rows than neighbours. Halves are copies, made where they are needed.
    let has_floor = has_coverage && real.rows() >= 2 * (neighbours::K + 1);
    let (kid, kid_std, coverage, copies) = pairs(real, generated)?;
    let of_floor = has_floor.then(|| with_halves(real, pairs)).transpose()?;
    let fids = deal(ranks, 1 + usize::from(has_floor), |own| {
        let fid =
            |&task: &usize| if task == 0 { frechet::fid(real, generated) } else { with_halves(real, frechet::fid) };
        own.iter().map(|task| Ok(vec![fid(task)?])).collect()
    })?;
    let fid_infinity = at_infinity(real, generated)?;
    let floor_fid_infinity = match has_floor && real.rows().div_ceil(2) >= frechet::FEWEST {
        true => with_halves(real, at_infinity)?,
        false => None,
    };
    let features = |(kid_mean, kid_std), found: neighbours::Coverage, fid: &[f64]| {
        let of = |score| has_coverage.then_some(score);
        let neighbours::Coverage { precision, recall, density, coverage } = found;
        let (precision, recall, density, coverage) = (of(precision), of(recall), of(density), of(coverage));
        FeatureScores { fid: fid[0], kid_mean, kid_std, precision, recall, density, coverage }
    };
    notes.extend(if has_coverage { self::notes(real, &copies) } else { BTreeMap::new() });
    Ok(Scores {
        features: features((kid, kid_std), coverage, &fids[0]),
        is_mean: inception.map(|score| score.mean),
        is_std: inception.map(|score| score.std),
        fid_infinity,
        passport: Protocol {
            real: real.rows(),
            generated: generated.rows(),
            width: real.width(),
            extractor: options.extractor.clone(),
            seed: SEED,
            kid_subset_size: subset_size(real, generated),
            k: neighbours::K,
            floor: of_floor.map(|(kid, std, coverage, _)| features((kid, std), coverage, &fids[1])),
            floor_fid_infinity,
        },
        warnings: warnings(real, generated, logits),
        notes,
    })
}

/// Calls `f` with two disjoint halves of a table's rows.
fn with_halves<R>(table: Table, f: impl FnOnce(Table, Table) -> Result<R>) -> Result<R> {
    let order = RandomState::new(SEED).permutation(table.rows());
    let (first, second) = order.split_at(order.len() / 2);
    let copy = |half: &[usize]| half.iter().flat_map(|&i| table.row(i)).copied().collect::<Vec<_>>();
    let (first, second) = (copy(first), copy(second));
    f(Table::new(table.name(), &first, table.width())?, Table::new(table.name(), &second, table.width())?)
}

fn subset_size(real: Table, generated: Table) -> usize {
    kid::SUBSET_SIZE.min(real.rows()).min(generated.rows())
}

/// Balls without an inside hold nothing, whatever was generated.
fn notes(real: Table, Copies(copies): &Copies) -> BTreeMap<String, String> {
    let (name, rows, k) = (real.name(), real.rows(), neighbours::K);
    let note = format!(
        "{name}: {copies} of {rows} rows have {k} copies or more, so that nothing can lie strictly within their balls"
    );
    let scores = if *copies > 0 { &["density", "coverage"][..] } else { &[] };
    scores.iter().map(|&score| (score.to_owned(), note.clone())).collect()
}

fn warnings(real: Table, generated: Table, logits: Option<Table>) -> Vec<String> {
    let (n, d) = (real.rows().min(generated.rows()), real.width());
    let mut warnings = Vec::new();
    if n < d.max(2048) {
        let rank =
            if n <= d { format!(", and covariances of {d} dimensions have no full rank") } else { String::new() };
        warnings.push(format!("a Fréchet distance of {n} rows is biased upwards (2,048 or more are usual){rank}"));
    }
    if n < kid::SUBSET_SIZE {
        let of = match real.rows() == generated.rows() {
            true => "all of both sides: they do not vary, and there is no kid_std",
            false => "all of the smaller side: kid_std says little",
        };
        warnings.push(format!("KID's subsets are of {n} rows instead of 1,000, {of}"));
    }
    for table in [real, generated] {
        if table.is_constant() {
            let name = table.name();
            warnings.push(format!("{name}: all rows are equal, the covariance is zero and so are the radii"));
        }
    }
    if let Some(logits) = logits {
        let top = |i: usize| argmax(logits.row(i));
        if (1..logits.rows()).all(|i| top(i) == top(0)) {
            warnings.push(format!("{}: every row is of the same class, {}", logits.name(), top(0)));
        }
    }
    warnings
}
