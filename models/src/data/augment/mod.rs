//! Changes of training pictures that leave what they show: each pass over the data sees each picture a little differently.
//!
//! ```
//! use inkgrad_models::data::augment::{Augment, Augmentation};
//! use inkgrad_models::data::Extents;
//!
//! let augment: Augment = "shift,rotate:20".parse().expect("two changes");
//! assert_eq!(augment.to_string(), "rotate:20,shift"); // in the order in which they are made
//! let augmentation = Augmentation { augment, seed: 42 };
//! let mut picture = vec![0.5; 28 * 28];
//! augmentation.change(Extents::DRAWING, 3, 17, &mut picture); // as drawing 17 is seen in pass 3
//! ```
//!
//! A picture is changed by one map from the pixels of the result to places in the picture: q(p) = flip(rotate(elastic(shift(p)))),
//! and is read once, so that it is not blurred at each change. It is first flipped, then turned, then distorted, then shifted. Each file
//! here is one of these with its formula; `sample.rs` reads.
//!
//! The numbers that are drawn depend on seed, pass and the picture's number alone, so that a resumed run sees what the whole one
//! would have seen, at any number of threads.

mod elastic;
mod flip;
mod rotate;
mod sample;
mod shift;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use inkgrad_kernels::cpu::Team;
use inkgrad_kernels::cpu::rng::Philox;
use serde::{Deserialize, Serialize};

use super::Extents;

/// Where a pixel of the result is read from: row and column.
type Place = (f64, f64);

/// The changes that training pictures get, with their amounts; `None` of those that they do not get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Augment {
    /// Half of the pictures mirrored, left to right.
    pub flip: bool,
    /// Turned by up to so many degrees either way.
    pub rotate: Option<f64>,
    /// Distorted: pixels move by so many pixels, their root mean square.
    pub elastic: Option<f64>,
    /// Moved by up to so many pixels, in all directions.
    pub shift: Option<f64>,
}

/// The name of a change, its amount where none is given, the largest, and the amount's name.
struct Kind {
    name: &'static str,
    default: f64,
    most: f64,
    amount: &'static str,
    whole: bool,
}

const ROTATE: Kind = Kind { name: "rotate", default: 10.0, most: 180.0, amount: "degrees", whole: false };
const ELASTIC: Kind = Kind { name: "elastic", default: 1.4, most: 64.0, amount: "pixels", whole: false };
const SHIFT: Kind = Kind { name: "shift", default: 2.0, most: 64.0, amount: "pixels", whole: true };
const FLIP: &str = "flip";

impl Augment {
    /// The names of the changes.
    pub const NAMES: &'static [&'static str] = &[SHIFT.name, FLIP, ROTATE.name, ELASTIC.name];

    /// Whether pictures stay as they are.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The changes as they are written, in the order in which they are made.
    fn words(&self) -> Vec<String> {
        let word = |kind: &Kind, amount: Option<f64>| {
            let amount = amount?;
            Some(if amount == kind.default { kind.name.to_owned() } else { format!("{}:{amount}", kind.name) })
        };
        let flip = self.flip.then(|| FLIP.to_owned());
        [flip, word(&ROTATE, self.rotate), word(&ELASTIC, self.elastic), word(&SHIFT, self.shift)]
            .into_iter()
            .flatten()
            .collect()
    }

    /// Adds a change as it is written: `shift`, or `shift:4`.
    fn add(&mut self, word: &str) -> Result<(), String> {
        let (name, amount) = word.split_once(':').map_or((word, None), |(name, amount)| (name, Some(amount)));
        let (kind, place) = match name {
            _ if name == ROTATE.name => (&ROTATE, &mut self.rotate),
            _ if name == ELASTIC.name => (&ELASTIC, &mut self.elastic),
            _ if name == SHIFT.name => (&SHIFT, &mut self.shift),
            FLIP if self.flip => return Err(format!("{name} twice, expected it once")),
            FLIP if amount.is_none() => {
                self.flip = true;
                return Ok(());
            }
            FLIP => return Err(format!("{word}, expected {FLIP} without an amount")),
            _ => return Err(format!("unknown change `{name}`, expected one of {}", Self::NAMES.join(", "))),
        };
        if place.is_some() {
            return Err(format!("{name} twice, expected it once"));
        }
        let amount = amount.map_or(Some(kind.default), |amount| amount.parse().ok());
        let good = |amount: &f64| *amount > 0.0 && *amount <= kind.most && (!kind.whole || amount.fract() == 0.0);
        *place = Some(amount.filter(good).ok_or_else(|| {
            let whole = if kind.whole { "whole " } else { "" };
            format!("{word}, expected {whole}{} above 0, {} at most", kind.amount, kind.most)
        })?);
        Ok(())
    }
}

impl FromStr for Augment {
    type Err = String;

    /// Names with commas between them, each with an amount behind a colon or not; or `none`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::default()),
            _ => text.split(',').map(|word| word.trim().to_owned()).collect::<Vec<_>>().try_into(),
        }
    }
}

impl TryFrom<Vec<String>> for Augment {
    type Error = String;

    fn try_from(words: Vec<String>) -> Result<Self, String> {
        let mut augment = Self::default();
        words.iter().try_for_each(|word| augment.add(word))?;
        Ok(augment)
    }
}

impl From<Augment> for Vec<String> {
    fn from(augment: Augment) -> Self {
        augment.words()
    }
}

impl fmt::Display for Augment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_none() {
            true => f.pad("none"),
            false => f.pad(&self.words().join(",")),
        }
    }
}

/// The streams of random numbers of passes; those of noise, samples and initialisation are far below.
const STREAM: u64 = 1 << 62;

/// The random numbers of one picture in one pass: a stream for each change, so that none depends on which others are made.
#[derive(Clone, Copy)]
struct Draws {
    key: u64,
}

impl Draws {
    fn new(seed: u64, pass: u64, picture: u64) -> Self {
        let [low, high, ..] = Philox::new(seed, STREAM | pass).block(picture);
        Draws { key: u64::from(high) << 32 | u64::from(low) }
    }

    fn of(self, change: u64) -> Philox {
        Philox::new(self.key, change)
    }
}

/// The changes of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Augmentation {
    /// Which there are.
    pub augment: Augment,
    /// The run's seed.
    pub seed: u64,
}

impl Augmentation {
    /// Changes one picture of those extents, values in [0, 1], as it is seen in a pass: `picture` is its number in the training set.
    ///
    /// # Panics
    /// If `values` is not one picture.
    pub fn change(&self, extents: Extents, pass: u64, picture: u64, values: &mut [f32]) {
        assert_eq!(values.len(), extents.len(), "a picture of {extents}");
        let (Extents { height, width, .. }, draws) = (extents, Draws::new(self.seed, pass, picture));
        let Augment { flip, rotate, elastic, shift } = self.augment;
        let sides = (height as f64, width as f64);
        let mut places: Vec<Place> = (0..height).flat_map(|y| (0..width).map(move |x| (y as f64, x as f64))).collect();
        if let Some(pixels) = shift {
            let by = shift::draw(pixels, draws.of(0));
            places.iter_mut().for_each(|place| *place = shift::source(*place, by));
        }
        if let Some(pixels) = elastic {
            let field = elastic::Field::draw(pixels, draws.of(1));
            places.iter_mut().for_each(|place| *place = field.source(*place, sides));
        }
        if let Some(degrees) = rotate {
            let turn = rotate::draw(degrees, draws.of(2));
            places.iter_mut().for_each(|place| *place = rotate::source(*place, turn, sides));
        }
        if flip && flip::draw(draws.of(3)) {
            places.iter_mut().for_each(|place| *place = flip::source(*place, sides));
        }
        let before = values.to_vec();
        for (pixel, place) in values.chunks_exact_mut(extents.channels).zip(places) {
            sample::bilinear(&before, extents, place, pixel);
        }
    }

    /// Changes the pictures of a batch as they are seen in a pass: `images: (N, height, width, channels)`, of which `batch` has the
    /// numbers.
    pub fn change_all(&self, extents: Extents, pass: u64, batch: &[usize], images: &mut [f32], team: &Team) {
        if self.augment.is_none() {
            return;
        }
        team.pieces([(images, extents.len())], |i, [image]| self.change(extents, pass, batch[i] as u64, image));
    }
}
