//! Google's simplified strokes, one drawing a line of JSON, painted by Google's recipe.
//!
//! A line holds, among others, `"drawing": [[[x, x, …], [y, y, …]], …]`: the x and y of each stroke's points in a
//! box of 0 to 255, moved to its upper left corner
//! (<https://github.com/googlecreativelab/quickdraw-dataset#simplified-drawing-files-ndjson>).

use std::path::Path;

use inkgrad_kernels::cpu::raster::{BOX, Point, Rasterizer, SCALE};
use inkgrad_kernels::cpu::threads;
use rayon::prelude::*;
use serde::Deserialize;

use super::{Images, PIXELS, SIDE};
use crate::error::{Error, Result};
use crate::{file, memory, text};

/// Of a message that repeats the input, as much as fits a line.
const MOST_SHOWN: usize = 160;

/// Number of drawings, and of those that are left out: lines that are not blank, and with `recognized_only` those of them
/// that say that the game did not recognise the drawing.
///
/// # Errors
/// With `recognized_only`, `FILE:LINE` of the first line that does not say whether it did.
pub(super) fn count(path: &Path, recognized_only: bool) -> Result<(usize, usize)> {
    let text = read(path)?;
    let (mut kept, mut left_out) = (0, 0);
    for (number, line) in lines(&text) {
        let is_left_out = recognized_only && {
            let bad = |problem| Error::input(format_args!("{}:{number}", path.display()), problem);
            !is_recognized(line).map_err(bad)?
        };
        *if is_left_out { &mut left_out } else { &mut kept } += 1;
    }
    Ok((kept, left_out))
}

/// Whether a line says that its drawing was recognised. One that is no JSON is named when it is read.
fn is_recognized(line: &[u8]) -> Result<bool, String> {
    #[derive(Deserialize)]
    struct Recognized {
        recognized: Option<serde_json::Value>,
    }
    match serde_json::from_slice(line) {
        Err(_) => Ok(true),
        Ok(Recognized { recognized: Some(serde_json::Value::Bool(recognized)) }) => Ok(recognized),
        Ok(Recognized { recognized: Some(other) }) => {
            let shown: String = other.to_string().chars().take(MOST_SHOWN).collect();
            Err(format!("\"recognized\" is {shown}, expected true or false"))
        }
        Ok(Recognized { recognized: None }) => Err("no \"recognized\", expected true or false".to_owned()),
    }
}

/// Reads and paints the drawings of a file.
///
/// # Errors
/// `FILE:LINE`, and what is wrong there, for the first line that is no drawing.
pub(super) fn load(path: &Path, recognized_only: bool) -> Result<Images> {
    let text = read(path)?;
    let kept = |(_, line): &(usize, &[u8])| !recognized_only || is_recognized(line) != Ok(false);
    let lines: Vec<(usize, &[u8])> = lines(&text).filter(kept).collect();
    memory::check((lines.len() * PIXELS) as u64, path.display())?;
    let mut pixels = vec![0; lines.len() * PIXELS];
    let bad = threads::shared(|| {
        lines
            .par_iter()
            .zip(pixels.par_chunks_exact_mut(PIXELS))
            .map_init(Rasterizer::default, |rasterizer, (&(number, line), image)| {
                let painted = parse(line).map(|drawing| paint(&drawing, rasterizer, image));
                painted.err().map(|problem| Error::input(format_args!("{}:{number}", path.display()), problem))
            })
            .find_map_first(|error| error)
    });
    bad.map_or_else(|| Ok(Images::from_u8(pixels)), Err)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let mut text = file::read(path, u64::MAX, "lines of JSON")?;
    if text::is_lfs_pointer(&text) {
        return Err(Error::input(path.display(), text::LFS_POINTER));
    }
    let mark = text.len() - text::without_mark(&text).len();
    text.drain(..mark);
    Ok(text)
}

/// The lines that are not blank, with their numbers from 1.
fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    (1..).zip(text.split(|&byte| byte == b'\n')).filter(|(_, line)| !line.trim_ascii().is_empty())
}

/// The keys of a line that matter; the others (`word`, `countrycode`, `recognized`, …) may be anything.
#[derive(Deserialize)]
struct Line {
    drawing: Vec<Vec<Vec<f32>>>,
}

/// The points of each stroke, in units.
fn parse(line: &[u8]) -> Result<Vec<Vec<Point>>, String> {
    let Line { drawing } = serde_json::from_slice(line).map_err(|error| describe(&error))?;
    if drawing.is_empty() {
        return Err("the drawing has no strokes, expected at least one".to_owned());
    }
    drawing.iter().enumerate().map(|(i, stroke)| points(stroke).map_err(|e| format!("stroke {i}{e}"))).collect()
}

fn points(stroke: &[Vec<f32>]) -> Result<Vec<Point>, String> {
    let [xs, ys] = stroke else {
        let hint = if stroke.len() == 3 { " (the simplified format, not the raw one)" } else { "" };
        return Err(format!(" has {} lists of numbers, expected 2: x and y{hint}", stroke.len()));
    };
    if xs.len() != ys.len() {
        return Err(format!(" has {} values of x and {} of y, expected as many", xs.len(), ys.len()));
    }
    if xs.is_empty() {
        return Err(" has no points, expected at least one".to_owned());
    }
    match xs.iter().chain(ys).find(|v| !(0.0..=BOX).contains(*v)) {
        Some(v) => Err(format!(" holds the coordinate {v}, expected 0 to {BOX}")),
        None => Ok(xs.iter().zip(ys).map(|(&x, &y)| [x, y]).collect()),
    }
}

/// The parser's message without its line number, which counts from the start of our line.
fn describe(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let (problem, _) = message.rsplit_once(" at line ").unwrap_or((&message, ""));
    let shown: String = problem.chars().take(MOST_SHOWN).collect();
    let cut = if shown.len() < problem.len() { "…" } else { "" };
    format!("{shown}{cut} (column {}), expected {{\"drawing\": [[[x, …], [y, …]], …], …}}", error.column())
}

/// Paints strokes in the middle of `image`: 784 zeros. Only the largest coordinates say where the middle is, as in
/// Google's recipe: the smallest are 0.
fn paint(drawing: &[Vec<Point>], rasterizer: &mut Rasterizer, image: &mut [u8]) {
    let largest = |axis: usize| drawing.iter().flatten().map(|p| p[axis]).fold(0.0, f32::max);
    let middle = [0, 1].map(|axis| largest(axis) / 2.0);
    let mut placed = Vec::new();
    for stroke in drawing {
        placed.clear();
        placed.extend(stroke.iter().map(|p| [0, 1].map(|axis| (p[axis] - middle[axis]) * SCALE + SIDE as f32 / 2.0)));
        rasterizer.stroke(&placed, image);
    }
}
