//! The make-up of a data set, in numbers.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hasher};
use std::ops::Range;

use serde::Serialize;

use super::{Dataset, Extents, Images, Origin};

/// Numbers about a data set, for `data info`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Name of the data set.
    pub name: String,
    /// Where it comes from.
    pub origin: String,
    /// Whether the program drew it: not the work of people.
    pub synthetic: bool,
    /// Drawings of each class, in the order of labels.
    pub classes: Vec<ClassCount>,
    /// Height, width and channels of a picture.
    pub extents: Extents,
    /// The training drawings.
    pub train: SplitSummary,
    /// The drawings that the data has to validate on, where it has some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<SplitSummary>,
    /// The test drawings.
    pub test: SplitSummary,
    /// Test drawings that are also training drawings, pixel for pixel.
    pub test_also_in_train: usize,
    /// Remarks on files and arrays beside the drawings that are not used, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

/// How many drawings a class has.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassCount {
    /// Name of the class.
    pub name: String,
    /// Training drawings.
    pub train: usize,
    /// Drawings to validate on, where the data has some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<usize>,
    /// Test drawings.
    pub test: usize,
}

/// Numbers about one split. Values are in [0, 1]; an empty split has none.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SplitSummary {
    /// Number of drawings.
    pub images: usize,
    /// Type of the stored pixels, as NumPy names it.
    pub pixel_type: &'static str,
    /// Mean of all pixels.
    pub mean: Option<f64>,
    /// Standard deviation of all pixels (of the population).
    pub standard_deviation: Option<f64>,
    /// Share of pixels brighter than one half.
    pub ink: Option<f64>,
}

/// Counts and measures a data set.
pub fn describe(dataset: &Dataset) -> Summary {
    let Dataset { train, test, .. } = dataset;
    let trained_on = dataset.trained_on();
    let has_validation = dataset.validation > 0;
    let count = |labels: &[usize], class| labels.iter().filter(|&&label| label == class).count();
    let classes = dataset.classes.iter().enumerate().map(|(class, name)| ClassCount {
        name: name.clone(),
        train: count(&train.labels[..trained_on], class),
        validation: has_validation.then(|| count(&train.labels[trained_on..], class)),
        test: count(&test.labels, class),
    });
    Summary {
        name: dataset.name.clone(),
        origin: dataset.origin.to_string(),
        synthetic: matches!(dataset.origin, Origin::Builtin { .. }),
        classes: classes.collect(),
        extents: train.images.extents(),
        train: describe_split(&train.images, 0..trained_on),
        validation: has_validation.then(|| describe_split(&train.images, trained_on..train.len())),
        test: describe_split(&test.images, 0..test.len()),
        test_also_in_train: count_shared(&train.images, trained_on, &test.images),
        left_out: dataset.left_out.clone(),
    }
}

fn describe_split(images: &Images, range: Range<usize>) -> SplitSummary {
    let pictures = range.len();
    let (mut sum, mut squares, mut ink) = (0.0, 0.0, 0usize);
    for i in range {
        for v in images.image(i) {
            sum += f64::from(v);
            squares += f64::from(v) * f64::from(v);
            ink += usize::from(v > 0.5);
        }
    }
    let count = (pictures * images.extents().len()) as f64;
    let (mean, some) = (sum / count, |value: f64| (pictures > 0).then_some(value));
    SplitSummary {
        images: pictures,
        pixel_type: images.pixel_type(),
        mean: some(mean),
        standard_deviation: some((squares / count - mean * mean).max(0.0).sqrt()),
        ink: some(ink as f64 / count),
    }
}

/// How many images of `test` are among the first `trained_on` of `train`, told apart by a 64-bit hash of their values.
fn count_shared(train: &Images, trained_on: usize, test: &Images) -> usize {
    let hash = |image: Vec<f32>| {
        let mut hasher = DefaultHasher::new();
        for v in image {
            hasher.write_u32(v.to_bits());
        }
        hasher.finish()
    };
    let known: HashSet<u64> = (0..trained_on).map(|i| hash(train.image(i))).collect();
    (0..test.len()).filter(|&i| known.contains(&hash(test.image(i)))).count()
}
