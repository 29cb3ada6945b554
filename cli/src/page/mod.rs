//! Pages of one file: a template whose marks are filled, and the styles and scripts that all of them share.

use serde::Serialize;

/// The template's beginning: `made-by`, `title`, `style`, and `head`, after which a page's own template goes on in its header.
const HEAD: &str = include_str!("head.html");

/// Colours in light and dark, type, buttons, fields.
pub const BASE_CSS: &str = include_str!("base.css");

/// `element` and `byId`.
pub const ELEMENT_JS: &str = include_str!("element.js");

/// Data for a script element of the type `application/json`.
pub fn json(data: &impl Serialize) -> String {
    let data = serde_json::to_string(data).expect("numbers, texts and lists");
    // In a script element only `<` could end the data, and JSON may spell it otherwise.
    data.replace('<', "\\u003c")
}

/// The page of a template that goes on after [`HEAD`].
pub fn page(template: &str, marks: &[(&str, String)]) -> String {
    fill(&[HEAD, template].concat(), marks)
}

/// The template with each `{{mark}}` replaced once, from front to back: what is filled in is never looked at again.
fn fill(template: &str, marks: &[(&str, String)]) -> String {
    let mut page = String::with_capacity(marks.iter().map(|(_, text)| text.len()).sum::<usize>() + template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (mark, after) = after.split_once("}}").expect("a mark that ends");
        let (_, text) = marks.iter().find(|(name, _)| *name == mark).expect("a mark of the table");
        page.extend([before, text]);
        rest = after;
    }
    page + rest
}

/// With a capital at the beginning, unless that is a formula or a model's name: `y = a + b` is about no Y, `cnn-vae` no Cnn-vae.
pub fn capitalised(text: &str) -> String {
    let mut words = text.split(' ');
    let word = words.next().is_some_and(|first| first.chars().all(|c| c.is_alphabetic() || "'’".contains(c)));
    if !word || words.next() == Some("=") {
        return text.to_owned();
    }
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_filled_once() {
        let marks = [("a", "{{b}}".to_owned()), ("b", "<{{a}}>".to_owned())];
        assert_eq!(fill("x {{a}} y {{b}} z", &marks), "x {{b}} y <{{a}}> z");
    }

    #[test]
    fn sentences_begin_with_a_capital_and_formulas_as_they_are() {
        for (text, expected) in [
            ("a square matrix", "A square matrix"),
            ("cnn-vae whose decoder", "cnn-vae whose decoder"),
            ("GRU's gradient", "GRU's gradient"),
            ("ärger", "Ärger"),
            ("dx = dy*y", "dx = dy*y"),
            ("min(1, x)", "min(1, x)"),
            ("", ""),
        ] {
            assert_eq!(capitalised(text), expected);
        }
    }

    #[test]
    fn data_cannot_end_its_element() {
        assert_eq!(json(&"</script>"), "\"\\u003c/script>\"");
    }
}
