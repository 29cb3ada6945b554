//! Lines over x, each with its name and last value at its end.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::ticks::{apart, range, ticks};
use super::{Area, Axes, Curve, Drawn, FINER, Figure, Panel, anchor, color, fine, font, significant};
use crate::image::text;

pub(super) fn draw(area: &Area, panel: &Panel, curves: &[Curve], figure: &Figure) -> Drawn {
    let finite = |curve: &Curve| {
        let points = curve.points.iter().copied();
        points.filter(|(x, y)| x.is_finite() && y.is_finite()).collect::<Vec<_>>()
    };
    let curves: Vec<(&str, Vec<(f64, f64)>)> =
        curves.iter().map(|curve| (curve.label.as_str(), finite(curve))).collect();
    let all = || curves.iter().flat_map(|(_, points)| points);
    let (x, y) = (range(all().map(|point| point.0), 0.01), range(all().map(|point| point.1), 0.04));

    let labels: Vec<String> = curves
        .iter()
        .map(|(label, points)| {
            points.last().map_or_else(String::new, |last| format!("{label} {}", significant(last.1)))
        })
        .collect();
    let widest = labels.iter().map(|label| text::width(label, 16.0)).fold(0.0, f32::max);
    let (width, height) = area.dim_in_pixel();
    let right = width as i32 - fine(22 + widest as u32);
    let axes = Axes { x, y, place: (fine(74), right, fine(34), height as i32 - fine(62)) };
    let wanted = ((right - fine(74)) / fine(60)).clamp(2, 10) as usize;
    let (x_ticks, y_ticks) = (ticks(x.0, x.1, wanted, figure.whole), ticks(y.0, y.1, 8, false));
    axes.frame(area, &figure.x_label, &x_ticks, &panel.label, &y_ticks)?;

    let ends: Vec<f64> =
        curves.iter().map(|(_, points)| points.last().map_or(0.0, |&(x, y)| f64::from(axes.at(x, y).1))).collect();
    let (top, bottom) = (f64::from(axes.place.2), f64::from(axes.place.3));
    let places = apart(&ends, f64::from(fine(18)), top, bottom);
    for (i, ((_, points), label)) in curves.iter().zip(&labels).enumerate() {
        let Some(&(last_x, last_y)) = points.last() else { continue };
        let path: Vec<(i32, i32)> = points.iter().map(|&(x, y)| axes.at(x, y)).collect();
        area.draw(&PathElement::new(path, color(i).stroke_width(2 * FINER)))?;
        area.draw(&Circle::new(axes.at(last_x, last_y), fine(4), color(i).filled()))?;
        let color = color(i);
        let style = font(16).color(&color).pos(anchor(HPos::Left, VPos::Center));
        area.draw(&Text::new(label.as_str(), (right + fine(8), places[i] as i32), style))?;
    }
    Ok(())
}
