//! Charts as plain SVG, coloured by the page's style so that they follow its light and dark.

use maud::{Markup, html};

/// A chart of lines, bars or points.
#[derive(Debug)]
pub struct Chart {
    /// The title.
    pub title: String,
    /// The curves or points.
    pub plot: Plot,
}

/// The contents of a chart.
#[derive(Debug)]
pub enum Plot {
    /// Curves over the same axes.
    Lines {
        /// The meaning of x.
        x: String,
        /// Name and points, in order of x.
        series: Vec<(String, Vec<(f64, f64)>)>,
    },
    /// A bar a value, from zero.
    Bars {
        /// The meaning of x.
        x: String,
        /// Heights.
        values: Vec<f64>,
    },
    /// Points of a plane without axes.
    Points {
        /// Name and points of each class.
        classes: Vec<(String, Vec<(f64, f64)>)>,
    },
}

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 352.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 182.0;
/// Colours in the style sheet.
const COLORS: usize = 8;

/// A chart with its title and legend.
pub fn figure(chart: &Chart) -> Markup {
    let names: Vec<&str> = match &chart.plot {
        Plot::Lines { series: named, .. } | Plot::Points { classes: named } => {
            named.iter().map(|(name, _)| name.as_str()).collect()
        }
        Plot::Bars { .. } => Vec::new(),
    };
    html! {
        figure.chart {
            figcaption { (chart.title) }
            @match &chart.plot {
                Plot::Lines { x, series } => (lines(&chart.title, x, series)),
                Plot::Bars { x, values } => (bars(&chart.title, x, values)),
                Plot::Points { classes } => (points(&chart.title, classes)),
            }
            @if !names.is_empty() {
                ul.legend {
                    @for (i, name) in names.iter().enumerate() {
                        li { span class=(format!("key c{}", i % COLORS)) {} (name) }
                    }
                }
            }
        }
    }
}

fn lines(title: &str, x: &str, series: &[(String, Vec<(f64, f64)>)]) -> Markup {
    let finite = |&&(x, y): &&(f64, f64)| x.is_finite() && y.is_finite();
    let all: Vec<(f64, f64)> = series.iter().flat_map(|(_, points)| points).filter(finite).copied().collect();
    let across = Axis::over(all.iter().map(|p| p.0), LEFT, RIGHT);
    let up = Axis::over(all.iter().map(|p| p.1), BOTTOM, TOP);
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(title) {
            (frame(&across, &up, x))
            @for (i, (_, points)) in series.iter().enumerate() {
                @let path: Vec<String> = points.iter().filter(finite)
                    .map(|&(x, y)| format!("{:.1},{:.1}", across.at(x), up.at(y))).collect();
                polyline class=(format!("line c{}", i % COLORS)) points=(path.join(" ")) {}
                @if let [only] = &path[..] {
                    @let (cx, cy) = only.split_once(',').unwrap_or_default();
                    circle class=(format!("dot c{}", i % COLORS)) cx=(cx) cy=(cy) r="2.5" {}
                }
            }
        }
    }
}

fn bars(title: &str, x: &str, values: &[f64]) -> Markup {
    let up = Axis::over(values.iter().copied().chain([0.0]).filter(|v| v.is_finite()), BOTTOM, TOP);
    let across = Axis { low: 0.0, high: values.len().max(1) as f64, from: LEFT, to: RIGHT, step: f64::INFINITY };
    let width = (RIGHT - LEFT) / values.len().max(1) as f64;
    let zero = up.at(0.0);
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(title) {
            (frame(&across, &up, x))
            @for (i, &value) in values.iter().enumerate().filter(|(_, value)| value.is_finite()) {
                rect.bar x=(format!("{:.1}", across.at(i as f64) + width * 0.1)) width=(format!("{:.1}", width * 0.8))
                    y=(format!("{:.1}", up.at(value).min(zero))) height=(format!("{:.1}", (up.at(value) - zero).abs())) {}
            }
        }
    }
}

fn points(title: &str, classes: &[(String, Vec<(f64, f64)>)]) -> Markup {
    const SIDE: f64 = 320.0;
    let all = || classes.iter().flat_map(|(_, points)| points);
    let range = |of: fn(&(f64, f64)) -> f64| {
        all().map(of).fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
    };
    let ((left, right), (low, high)) = (range(|p| p.0), range(|p| p.1));
    let scale = (SIDE - 12.0) / (right - left).max(high - low).max(1e-9);
    html! {
        svg viewBox=(format!("0 0 {SIDE} {SIDE}")) role="img" aria-label=(title) {
            @for (i, (_, points)) in classes.iter().enumerate() {
                // A stroke of no length with a round cap is a dot, in a third of a circle element's bytes.
                @let path: String = points.iter().map(|&(x, y)| {
                    let centred = |v: f64, low: f64, high: f64| SIDE / 2.0 + (v - (low + high) / 2.0) * scale;
                    format!("M{:.1} {:.1}h0", centred(x, left, right), SIDE - centred(y, low, high))
                }).collect();
                path class=(format!("cloud c{}", i % COLORS)) d=(path) {}
            }
        }
    }
}

/// Lines across at the ticks of y, names of the ticks, and what x is.
fn frame(across: &Axis, up: &Axis, x: &str) -> Markup {
    html! {
        @for (value, name) in up.ticks() {
            @let y = format!("{:.1}", up.at(value));
            line.grid x1=(LEFT) x2=(RIGHT) y1=(y) y2=(y) {}
            text.tick x=(LEFT - 5.0) y=(y) dy="0.35em" text-anchor="end" { (name) }
        }
        @for (value, name) in across.ticks() {
            text.tick x=(format!("{:.1}", across.at(value))) y=(BOTTOM + 14.0) text-anchor="middle" { (name) }
        }
        line.axis x1=(LEFT) x2=(RIGHT) y1=(BOTTOM) y2=(BOTTOM) {}
        text.tick x=((LEFT + RIGHT) / 2.0) y=(BOTTOM + 31.0) text-anchor="middle" { (x) }
    }
}

/// Values from `low` to `high` along `from` to `to`.
struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    /// From one tick to the next.
    step: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        let (low, high) = match high - low {
            extent if !extent.is_finite() => (0.0, 1.0),
            extent if extent <= low.abs() * 1e-9 => (low - low.abs().max(1.0) / 2.0, low + low.abs().max(1.0) / 2.0),
            _ => (low, high),
        };
        // Four to ten ticks, a 1, 2 or 5 apart.
        let rough = (high - low) / 4.0;
        let power = 10f64.powf(rough.log10().floor());
        let step = [5.0, 2.0, 1.0].into_iter().map(|m| m * power).find(|&step| step <= rough).unwrap_or(power);
        Axis { low, high, from, to, step }
    }

    fn at(&self, value: f64) -> f64 {
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    fn ticks(&self) -> Vec<(f64, String)> {
        if !self.step.is_finite() {
            return Vec::new();
        }
        let decimals = (-self.step.log10().floor()).clamp(0.0, 9.0) as usize;
        let first = (self.low / self.step - 1e-9).ceil();
        (0..12)
            .map(|i| (first + f64::from(i)) * self.step)
            .take_while(|&value| value <= self.high + self.step * 1e-9)
            .map(|value| (value, format!("{:.decimals$}", value + 0.0)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let names = |low: f64, high: f64| {
            let ticks = Axis::over([low, high].into_iter(), 0.0, 1.0).ticks();
            ticks.into_iter().map(|(_, name)| name).collect::<Vec<_>>()
        };
        assert_eq!(names(0.0, 50.0), ["0", "10", "20", "30", "40", "50"]);
        assert_eq!(names(141.3, 199.0), ["150", "160", "170", "180", "190"]);
        assert_eq!(names(0.011, 0.052), ["0.02", "0.03", "0.04", "0.05"]);
        assert_eq!(names(3.0, 3.0), ["1.5", "2.0", "2.5", "3.0", "3.5", "4.0", "4.5"]);
    }

    #[test]
    fn names_are_escaped_and_odd_values_left_out() {
        let series = vec![("<a>".to_owned(), vec![(0.0, 1.0), (1.0, f64::NAN), (2.0, 3.0)])];
        let chart = Chart { title: "t & u".to_owned(), plot: Plot::Lines { x: "step".to_owned(), series } };
        let svg = figure(&chart).into_string();
        assert!(svg.contains("&lt;a&gt;") && svg.contains("t &amp; u") && !svg.contains("NaN"), "{svg}");
        let empty = Chart { title: String::new(), plot: Plot::Bars { x: String::new(), values: vec![] } };
        assert!(!figure(&empty).into_string().contains("NaN"));
    }
}
