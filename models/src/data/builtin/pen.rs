//! An unsteady pen: lines, curves and loops as a hurried hand draws them.

use std::cell::RefCell;
use std::f32::consts::TAU;

use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use rand_distr::StandardNormal;

/// A place on the paper: x to the right, y down. A drawing is about 2 across; [`raster`](super::raster) fits it.
pub(super) type Point = [f32; 2];

/// Distance between the points of a curve: about a pixel of a drawing 2 across.
const STEP: f32 = 0.085;

/// Collects the strokes of one drawing.
pub(super) struct Pen {
    /// Shared, so that a chance can be drawn within the arguments of a stroke.
    rng: RefCell<ChaCha8Rng>,
    strokes: Vec<Vec<Point>>,
    /// How far the hand trembles off its line.
    tremor: f32,
    /// How far off its aim a stroke starts and ends, how badly loops close.
    sloppiness: f32,
}

impl Pen {
    /// A pen in the hand that `rng` draws: steady or not, careful or not.
    pub(super) fn new(mut rng: ChaCha8Rng) -> Self {
        let tremor = rng.random_range(0.004..0.028);
        let sloppiness = rng.random_range(0.1f32..1.0).powi(2);
        Self { rng: RefCell::new(rng), strokes: Vec::new(), tremor, sloppiness }
    }

    /// True with probability `p`.
    pub(super) fn chance(&self, p: f64) -> bool {
        self.rng.borrow_mut().random_bool(p)
    }

    /// A value between `low` and `high`.
    pub(super) fn between(&self, low: f32, high: f32) -> f32 {
        self.rng.borrow_mut().random_range(low..high)
    }

    /// A normal value of mean 0 and standard deviation `scale`, cut at twice that.
    pub(super) fn around(&self, scale: f32) -> f32 {
        let normal: f32 = self.rng.borrow_mut().sample(StandardNormal);
        scale * normal.clamp(-2.0, 2.0)
    }

    /// An index, drawn in proportion to `weights`.
    pub(super) fn choose(&self, weights: &[f32]) -> usize {
        let mut left = self.rng.borrow_mut().random_range(0.0..weights.iter().sum::<f32>());
        for (i, &weight) in weights.iter().enumerate() {
            if left < weight {
                return i;
            }
            left -= weight;
        }
        weights.len() - 1
    }

    /// A point that misses `p` by about `scale`.
    pub(super) fn near(&self, p: Point, scale: f32) -> Point {
        [p[0] + self.around(scale), p[1] + self.around(scale)]
    }

    /// A line, a little bent, that may stop short or run over.
    pub(super) fn line(&mut self, a: Point, b: Point) {
        let miss = 0.07 * self.sloppiness;
        let (a, b) = (self.near(a, miss), self.near(b, miss));
        let bend = self.around(0.05);
        let middle = [(a[0] + b[0]) / 2.0 + bend * (b[1] - a[1]), (a[1] + b[1]) / 2.0 - bend * (b[0] - a[0])];
        self.curve(&[a, middle, b]);
    }

    /// Straight lines with corners at `points`, in one stroke.
    pub(super) fn corners(&mut self, points: &[Point]) {
        let aims: Vec<Point> = points.iter().map(|&p| self.near(p, 0.02 + 0.03 * self.sloppiness)).collect();
        let mut path = vec![aims[0]];
        for ends in aims.windows(2) {
            let [a, b] = [ends[0], ends[1]];
            let steps = steps(a, b);
            path.extend((1..=steps).map(|i| mix(a, b, i as f32 / steps as f32)));
        }
        self.stroke(path);
    }

    /// A smooth curve through `points` (Catmull-Rom).
    pub(super) fn curve(&mut self, points: &[Point]) {
        let at = |i: isize| points[i.clamp(0, points.len() as isize - 1) as usize];
        let mut path = vec![points[0]];
        for i in 0..points.len() as isize - 1 {
            let [p0, p1, p2, p3] = [at(i - 1), at(i), at(i + 1), at(i + 2)];
            let steps = steps(p1, p2);
            path.extend((1..=steps).map(|k| {
                let t = k as f32 / steps as f32;
                [0, 1].map(|axis| {
                    let [a, b, c, d] = [p0[axis], p1[axis], p2[axis], p3[axis]];
                    let cubic = 3.0 * (b - c) + d - a;
                    b + 0.5 * t * (c - a + t * (2.0 * a - 5.0 * b + 4.0 * c - d + t * cubic))
                })
            }));
        }
        self.stroke(path);
    }

    /// Part of an ellipse from angle `from` to `to`; angles in turns, clockwise from the right.
    pub(super) fn arc(&mut self, center: Point, radii: [f32; 2], from: f32, to: f32) {
        let (from, to) = (from + self.around(0.02 * self.sloppiness), to + self.around(0.02 * self.sloppiness));
        // An egg, not an ellipse: two and three bumps a turn, and a radius that drifts along the stroke.
        let (oval, oval_at) = (self.around(0.07), self.between(0.0, TAU));
        let (bumps, bumps_at) = (self.around(0.035), self.between(0.0, TAU));
        let drift = self.around(0.12) * self.sloppiness;
        let length = (to - from).abs() * TAU * (radii[0] + radii[1]) / 2.0;
        let steps = ((length / STEP) as usize).max(6);
        let path = (0..=steps).map(|i| {
            let t = i as f32 / steps as f32;
            let angle = (from + (to - from) * t) * TAU;
            let radius =
                1.0 + oval * (2.0 * angle + oval_at).sin() + bumps * (3.0 * angle + bumps_at).sin() + drift * (t - 0.5);
            [center[0] + radii[0] * radius * angle.cos(), center[1] + radii[1] * radius * angle.sin()]
        });
        let path = path.collect();
        self.stroke(path);
    }

    /// A closed loop, begun anywhere near the top and closed with a gap or an overlap.
    pub(super) fn ellipse(&mut self, center: Point, radii: [f32; 2]) {
        let start = -0.25 + self.around(0.12);
        let sweep = 1.0 + self.around(0.11) * self.sloppiness + 0.02;
        let sweep = if self.chance(0.35) { -sweep } else { sweep };
        self.arc(center, radii, start, start + sweep);
    }

    /// A dot: a tiny loop or a short dash.
    pub(super) fn dot(&mut self, center: Point) {
        let radius = self.between(0.01, 0.06);
        if self.chance(0.6) {
            self.arc(center, [radius, radius], 0.0, 1.0);
        } else {
            let tip = self.near(center, radius);
            self.stroke(vec![center, tip]);
        }
    }

    /// A zigzag that blackens an ellipse.
    pub(super) fn scribble(&mut self, center: Point, radii: [f32; 2]) {
        let turns = 5 + self.choose(&[1.0; 5]);
        let points: Vec<Point> = (0..turns)
            .map(|i| {
                let x = -0.8 + 1.6 * i as f32 / (turns - 1) as f32;
                let y = (1.0 - x * x).sqrt() * if i % 2 == 0 { 0.9 } else { -0.9 };
                self.near([center[0] + radii[0] * x, center[1] + radii[1] * y], 0.04)
            })
            .collect();
        self.curve(&points);
    }

    /// Adds a stroke along `path` with the hand's tremor: two smooth waves along its length.
    fn stroke(&mut self, mut path: Vec<Point>) {
        let tremor = self.tremor;
        let wave = |shortest: f32, longest: f32, scale: f32| {
            let (length, phases) = (self.between(shortest, longest), [self.between(0.0, TAU), self.between(0.0, TAU)]);
            move |at: f32, axis: usize| scale * (TAU * at / length + phases[axis]).sin()
        };
        let (slow, fast) = (wave(0.7, 1.6, tremor * 1.4), wave(0.25, 0.5, tremor * 0.6));
        let mut at = 0.0;
        let mut last = path[0];
        for p in &mut path {
            at += distance(last, *p);
            last = *p;
            for (axis, x) in p.iter_mut().enumerate() {
                *x += slow(at, axis) + fast(at, axis);
            }
        }
        self.strokes.push(path);
    }

    /// Mirrors what has been drawn, left to right.
    pub(super) fn mirror(&mut self) {
        self.map(|[x, y]| [-x, y]);
    }

    /// Turns what has been drawn, clockwise, by `turns` (1 is all around).
    pub(super) fn turn(&mut self, turns: f32) {
        let (sin, cos) = (turns * TAU).sin_cos();
        self.map(|[x, y]| [cos * x - sin * y, sin * x + cos * y]);
    }

    fn map(&mut self, to: impl Fn(Point) -> Point) {
        for p in self.strokes.iter_mut().flatten() {
            *p = to(*p);
        }
    }

    /// The finished strokes: a little turned, slanted, stretched, and sometimes without their last one.
    pub(super) fn finish(mut self) -> Vec<Vec<Point>> {
        let (stretch, slant) = (self.around(0.085).exp(), self.around(0.07));
        self.map(|[x, y]| [x * stretch + slant * y, y / stretch]);
        let turns = self.around(0.012);
        self.turn(turns);
        if self.strokes.len() > 4 && self.chance(0.06) {
            self.strokes.pop();
        }
        self.strokes
    }
}

/// The point `t` of the way from `a` to `b`.
pub(super) fn mix(a: Point, b: Point, t: f32) -> Point {
    [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t]
}

/// The point at `length` from `p` in the direction of `turns`, clockwise from the right.
pub(super) fn step(p: Point, turns: f32, length: f32) -> Point {
    let (sin, cos) = (turns * TAU).sin_cos();
    [p[0] + length * cos, p[1] + length * sin]
}

fn distance(a: Point, b: Point) -> f32 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

fn steps(a: Point, b: Point) -> usize {
    ((distance(a, b) / STEP) as usize).max(1)
}
