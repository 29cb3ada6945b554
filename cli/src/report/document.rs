//! A report's content, apart from how it looks: page, Markdown, pictures and tables of numbers are all made of this.

use inkgrad_models::data::Extents;
use inkgrad_models::image::{GridOptions, Picture, grid};
use inkgrad_models::run::plot;

use super::chart::Points;
use super::measured::{Best, Measured, best};
use super::metric::{Better, Metric};

/// A report.
#[derive(Debug)]
pub struct Document {
    /// Its title.
    pub title: String,
    /// The line under the title.
    pub subtitle: String,
    /// In the order of a study.
    pub sections: Vec<Section>,
    /// The drawings that points of maps stand for.
    pub sheet: Option<Sheet>,
}

impl Document {
    /// All figures, in order.
    pub fn figures(&self) -> impl Iterator<Item = &Figure> {
        let blocks = self.sections.iter().flat_map(|section| &section.blocks);
        blocks.flat_map(|block| if let Block::Figures(figures) = block { &figures[..] } else { &[] })
    }
}

/// A chapter.
#[derive(Debug)]
pub struct Section {
    /// The place that a link leads to.
    pub id: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// Its contents, in order.
    pub blocks: Vec<Block>,
}

/// Something in a section.
#[derive(Debug)]
pub enum Block {
    /// A heading within the section.
    Heading(String),
    /// A paragraph.
    Text(String),
    /// A paragraph that must not be overlooked.
    Warning(String),
    /// Findings, each a sentence.
    Findings(Vec<Finding>),
    /// Definitions of scores.
    Definitions(Vec<Definition>),
    /// Commands, one a line.
    Commands(Vec<String>),
    /// Rows and columns.
    Table(Table),
    /// Figures, side by side where there is room.
    Figures(Vec<Figure>),
    /// Files beside the report: path and words.
    Links(Vec<(String, String)>),
}

/// A sentence made of figures.
#[derive(Debug)]
pub struct Finding {
    /// The sentence.
    pub text: String,
    /// The section that it is of.
    pub section: &'static str,
}

/// A score with its definition and its floor.
#[derive(Debug)]
pub struct Definition {
    /// The score.
    pub metric: &'static Metric,
    /// The score between two halves of the real drawings, or why there is none.
    pub floor: String,
}

impl Definition {
    /// The full stop behind it, or nothing where it ends with a question mark.
    pub fn end(&self) -> &'static str {
        if self.floor.is_empty() && self.metric.definition.ends_with('?') { "" } else { "." }
    }
}

/// A table whose first column names its rows.
#[derive(Debug, Default)]
pub struct Table {
    /// Its caption.
    pub title: String,
    /// The columns.
    pub head: Vec<Column>,
    /// Cells, as many a row as there are columns.
    pub rows: Vec<Vec<Cell>>,
    /// Rows that stay below the others when these are sorted.
    pub foot: Vec<Vec<Cell>>,
}

/// The head of a column.
#[derive(Debug)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Which way is better.
    pub better: Option<Better>,
}

/// A cell.
#[derive(Debug, Default)]
pub struct Cell {
    /// Its text.
    pub text: String,
    /// The number that it is sorted by, where it is one.
    pub key: Option<f64>,
    /// Whether it is the best of its column.
    pub best: bool,
}

/// A column with a longer cell than this is of words, even if they begin with a number.
pub const WORDS: usize = 28;

impl Table {
    /// Whether each column is one of words, which stand at its left: one that has texts and no number, or a long text.
    pub fn of_words(&self) -> Vec<bool> {
        let says = |cell: &&Cell| !matches!(cell.text.as_str(), "" | "–");
        let column = |i: usize| self.rows.iter().map(move |row| &row[i]).filter(says);
        let words = |i: usize| {
            i == 0
                || column(i).any(|cell| cell.text.chars().count() > WORDS)
                || column(i).next().is_some() && column(i).all(|cell| cell.text.starts_with(char::is_alphabetic))
        };
        (0..self.head.len()).map(words).collect()
    }
}

impl Cell {
    /// A number, with its text.
    pub fn number(key: f64, text: impl Into<String>) -> Self {
        Cell { text: text.into(), key: Some(key), best: false }
    }

    /// A count, its thousands apart.
    pub fn count(n: usize) -> Self {
        Cell::number(n as f64, crate::output::thousands(n as u64))
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Cell { text, ..Cell::default() }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<&Measured> for Cell {
    fn from(measured: &Measured) -> Self {
        Cell::number(measured.value, measured.text())
    }
}

impl From<Option<Measured>> for Cell {
    /// A dash stands for a figure that was not measured.
    fn from(measured: Option<Measured>) -> Self {
        measured.as_ref().map_or("–".into(), Cell::from)
    }
}

impl Table {
    /// An empty table with these columns.
    pub fn new(title: impl Into<String>, head: &[&str]) -> Self {
        let head = head.iter().map(|&name| Column { name: name.to_owned(), better: None }).collect();
        Table { title: title.into(), head, ..Table::default() }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.rows.push(cells.into());
    }

    /// Adds a column of a score, a value a row that is there already; the best is marked where `compared` says that they can be.
    pub fn measured(&mut self, metric: &Metric, values: &[Option<Measured>], compared: bool) {
        self.head.push(Column { name: metric.name.to_owned(), better: metric.better });
        let first = match metric.better.filter(|_| compared).map(|better| best(values, better)) {
            Some(Best::One(first)) => Some(first),
            _ => None,
        };
        for (i, (row, value)) in self.rows.iter_mut().zip(values).enumerate() {
            row.push(Cell { best: first == Some(i), ..Cell::from(*value) });
        }
    }
}

/// A figure with everything that goes with it.
#[derive(Debug)]
pub struct Figure {
    /// The stem of its files' names.
    pub file: String,
    /// Its title.
    pub title: String,
    /// How it was made.
    pub caption: String,
    /// The figure in words, for those who do not see it.
    pub alt: String,
    /// Its chart or picture.
    pub content: Content,
}

/// The content of a figure.
#[derive(Debug)]
pub enum Content {
    /// Lines, bars or intervals between axes.
    Chart(plot::Figure),
    /// Points of a plane.
    Points(Points),
    /// Drawings.
    Drawings(Drawings),
    /// Samples with verdicts.
    Graded(Vec<GradedDrawing>, Extents),
}

/// A grid of drawings, as the data are: never inverted.
#[derive(Debug)]
pub struct Drawings {
    /// The extents of a picture.
    pub image: Extents,
    /// Pictures in [0, 1], row by row.
    pub pixels: Vec<f32>,
    /// Pictures in a row.
    pub columns: usize,
    /// The captions left of its rows; none for a grid without names.
    pub rows: Vec<String>,
}

impl Drawings {
    /// The grid, without words in it.
    pub fn picture(&self) -> Picture {
        grid(&self.pixels, self.columns, &GridOptions { image: self.image, scale: 2, ..GridOptions::default() })
    }

    /// How many rows there are.
    pub fn count_rows(&self) -> usize {
        (self.pixels.len() / self.image.len().max(1)).div_ceil(self.columns.max(1))
    }
}

/// A sample and a classifier's verdict on it.
#[derive(Debug)]
pub struct GradedDrawing {
    /// Its values.
    pub pixels: Vec<f32>,
    /// The class that was asked for.
    pub asked: Option<String>,
    /// The class that is seen.
    pub seen: String,
    /// Its probability.
    pub confidence: f32,
}

impl GradedDrawing {
    /// Whether the class is the one that was asked for; `None` where none was.
    pub fn right(&self) -> Option<bool> {
        self.asked.as_ref().map(|asked| *asked == self.seen)
    }

    /// The verdict in words.
    pub fn words(&self) -> String {
        let sure = format!("{:.0}\u{a0}%", 100.0 * self.confidence);
        match (&self.asked, self.right()) {
            (Some(asked), Some(true)) => format!("asked: {asked}; recognised, {sure}"),
            (Some(asked), _) => format!("asked: {asked}; taken for {}, {sure}", self.seen),
            (None, _) => format!("seen: {}, {sure}", self.seen),
        }
    }
}

/// Drawings in one picture, by number.
#[derive(Debug)]
pub struct Sheet {
    /// The picture.
    pub picture: Picture,
    /// Height and width of a drawing on it.
    pub cell: (usize, usize),
    /// Drawings in a row.
    pub columns: usize,
    /// Their classes.
    pub labels: Vec<usize>,
    /// The classes' names.
    pub classes: Vec<String>,
}
