//! A bar a value, from zero.

use plotters::prelude::*;

use super::ticks::{range, ticks};
use super::{Area, Axes, Drawn, Figure, Panel, color, fine};

pub(super) fn draw(area: &Area, panel: &Panel, values: &[f64], figure: &Figure) -> Drawn {
    let (low, high) = range(values.iter().copied().chain([0.0]), 0.0);
    let (width, height) = area.dim_in_pixel();
    let place = (fine(74), width as i32 - fine(22), fine(34), height as i32 - fine(62));
    let axes = Axes { x: (0.5, values.len().max(1) as f64 + 0.5), y: (low, high), place };
    let (x_ticks, y_ticks) = (ticks(axes.x.0, axes.x.1, 10, true), ticks(low, high, 8, false));
    axes.frame(area, &figure.x_label, &x_ticks, &panel.label, &y_ticks)?;
    for (i, &value) in values.iter().enumerate().filter(|(_, value)| value.is_finite()) {
        let at = i as f64 + 1.0;
        area.draw(&Rectangle::new([axes.at(at - 0.4, 0.0), axes.at(at + 0.4, value)], color(0).filled()))?;
    }
    Ok(())
}
