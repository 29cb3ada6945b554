//! Google's layouts: one `<class>.npy` or `<class>.ndjson` a class, split into training and test drawings here.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::extents::Layout;
use super::npy::Array;
use super::split::{self, Order, Place, Plan};
use super::{
    Dataset, Drawings, Extents, Images, Labels, LoadOptions, Origin, Pixels, Room, Rows, Stored, class_names, course,
    folder_name, inner_file, is_clutter, kept_in_memory, left_out, ndjson,
};
use crate::error::{Error, Result};

/// Whether a folder has a file of a class.
pub(super) fn is_any(folder: &Path) -> Result<bool> {
    Ok(!find_classes(folder)?.is_empty())
}

/// Loads a folder of one file a class, classes in alphabetical order.
///
/// Of a class with n drawings, `round(n · test_fraction)` become test drawings; which ones, and the order within
/// a split, is drawn by the seed.
pub(super) fn load(folder: &Path, options: &LoadOptions, room: Room) -> Result<Dataset<Drawings>> {
    let LoadOptions { test_fraction, seed, recognized_only, .. } = *options;
    split::check_fraction(test_fraction)?;
    let (classes, sources): (Vec<String>, Vec<Source>) = find_classes(folder)?.into_iter().unzip();
    if recognized_only && !sources.iter().any(|source| matches!(source.kind, Kind::Ndjson)) {
        let problem =
            format_args!("{} holds no .ndjson, expected lines that say what was recognised", folder.display());
        return Err(Error::input("--recognized-only", problem));
    }
    let mut unrecognized = recognized_only.then_some(0);
    let (mut layouts, mut bytes) = (Vec::with_capacity(sources.len()), 0);
    for source in &sources {
        let (layout, of_source, left_out) = source.layout(recognized_only)?;
        unrecognized = unrecognized.map(|count| count + left_out);
        bytes += of_source;
        if u32::try_from(layout.count).is_err() {
            let problem = format_args!("{} drawings, expected at most {}", layout.count, u32::MAX);
            return Err(Error::input(source.path.display(), problem));
        }
        layouts.push(layout);
    }
    let extents = layouts[0].extents;
    if let Some(other) = layouts.iter().position(|layout| layout.extents != extents) {
        return Err(Error::input(
            sources[other].path.display(),
            format_args!(
                "pictures of {}, expected {extents} as in {}",
                layouts[other].extents,
                sources[0].path.display()
            ),
        ));
    }
    let counts: Vec<usize> = layouts.iter().map(|layout| layout.count).collect();
    let plan = Plan::new(&counts, test_fraction, seed);
    if plan.train.is_empty() {
        return Err(Error::input(folder.display(), "no images to train on, expected at least one"));
    }

    let mut left_out = left_out::files(folder, sources.iter().map(|source| source.path.as_path()));
    let stored = match room.lacks(bytes) {
        true => in_files(&sources, &counts, &mut left_out)?,
        false => None,
    };
    let [train, test] = match stored {
        Some(rows) => [&plan.train, &plan.test].map(|order| Stored::Files(rows.ordered(order.clone()))),
        None => read_all(&sources, &counts, &plan, (extents, recognized_only))?.map(Stored::Memory),
    };
    Ok(Dataset {
        name: folder_name(folder),
        classes,
        train: Drawings { images: train, labels: Labels::of_files(plan.train) },
        test: Drawings { images: test, labels: Labels::of_files(plan.test) },
        validation: 0,
        origin: Origin::ClassFiles { path: folder.to_owned(), test_fraction, seed, unrecognized },
        left_out,
    })
}

/// The pictures of all classes, one after the other, where they can stay in their files; else a remark says why not.
fn in_files(sources: &[Source], counts: &[usize], remarks: &mut Vec<String>) -> Result<Option<Rows>> {
    let mut all: Option<Rows> = None;
    for (source, &count) in sources.iter().zip(counts) {
        let bad = |problem| Error::input(source.path.display(), problem);
        let rows = match source.kind {
            Kind::Npy => {
                let array = Array::open(&source.path)?;
                match array.format() {
                    Ok(format) => Ok(array.into_rows(format)?),
                    Err(why) => Err(why),
                }
            }
            Kind::Ndjson => Err("strokes, which are drawn when they are read"),
        };
        let rows = match rows {
            Ok(rows) => rows,
            Err(why) => {
                remarks.push(kept_in_memory(&source.path, why));
                return Ok(None);
            }
        };
        if rows.len() != count {
            return Err(bad(CHANGED));
        }
        match &mut all {
            Some(all) => all.append(rows).map_err(|_| bad(other_type(all.pixel_type())))?,
            None => all = Some(rows),
        }
    }
    Ok(all)
}

/// A file that had another number of drawings a moment ago.
const CHANGED: &str = "the file changed while it was read";

/// Reads the pictures of both splits, in their orders.
fn read_all(
    sources: &[Source],
    counts: &[usize],
    plan: &Plan,
    (extents, recognized_only): (Extents, bool),
) -> Result<[Images; 2]> {
    // Images go straight to their places in the splits, so only one class is in memory twice.
    let orders = [plan.train.listed(), plan.test.listed()];
    let mut images: Option<[Pixels; 2]> = None;
    for (class, source) in sources.iter().enumerate() {
        let bad = |problem| Error::input(source.path.display(), problem);
        let drawings = source.load(recognized_only)?;
        if drawings.len() != counts[class] {
            return Err(bad(CHANGED));
        }
        let splits = images.get_or_insert_with(|| room_for(plan, drawings.pixels(), extents.len()));
        for (split, order) in splits.iter_mut().zip(&orders) {
            scatter(drawings.pixels(), extents.len(), class, order, split).map_err(bad)?;
        }
    }
    let none = || [Pixels::U8(Vec::new()), Pixels::U8(Vec::new())];
    Ok(images.unwrap_or_else(none).map(|pixels| Images::from_checked(extents, pixels)))
}

/// Why values of another type than the first class's do not do.
fn other_type(expected: &str) -> &'static str {
    match expected {
        "uint8" => "floats, expected uint8 as in the first class's file",
        _ => "uint8, expected floats as in the first class's file",
    }
}

/// The file of a class.
struct Source {
    path: PathBuf,
    kind: Kind,
}

/// The contents of a class's file.
#[derive(Clone, Copy)]
enum Kind {
    /// Images: an array.
    Npy,
    /// Strokes: lines of JSON.
    Ndjson,
}

impl Source {
    /// Number and extents of its drawings, the bytes that they take in memory, and how many are left out.
    fn layout(&self, recognized_only: bool) -> Result<(Layout, u64, usize)> {
        match self.kind {
            Kind::Npy => {
                let is_npz = self.path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("npz"));
                if let Some(error) = is_npz.then(|| course::lacking(&self.path)).flatten() {
                    return Err(error);
                }
                let array = Array::open(&self.path)?;
                Ok((array.layout()?, array.picture_bytes(), 0))
            }
            Kind::Ndjson => {
                let (count, left_out) = ndjson::count(&self.path, recognized_only)?;
                let layout = Layout { count, extents: Extents::DRAWING, planes: false };
                Ok((layout, (count * layout.extents.len()) as u64, left_out))
            }
        }
    }

    fn load(&self, recognized_only: bool) -> Result<Images> {
        match self.kind {
            Kind::Npy => super::load_images(&self.path),
            Kind::Ndjson => ndjson::load(&self.path, recognized_only),
        }
    }
}

/// The prefix that Google's bucket and its tools put before a class's name.
const PREFIXES: [&str; 3] = ["full_numpy_bitmap_", "full_simplified_", "full_raw_"];

/// Class names and files, sorted by name.
fn find_classes(folder: &Path) -> Result<BTreeMap<String, Source>> {
    let mut found: BTreeMap<String, Source> = BTreeMap::new();
    for entry in folder.read_dir().map_err(Error::io(folder))? {
        let entry = entry.map_err(Error::io(folder))?;
        if is_clutter(&entry.file_name()) {
            continue;
        }
        let path = entry.path();
        let extension = path.extension().and_then(OsStr::to_str).map(str::to_ascii_lowercase);
        let kind = match extension.as_deref() {
            Some("npy" | "npz") => Kind::Npy,
            Some("ndjson") => Kind::Ndjson,
            _ => continue,
        };
        let Some(stem) = path.file_stem() else { continue };
        let stem = stem.to_string_lossy();
        let class = PREFIXES.iter().find_map(|prefix| stem.strip_prefix(prefix)).unwrap_or(&stem).to_owned();
        class_names::check_name(folder.display(), &class)?;
        let path = inner_file(path);
        if let Some(Source { path: other, .. }) = found.get(&class) {
            let mut both = [other, &path].map(|path| path.file_name().unwrap_or_default().to_string_lossy());
            both.sort_by(|a, b| b.cmp(a));
            let problem = format_args!("both {} and {}, expected one file a class", both[0], both[1]);
            return Err(Error::input(folder.display(), problem));
        }
        found.insert(class, Source { path, kind });
    }
    Ok(found)
}

/// Room for both splits in the type of `source`, `each` values a picture.
fn room_for(plan: &Plan, source: &Pixels, each: usize) -> [Pixels; 2] {
    [&plan.train, &plan.test].map(|order: &Order| match source {
        Pixels::U8(_) => Pixels::U8(vec![0; order.len() * each]),
        Pixels::F32(_) => Pixels::F32(vec![0.0; order.len() * each]),
    })
}

/// Copies the images of one class, of `each` values, to their places in a split.
fn scatter(
    source: &Pixels,
    each: usize,
    class: usize,
    order: &[Place],
    split: &mut Pixels,
) -> Result<(), &'static str> {
    fn copy<T: Copy>(source: &[T], each: usize, class: usize, order: &[Place], split: &mut [T]) {
        for (picture, place) in split.chunks_exact_mut(each).zip(order) {
            if place.file as usize == class {
                picture.copy_from_slice(&source[place.row as usize * each..][..each]);
            }
        }
    }
    match (source, split) {
        (Pixels::U8(source), Pixels::U8(split)) => copy(source, each, class, order, split),
        (Pixels::F32(source), Pixels::F32(split)) => copy(source, each, class, order, split),
        (Pixels::U8(_), Pixels::F32(_)) => return Err(other_type("float32")),
        (Pixels::F32(_), Pixels::U8(_)) => return Err(other_type("uint8")),
    }
    Ok(())
}
