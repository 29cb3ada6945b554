//! Google's layouts: one `<class>.npy` or `<class>.ndjson` a class, split into training and test drawings here.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::extents::Layout;
use super::npy::Array;
use super::split::{self, Drawing, Plan};
use super::{
    Dataset, Examples, Extents, Images, LoadOptions, Origin, Pixels, class_names, folder_name, inner_file, is_clutter,
    left_out, ndjson,
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
pub(super) fn load(folder: &Path, options: &LoadOptions) -> Result<Dataset> {
    let LoadOptions { test_fraction, seed, recognized_only, .. } = *options;
    split::check_fraction(test_fraction)?;
    let (classes, sources): (Vec<String>, Vec<Source>) = find_classes(folder)?.into_iter().unzip();
    if recognized_only && !sources.iter().any(|source| matches!(source.kind, Kind::Ndjson)) {
        let problem =
            format_args!("{} holds no .ndjson, expected lines that say what was recognised", folder.display());
        return Err(Error::input("--recognized-only", problem));
    }
    let mut unrecognized = recognized_only.then_some(0);
    let mut layouts = Vec::with_capacity(sources.len());
    for source in &sources {
        let (layout, left_out) = source.layout(recognized_only)?;
        unrecognized = unrecognized.map(|count| count + left_out);
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

    // Images go straight to their places in the splits, so only one class is in memory twice.
    let mut images: Option<[Pixels; 2]> = None;
    for (class, source) in sources.iter().enumerate() {
        let bad = |problem| Error::input(source.path.display(), problem);
        let drawings = source.load(recognized_only)?;
        if drawings.len() != counts[class] {
            return Err(bad("the file changed while it was read"));
        }
        let splits = images.get_or_insert_with(|| room_for(&plan, drawings.pixels(), extents.len()));
        for (split, order) in splits.iter_mut().zip([&plan.train, &plan.test]) {
            scatter(drawings.pixels(), extents.len(), class, order, split).map_err(bad)?;
        }
    }
    let [train, test] = images
        .unwrap_or_else(|| [Pixels::U8(Vec::new()), Pixels::U8(Vec::new())])
        .map(|pixels| Images::from_checked(extents, pixels));
    Ok(Dataset {
        name: folder_name(folder),
        classes,
        train: Examples { images: train, labels: plan.train.iter().map(|drawing| drawing.class).collect() },
        test: Examples { images: test, labels: plan.test.iter().map(|drawing| drawing.class).collect() },
        validation: 0,
        origin: Origin::ClassFiles { path: folder.to_owned(), test_fraction, seed, unrecognized },
        left_out: left_out::files(folder, sources.iter().map(|source| source.path.as_path())),
    })
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
    /// Number and extents of its drawings, and how many are left out.
    fn layout(&self, recognized_only: bool) -> Result<(Layout, usize)> {
        match self.kind {
            Kind::Npy => Ok((Array::open(&self.path)?.layout()?, 0)),
            Kind::Ndjson => {
                let (count, left_out) = ndjson::count(&self.path, recognized_only)?;
                Ok((Layout { count, extents: Extents::DRAWING, planes: false }, left_out))
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
        class_names::check_name(folder, &class)?;
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
    [&plan.train, &plan.test].map(|order| match source {
        Pixels::U8(_) => Pixels::U8(vec![0; order.len() * each]),
        Pixels::F32(_) => Pixels::F32(vec![0.0; order.len() * each]),
    })
}

/// Copies the images of one class, of `each` values, to their places in a split.
fn scatter(
    source: &Pixels,
    each: usize,
    class: usize,
    order: &[Drawing],
    split: &mut Pixels,
) -> Result<(), &'static str> {
    fn copy<T: Copy>(source: &[T], each: usize, class: usize, order: &[Drawing], split: &mut [T]) {
        for (place, drawing) in split.chunks_exact_mut(each).zip(order) {
            if drawing.class == class {
                place.copy_from_slice(&source[drawing.row * each..][..each]);
            }
        }
    }
    match (source, split) {
        (Pixels::U8(source), Pixels::U8(split)) => copy(source, each, class, order, split),
        (Pixels::F32(source), Pixels::F32(split)) => copy(source, each, class, order, split),
        (Pixels::U8(_), Pixels::F32(_)) => return Err("uint8, expected floats as in the first class's file"),
        (Pixels::F32(_), Pixels::U8(_)) => return Err("floats, expected uint8 as in the first class's file"),
    }
    Ok(())
}
