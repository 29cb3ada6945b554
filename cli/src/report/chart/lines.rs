//! Lines over x, each with its name and last value at its end.

use inkgrad_models::run::plot::ticks::apart;
use inkgrad_models::run::plot::{Curve, Figure, Panel};
use maud::{Markup, html};

use super::{Axis, BOTTOM, HEIGHT, LEFT, TOP, WIDTH, color, frame, short};
use crate::report::measured::plain;

/// The most points of a line that say their values.
const TOLD: usize = 60;
/// Units that a letter takes at most, on average.
const LETTER: f64 = 6.3;

pub(super) fn svg(figure: &Figure, panel: &Panel, curves: &[Curve], alt: &str) -> Markup {
    let finite = |&&(x, y): &&(f64, f64)| x.is_finite() && y.is_finite();
    let curves: Vec<(&str, Vec<(f64, f64)>)> = curves
        .iter()
        .map(|curve| (curve.label.as_str(), curve.points.iter().filter(finite).copied().collect::<Vec<_>>()))
        .filter(|(_, points)| !points.is_empty())
        .collect();
    let labels: Vec<String> =
        curves.iter().map(|(name, points)| format!("{name} {}", plain(points[points.len() - 1].1))).collect();
    let room = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0) as f64 * LETTER + 19.0;
    let right = WIDTH - room.min(WIDTH / 2.0);
    let all = || curves.iter().flat_map(|(_, points)| points);
    let across = Axis::over(all().map(|p| p.0), (LEFT, right), 5, figure.whole);
    let up = Axis::over(all().map(|p| p.1), (BOTTOM, TOP), 5, false);
    let ends: Vec<f64> = curves.iter().map(|(_, points)| up.at(points[points.len() - 1].1)).collect();
    let ends = apart(&ends, 13.0, TOP, BOTTOM);
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(alt) {
            (frame(&across, &up, &figure.x_label, &panel.label))
            @for (i, (name, points)) in curves.iter().enumerate() {
                @let path: Vec<String> = points.iter().map(|&(x, y)| format!("{:.1},{:.1}", across.at(x), up.at(y))).collect();
                g class=(color(i)) {
                    polyline.line points=(path.join(" ")) {}
                    @let (x, y) = points[points.len() - 1];
                    circle.dot cx=(short(across.at(x))) cy=(short(up.at(y))) r="2.8" {}
                    @for (x, y) in told(points) {
                        circle.hit cx=(short(across.at(x))) cy=(short(up.at(y))) r="5" {
                            title { (name) ", " (figure.x_label) " " (trimmed(x)) ": " (plain(y)) }
                        }
                    }
                    // Where ends crowd, a name stands beside another's: its own colour tells whose it is.
                    line.end x1=(short(right + 5.0)) x2=(short(right + 13.0)) y1=(short(ends[i])) y2=(short(ends[i])) {}
                    text.name x=(short(right + 17.0)) y=(short(ends[i])) dy="0.35em" { (labels[i]) }
                }
            }
        }
    }
}

/// Points from all over a line, the last among them.
fn told(points: &[(f64, f64)]) -> impl Iterator<Item = (f64, f64)> {
    let count = points.len().min(TOLD);
    (1..=count).map(move |i| points[i * points.len() / count - 1])
}

/// With at most two decimals.
fn trimmed(x: f64) -> String {
    let text = format!("{x:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
