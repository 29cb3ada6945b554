//! The memory of a plan over the moments of a step: a rectangle for each value and each gradient, as wide as it matters and as high
//! as it is large.

use inkgrad_engine::Held;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::{Area, Axes, Drawn, FINER, SOFT, anchor, color, fine, font, picture};
use crate::Result;
use crate::image::{Picture, text};

/// The memory of a step.
#[derive(Clone, Debug)]
pub struct Lifetimes<'a> {
    /// The title.
    pub title: String,
    /// A line under the title.
    pub caption: String,
    /// The values and gradients, as [`Plan::held`](inkgrad_engine::Plan::held) lists them.
    pub held: &'a [Held<'a>],
    /// Nodes of the step, at whose number the backward begins.
    pub nodes: usize,
    /// Elements of the memory, and bytes of each.
    pub size: (usize, usize),
}

/// Draws a figure of 1000 × 600 pixels: values in blue, gradients in orange, with `d` before their node.
///
/// # Errors
/// [`Error::Input`](crate::Error::Input) naming the figure where the drawing library fails.
pub fn draw_lifetimes(figure: &Lifetimes) -> Result<Picture> {
    picture(&figure.title, &figure.caption, |area| draw(area, figure))
}

fn draw(area: &Area, figure: &Lifetimes) -> Drawn {
    let (width, height) = area.dim_in_pixel();
    let place = (fine(74), width as i32 - fine(24), fine(34), height as i32 - fine(62));
    let (elements, bytes) = (figure.size.0.max(1), figure.size.1);
    let last = figure.held.iter().map(|held| *held.moments.end()).max().unwrap_or(0).max(2 * figure.nodes);
    let axes = Axes { x: (0.0, last as f64 + 1.0), y: (0.0, elements as f64), place };
    let (unit, name) = match elements * bytes {
        0..10_000 => (1.0, "bytes"),
        10_000..10_000_000 => (1024.0, "KiB"),
        _ => (1_048_576.0, "MiB"),
    };
    let tick = |share: usize| {
        let at = elements as f64 * share as f64 / 4.0;
        let found = at * bytes as f64 / unit;
        (at, if name == "bytes" { format!("{found:.0}") } else { format!("{found:.1}") })
    };
    let backward = figure.nodes as f64;
    let x_ticks = [(0.0, "forward".to_owned()), (backward, "backward".to_owned()), (last as f64, last.to_string())];
    axes.frame(area, "moment of a training step", &x_ticks, name, &(0..=4).map(tick).collect::<Vec<_>>())?;
    let (x, _) = axes.at(backward, 0.0);
    area.draw(&PathElement::new([(x, place.2), (x, place.3)], SOFT.stroke_width(FINER)))?;
    for held in figure.held {
        let corner = |moment: usize, element: usize| axes.at(moment as f64, element as f64);
        let (left, bottom) = corner(*held.moments.start(), held.elements.start);
        let (right, top) = corner(*held.moments.end() + 1, held.elements.end);
        let shade = color(usize::from(held.is_gradient));
        area.draw(&Rectangle::new([(left, top), (right, bottom)], shade.mix(0.55).filled()))?;
        area.draw(&Rectangle::new([(left, top), (right, bottom)], WHITE.stroke_width(FINER / 2)))?;
        // A name where there is room for one.
        let label = format!("{}{} {}", if held.is_gradient { "d" } else { "" }, held.node, held.op);
        if bottom - top > fine(15)
            && f64::from(right - left) > f64::from(text::width(&label, 12.0)) * f64::from(FINER) + 8.0
        {
            let style = font(12).pos(anchor(HPos::Center, VPos::Center));
            area.draw(&Text::new(label, ((left + right) / 2, (top + bottom) / 2), style))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rectangle_is_as_large_as_what_it_stands_for() {
        let held = |elements, moments, is_gradient| Held { node: 0, op: "x", is_gradient, elements, moments };
        let counted = |held: &[Held]| {
            let size = (100, 4);
            let figure = Lifetimes { title: "memory".into(), caption: String::new(), held, nodes: 5, size };
            let picture = draw_lifetimes(&figure).unwrap();
            [0, 1].map(|index| {
                let RGBColor(r, g, b) = color(index);
                let mixed = [r, g, b].map(|c| (f64::from(c) * 0.55 + 255.0 * 0.45) as i32);
                let is_close = |pixel: &&[u8]| pixel.iter().zip(mixed).all(|(&p, m)| (i32::from(p) - m).abs() < 3);
                picture.pixels.chunks_exact(3).filter(is_close).count()
            })
        };
        let [small, none] = counted(&[held(0..20, 0..=4, false)]);
        let [large, gradient] = counted(&[held(0..40, 0..=4, false), held(40..60, 5..=9, true)]);
        assert!(small > 10_000 && none == 0, "{small}, {none}");
        assert!(
            (large as f64 / small as f64 - 2.0).abs() < 0.05 && (gradient as f64 / small as f64 - 1.0).abs() < 0.05
        );
    }
}
