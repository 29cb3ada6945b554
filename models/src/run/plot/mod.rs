//! The curves of a run as PNG figures, and other charts in the same style.

mod bars;
mod intervals;
mod lifetimes;
mod lines;
mod parallel;
pub mod ticks;

use std::path::{Path, PathBuf};
use std::sync::Once;

use inkgrad_kernels::cpu::bytes::halve;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, register_font};

pub use self::lifetimes::{Lifetimes, draw_lifetimes};
pub use self::parallel::{Axis, Parallel, draw_parallel};
use super::config::Config;
use super::records::{Record, Split};
use crate::error::{Error, Result};
use crate::image::{Channels, Picture, text};
use crate::model::Spec;
use crate::palette;

const WIDTH: u32 = 1000;
const HEIGHT: u32 = 600;
/// Figures are drawn this many times larger and averaged down, which smooths their lines.
const FINER: u32 = 2;
const FONT: &str = "figure";

const INK: RGBColor = RGBColor(40, 40, 40);
const SOFT: RGBColor = RGBColor(90, 90, 90);
const GRID: RGBColor = RGBColor(225, 225, 225);

/// One line of a panel.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Its name, which stands at its end.
    pub label: String,
    /// `(x, y)` in order of x; those that are not finite are left out.
    pub points: Vec<(f64, f64)>,
}

/// A value with an interval.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// Its name.
    pub label: String,
    /// The value.
    pub value: f64,
    /// Where the interval begins.
    pub low: f64,
    /// Where it ends.
    pub high: f64,
}

/// The marks between the axes.
#[derive(Clone, Debug, PartialEq)]
pub enum Marks {
    /// Lines over x.
    Lines(Vec<Curve>),
    /// A bar a value, from zero, the first at x = 1.
    Bars(Vec<f64>),
    /// A row an estimate, from the top, along x; the value of `mark`, if any, is a dashed line with its name.
    Intervals {
        /// The rows.
        rows: Vec<Estimate>,
        /// Something to compare with.
        mark: Option<(String, f64)>,
    },
}

/// One pair of axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// The meaning of y; of intervals, that of x.
    pub label: String,
    /// Its lines, points or bars.
    pub marks: Marks,
}

impl Panel {
    /// Whether there is nothing to draw.
    pub fn is_empty(&self) -> bool {
        match &self.marks {
            Marks::Lines(curves) => curves.is_empty(),
            Marks::Bars(values) => values.is_empty(),
            Marks::Intervals { rows, .. } => rows.is_empty(),
        }
    }
}

/// A picture of panels side by side over the same x.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// The title.
    pub title: String,
    /// A line under the title: where the numbers come from.
    pub caption: String,
    /// The meaning of x.
    pub x_label: String,
    /// Whether x counts things, such as epochs: its ticks are whole then.
    pub whole: bool,
    /// From left to right.
    pub panels: Vec<Panel>,
}

/// The figures of a run, each with its file's name: `loss.png`, the model's own ([`Model::FIGURES`](crate::model::Model)),
/// and `terms.png` for terms that none of these shows. A figure without a single value is left out.
pub fn figures(spec: &Spec, config: &Config, records: &[Record]) -> Vec<(String, Figure)> {
    let by_epoch = config.epochs.is_some();
    let panel = |label: &str, value: &dyn Fn(&Record) -> Option<f64>| {
        let curve = |split: Split| {
            let x = |record: &Record| if by_epoch { record.epoch } else { record.step as f64 };
            let of_split = records.iter().filter(|record| record.split == split);
            let points = of_split.filter_map(|record| Some((x(record), value(record)?))).collect();
            Curve { label: split.name().to_owned(), points }
        };
        let curves = [Split::Train, Split::Test, Split::Val].map(curve);
        let curves = curves.into_iter().filter(|curve| !curve.points.is_empty()).collect();
        Panel { label: label.to_owned(), marks: Marks::Lines(curves) }
    };
    let figure = |title: &str, panels: Vec<Panel>| Figure {
        title: format!("{}: {title}", config.label()),
        caption: trained_on(config),
        x_label: if by_epoch { "epoch" } else { "step" }.to_owned(),
        whole: true,
        panels,
    };

    let term = |name: &str, label: &str| panel(label, &|record| record.term(name));
    let mut figures =
        vec![("loss.png".to_owned(), figure("loss", vec![panel(spec.loss, &|record| Some(record.loss))]))];
    for own in spec.figures {
        let panels = own.panels.iter().map(|&(name, label)| term(name, label));
        let panels = panels.filter(|panel| !panel.is_empty()).collect();
        figures.push((format!("{}.png", own.file), figure(own.title, panels)));
    }
    let shown: Vec<&str> = spec.figures.iter().flat_map(|own| own.panels).map(|&(name, _)| name).collect();
    let others = super::records::terms(records).into_iter().filter(|name| !shown.contains(name));
    let panels = others.map(|name| term(name, name)).collect();
    figures.push(("terms.png".to_owned(), figure("terms", panels)));
    figures.retain(|(_, figure)| figure.panels.iter().any(|panel| !panel.is_empty()));
    figures
}

/// The caption of a run's figures: data, seed, batch and step size.
fn trained_on(config: &Config) -> String {
    let Config { data, seed, batch_size, optimizer, lr, .. } = config;
    // Of a path its last part.
    let data = data.trim_end_matches('/').rsplit('/').next().unwrap_or(data);
    format!("data {data}, seed {seed}, batches of {batch_size}, {optimizer} at {lr}")
}

/// Draws [`figures`] into `folder` and gives the files' paths.
///
/// # Errors
/// [`Error::Io`] where a file cannot be written.
pub fn save_figures(folder: &Path, spec: &Spec, config: &Config, records: &[Record]) -> Result<Vec<PathBuf>> {
    let save = |(name, figure): (String, Figure)| {
        let path = folder.join(name);
        draw(&figure)?.save_png(&path)?;
        Ok(path)
    };
    figures(spec, config, records).into_iter().map(save).collect()
}

/// Draws a figure of 1000 × 600 pixels.
///
/// # Errors
/// [`Error::Input`] naming the figure where the drawing library fails.
pub fn draw(figure: &Figure) -> Result<Picture> {
    picture(&figure.title, &figure.caption, |area| draw_on(area, figure))
}

/// A figure with title and caption, and under them what `content` draws.
fn picture(title: &str, caption: &str, content: impl FnOnce(&Area) -> Drawn) -> Result<Picture> {
    let (width, height) = (WIDTH * FINER, HEIGHT * FINER);
    let mut pixels = vec![255; (width * height * 3) as usize];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
        let drawn = heading(&area, title, caption).and_then(|()| content(&area.margin(fine(66), 0, 0, 0)));
        drawn.map_err(|error| Error::input(format_args!("figure `{title}`"), error))?;
    }
    const { assert!(FINER == 2) };
    let pixels = halve(&pixels, width as usize);
    Ok(Picture { width: WIDTH as usize, height: HEIGHT as usize, channels: Channels::Rgb, pixels })
}

type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;
type Drawn = Result<(), DrawingAreaErrorKind<<BitMapBackend<'static> as DrawingBackend>::ErrorType>>;

fn font(size: u32) -> TextStyle<'static> {
    (FONT, size * FINER).into_font().color(&INK)
}

/// A position relative to a piece of text.
fn anchor(h: HPos, v: VPos) -> Pos {
    Pos::new(h, v)
}

fn color(index: usize) -> RGBColor {
    let [red, green, blue] = palette::COLORS[palette::mark(index).0];
    RGBColor(red, green, blue)
}

/// A length on the finer picture.
fn fine(pixels: u32) -> i32 {
    (pixels * FINER) as i32
}

fn heading(area: &Area, title: &str, caption: &str) -> Drawn {
    static REGISTER: Once = Once::new();
    REGISTER.call_once(|| {
        register_font(FONT, FontStyle::Normal, text::FONT).unwrap_or_else(|_| unreachable!("the font is whole"));
    });

    let middle = (fine(WIDTH) / 2, fine(14));
    let centred = anchor(HPos::Center, VPos::Top);
    let fitting = |text: &str, size: u32| {
        let widest = (WIDTH - 40) as f32;
        let width = text::width(text, size as f32);
        if width > widest { (size as f32 * widest / width) as u32 } else { size }
    };
    area.draw(&Text::new(title, middle, font(fitting(title, 22)).pos(centred)))?;
    let style = font(fitting(caption, 15)).color(&SOFT).pos(centred);
    area.draw(&Text::new(caption, (middle.0, fine(44)), style))
}

fn draw_on(area: &Area, figure: &Figure) -> Drawn {
    for (area, panel) in area.split_evenly((1, figure.panels.len().max(1))).iter().zip(&figure.panels) {
        match &panel.marks {
            Marks::Lines(curves) => lines::draw(area, panel, curves, figure)?,
            Marks::Bars(values) => bars::draw(area, panel, values, figure)?,
            Marks::Intervals { rows, mark } => intervals::draw(area, panel, rows, mark.as_ref())?,
        }
    }
    Ok(())
}

/// The axes of a panel; gives what turns values into places on `area`.
struct Axes {
    x: (f64, f64),
    y: (f64, f64),
    /// Left, right, top and bottom on the area.
    place: (i32, i32, i32, i32),
}

impl Axes {
    fn at(&self, x: f64, y: f64) -> (i32, i32) {
        let (left, right, top, bottom) = self.place;
        let along = |value: f64, (low, high): (f64, f64), from: i32, to: i32| {
            from + ((value - low) / (high - low) * f64::from(to - from)).round() as i32
        };
        (along(x, self.x, left, right), along(y, self.y, bottom, top))
    }

    /// Draws the grid of y, the names of both axes' ticks, the axis of x and the labels.
    fn frame(
        &self,
        area: &Area,
        x_label: &str,
        x_ticks: &[(f64, String)],
        y_label: &str,
        y_ticks: &[(f64, String)],
    ) -> Drawn {
        let (left, right, _, bottom) = self.place;
        for (value, name) in y_ticks {
            let (_, y) = self.at(self.x.0, *value);
            area.draw(&PathElement::new([(left, y), (right, y)], GRID.stroke_width(FINER)))?;
            let style = font(14).pos(anchor(HPos::Right, VPos::Center));
            area.draw(&Text::new(name.as_str(), (left - fine(8), y), style))?;
        }
        area.draw(&PathElement::new([(left, bottom), (right, bottom)], INK.stroke_width(FINER)))?;
        for (value, name) in x_ticks {
            let (x, _) = self.at(*value, self.y.0);
            area.draw(&PathElement::new([(x, bottom), (x, bottom + fine(5))], INK.stroke_width(FINER)))?;
            let style = font(14).pos(anchor(HPos::Center, VPos::Top));
            area.draw(&Text::new(name.as_str(), (x, bottom + fine(9)), style))?;
        }
        let style = font(16).pos(anchor(HPos::Center, VPos::Top));
        area.draw(&Text::new(x_label, ((left + right) / 2, bottom + fine(32)), style))?;
        // The meaning of y stands above its axis, where it can be read without turning one's head.
        let style = font(16).pos(anchor(HPos::Left, VPos::Top));
        area.draw(&Text::new(y_label, (fine(12), fine(4)), style))
    }
}

/// A number with at least four digits that count.
fn significant(value: f64) -> String {
    let digits = if value == 0.0 { 0.0 } else { (3.0 - value.abs().log10().floor()).clamp(2.0, 9.0) };
    format!("{value:.*}", digits as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::classifier::Classifier;
    use crate::network::vae::CnnVae;
    use crate::run::records::Terms;

    /// Ten epochs of what a VAE's records look like.
    fn records() -> Vec<Record> {
        let record = |epoch: u64, split, above: f64| {
            let (bce, kl) = (145.0 + 90.0 / epoch as f64 + above, 42.0 - 25.0 / epoch as f64);
            let terms = Terms(vec![("bce".to_owned(), bce), ("kl".to_owned(), kl)]);
            Record { terms, ..Record::new(epoch * 156, epoch as f64, split, bce + kl) }
        };
        (1..=10).flat_map(|epoch| [record(epoch, Split::Train, 0.0), record(epoch, Split::Test, 3.0)]).collect()
    }

    fn colored(picture: &Picture, color: RGBColor) -> usize {
        picture.pixels.chunks_exact(3).filter(|pixel| **pixel == [color.0, color.1, color.2]).count()
    }

    fn curves(panel: &Panel) -> &[Curve] {
        let Marks::Lines(curves) = &panel.marks else { panic!("{panel:?}") };
        curves
    }

    #[test]
    fn a_vae_gets_its_loss_and_its_components() {
        let folder = tempfile::tempdir().unwrap();
        let spec = Spec::of::<CnnVae>();
        let config = Config::defaults(&spec);
        let paths = save_figures(folder.path(), &spec, &config, &records()).unwrap();
        assert_eq!(paths, [folder.path().join("loss.png"), folder.path().join("components.png")]);
        let figures = figures(&spec, &config, &records());
        let [bce, kl] = &figures[1].1.panels[..] else { panic!("two panels") };
        assert_eq!(curves(bce).iter().map(|curve| curve.label.as_str()).collect::<Vec<_>>(), ["train", "test"]);
        assert_eq!((curves(bce)[0].points[9], curves(kl)[1].points[0]), ((10.0, 154.0), (1.0, 17.0)));
        assert_eq!(figures[1].1.caption, "data builtin, seed 42, batches of 128, adam at 0.001");
    }

    #[test]
    fn a_figure_is_white_with_its_curves_on_it() {
        let spec = Spec::of::<CnnVae>();
        let (_, figure) = &figures(&spec, &Config::defaults(&spec), &records())[0];
        let picture = draw(figure).unwrap();
        assert_eq!((picture.width, picture.height), (1000, 600));
        assert!(colored(&picture, WHITE) > 500_000);
        assert!(colored(&picture, color(0)) > 300 && colored(&picture, color(1)) > 300);
    }

    #[test]
    fn odd_values_are_drawn_or_left_out() {
        let spec = Spec::of::<Classifier>();
        assert_eq!(figures(&spec, &Config::defaults(&spec), &[]), []);
        for losses in [&[][..], &[f64::NAN], &[0.0], &[3.0], &[1.0, f64::INFINITY, 1.0], &[1e-300, 1e300], &[-1.0, 1.0]]
        {
            let points = losses.iter().enumerate().map(|(step, &loss)| (step as f64, loss)).collect();
            let lines = Marks::Lines(vec![Curve { label: "train".into(), points }]);
            let estimate = |&value| Estimate { label: "run".into(), value, low: value - 1.0, high: value + 1.0 };
            let rows = losses.iter().map(estimate).collect();
            let marks =
                [lines, Marks::Bars(losses.to_vec()), Marks::Intervals { rows, mark: Some(("floor".into(), 0.5)) }];
            let panels = marks.map(|marks| Panel { label: "loss".into(), marks }).into();
            let (title, caption, x_label) = ("odd".into(), String::new(), "step".into());
            draw(&Figure { title, caption, x_label, whole: true, panels }).unwrap();
        }
    }

    #[test]
    fn bars_and_intervals_are_as_long_as_their_values() {
        let drawn = |marks: Marks| {
            let panels = vec![Panel { label: "nats".into(), marks }];
            let (title, caption, x_label) = ("t".into(), "c".into(), "dimension".into());
            draw(&Figure { title, caption, x_label, whole: true, panels }).unwrap()
        };
        let [one, both] =
            [&[4.0, 0.0][..], &[4.0, 2.0]].map(|bars| colored(&drawn(Marks::Bars(bars.to_vec())), color(0)));
        assert!((both as f64 / one as f64 - 1.5).abs() < 0.02, "{one} {both}");
        let rows = |high: f64| {
            let row = |label: &str, low, value, high| Estimate { label: label.into(), low, value, high };
            vec![row("a", 0.0, 0.2, high), row("b", 0.0, 0.5, 1.0)]
        };
        let [short, long] =
            [0.3, 0.9].map(|high| colored(&drawn(Marks::Intervals { rows: rows(high), mark: None }), color(0)));
        assert!(long > short + 300, "{short} {long}");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([significant(184.163), significant(0.012345), significant(0.0)], ["184.16", "0.01235", "0"]);
    }
}
