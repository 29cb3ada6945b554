//! The curves of a run as PNG figures.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Once;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use super::config::Config;
use super::records::{Record, Split};
use crate::error::{Error, Result};
use crate::image::{Channels, Picture, text};
use crate::model::Spec;

const WIDTH: u32 = 1000;
const HEIGHT: u32 = 600;
/// Figures are drawn this many times larger and averaged down, which smooths their lines.
const FINER: u32 = 2;
const FONT: &str = "figure";

const INK: RGBColor = RGBColor(40, 40, 40);
const GRID: RGBColor = RGBColor(225, 225, 225);
const COLORS: [RGBColor; 6] = [
    RGBColor(31, 119, 180),
    RGBColor(230, 110, 0),
    RGBColor(44, 140, 44),
    RGBColor(190, 40, 40),
    RGBColor(120, 80, 170),
    RGBColor(110, 110, 110),
];

/// One line of a panel.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Its name in the legend, where its last value follows.
    pub label: String,
    /// `(x, y)` in order of x; those that are not finite are left out.
    pub points: Vec<(f64, f64)>,
}

/// One pair of axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// The meaning of y.
    pub y_label: String,
    /// Its lines.
    pub curves: Vec<Curve>,
}

/// A picture of panels side by side over the same x.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// The title.
    pub title: String,
    /// The meaning of x.
    pub x_label: String,
    /// From left to right.
    pub panels: Vec<Panel>,
}

/// The figures of a run, each with its file's name: `loss.png`, the model's own ([`Model::FIGURES`](crate::model::Model)),
/// and `terms.png` for terms that none of these shows. A figure without a single value is left out.
pub fn figures(spec: &Spec, config: &Config, records: &[Record]) -> Vec<(String, Figure)> {
    let model = spec.name;
    let by_epoch = config.epochs.is_some();
    let panel = |y_label: &str, value: &dyn Fn(&Record) -> Option<f64>| {
        let curve = |split: Split| {
            let x = |record: &Record| if by_epoch { record.epoch } else { record.step as f64 };
            let of_split = records.iter().filter(|record| record.split == split);
            let points = of_split.filter_map(|record| Some((x(record), value(record)?))).collect();
            Curve { label: split.name().to_owned(), points }
        };
        let curves = [Split::Train, Split::Val, Split::Test].map(curve);
        Panel {
            y_label: y_label.to_owned(),
            curves: curves.into_iter().filter(|curve| !curve.points.is_empty()).collect(),
        }
    };
    let figure = |title: &str, panels: Vec<Panel>| Figure {
        title: format!("{model}: {title}"),
        x_label: if by_epoch { "epoch" } else { "step" }.to_owned(),
        panels,
    };

    let term = |name: &str, y_label: &str| panel(y_label, &|record| record.term(name));
    let mut figures =
        vec![("loss.png".to_owned(), figure("loss", vec![panel(spec.loss, &|record| Some(record.loss))]))];
    for own in spec.figures {
        let panels = own.panels.iter().map(|&(name, y_label)| term(name, y_label)).collect();
        figures.push((format!("{}.png", own.file), figure(own.title, panels)));
    }
    let shown: Vec<&str> = spec.figures.iter().flat_map(|own| own.panels).map(|&(name, _)| name).collect();
    let others = super::records::terms(records).into_iter().filter(|name| !shown.contains(name));
    let panels = others.map(|name| term(name, name)).collect();
    figures.push(("terms.png".to_owned(), figure("terms", panels)));
    figures.retain(|(_, figure)| figure.panels.iter().any(|panel| !panel.curves.is_empty()));
    figures
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
    let (width, height) = (WIDTH * FINER, HEIGHT * FINER);
    let mut pixels = vec![255; (width * height * 3) as usize];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
        draw_on(&area, figure).map_err(|error| Error::input(format_args!("figure `{}`", figure.title), error))?;
    }
    Ok(halve(&pixels, width as usize))
}

type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;
type Drawn = Result<(), DrawingAreaErrorKind<<BitMapBackend<'static> as DrawingBackend>::ErrorType>>;

fn font(size: u32) -> TextStyle<'static> {
    (FONT, size * FINER).into_font().color(&INK)
}

fn draw_on(area: &Area, figure: &Figure) -> Drawn {
    static REGISTER: Once = Once::new();
    REGISTER.call_once(|| {
        register_font(FONT, FontStyle::Normal, text::FONT).unwrap_or_else(|_| unreachable!("the font is whole"));
    });

    let area = area.margin(14 * FINER, 0, 0, 0).titled(&figure.title, font(22))?;
    for (area, panel) in area.split_evenly((1, figure.panels.len().max(1))).iter().zip(&figure.panels) {
        draw_panel(area, panel, &figure.x_label)?;
    }
    Ok(())
}

fn draw_panel(area: &Area, panel: &Panel, x_label: &str) -> Drawn {
    let finite = |curve: &Curve| {
        let points = curve.points.iter().copied();
        points.filter(|(x, y)| x.is_finite() && y.is_finite()).collect::<Vec<_>>()
    };
    let curves: Vec<(&str, Vec<(f64, f64)>)> =
        panel.curves.iter().map(|curve| (curve.label.as_str(), finite(curve))).collect();
    let all = || curves.iter().flat_map(|(_, points)| points);
    let x_range = range(all().map(|&(x, _)| x), 0.02);
    let y_range = range(all().map(|&(_, y)| y), 0.06);
    let (x_decimals, y_decimals) = (decimals(&x_range), decimals(&y_range));

    // The legend goes to the right, where the curves do not end.
    let middle = (y_range.start + y_range.end) / 2.0;
    let rises = curves.iter().filter_map(|(_, points)| points.last()).any(|&(_, y)| y > middle);

    let mut chart = ChartBuilder::on(area)
        .margin(12 * FINER)
        .x_label_area_size(44 * FINER)
        .y_label_area_size(74 * FINER)
        .build_cartesian_2d(x_range, y_range)?;
    chart
        .configure_mesh()
        .x_desc(x_label)
        .y_desc(&panel.y_label)
        .x_labels(10)
        .y_labels(10)
        .x_label_formatter(&|x| plain(*x, x_decimals))
        .y_label_formatter(&|y| format!("{y:.y_decimals$}"))
        .label_style(font(14))
        .axis_desc_style(font(17))
        .axis_style(INK.stroke_width(FINER))
        .bold_line_style(GRID.stroke_width(FINER))
        .light_line_style(TRANSPARENT)
        .set_all_tick_mark_size(5 * FINER)
        .draw()?;

    for ((label, points), color) in curves.iter().zip(COLORS.iter().cycle()) {
        let Some(&last) = points.last() else { continue };
        let line = color.stroke_width(2 * FINER);
        chart
            .draw_series(LineSeries::new(points.iter().copied(), line))?
            .label(format!("{label} (last {})", significant(last.1)))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 22 * FINER as i32, y)], line));
        chart.draw_series([Circle::new(last, 4 * FINER as i32, color.filled())])?;
    }
    chart
        .configure_series_labels()
        .position(if rises { SeriesLabelPosition::LowerRight } else { SeriesLabelPosition::UpperRight })
        .margin(10 * FINER)
        .legend_area_size(30 * FINER)
        .background_style(WHITE.mix(0.85))
        .border_style(GRID.stroke_width(FINER))
        .label_font(font(16))
        .draw()
}

/// From the least value to the greatest and `margin` of that beyond; something to draw on where there is no extent.
fn range(values: impl Iterator<Item = f64>, margin: f64) -> Range<f64> {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    let extent = high - low;
    if !extent.is_finite() {
        0.0..1.0
    } else if extent <= low.abs() * 1e-9 {
        let around = if low == 0.0 { 0.5 } else { low.abs() * 0.5 };
        low - around..low + around
    } else {
        low - extent * margin..high + extent * margin
    }
}

/// The decimals that tell apart ten ticks of a range.
fn decimals(range: &Range<f64>) -> usize {
    (-((range.end - range.start) / 10.0).log10().floor()).clamp(0.0, 9.0) as usize
}

/// A number without zeros at the end of its decimals.
fn plain(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A number with at least four digits that count.
fn significant(value: f64) -> String {
    let digits = if value == 0.0 { 0.0 } else { (3.0 - value.abs().log10().floor()).clamp(2.0, 9.0) };
    format!("{value:.*}", digits as usize)
}

/// The mean of each square of 2 × 2 RGB pixels.
fn halve(pixels: &[u8], width: usize) -> Picture {
    let (finer, row) = (FINER as usize, width * 3);
    let (small_width, small_height) = (width / finer, pixels.len() / row / finer);
    let mut small = Vec::with_capacity(small_width * small_height * 3);
    let mut sums = vec![0u16; row];
    for rows in pixels.chunks_exact(row * finer) {
        sums.fill(0);
        for row in rows.chunks_exact(row) {
            sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += u16::from(value));
        }
        for square in sums.chunks_exact(3 * finer) {
            let channel = |channel| square[channel..].iter().step_by(3).sum::<u16>();
            small.extend([0, 1, 2].map(|c| (channel(c) / (FINER * FINER) as u16) as u8));
        }
    }
    Picture { width: small_width, height: small_height, channels: Channels::Rgb, pixels: small }
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

    #[test]
    fn a_vae_gets_its_loss_and_its_components() {
        let folder = tempfile::tempdir().unwrap();
        let spec = Spec::of::<CnnVae>();
        let config = Config::defaults(&spec);
        let paths = save_figures(folder.path(), &spec, &config, &records()).unwrap();
        assert_eq!(paths, [folder.path().join("loss.png"), folder.path().join("components.png")]);
        let figures = figures(&spec, &config, &records());
        let [bce, kl] = &figures[1].1.panels[..] else { panic!("two panels") };
        assert_eq!(bce.curves.iter().map(|curve| curve.label.as_str()).collect::<Vec<_>>(), ["train", "test"]);
        assert_eq!((bce.curves[0].points[9], kl.curves[1].points[0]), ((10.0, 154.0), (1.0, 17.0)));
    }

    #[test]
    fn a_figure_is_white_with_its_curves_on_it() {
        let spec = Spec::of::<CnnVae>();
        let (_, figure) = &figures(&spec, &Config::defaults(&spec), &records())[0];
        let picture = draw(figure).unwrap();
        assert_eq!((picture.width, picture.height), (1000, 600));
        assert!(colored(&picture, WHITE) > 500_000);
        assert!(colored(&picture, COLORS[0]) > 300 && colored(&picture, COLORS[1]) > 300);
    }

    #[test]
    fn odd_values_are_drawn_or_left_out() {
        let spec = Spec::of::<Classifier>();
        assert_eq!(figures(&spec, &Config::defaults(&spec), &[]), []);
        for losses in [&[][..], &[f64::NAN], &[0.0], &[3.0], &[1.0, f64::INFINITY, 1.0], &[1e-300, 1e300], &[-1.0, 1.0]]
        {
            let points = losses.iter().enumerate().map(|(step, &loss)| (step as f64, loss)).collect();
            let panels = vec![Panel { y_label: "loss".into(), curves: vec![Curve { label: "train".into(), points }] }];
            draw(&Figure { title: "odd".into(), x_label: "step".into(), panels }).unwrap();
        }
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([significant(184.163), significant(0.012345), significant(0.0)], ["184.16", "0.01235", "0"]);
        assert_eq!([plain(10.0, 0), plain(2.50, 2), plain(3.0, 1)], ["10", "2.5", "3"]);
    }
}
