//! The file: a template whose marks are filled with styles, scripts, data and what can be read without a script.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use inkgrad_models::Result;
use inkgrad_models::data::Extents;
use inkgrad_models::image::{GridOptions, Ink, pairs_grid};
use maud::{Markup, html};

use super::Explained;
use super::tape::Node;
use crate::output::thousands;
use crate::page::{self, BASE_CSS, ELEMENT_JS, capitalised};

/// A page's words about itself, by which an earlier one is known.
pub const MADE_BY: &str = "made by inkgrad explain";

/// Drawings in a row of what those see who run no scripts.
const COLUMNS: usize = 10;

/// The page as text.
///
/// # Errors
/// If a picture cannot be coded.
pub fn render(explained: &Explained) -> Result<String> {
    let marks = [
        ("title", html! { (explained.model) " from inside" }.into_string()),
        ("made-by", MADE_BY.to_owned()),
        ("head", head(explained).into_string()),
        ("still", still(explained)?.into_string()),
        ("tape", tape(&explained.tapes.training.nodes).into_string()),
        ("style", format!("{BASE_CSS}{}", include_str!("page.css"))),
        ("element", ELEMENT_JS.to_owned()),
        ("interpreter", include_str!("interpreter.js").to_owned()),
        ("raster", include_str!("raster.js").to_owned()),
        ("show", include_str!("show.js").to_owned()),
        ("draw", include_str!("draw.js").to_owned()),
        ("latents", include_str!("latents.js").to_owned()),
        ("map", include_str!("map.js").to_owned()),
        ("graph", include_str!("graph.js").to_owned()),
        ("page", include_str!("page.js").to_owned()),
        ("data", page::json(explained)),
    ];
    Ok(page::page(include_str!("page.html"), &marks))
}

/// The name, and where everything on the page comes from.
fn head(explained: &Explained) -> Markup {
    let Explained { model, description, origin, data, parameters, error, weights, drawings, .. } = explained;
    let numbers = weights.numbers.words();
    html! {
        h1 { bdi { (model) } " from inside" }
        p { (capitalised(description)) ". " (origin) " Drawings: the " (drawings.split) " drawings of " bdi { (data) } "." }
        p.soft {
            (thousands(*parameters as u64)) " weights, here as " (numbers) ": on " (error.drawings)
            " drawings that moves a code by at most " (figure(error.code)) " and an output by at most "
            (figure(error.output)) "."
        }
    }
}

/// Two significant digits.
fn figure(x: f32) -> String {
    match x {
        0.0 => "0".to_owned(),
        0.01.. => format!("{x:.2}"),
        _ => format!("{x:.1e}"),
    }
}

/// Originals above their reconstructions.
fn still(explained: &Explained) -> Result<Markup> {
    if explained.still.is_empty() {
        return Ok(html! {});
    }
    let [height, width, channels] = explained.image;
    let image = Extents { height, width, channels };
    let images = &explained.drawings.images;
    let originals: Vec<f32> = (0..explained.still.len() / image.len()).flat_map(|i| images.image(i)).collect();
    let options = GridOptions { image, ink: Ink::Black, scale: 2, ..GridOptions::default() };
    let picture = pairs_grid(&originals, &explained.still, COLUMNS, &options);
    let source = format!("data:image/png;base64,{}", STANDARD.encode(picture.to_png()?));
    Ok(html! { img src=(source) alt="drawings, and below each its reconstruction"; })
}

/// The nodes of a tape, a line each.
fn tape(nodes: &[Node]) -> Markup {
    html! {
        @for (i, node) in nodes.iter().enumerate() {
            li data-node=(i) {
                span.number { (i) } " "
                b { (node.op) } " "
                @if !node.name.is_empty() { bdi.name { (node.name) } " " }
                @if !matches!(node.op.as_str(), "input" | "param") { code { (node.formula) } " " }
                span.soft {
                    @if !node.inputs.is_empty() {
                        "of " (node.inputs.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")) ": "
                    }
                    span.extents { (extents(&node.shape)) }
                }
            }
        }
    }
}

/// Extents as mathematics writes them.
fn extents(shape: &[usize]) -> String {
    match shape {
        [] => "a number".to_owned(),
        _ => shape.iter().map(usize::to_string).collect::<Vec<_>>().join(" × "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_are_shown_with_two_digits() {
        assert_eq!([0.0, 0.00012, 0.0123, 3.0].map(figure), ["0", "1.2e-4", "0.01", "3.00"]);
    }
}
