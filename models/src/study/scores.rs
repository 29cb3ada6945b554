//! The scores that are a number, each with what it was measured with.

use serde::{Deserialize, Serialize};

use super::Watch;
use super::evaluate::Options;
use super::judge::Judge;
use crate::activations::Activations;
use crate::data::{Examples, Images};
use crate::metrics::{self, FeatureScores, FeatureSource, Table, frechet};
use crate::ranks::Ranks;
use crate::{Result, distance};

/// One score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Its name, as in `score`'s output.
    pub name: String,
    /// Its value; `None` where it could not be measured, and [`Score::note`] says why.
    pub value: Option<f64>,
    /// The standard deviation over splits or subsets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub std: Option<f64>,
    /// How it was measured.
    pub passport: Passport,
    /// A warning, or why there is no value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Without these a score cannot be compared with another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Passport {
    /// Real drawings.
    pub n_real: usize,
    /// Generated drawings.
    pub n_generated: usize,
    /// The network that turned drawings into features.
    pub extractor: String,
    /// The SHA-256 of its weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// How drawings were resized.
    pub resize: String,
    /// How latents of samples were drawn, where that was not the prior N(0, I).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampler: Option<String>,
    /// Where samples start; subsets and orders start at torch-fidelity's 2020.
    pub seed: u64,
    /// The same score between two disjoint halves of the real drawings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<f64>,
}

/// How far reconstructions are from the test drawings.
pub(super) fn distances(test: &Examples, reconstructions: &[f32], seed: u64) -> Vec<Score> {
    let originals = test.images.values();
    let passport = Passport {
        n_real: test.len(),
        n_generated: test.len(),
        extractor: "pixels".to_owned(),
        sha256: None,
        resize: "none".to_owned(),
        sampler: None,
        seed,
        floor: None,
    };
    let score = |name: &str, value| Score {
        name: name.to_owned(),
        value: Some(value),
        std: None,
        passport: passport.clone(),
        note: None,
    };
    vec![
        score("reconstruction_mse", distance::mse(&originals, reconstructions)),
        score("reconstruction_bce", distance::bce(&originals, reconstructions, test.images.extents().len())),
    ]
}

/// Every score of the judge's features, `judged` being those of `generated`, and of InceptionV3's where the judge has it;
/// `watch` as in [`evaluate()`](super::evaluate()).
pub(super) fn of_features(
    test: &Images,
    generated: &Images,
    judged: &Activations,
    judge: &mut Judge,
    options: Options,
    ranks: &dyn Ranks,
    watch: &mut Watch,
) -> Result<Vec<Score>> {
    let classes = judge.classes();
    let real = judge.features_among(test, ranks)?;
    let sides = Sides {
        real: Table::new("test drawings", &real.values, real.width)?,
        generated: Table::new("generated drawings", &judged.values, judged.width)?,
        logits: Table::new("generated drawings' logits", &judged.logits, classes)?,
    };
    let extractor =
        FeatureSource { name: judge.name.clone(), weights_sha256: Some(judge.sha256.clone()), resize: None };
    let mut scores = sides.scores(("fd", "_classifier"), extractor, options, ranks)?;
    let Some(inception) = &mut judge.inception else {
        let counts = (test.len(), generated.len());
        scores.extend(["fid", "kid", "is"].map(|name| without_inception(name, counts, options.seed)));
        return Ok(scores);
    };
    let watch = &mut |done, of| watch("drawings through InceptionV3", done, of);
    let (real, made) =
        (inception.features_among(test, ranks, watch)?, inception.features_among(generated, ranks, watch)?);
    let sides = Sides {
        real: Table::new("test drawings", &real.values, real.width)?,
        generated: Table::new("generated drawings", &made.values, made.width)?,
        logits: Table::new("generated drawings' logits", &made.unbiased, made.classes())?,
    };
    let measured = sides.scores(("fid", ""), inception.source(), options, ranks)?;
    let left_out = measured.first().map(|fid| Score {
        name: "fid_infinity".to_owned(),
        value: None,
        std: None,
        note: Some(
            "left out, takes as long as fifteen FIDs: the commands features and score --fid-infinity give it"
                .to_owned(),
        ),
        ..fid.clone()
    });
    scores.extend(measured);
    scores.extend(left_out);
    Ok(scores)
}

/// The widest features that FID∞ is computed of: fifteen FIDs of InceptionV3's take hours.
const WIDEST: usize = 256;

/// Features of both sides, and the generated side's logits.
struct Sides<'a> {
    real: Table<'a>,
    generated: Table<'a>,
    logits: Table<'a>,
}

impl Sides<'_> {
    /// Every score; `fid` is the name of the Fréchet distance, and all names end in `suffix`.
    fn scores(
        &self,
        (fid, suffix): (&str, &str),
        extractor: FeatureSource,
        options: Options,
        ranks: &dyn Ranks,
    ) -> Result<Vec<Score>> {
        let Options { seed, threads, .. } = options;
        if let Some(few) = [self.real, self.generated].iter().find_map(|side| side.check_rows(2, "a covariance").err())
        {
            return Ok(self.without((fid, suffix), extractor, seed, &few.to_string()));
        }
        let fid_infinity = self.generated.rows() >= frechet::FEWEST && self.real.width() <= WIDEST;
        let options = metrics::Options { extractor, fid_infinity };
        let measure = || metrics::score_among(self.real, self.generated, Some(self.logits), &options, ranks);
        let found = metrics::on_threads(threads, measure)?;
        let passport = Passport {
            n_real: found.passport.real,
            n_generated: found.passport.generated,
            extractor: options.extractor.name,
            sha256: options.extractor.weights_sha256,
            resize: options.extractor.resize.unwrap_or("none".to_owned()),
            sampler: None,
            seed,
            floor: None,
        };
        let score = |name: &str, value: Option<f64>, floor: Option<f64>| Score {
            name: format!("{name}{suffix}"),
            value,
            std: None,
            passport: Passport { floor, ..passport.clone() },
            note: None,
        };
        // Named as `score` names them.
        let of = |name: &str, of: fn(&FeatureScores) -> Option<f64>| Score {
            note: found.notes.get(name).cloned(),
            ..score(name, of(&found.features), found.passport.floor.as_ref().and_then(of))
        };
        let note = (!found.warnings.is_empty()).then(|| found.warnings.join("; "));
        let mut scores = vec![
            Score { note, ..of(fid, |s| Some(s.fid)) },
            Score { std: found.features.kid_std, ..of("kid", |s| Some(s.kid_mean)) },
            of("precision", |s| s.precision),
            of("recall", |s| s.recall),
            of("density", |s| s.density),
            of("coverage", |s| s.coverage),
        ];
        if fid_infinity {
            let floor = found.passport.floor_fid_infinity;
            scores.insert(1, score(&format!("{fid}_infinity"), found.fid_infinity, floor));
        }
        let note = found.notes.get("is_mean").cloned();
        let mut inception_score = Score { std: found.is_std, note, ..score("is", found.is_mean, None) };
        // It compares with no real drawings.
        inception_score.passport.n_real = 0;
        scores.push(inception_score);
        Ok(scores)
    }

    /// The names of the scores, each left out since drawings are too few, but for the Inception Score: that needs no real ones.
    fn without(&self, (fid, suffix): (&str, &str), extractor: FeatureSource, seed: u64, why: &str) -> Vec<Score> {
        let passport = Passport {
            n_real: self.real.rows(),
            n_generated: self.generated.rows(),
            extractor: extractor.name,
            sha256: extractor.weights_sha256,
            resize: extractor.resize.unwrap_or("none".to_owned()),
            sampler: None,
            seed,
            floor: None,
        };
        let score = |name: &str| Score {
            name: format!("{name}{suffix}"),
            value: None,
            std: None,
            passport: passport.clone(),
            note: Some(why.to_owned()),
        };
        let mut scores = [fid, "kid", "precision", "recall", "density", "coverage"].map(score).to_vec();
        let mut inception_score = score("is");
        inception_score.passport.n_real = 0;
        match metrics::inception_score::inception_score(self.logits) {
            Ok(found) => {
                let (value, std) = (Some(found.mean), Some(found.std));
                inception_score = Score { value, std, note: None, ..inception_score };
            }
            Err(few) => inception_score.note = Some(few.to_string()),
        }
        scores.push(inception_score);
        scores
    }
}

/// A score that needs weights from outside, which are not at hand; of so many real and generated drawings.
pub(super) fn without_inception(name: &str, (n_real, n_generated): (usize, usize), seed: u64) -> Score {
    Score {
        name: name.to_owned(),
        value: None,
        std: None,
        passport: Passport {
            n_real,
            n_generated,
            extractor: "InceptionV3, 2048 features".to_owned(),
            sha256: None,
            resize: "tf1".to_owned(),
            sampler: None,
            seed,
            floor: None,
        },
        note: Some(WITHOUT_INCEPTION.to_owned()),
    }
}

/// How to get them.
const WITHOUT_INCEPTION: &str = "needs the weights pt_inception-2015-12-05-6726825d.pth, a release file of \
    github.com/mseitzer/pytorch-fid: --inception FILE";
