//! Drawings of half-blocks: `▀` in the colour of an upper pixel on the colour of the one below it.

use inkgrad_models::data::Extents;

use super::{Colours, Drawings};

/// Columns that a drawing has at least where so many fit.
const LEAST: usize = 15;
/// The most drawings that are drawn: more than a few screens say nothing new.
const MOST: usize = 60;

/// The drawings in rows, on a terminal of `width` columns; without colours, ink is what a character's halves show.
pub fn draw(drawings: &Drawings, width: usize, colours: Colours) -> String {
    let Drawings { values, extents, columns, together, .. } = *drawings;
    let count = values.len() / extents.len();
    // A column stays free between two drawings, and the last one, at which some terminals break lines.
    let fitting = (width / (LEAST + 1)).max(1);
    let across = columns.unwrap_or(count).min(fitting).min(count.max(1));
    // On a terminal that is too narrow for those that belong together, one stands below the other.
    let across = if across > together { across - across % together } else { across };
    let side = (width / across).saturating_sub(1).clamp(1, extents.width);
    let rows = (side * extents.height / extents.width).max(1).next_multiple_of(2);
    // Of rows that mean something, each one's first drawings.
    let per_row = columns.unwrap_or(across);
    let chosen: Vec<usize> = match columns {
        Some(_) => (0..count).filter(|i| i % per_row < across).collect(),
        None => (0..count).collect(),
    };
    let mut text = String::new();
    for line in chosen[..chosen.len().min(MOST)].chunks(across) {
        let small: Vec<Vec<[f32; 3]>> =
            line.iter().map(|&i| shrunk(&values[i * extents.len()..][..extents.len()], extents, side, rows)).collect();
        for y in (0..rows).step_by(2) {
            for (i, picture) in small.iter().enumerate() {
                if i > 0 {
                    text.push_str(if colours == Colours::None { " " } else { "\x1b[0m " });
                }
                for x in 0..side {
                    push(&mut text, picture[y * side + x], picture[(y + 1) * side + x], colours);
                }
            }
            text.push_str(if colours == Colours::None { "\n" } else { "\x1b[0m\n" });
        }
        text.push('\n');
    }
    text
}

/// A drawing of `side` × `rows` pixels, each the mean of the area that it covers.
pub fn shrunk(values: &[f32], extents: Extents, side: usize, rows: usize) -> Vec<[f32; 3]> {
    let Extents { height, width, channels } = extents;
    // The part of pixel `at` of a line of `from` that lies in pixel `i` of a line of `to`.
    let shares = |i: usize, from: usize, to: usize| {
        let (first, last) = (i as f32 * from as f32 / to as f32, (i + 1) as f32 * from as f32 / to as f32);
        let pixels = first as usize..(last.ceil() as usize).min(from);
        pixels.map(move |at| (at, (last.min(at as f32 + 1.0) - first.max(at as f32)).max(0.0)))
    };
    let mut out = Vec::with_capacity(side * rows);
    for y in 0..rows {
        for x in 0..side {
            let (mut sum, mut area) = ([0.0; 3], 0.0);
            for (row, high) in shares(y, height, rows) {
                for (column, wide) in shares(x, width, side) {
                    let pixel = &values[(row * width + column) * channels..][..channels];
                    let weight = high * wide;
                    sum.iter_mut().enumerate().for_each(|(c, sum)| *sum += weight * pixel[c % channels]);
                    area += weight;
                }
            }
            out.push(sum.map(|sum| (sum / area).clamp(0.0, 1.0)));
        }
    }
    out
}

/// One character for two pixels.
fn push(text: &mut String, upper: [f32; 3], lower: [f32; 3], colours: Colours) {
    let byte = |value: f32| (value * 255.0).round() as u8;
    match colours {
        Colours::True => {
            let ([r, g, b], [s, h, c]) = (upper.map(byte), lower.map(byte));
            text.push_str(&format!("\x1b[38;2;{r};{g};{b};48;2;{s};{h};{c}m▀"));
        }
        Colours::Few => text.push_str(&format!("\x1b[38;5;{};48;5;{}m▀", indexed(upper), indexed(lower))),
        Colours::None => text.push(ink(upper, lower)),
    }
}

/// The character whose halves show where there is ink.
pub fn ink(upper: [f32; 3], lower: [f32; 3]) -> char {
    let ink = |pixel: [f32; 3]| pixel.iter().sum::<f32>() > 1.0;
    match (ink(upper), ink(lower)) {
        (true, true) => '█',
        (true, false) => '▀',
        (false, true) => '▄',
        (false, false) => ' ',
    }
}

/// The nearest of xterm's 256 colours: of 24 greys, black and white among them, or of a cube of 6 × 6 × 6.
pub fn indexed(pixel: [f32; 3]) -> u8 {
    let [r, g, b] = pixel;
    if r == g && g == b {
        return match (r * 25.0).round() as u8 {
            0 => 16,
            25.. => 231,
            grey => 231 + grey,
        };
    }
    let [r, g, b] = pixel.map(|value| (value * 5.0).round() as u8);
    16 + 36 * r + 6 * g + b
}

#[cfg(test)]
mod tests {
    use inkgrad_models::image::{Channels, Picture};

    use super::*;

    const SMALL: Extents = Extents { height: 4, width: 4, channels: 1 };

    fn text(values: &[f32], extents: Extents, columns: Option<usize>, width: usize, colours: Colours) -> String {
        let picture = Picture { width: 1, height: 1, channels: Channels::Grey, pixels: vec![0] };
        draw(&Drawings { picture: &picture, values, extents, columns, together: 1 }, width, colours)
    }

    #[test]
    fn a_character_is_two_pixels() {
        let mut values = [0.0; 16];
        (values[0], values[5], values[2], values[6]) = (1.0, 1.0, 1.0, 1.0);
        assert_eq!(text(&values, SMALL, None, 80, Colours::None), "▀▄█ \n    \n\n");
        let coloured = text(&values[..16], SMALL, None, 80, Colours::True);
        assert!(coloured.starts_with("\x1b[38;2;255;255;255;48;2;0;0;0m▀"), "{coloured:?}");
        assert!(text(&values, SMALL, None, 80, Colours::Few).starts_with("\x1b[38;5;231;48;5;16m▀"));
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let extents = Extents { height: 28, width: 28, channels: 1 };
        let values = vec![0.0; 20 * extents.len()];
        for width in [1, 10, 40, 80, 120, 300] {
            for columns in [None, Some(10)] {
                let text = text(&values, extents, columns, width, Colours::None);
                assert!(text.lines().all(|line| line.chars().count() <= width), "{width}");
                assert!(width < 80 || text.lines().next().unwrap().chars().count() >= 70, "{width}");
            }
        }
    }

    #[test]
    fn rows_that_mean_something_stay_rows() {
        // Three rows of ten: black, grey, white.
        let values: Vec<f32> = (0..30 * 16).map(|i| (i / 160) as f32 / 2.0).collect();
        let text = text(&values, SMALL, Some(10), 40, Colours::None);
        let blocks: Vec<&str> = text.split("\n\n").filter(|block| !block.is_empty()).collect();
        assert_eq!(blocks, ["         \n         ", "████ ████\n████ ████", "████ ████\n████ ████"]);
    }

    #[test]
    fn a_pair_is_never_parted() {
        // Five pairs of black and white where five drawings would fit.
        let values: Vec<f32> = (0..10 * 16).map(|i| (i / 16 % 2) as f32).collect();
        let picture = Picture { width: 1, height: 1, channels: Channels::Grey, pixels: vec![0] };
        let pairs = |width| {
            let drawings = Drawings { picture: &picture, values: &values, extents: SMALL, columns: None, together: 2 };
            draw(&drawings, width, Colours::None)
        };
        let lines = "     ████      ████\n".repeat(2) + "\n";
        assert_eq!(pairs(80), format!("{lines}{lines}{}", "     ████\n".repeat(2) + "\n"));
        assert_eq!(pairs(16), "    \n    \n\n████\n████\n\n".repeat(5));
    }

    #[test]
    fn shrinking_keeps_the_mean() {
        let values: Vec<f32> = (0..16).map(|i| i as f32 / 15.0).collect();
        let small = shrunk(&values, SMALL, 3, 2);
        let mean = small.iter().map(|pixel| pixel[0]).sum::<f32>() / small.len() as f32;
        assert!((mean - 0.5).abs() < 1e-6, "{mean}");
    }

    #[test]
    fn greys_and_colours_have_numbers() {
        assert_eq!([0.0, 0.5, 1.0].map(|grey| indexed([grey; 3])), [16, 244, 231]);
        assert_eq!(indexed([1.0, 0.0, 0.0]), 196);
    }
}
