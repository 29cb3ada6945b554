//! A row an estimate: a dot with its interval, the name left of it and the numbers right.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::ticks::{range, ticks};
use super::{Area, Axes, Drawn, Estimate, FINER, Panel, SOFT, anchor, color, fine, font, significant};
use crate::image::text;

pub(super) fn draw(area: &Area, panel: &Panel, rows: &[Estimate], mark: Option<&(String, f64)>) -> Drawn {
    let ends = rows.iter().flat_map(|row| [row.low, row.value, row.high]);
    let x = range(ends.chain(mark.map(|mark| mark.1)), 0.03);
    let widest = rows.iter().map(|row| text::width(&row.label, 16.0)).fold(40.0, f32::max).min(380.0);
    let (width, height) = area.dim_in_pixel();
    let (left, right) = (fine(24 + widest as u32), width as i32 - fine(90));
    let axes = Axes { x, y: (rows.len().max(1) as f64, 0.0), place: (left, right, fine(34), height as i32 - fine(62)) };
    axes.frame(area, &panel.label, &ticks(x.0, x.1, 8, false), "", &[])?;
    if let Some((name, value)) = mark.filter(|mark| mark.1.is_finite()) {
        let (x, bottom) = axes.at(*value, axes.y.0);
        for y in (axes.place.2..bottom).step_by(fine(8) as usize) {
            area.draw(&PathElement::new([(x, y), (x, (y + fine(4)).min(bottom))], SOFT.stroke_width(FINER)))?;
        }
        let style = font(14).color(&SOFT).pos(anchor(HPos::Center, VPos::Bottom));
        area.draw(&Text::new(name.as_str(), (x, axes.place.2 - fine(4)), style))?;
    }
    for (i, row) in
        rows.iter().enumerate().filter(|(_, row)| [row.low, row.value, row.high].iter().all(|v| v.is_finite()))
    {
        let middle = i as f64 + 0.5;
        area.draw(&PathElement::new(
            [axes.at(row.low, middle), axes.at(row.high, middle)],
            color(0).stroke_width(3 * FINER),
        ))?;
        area.draw(&Circle::new(axes.at(row.value, middle), fine(6), color(0).filled()))?;
        let y = axes.at(row.value, middle).1;
        let size = (16.0 * (widest / text::width(&row.label, 16.0)).min(1.0)) as u32;
        area.draw(&Text::new(
            row.label.as_str(),
            (left - fine(10), y),
            font(size).pos(anchor(HPos::Right, VPos::Center)),
        ))?;
        let style = font(14).pos(anchor(HPos::Left, VPos::Center));
        area.draw(&Text::new(significant(row.value), (right + fine(8), y), style))?;
    }
    Ok(())
}
