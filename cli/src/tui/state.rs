//! The state that the screen shows, and how news of the run change it.

use std::collections::VecDeque;

use inkgrad_models::data::Extents;
use inkgrad_models::metrics::latent::Usage;
use inkgrad_models::run::records::{Record, Split};

/// Points of the losses between records that are kept: twice as many as a wide screen can show.
const POINTS: usize = 1024;
/// Gradient norms that are kept.
const NORMS: usize = 512;

/// All that is shown.
#[derive(Debug, Default)]
pub struct State {
    /// The model and its data.
    pub title: String,
    /// The run's folder.
    pub run: String,
    pub now: Now,
    /// The loss, then the model's terms.
    pub curves: Vec<Curve>,
    /// The loss of the steps between two points in time.
    pub recent: Thinned,
    /// Norms of the gradient; empty where it stays on a device.
    pub norms: VecDeque<f64>,
    pub rate: f64,
    pub usage: Option<Usage>,
    pub sheets: Vec<Sheet>,
    /// Why there are no drawings, where there should be some.
    pub problem: Option<String>,
    /// The end of the log.
    pub log: Vec<String>,
    /// Which curve is chosen among those shown, and which sheet of drawings.
    pub curve: usize,
    pub sheet: usize,
    pub help: bool,
    /// Whether an end has been asked for.
    pub stopping: bool,
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, Default)]
pub struct Now {
    pub step: u64,
    pub total: u64,
    pub epoch: f64,
    /// The mean since the last record.
    pub loss: f64,
    pub images_per_second: f64,
    pub steps_per_second: f64,
    /// Seconds of training, and seconds until its end.
    pub elapsed: f64,
    pub left: f64,
}

/// A number of the records over the epochs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Curve {
    pub name: String,
    /// (epoch, value) of each split.
    pub points: [Vec<(f64, f64)>; 3],
}

impl Curve {
    /// The points of a split.
    pub fn of(&self, split: Split) -> &[(f64, f64)] {
        &self.points[split as usize]
    }

    fn push(&mut self, split: Split, point: (f64, f64)) {
        if point.1.is_finite() {
            self.points[split as usize].push(point);
        }
    }
}

/// Points of which there are never more than [`POINTS`]: then neighbours become one, and later points arrive that much rarer.
#[derive(Debug, Default)]
pub struct Thinned {
    pub points: Vec<(f64, f64)>,
    /// Points that become one, as a power of two.
    halvings: u32,
    /// The sum of those that wait to become one.
    waiting: (f64, f64),
    count: u32,
}

impl Thinned {
    pub fn push(&mut self, (x, y): (f64, f64)) {
        self.waiting.0 += x;
        self.waiting.1 += y;
        self.count += 1;
        let full = 1 << self.halvings;
        if self.count < full {
            return;
        }
        let n = f64::from(full);
        self.points.push((self.waiting.0 / n, self.waiting.1 / n));
        (self.waiting, self.count) = ((0.0, 0.0), 0);
        if self.points.len() >= POINTS {
            let pairs = self.points.chunks_exact(2);
            self.points = pairs.map(|pair| ((pair[0].0 + pair[1].0) / 2.0, (pair[0].1 + pair[1].1) / 2.0)).collect();
            self.halvings += 1;
        }
    }
}

/// Drawings of the network.
#[derive(Debug, Clone)]
pub struct Sheet {
    pub title: &'static str,
    /// Of one drawing.
    pub extents: Extents,
    /// Drawings that stand together: 1, or 2 of an original and its reconstruction.
    pub together: usize,
    /// Values in [0, 1]: (N, height, width, channels).
    pub values: Vec<f32>,
}

/// News of the run since the last time.
#[derive(Debug, Default)]
pub struct News {
    pub now: Option<Now>,
    pub recent: Vec<(f64, f64)>,
    pub norms: Vec<f64>,
    pub rate: Option<f64>,
    pub records: Vec<Record>,
    pub look: Option<Look>,
}

impl News {
    pub fn is_empty(&self) -> bool {
        self.now.is_none() && self.records.is_empty() && self.look.is_none() && self.norms.is_empty()
    }
}

/// Drawings and numbers computed of the network as it is.
#[derive(Debug, Default)]
pub struct Look {
    pub sheets: Vec<Sheet>,
    pub usage: Option<Usage>,
    pub problem: Option<String>,
}

impl State {
    /// Takes news in.
    pub fn apply(&mut self, news: News) {
        self.now = news.now.unwrap_or(self.now);
        self.rate = news.rate.unwrap_or(self.rate);
        news.recent.into_iter().for_each(|point| self.recent.push(point));
        news.records.iter().for_each(|record| self.record(record));
        self.norms.extend(news.norms);
        self.norms.drain(..self.norms.len().saturating_sub(NORMS));
        if let Some(Look { sheets, usage, problem }) = news.look {
            (self.sheets, self.usage, self.problem) = (sheets, usage, problem);
        }
    }

    fn record(&mut self, record: &Record) {
        if self.curves.is_empty() {
            self.curves.push(Curve { name: "loss".to_owned(), ..Curve::default() });
        }
        self.curves[0].push(record.split, (record.epoch, record.loss));
        for (name, value) in &record.terms.0 {
            let at = self.curves.iter().position(|curve| curve.name == *name).unwrap_or_else(|| {
                self.curves.push(Curve { name: name.clone(), ..Curve::default() });
                self.curves.len() - 1
            });
            self.curves[at].push(record.split, (record.epoch, *value));
        }
    }

    /// The curves that say something: not a term that is the loss under another name.
    pub fn shown(&self) -> Vec<&Curve> {
        let differs = |curve: &&Curve| curve.points != self.curves[0].points;
        self.curves.iter().take(1).chain(self.curves.iter().skip(1).filter(differs)).collect()
    }

    /// Whether the network draws.
    pub fn draws(&self) -> bool {
        !self.sheets.is_empty() || self.problem.is_some()
    }

    /// Moves on to the next curve.
    pub fn next_curve(&mut self) {
        self.curve = (self.curve + 1) % self.shown().len().max(1);
    }

    /// Moves on to the next sheet.
    pub fn next_sheet(&mut self) {
        self.sheet = (self.sheet + 1) % self.sheets.len().max(1);
    }
}
