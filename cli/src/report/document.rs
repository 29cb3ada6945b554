//! A report's content, apart from how it looks: both the page and the Markdown file are made of this.

use inkgrad_models::image::Picture;

use super::chart::Chart;

/// A report.
#[derive(Debug)]
pub struct Document {
    /// Its title.
    pub title: String,
    /// The line under the title.
    pub subtitle: String,
    /// In the order of a study.
    pub sections: Vec<Section>,
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
    /// Commands, one a line.
    Commands(Vec<String>),
    /// Rows and columns.
    Table(Table),
    /// Drawings.
    Drawings(Drawings),
    /// Charts side by side where there is room.
    Charts(Vec<Chart>),
    /// Samples with verdicts.
    Graded(Vec<GradedDrawing>),
}

/// A table whose first column names its rows.
#[derive(Debug, Default)]
pub struct Table {
    /// The columns' names.
    pub head: Vec<String>,
    /// Cells, as many a row as there are columns.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these columns.
    pub fn new(head: &[&str]) -> Self {
        Table { head: head.iter().map(|&name| name.to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }
}

/// A grid of drawings, white on black.
#[derive(Debug)]
pub struct Drawings {
    /// The caption.
    pub caption: String,
    /// The grid, without words in it.
    pub picture: Picture,
    /// The captions left of its rows, all of the same height; none for a grid without names.
    pub rows: Vec<String>,
}

/// A sample, the class that a judge sees in it, and how sure it is.
#[derive(Debug)]
pub struct GradedDrawing {
    /// The sample.
    pub picture: Picture,
    /// The class and the confidence.
    pub verdict: String,
    /// Whether it is the class that was asked for; `None` where none was.
    pub right: Option<bool>,
}
