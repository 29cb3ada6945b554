//! Points of a plane, equally scaled both ways, by class.

use inkgrad_models::palette::{Shape, mark};
use maud::{Markup, html};

use super::{WIDTH, key};

/// Points and their classes.
#[derive(Debug)]
pub struct Points {
    /// Where each lies.
    pub points: Vec<[f32; 2]>,
    /// Its class.
    pub labels: Vec<usize>,
    /// The classes' names.
    pub classes: Vec<String>,
}

/// Room around the points.
const MARGIN: f64 = 6.0;

/// The plane; it is as high as the points need, so that they fill it.
pub(super) fn svg(points: &Points, alt: &str) -> Markup {
    let finite: Vec<&[f32; 2]> = points.points.iter().filter(|point| point.iter().all(|v| v.is_finite())).collect();
    let range = |axis: usize| {
        let values = finite.iter().map(|point| f64::from(point[axis]));
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
    };
    let ((left, right), (low, high)) = if finite.is_empty() { ((0.0, 1.0), (0.0, 1.0)) } else { (range(0), range(1)) };
    let extent = |low: f64, high: f64| (high - low).max(1e-9);
    let inside = WIDTH - 2.0 * MARGIN;
    // Of a plane that is much higher than wide the width is not filled.
    let scale = (inside / extent(left, right)).min(1.3 * inside / extent(low, high));
    let height = (extent(low, high) * scale).max(inside / 3.0) + 2.0 * MARGIN;
    let x = |v: f32| WIDTH / 2.0 + (f64::from(v) - (left + right) / 2.0) * scale;
    let y = |v: f32| height / 2.0 - (f64::from(v) - (low + high) / 2.0) * scale;
    let size = (70.0 / (points.points.len().max(1) as f64).sqrt()).clamp(2.2, 5.0);
    html! {
        svg.plane viewBox=(format!("0 0 {WIDTH} {height:.0}")) role="img" aria-label=(alt) tabindex="0" {
            @for class in 0..points.classes.len() {
                @let (color, shape) = mark(class);
                @let at = points.points.iter().zip(&points.labels).filter(|(_, label)| **label == class);
                // A stroke of no length is a dot or a square, in a third of an element's bytes. A point that is not finite
                // is kept, far outside, so that places keep their drawings.
                @let path: String = at.map(|(&[px, py], _)| match shape {
                    _ if !(px.is_finite() && py.is_finite()) => "M-99 -99".to_owned(),
                    Shape::Triangle => {
                        let corner = f64::from(shape.corner(size as f32 / 2.0));
                        let (half, side) = (0.866 * corner, 1.5 * corner);
                        format!("M{:.1} {:.1}m0-{corner:.1}l{half:.1} {side:.1}h-{:.1}z", x(px), y(py), 2.0 * half)
                    }
                    _ => format!("M{:.1} {:.1}h0", x(px), y(py)),
                }).collect();
                @let kind = match shape { Shape::Disc => "disc", Shape::Triangle => "triangle", Shape::Square => "square" };
                @let width = 2.0 * f64::from(shape.corner(size as f32 / 2.0));
                path class=(format!("cloud {kind} c{color}")) data-class=(class) stroke-width=(format!("{width:.1}")) d=(path) {}
            }
        }
    }
}

/// The classes' names with their marks.
pub fn legend(classes: &[String]) -> Markup {
    html! {
        ul.legend { @for (i, name) in classes.iter().enumerate() { li { (key(i)) bdi { (name) } } } }
    }
}
