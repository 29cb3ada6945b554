//! Parallel coordinates (Inselberg 1985): an axis for each quantity, side by side, and a line for each run across all of them.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::{Area, Drawn, FINER, GRID, INK, SOFT, anchor, color, fine, font, picture};
use crate::Result;
use crate::image::{Picture, text};

/// An axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Its name.
    pub label: String,
    /// Places on it, from 0 at the bottom to 1 at the top, with their names.
    pub ticks: Vec<(f64, String)>,
}

/// Lines across axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Parallel {
    /// The title.
    pub title: String,
    /// A line under the title.
    pub caption: String,
    /// From left to right.
    pub axes: Vec<Axis>,
    /// A place on each axis, from 0 to 1; the best line comes first and is the strongest.
    pub lines: Vec<Vec<f64>>,
}

/// Draws a figure of 1000 × 600 pixels.
///
/// # Errors
/// [`Error::Input`](crate::Error::Input) naming the figure where the drawing library fails.
pub fn draw_parallel(figure: &Parallel) -> Result<Picture> {
    picture(&figure.title, &figure.caption, |area| draw(area, figure))
}

fn draw(area: &Area, figure: &Parallel) -> Drawn {
    let (width, height) = area.dim_in_pixel();
    let (left, right, top, bottom) = (fine(90), width as i32 - fine(110), fine(12), height as i32 - fine(62));
    let last = figure.axes.len().saturating_sub(1).max(1);
    let x = |axis: usize| left + (right - left) * axis as i32 / last as i32;
    let y = |place: f64| bottom - (place.clamp(0.0, 1.0) * f64::from(bottom - top)).round() as i32;
    let n = figure.lines.len();
    for (rank, line) in figure.lines.iter().enumerate().rev() {
        // From the first colour to a light grey.
        let share = rank as f64 / (n - 1).max(1) as f64;
        let mixed = |from: u8, to: u8| (f64::from(from) + (f64::from(to) - f64::from(from)) * share.sqrt()) as u8;
        let (strong, pale) = (color(0), GRID);
        let shade = RGBColor(mixed(strong.0, pale.0), mixed(strong.1, pale.1), mixed(strong.2, pale.2));
        let points: Vec<(i32, i32)> = line.iter().enumerate().map(|(i, &place)| (x(i), y(place))).collect();
        let wide = if rank == 0 { 4 } else { 2 };
        area.draw(&PathElement::new(points, shade.stroke_width(wide * FINER)))?;
    }
    for (i, axis) in figure.axes.iter().enumerate() {
        area.draw(&PathElement::new([(x(i), top), (x(i), bottom)], INK.stroke_width(FINER)))?;
        for (place, name) in &axis.ticks {
            let at = y(*place);
            area.draw(&PathElement::new([(x(i), at), (x(i) + fine(5), at)], INK.stroke_width(FINER)))?;
            let style = font(14).color(&SOFT).pos(anchor(HPos::Left, VPos::Center));
            area.draw(&Text::new(name.as_str(), (x(i) + fine(12), at), style))?;
        }
        // Long names are set smaller, so that neighbours do not meet.
        let room = f64::from(right - left) / f64::from(FINER) / last as f64 - 8.0;
        let needed = f64::from(text::width(&axis.label, 16.0)).max(1.0);
        let size = (16.0 * (room.max(40.0) / needed).min(1.0)) as u32;
        let style = font(size.max(8)).pos(anchor(HPos::Center, VPos::Top));
        area.draw(&Text::new(axis.label.as_str(), (x(i), bottom + fine(14)), style))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_from_axis_to_axis_and_the_best_is_the_strongest() {
        let axis = |label: &str| Axis { label: label.into(), ticks: vec![(0.0, "1".into()), (1.0, "2".into())] };
        let figure = |lines: Vec<Vec<f64>>| Parallel {
            title: "sweep".into(),
            caption: String::new(),
            axes: vec![axis("lr"), axis("latent"), axis("loss")],
            lines,
        };
        let strong = |lines| {
            let RGBColor(r, g, b) = color(0);
            let picture = draw_parallel(&figure(lines)).unwrap();
            assert_eq!((picture.width, picture.height), (1000, 600));
            picture.pixels.chunks_exact(3).filter(|pixel| **pixel == [r, g, b]).count()
        };
        assert_eq!(strong(vec![]), 0);
        let one = strong(vec![vec![0.2, 0.9, 0.1]]);
        let two = strong(vec![vec![0.2, 0.9, 0.1], vec![0.8, 0.1, 0.9]]);
        assert!(one > 1000 && two > 1000 && two <= one, "{one} {two}");
    }
}
