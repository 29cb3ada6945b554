//! Text from a font that is part of the program, so that no system font is needed.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, ScaleFont};

/// DejaVu Sans, cut down to Latin, lower-case Greek and a few signs; its licence stands beside it.
pub const FONT: &[u8] = include_bytes!("../../assets/DejaVuSans-subset.ttf");

static PARSED: LazyLock<FontRef> =
    LazyLock::new(|| FontRef::try_from_slice(FONT).expect("the font in the program is whole"));

/// The width of one line in pixels, at `size` pixels from the lowest descender to the highest ascender.
pub fn width(text: &str, size: f32) -> f32 {
    let font = PARSED.as_scaled(size);
    text.chars().map(|character| font.h_advance(font.glyph_id(character))).sum()
}

/// `text` in letters that the font has: signs that it lacks become like ones, and a text of which a third or more is in
/// another script is left out for `instead`.
pub fn drawable(text: &str, instead: &str) -> String {
    let known = |character: char| PARSED.glyph_id(character).0 != 0;
    let mut drawn = String::with_capacity(text.len());
    let mut lost = 0;
    for character in text.chars() {
        match character {
            c if known(c) && !c.is_control() => drawn.push(c),
            '\n' | '\r' | '\t' => drawn.push(' '),
            '∞' => drawn.push_str(" infinity"),
            _ => {
                lost += 1;
                drawn.push('?');
            }
        }
    }
    if 3 * lost >= text.chars().count().max(1) { instead.to_owned() } else { drawn }
}

/// Draws one line from `x` on, its height centred on `middle`: gives each pixel (right of and below the origin) and
/// how much of it is covered, in [0, 1].
pub fn draw(text: &str, size: f32, x: f32, middle: f32, mut pixel: impl FnMut(usize, usize, f32)) {
    let font = PARSED.as_scaled(size);
    // A whole baseline keeps the feet of letters sharp.
    let baseline = (middle + (font.ascent() + font.descent()) / 2.0).round();
    let mut cursor = x;
    for character in text.chars() {
        let id = font.glyph_id(character);
        let glyph = id.with_scale_and_position(size, (cursor, baseline));
        cursor += font.h_advance(id);
        let Some(outline) = font.outline_glyph(glyph) else { continue };
        let corner = outline.px_bounds().min;
        outline.draw(|x, y, coverage| {
            let (x, y) = (corner.x + x as f32, corner.y + y as f32);
            if x >= 0.0 && y >= 0.0 {
                pixel(x as usize, y as usize, coverage.min(1.0));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ink_falls_inside_the_measured_line() {
        let (mut inside, mut outside) = (0, 0);
        let right = 10.0 + width("yoga β ≥ 1", 20.0);
        draw("yoga β ≥ 1", 20.0, 10.0, 30.0, |x, y, coverage| {
            let within = (10.0..right).contains(&(x as f32)) && (19..=41).contains(&y);
            *(if within { &mut inside } else { &mut outside }) += i32::from(coverage > 0.5);
        });
        assert!(inside > 100);
        assert_eq!(outside, 0);
    }

    #[test]
    fn letters_that_the_font_lacks_are_replaced() {
        assert_eq!(drawable("−ln p(x) ≥ −∞…", "x"), "−ln p(x) ≥ − infinity…");
        assert_eq!(drawable("naïve 猫 yoga", "x"), "naïve ? yoga");
        assert_eq!([drawable("ארנב", "class 3"), drawable("a\nb", "")], ["class 3", "a b"]);
    }

    #[test]
    fn every_character_that_is_written_has_a_glyph() {
        for character in (' '..='~').chain("βμσ²–—≥≤→é".chars()) {
            assert_ne!(PARSED.glyph_id(character).0, 0, "{character}");
        }
    }
}
