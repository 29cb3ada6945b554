//! Charts as plain SVG, coloured by the page's style so that they follow its light and dark; pointed at, they say their values.

mod bars;
mod intervals;
mod lines;
mod points;

use inkgrad_models::palette::{Shape, mark};
use inkgrad_models::run::plot::ticks::{range, ticks};
use inkgrad_models::run::plot::{Figure, Marks};
use maud::{Markup, html};

pub use self::points::{Points, legend};

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 230.0;
const LEFT: f64 = 48.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 190.0;

/// The panels of a figure; `alt` says in words what it shows.
pub fn svg(figure: &Figure, alt: &str) -> Markup {
    html! {
        @for panel in &figure.panels {
            @match &panel.marks {
                Marks::Lines(curves) => (lines::svg(figure, panel, curves, alt)),
                Marks::Bars(values) => (bars::svg(figure, panel, values, alt)),
                Marks::Intervals { rows, mark } => (intervals::svg(panel, rows, mark.as_ref(), alt)),
            }
        }
    }
}

/// The points of a plane.
pub fn plane(points: &Points, alt: &str) -> Markup {
    points::svg(points, alt)
}

/// The class of a series' or class's colour.
fn color(index: usize) -> String {
    format!("c{}", mark(index).0)
}

/// The mark of a class or series as a picture by itself.
pub fn key(index: usize) -> Markup {
    let (color, shape) = mark(index);
    let corner = f64::from(shape.corner(4.2));
    html! {
        svg class=(format!("key c{color}")) viewBox="-6 -6 12 12" aria-hidden="true" {
            @match shape {
                Shape::Disc => circle r="4.2" {},
                Shape::Triangle => {
                    @let (half, low) = (corner * 0.866, corner / 2.0);
                    path d=(format!("M0 {:.1}L{half:.1} {low:.1}H{:.1}z", -corner, -half)) {}
                },
                Shape::Square => rect x=(short(-corner)) y=(short(-corner)) width=(short(2.0 * corner)) height=(short(2.0 * corner)) {},
            }
        }
    }
}

/// A length with one decimal.
fn short(value: f64) -> String {
    format!("{value:.1}")
}

/// Values from `low` to `high` along `from` to `to`.
struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    ticks: Vec<(f64, String)>,
}

impl Axis {
    /// Over all of `values` that are finite, with about `wanted` ticks; `whole` where only whole numbers mean something.
    fn over(values: impl Iterator<Item = f64>, (from, to): (f64, f64), wanted: usize, whole: bool) -> Self {
        let (low, high) = range(values, 0.02);
        Axis { low, high, from, to, ticks: ticks(low, high, wanted, whole) }
    }

    fn at(&self, value: f64) -> f64 {
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }
}

/// The meaning of y above the chart, lines across at its ticks, names of the ticks of both axes, and what x is.
fn frame(across: &Axis, up: &Axis, x: &str, y: &str) -> Markup {
    html! {
        text.label x="2" y="12" { (y) }
        @for (value, name) in &up.ticks {
            @let at = short(up.at(*value));
            line.grid x1=(short(across.from)) x2=(short(across.to)) y1=(at) y2=(at) {}
            text.tick x=(short(across.from - 5.0)) y=(at) dy="0.35em" text-anchor="end" { (name) }
        }
        (below(across, x))
    }
}

/// The axis of x.
fn below(across: &Axis, x: &str) -> Markup {
    html! {
        line.axis x1=(short(across.from)) x2=(short(across.to)) y1=(BOTTOM) y2=(BOTTOM) {}
        @for (value, name) in &across.ticks {
            @let at = short(across.at(*value));
            line.axis x1=(at) x2=(at) y1=(BOTTOM) y2=(BOTTOM + 4.0) {}
            text.tick x=(at) y=(BOTTOM + 15.0) text-anchor="middle" { (name) }
        }
        text.label x=(short((across.from + across.to) / 2.0)) y=(BOTTOM + 32.0) text-anchor="middle" { (x) }
    }
}

#[cfg(test)]
mod tests {
    use inkgrad_models::run::plot::{Curve, Estimate, Panel};

    use super::*;

    fn figure(marks: Marks) -> Figure {
        Figure {
            title: "t & u".to_owned(),
            caption: String::new(),
            x_label: "epoch".to_owned(),
            whole: true,
            panels: vec![Panel { label: "<loss>".to_owned(), marks }],
        }
    }

    #[test]
    fn names_are_escaped_and_odd_values_left_out() {
        let curves = |points| Marks::Lines(vec![Curve { label: "<a>".to_owned(), points }]);
        let page = svg(&figure(curves(vec![(0.0, 1.0), (1.0, f64::NAN), (2.0, 3.0)])), "\"alt\"").into_string();
        assert!(
            page.contains("&lt;a&gt;") && page.contains("&lt;loss&gt;") && page.contains("&quot;alt&quot;"),
            "{page}"
        );
        let odd = |value| Estimate { label: "<b>".to_owned(), value, low: value, high: value };
        for marks in [
            curves(vec![]),
            Marks::Bars(vec![]),
            Marks::Bars(vec![f64::NAN, 1.0, f64::INFINITY]),
            Marks::Intervals { rows: vec![], mark: None },
            Marks::Intervals { rows: vec![odd(f64::NAN), odd(1.0)], mark: Some(("<floor>".to_owned(), f64::NAN)) },
        ] {
            let page = svg(&figure(marks), "").into_string();
            assert!(!page.contains("NaN") && !page.contains("inf") && !page.contains("<b>"), "{page}");
        }
    }

    #[test]
    fn epochs_have_whole_ticks_and_lines_their_names() {
        let points = (1..=3).map(|i| (f64::from(i), 1.0 / f64::from(i))).collect();
        let page = svg(&figure(Marks::Lines(vec![Curve { label: "train".to_owned(), points }])), "").into_string();
        for tick in [">1<", ">2<", ">3<", ">train 0.333<", "<title>train, epoch 3: 0.333</title>"] {
            assert!(page.contains(tick), "{tick}: {page}");
        }
        assert!(!page.contains(">1.5<"), "{page}");
    }
}
