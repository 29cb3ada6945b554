//! A bar a value, from zero.

use inkgrad_models::run::plot::ticks::ticks;
use inkgrad_models::run::plot::{Figure, Panel};
use maud::{Markup, html};

use super::{Axis, BOTTOM, HEIGHT, LEFT, TOP, WIDTH, frame, short};
use crate::report::measured::plain;

pub(super) fn svg(figure: &Figure, panel: &Panel, values: &[f64], alt: &str) -> Markup {
    let up = Axis::over(values.iter().copied().chain([0.0]), (BOTTOM, TOP), 5, false);
    // The axis begins at zero, not a little below.
    let up = if values.iter().any(|&value| value < 0.0) { up } else { Axis { low: 0.0, ..up } };
    let (low, high) = (0.5, values.len().max(1) as f64 + 0.5);
    let across = Axis { low, high, from: LEFT, to: WIDTH - 8.0, ticks: ticks(low, high, 6, true) };
    let width = (across.to - across.from) / values.len().max(1) as f64;
    let zero = up.at(0.0);
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(alt) {
            (frame(&across, &up, &figure.x_label, &panel.label))
            @for (i, &value) in values.iter().enumerate().filter(|(_, value)| value.is_finite()) {
                rect.bar x=(short(across.at(i as f64 + 1.0) - width * 0.4)) width=(short(width * 0.8))
                    y=(short(up.at(value).min(zero))) height=(short((up.at(value) - zero).abs())) {
                    title { (figure.x_label) " " (i + 1) ": " (plain(value)) }
                }
            }
        }
    }
}
