//! Pictures as terminals take them: kitty's and iTerm2's protocols, and DEC's sixels.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use inkgrad_models::image::{Channels, Picture};

/// Characters of base64 that one of kitty's commands may hold.
const CHUNK: usize = 4096;

/// A PNG file for kitty: `f=100` is PNG, `a=T` shows it at once, `m=1` says that more follows, `q=2` that no answer is wanted.
/// <https://sw.kovidgoyal.net/kitty/graphics-protocol/>
pub fn kitty(png: &[u8]) -> Vec<u8> {
    let coded = STANDARD.encode(png);
    let chunks: Vec<&[u8]> = coded.as_bytes().chunks(CHUNK).collect();
    let mut out = Vec::with_capacity(coded.len() + 64 * chunks.len());
    for (i, chunk) in chunks.iter().enumerate() {
        let more = u8::from(i + 1 < chunks.len());
        let head = if i == 0 { format!("a=T,f=100,q=2,m={more}") } else { format!("m={more}") };
        out.extend_from_slice(format!("\x1b_G{head};").as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\x1b\\");
    }
    out.push(b'\n');
    out
}

/// A PNG file for iTerm2. <https://iterm2.com/documentation-images.html>
pub fn iterm(png: &[u8]) -> Vec<u8> {
    format!("\x1b]1337;File=inline=1;size={};preserveAspectRatio=1:{}\x07\n", png.len(), STANDARD.encode(png))
        .into_bytes()
}

/// Steps of a channel between dark and light: of a grey picture, and of one in colour.
const GREYS: usize = 16;
const CUBE: usize = 6;

/// Sixels, six rows of pixels a band: each colour of a band in turn, a character `?` + bits for a column, `!n` for n of the same, `$` back to
/// the band's beginning and `-` on to the next. VT330/VT340 Programmer Reference Manual, volume 2, chapter 14.
pub fn sixel(picture: &Picture) -> Vec<u8> {
    let Picture { width, height, channels, pixels } = picture;
    let (width, height) = (*width, *height);
    let step = |byte: u8, steps: usize| (usize::from(byte) * (steps - 1) + 127) / 255;
    let (colours, colour): (usize, Box<dyn Fn(usize) -> usize>) = match channels {
        Channels::Grey => (GREYS, Box::new(|at| step(pixels[at], GREYS))),
        Channels::Rgb => {
            (CUBE.pow(3), Box::new(|at| (0..3).fold(0, |index, c| index * CUBE + step(pixels[3 * at + c], CUBE))))
        }
    };
    // Aspect 1:1, a background that is left as it is.
    let mut out = format!("\x1bPq\"1;1;{width};{height}");
    let percent = |level: usize, steps: usize| level * 100 / (steps - 1);
    for index in 0..colours {
        let [r, g, b] = match channels {
            Channels::Grey => [percent(index, GREYS); 3],
            Channels::Rgb => {
                [index / (CUBE * CUBE), index / CUBE % CUBE, index % CUBE].map(|level| percent(level, CUBE))
            }
        };
        let _ = write!(out, "#{index};2;{r};{g};{b}");
    }
    for top in (0..height).step_by(6) {
        let rows = 6.min(height - top);
        let mut bits = vec![Vec::new(); colours];
        for row in 0..rows {
            for x in 0..width {
                let column = &mut bits[colour((top + row) * width + x)];
                column.resize(width, 0u8);
                column[x] |= 1 << row;
            }
        }
        for (index, columns) in bits.iter().enumerate().filter(|(_, columns)| !columns.is_empty()) {
            let _ = write!(out, "#{index}");
            for run in columns.chunk_by(|a, b| a == b) {
                let sixel = char::from(b'?' + run[0]);
                match run.len() {
                    n @ 4.. => {
                        let _ = write!(out, "!{n}{sixel}");
                    }
                    n => out.extend(std::iter::repeat_n(sixel, n)),
                }
            }
            out.push('$');
        }
        out.push('-');
    }
    out.push_str("\x1b\\\n");
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kitty_gets_chunks_that_join_to_the_file() {
        let png: Vec<u8> = (0..10_000u32).map(|i| (i * 7 % 251) as u8).collect();
        let text = String::from_utf8(kitty(&png)).unwrap();
        let commands: Vec<&str> = text.trim_end().split("\x1b\\").filter(|part| !part.is_empty()).collect();
        assert_eq!(commands.len(), STANDARD.encode(&png).len().div_ceil(CHUNK));
        assert!(
            commands[0].starts_with("\x1b_Ga=T,f=100,q=2,m=1;") && commands.last().unwrap().starts_with("\x1b_Gm=0;")
        );
        let coded: String = commands.iter().map(|command| command.split_once(';').unwrap().1).collect();
        assert_eq!(STANDARD.decode(coded).unwrap(), png);
    }

    #[test]
    fn iterm_gets_the_file_and_its_size() {
        let text = String::from_utf8(iterm(b"PNG")).unwrap();
        assert_eq!(text, "\x1b]1337;File=inline=1;size=3;preserveAspectRatio=1:UE5H\x07\n");
    }

    /// The pixels of sixels, as indices of colours.
    fn decoded(text: &str, width: usize, height: usize) -> Vec<usize> {
        let mut out = vec![usize::MAX; width * height];
        let body = text.strip_suffix("\x1b\\\n").unwrap();
        // Behind the last definition of a colour.
        let body = &body[body.rfind(";2;").unwrap()..];
        let body = &body[body[3..].find('#').unwrap() + 3..];
        let (mut x, mut top, mut colour, mut repeat) = (0, 0, 0, String::new());
        let mut chars = body.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '#' => {
                    let digits: String = std::iter::from_fn(|| chars.next_if(char::is_ascii_digit)).collect();
                    colour = digits.parse().unwrap();
                }
                '!' => repeat = std::iter::from_fn(|| chars.next_if(char::is_ascii_digit)).collect(),
                '$' => x = 0,
                '-' => (x, top) = (0, top + 6),
                _ => {
                    let bits = c as u8 - b'?';
                    for _ in 0..std::mem::take(&mut repeat).parse().unwrap_or(1) {
                        (0..6).filter(|row| bits >> row & 1 != 0).for_each(|row| out[(top + row) * width + x] = colour);
                        x += 1;
                    }
                }
            }
        }
        out
    }

    #[test]
    fn sixels_are_the_pixels() {
        let (width, height) = (13, 10);
        let pixels: Vec<u8> = (0..width * height).map(|i| (i * 2 % 256) as u8).collect();
        let grey = Picture { width, height, channels: Channels::Grey, pixels: pixels.clone() };
        let text = String::from_utf8(sixel(&grey)).unwrap();
        assert!(text.starts_with("\x1bPq\"1;1;13;10#0;2;0;0;0#1;2;6;6;6"), "{text:?}");
        let expected: Vec<usize> = pixels.iter().map(|&byte| (usize::from(byte) * 15 + 127) / 255).collect();
        assert_eq!(decoded(&text, width, height), expected);
        let red = Picture { width: 1, height: 1, channels: Channels::Rgb, pixels: vec![255, 0, 0] };
        assert_eq!(decoded(&String::from_utf8(sixel(&red)).unwrap(), 1, 1), [180]);
    }
}
