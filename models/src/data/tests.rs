//! Good and bad files of every layout.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::*;

/// A `.npy` file by hand: any version, any header text, any data.
fn npy(version: u8, header: &str, data: &[u8]) -> Vec<u8> {
    let mut file = b"\x93NUMPY".to_vec();
    file.extend([version, 0]);
    if version == 1 {
        file.extend((header.len() as u16).to_le_bytes());
    } else {
        file.extend((header.len() as u32).to_le_bytes());
    }
    file.extend(header.as_bytes());
    file.extend(data);
    file
}

fn header(descr: &str, fortran: bool, shape: &str) -> String {
    let order = if fortran { "True" } else { "False" };
    format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n")
}

/// A folder for one test, with helpers to fill it and to load it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// A good course folder of `train` and `test` drawings in two classes.
    fn course(train: usize, test: usize) -> Self {
        let folder = Self::new();
        for (part, count) in [("train", train), ("test", test)] {
            save_npy(folder.path(&format!("{part}_images.npy")), &[count, 28, 28], &bytes(count)).unwrap();
            let labels: Vec<i64> = (0..count as i64).map(|i| i % 2).collect();
            save_npy(folder.path(&format!("{part}_labels.npy")), &[count], &labels).unwrap();
        }
        folder.write("classes.txt", "cat\ndog\n");
        folder
    }

    fn load(&self) -> Result<Dataset> {
        load(self.0.path().to_str().unwrap(), &LoadOptions::default())
    }
}

/// `count` images, each of them different.
fn bytes(count: usize) -> Vec<u8> {
    (0..count * PIXELS).map(|i| (i % 251) as u8).collect()
}

/// Asserts that `result` is an error of one line with all of `parts` in it.
#[track_caller]
fn assert_error<T>(result: Result<T>, parts: &[&str]) {
    let error = result.err().expect("expected an error").to_string();
    assert!(!error.contains('\n'), "{error}");
    for part in parts {
        assert!(error.contains(part), "{error:?} does not say {part:?}");
    }
}

#[test]
fn images_load_in_every_shape_version_order_and_type() {
    let folder = Folder::new();
    let expected = bytes(2);
    for version in 1..=3 {
        for shape in ["(2, 784)", "(2, 28, 28)", "(2, 1, 28, 28)"] {
            let path = folder.write("x.npy", npy(version, &header("|u1", false, shape), &expected));
            assert_eq!(load_images(&path).unwrap().pixels(), &Pixels::U8(expected.clone()), "{version} {shape}");
        }
    }

    // Fortran order: image n, pixel p stands at n + 2·p; (2, 28, 28) has rows before columns: n + 2·(r + 28·c).
    let flat: Vec<u8> = (0..2 * PIXELS).map(|at| expected[at % 2 * PIXELS + at / 2]).collect();
    let path = folder.write("x.npy", npy(1, &header("|u1", true, "(2, 784)"), &flat));
    assert_eq!(load_images(&path).unwrap().pixels(), &Pixels::U8(expected.clone()));
    let square: Vec<u8> =
        (0..2 * PIXELS).map(|at| expected[at % 2 * PIXELS + at / 2 % SIDE * SIDE + at / 2 / SIDE]).collect();
    let path = folder.write("x.npy", npy(1, &header("|u1", true, "(2, 28, 28)"), &square));
    assert_eq!(load_images(&path).unwrap().pixels(), &Pixels::U8(expected.clone()));

    let floats: Vec<f32> = expected.iter().map(|&v| f32::from(v) / 256.0).collect();
    let encode = |big: bool, width: usize| -> Vec<u8> {
        let one = |&v: &f32| {
            let mut word = match width {
                4 => v.to_le_bytes().to_vec(),
                _ => f64::from(v).to_le_bytes().to_vec(),
            };
            if big {
                word.reverse();
            }
            word
        };
        floats.iter().flat_map(one).collect()
    };
    for (descr, big, width) in [("<f4", false, 4), (">f4", true, 4), ("<f8", false, 8), (">f8", true, 8)] {
        let path = folder.write("x.npy", npy(1, &header(descr, false, "(2, 784)"), &encode(big, width)));
        assert_eq!(load_images(&path).unwrap().pixels(), &Pixels::F32(floats.clone()), "{descr}");
    }
    // Half precision: 0x3800 is 0.5, 0x0001 is 2^-24, 0x3c00 is 1.
    let halves: Vec<u8> =
        [0x3800u16, 0x0001, 0x3c00, 0].iter().cycle().take(PIXELS).flat_map(|h| h.to_le_bytes()).collect();
    let path = folder.write("x.npy", npy(1, &header("<f2", false, "(1, 784)"), &halves));
    assert_eq!(load_images(&path).unwrap().image(0)[..4], [0.5, 2f32.powi(-24), 1.0, 0.0]);
}

#[test]
fn gather_scales_bytes_and_copies_floats() {
    let images = Images::from_u8(bytes(3));
    let mut out = vec![0.0; 2 * PIXELS];
    images.gather(&[2, 0], &mut out);
    assert_eq!(out[5], f32::from(bytes(3)[2 * PIXELS + 5]) / 255.0);
    assert_eq!(out[PIXELS + 250], 250.0 / 255.0);
    let floats = Images::from_f32(out.clone()).unwrap();
    assert_eq!(floats.image(1)[..], out[PIXELS..]);
}

#[test]
fn labels_load_from_every_integer_type() {
    let folder = Folder::new();
    for (descr, word) in [
        ("|u1", vec![7]),
        ("|i1", vec![7]),
        ("<u2", vec![7, 0]),
        (">i2", vec![0, 7]),
        ("<i4", vec![7, 0, 0, 0]),
        (">u4", vec![0, 0, 0, 7]),
        ("<u8", vec![7, 0, 0, 0, 0, 0, 0, 0]),
        (">i8", vec![0, 0, 0, 0, 0, 0, 0, 7]),
    ] {
        let path = folder.write("y.npy", npy(1, &header(descr, false, "(2,)"), &word.repeat(2)));
        assert_eq!(load_labels(&path).unwrap(), [7, 7], "{descr}");
    }
    save_npy(folder.path("y.npy"), &[3], &[4i32, -2, 1]).unwrap();
    assert_error(load_labels(folder.path("y.npy")), &["y.npy", "label 1 is -2"]);
    save_npy(folder.path("y.npy"), &[1], &[1f32]).unwrap();
    assert_error(load_labels(folder.path("y.npy")), &["type \"<f4\"", "integers"]);
    save_npy(folder.path("y.npy"), &[1, 2], &[1u8, 2]).unwrap();
    assert_error(load_labels(folder.path("y.npy")), &["shape (1, 2)", "expected (N,)"]);
}

#[test]
fn matrices_come_back_as_they_were_saved() {
    let folder = Folder::new();
    let values = [0.5, -1.0, 3e-9, 4.0, f32::MAX, 6.0];
    let path = folder.path("z.npy");
    save_npy(&path, &[2, 3], &values).unwrap();
    assert_eq!(load_matrix(&path).unwrap(), (2, 3, values.to_vec()));
    // An independent reader agrees.
    let npyz = npyz::NpyFile::new(fs::File::open(&path).unwrap()).unwrap();
    assert_eq!(npyz.shape(), [2, 3]);
    assert_eq!(npyz.into_vec::<f32>().unwrap(), values);

    save_npy(&path, &[2, 2], &[1.0, 2.0, f32::NAN, 4.0]).unwrap();
    assert_error(load_matrix(&path), &["z.npy", "row 1 holds NaN", "finite"]);
    save_npy(&path, &[0, 3], &[0f32; 0]).unwrap();
    assert_eq!(load_matrix(&path).unwrap(), (0, 3, vec![]));
    save_npy(&path, &[3], &[1f32; 3]).unwrap();
    assert_error(load_matrix(&path), &["shape (3,)", "expected (N, d)"]);
    assert_error(save_npy(folder.path("no/such/z.npy"), &[1], &[1f32]), &["no/such/z.npy"]);
}

#[test]
fn a_failed_save_leaves_the_old_file_and_no_other() {
    let folder = Folder::new();
    let path = folder.write("z.npy", "old");
    let failure = || Err(std::io::Error::other("disk full"));
    assert_error(atomic::write(&path, |file| file.write_all(b"new").and_then(|()| failure())), &["disk full"]);
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(folder.0.path().read_dir().unwrap().count(), 1);
}

#[test]
fn hostile_arrays_end_in_one_line() {
    let folder = Folder::new();
    let good = npy(1, &header("|u1", false, "(2, 784)"), &bytes(2));
    let half_image = good[..good.len() - 100].to_vec();
    let too_long = [&good[..], &[0]].concat();
    let mut huge_header = npy(2, &header("|u1", false, "(2, 784)"), &bytes(2));
    huge_header[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    for (file, parts) in [
        (vec![], &["empty"][..]),
        (b"PK\x03\x04 a zip file".to_vec(), &["not a .npy array"]),
        (b"\x93NUM".to_vec(), &["not a .npy array"]),
        (good[..9].to_vec(), &["truncated"]),
        (good[..40].to_vec(), &["header of", "in a file of 40"]),
        (half_image, &["1468 bytes of data, expected 1568", "truncated"]),
        (too_long, &["1569 bytes of data, expected 1568"]),
        (huge_header, &["header of 4294967295 bytes"]),
        (npy(4, "", b""), &["version 4.0", "1.0, 2.0 or 3.0"]),
        (npy(1, &header("|u1", false, "(1000000000000, 784)"), b"x"), &["1 bytes of data, expected 784000000000000"]),
        (npy(1, &header("|u1", false, "(9999999999999999, 28, 99999999)"), b"x"), &["too large"]),
        (npy(1, &header("<i8", false, "(1, 784)"), &[0; 8 * PIXELS]), &["type \"<i8\"", "uint8"]),
        (npy(1, &header("<c8", false, "(1, 784)"), &[0; 8 * PIXELS]), &["type \"<c8\""]),
        (npy(1, &header("|u1", false, "(1, 32, 32)"), &[0; 1024]), &["shape (1, 32, 32)", "(N, 28, 28)"]),
        (npy(1, &header("|u1", false, "()"), &[0]), &["shape ()"]),
        (npy(1, &"(".repeat(60_000), b""), &["header"]),
    ] {
        let path = folder.write("x.npy", file);
        assert_error(load_images(&path), &[&["x.npy"], parts].concat());
    }
    assert_error(load_images(folder.path("none.npy")), &["none.npy"]);
    assert_error(load_images(folder.0.path()), &["not a file"]);

    for (value, shown) in [(1.5, "1.5"), (-0.1, "-0.1"), (f32::NAN, "NaN"), (f32::INFINITY, "inf")] {
        let mut values = vec![0f32; 3 * PIXELS];
        values[PIXELS + 17] = value;
        save_npy(folder.path("x.npy"), &[3, 784], &values).unwrap();
        assert_error(load_images(folder.path("x.npy")), &["x.npy", "image 1 holds", shown, "[0, 1]"]);
    }
}

#[test]
fn course_folders_load() {
    let dataset = Folder::course(6, 2).load().unwrap();
    assert_eq!((dataset.train.len(), dataset.test.len()), (6, 2));
    assert_eq!(dataset.classes, ["cat", "dog"]);
    assert_eq!(dataset.train.labels, [0, 1, 0, 1, 0, 1]);
    assert!(matches!(dataset.origin, Origin::Course(_)));

    let unnamed = Folder::course(6, 2);
    fs::remove_file(unnamed.path("classes.txt")).unwrap();
    assert_eq!(unnamed.load().unwrap().classes, ["0", "1"]);
}

#[test]
fn bad_course_folders_end_in_one_line() {
    let folder = Folder::course(6, 2);
    fs::remove_file(folder.path("test_images.npy")).unwrap();
    assert_error(folder.load(), &["no test_images.npy"]);

    let folder = Folder::course(6, 2);
    save_npy(folder.path("train_labels.npy"), &[5], &[0i64; 5]).unwrap();
    assert_error(folder.load(), &["train_labels.npy", "5 labels, expected 6", "train_images.npy"]);

    let folder = Folder::course(6, 2);
    save_npy(folder.path("test_labels.npy"), &[2], &[1i64, 2]).unwrap();
    assert_error(folder.load(), &["test_labels.npy", "label 1 is 2", "0 to 1"]);
    fs::remove_file(folder.path("classes.txt")).unwrap();
    save_npy(folder.path("test_labels.npy"), &[2], &[1, u64::MAX]).unwrap();
    assert_error(folder.load(), &["test_labels.npy", "label 1 is 18446744073709551615", "less than 1000"]);

    assert_error(Folder::course(0, 2).load(), &["train_images.npy", "no images"]);

    let folder = Folder::course(6, 2);
    for (names, parts) in [
        ("", &["no class names"][..]),
        ("cat\n\ndog", &["line 2 is empty"]),
        ("cat\ncat\n", &["line 2 names \"cat\" again"]),
    ] {
        folder.write("classes.txt", names);
        assert_error(folder.load(), &[&["classes.txt"], parts].concat());
    }
    folder.write("classes.txt", [0xff, 0xfe]);
    assert_error(folder.load(), &["classes.txt", "UTF-8"]);
}

#[test]
fn folders_without_drawings_end_in_one_line() {
    let folder = Folder::new();
    assert_error(folder.load(), &["no drawings", "expected"]);
    let file = folder.write("notes.txt", "hello");
    assert_error(folder.load(), &["no drawings"]);
    let options = LoadOptions::default();
    assert_error(load(file.to_str().unwrap(), &options), &["notes.txt", "found a file"]);
    assert_error(load("/no/such/folder", &options), &["/no/such/folder", "no such folder"]);
    folder.write("cat.npy", "not an array");
    assert_error(folder.load(), &["cat.npy", "not a .npy array"]);
}

#[test]
fn class_files_are_split_by_seed() {
    let folder = Folder::new();
    for (class, name, count) in [(1u8, "rabbit.npy", 20), (0, "hand.npy", 10)] {
        // The first pixel is the class, the second the row.
        let mut pixels = vec![0; count * PIXELS];
        for (row, image) in pixels.chunks_mut(PIXELS).enumerate() {
            image[..2].copy_from_slice(&[class, row as u8]);
        }
        save_npy(folder.path(name), &[count, 784], &pixels).unwrap();
    }
    let load = |test_fraction, seed| {
        load(folder.0.path().to_str().unwrap(), &LoadOptions { test_fraction, seed, ..LoadOptions::default() })
    };
    let dataset = load(0.2, 1).unwrap();
    assert_eq!(dataset.classes, ["hand", "rabbit"]);
    assert_eq!((dataset.train.len(), dataset.test.len()), (24, 6));
    let count = |split: &Split, class| split.labels.iter().filter(|&&label| label == class).count();
    assert_eq!([count(&dataset.train, 0), count(&dataset.train, 1)], [8, 16]);
    assert_eq!([count(&dataset.test, 0), count(&dataset.test, 1)], [2, 4]);

    let pairs = |split: &Split| -> Vec<(usize, usize)> {
        let Pixels::U8(pixels) = split.images.pixels() else { panic!("not bytes") };
        pixels.chunks(PIXELS).map(|image| (image[0].into(), image[1].into())).collect()
    };
    let mut all = [pairs(&dataset.train), pairs(&dataset.test)].concat();
    assert!(pairs(&dataset.train).iter().map(|&(class, _)| class).eq(dataset.train.labels.iter().copied()));
    all.sort_unstable();
    let expected: Vec<_> = (0..10).map(|row| (0, row)).chain((0..20).map(|row| (1, row))).collect();
    assert_eq!(all, expected, "every drawing once");

    assert_eq!(pairs(&load(0.2, 1).unwrap().test), pairs(&dataset.test));
    assert_ne!(pairs(&load(0.2, 2).unwrap().test), pairs(&dataset.test));
    assert!(load(0.0, 1).unwrap().test.is_empty());
    for fraction in [1.0, -0.1, f64::NAN] {
        assert_error(load(fraction, 1), &["test fraction"]);
    }
    save_npy(folder.path("yoga.npy"), &[1, 784], &[0f32; PIXELS]).unwrap();
    assert_error(load(0.2, 1), &["yoga.npy", "floats, expected uint8"]);
}

#[test]
fn class_files_without_images_end_in_one_line() {
    let folder = Folder::new();
    save_npy(folder.path("cat.npy"), &[0, 784], &[0u8; 0]).unwrap();
    assert_error(folder.load(), &["no images to train on"]);
}

fn idx(shape: &[u32], data: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, shape.len() as u8];
    file.extend(shape.iter().flat_map(|n| n.to_be_bytes()));
    file.extend(data);
    file
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn idx_files_load_plain_and_gzipped() {
    let folder = Folder::new();
    folder.write("train-images-idx3-ubyte", idx(&[3, 28, 28], &bytes(3)));
    folder.write("train-labels-idx1-ubyte.gz", gzip(&idx(&[3], &[0, 9, 1])));
    folder.write("t10k-images.idx3-ubyte.gz", gzip(&idx(&[1, 28, 28], &bytes(1))));
    folder.write("t10k-labels.idx1-ubyte", idx(&[1], &[4]));
    let dataset = folder.load().unwrap();
    assert_eq!(dataset.train.images.pixels(), &Pixels::U8(bytes(3)));
    assert_eq!(dataset.train.labels, [0, 9, 1]);
    assert_eq!(dataset.test.images.pixels(), &Pixels::U8(bytes(1)));
    assert_eq!(dataset.classes.len(), 10);
    assert!(matches!(dataset.origin, Origin::Idx(_)));
}

#[test]
fn bad_idx_files_end_in_one_line() {
    let folder = Folder::new();
    folder.write("train-labels-idx1-ubyte", idx(&[1], &[0]));
    assert_error(folder.load(), &["no train-images-idx3-ubyte"]);
    folder.write("t10k-images-idx3-ubyte", idx(&[1, 28, 28], &bytes(1)));
    folder.write("t10k-labels-idx1-ubyte", idx(&[1], &[0]));
    for (file, parts) in [
        (vec![], &["no IDX header"][..]),
        (idx(&[1, 32, 32], &[0; 1024]), &["32×32", "28×28"]),
        (idx(&[2, 28, 28], &bytes(1)), &["cannot hold"]),
        (idx(&[u32::MAX, u32::MAX, u32::MAX], b""), &["cannot hold"]),
        (idx(&[1, 28, 28], &bytes(2)), &["more than the 784 values"]),
        (idx(&[784], &bytes(1)), &["starts with [0, 0, 8, 1]", "[0, 0, 8, 3]"]),
        (b"not an IDX file, and long enough".to_vec(), &["starts with"]),
    ] {
        folder.write("train-images-idx3-ubyte", file);
        assert_error(folder.load(), &[&["train-images-idx3-ubyte"], parts].concat());
    }
    fs::remove_file(folder.path("train-images-idx3-ubyte")).unwrap();
    let packed = gzip(&idx(&[2, 28, 28], &bytes(1)));
    for (file, parts) in [
        (packed.clone(), &["784 values, expected 1568"][..]),
        (packed[..packed.len() / 2].to_vec(), &["train-images"]),
        (gzip(&idx(&[u32::MAX, 28, 28], b"")), &["cannot hold"]),
        (b"no gzip at all".to_vec(), &["no IDX header"]),
    ] {
        folder.write("train-images-idx3-ubyte.gz", file);
        assert_error(folder.load(), &[&["train-images-idx3-ubyte.gz"], parts].concat());
    }
}

#[test]
fn shared_folders_load() {
    let shared = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data"));
    if !shared.is_dir() {
        eprintln!("no real drawings at {}: not tested on them", shared.display());
        return;
    }
    let load = |name: &str| load(shared.join(name).to_str().unwrap(), &LoadOptions::default()).unwrap();
    for (name, train, test) in [("course_subset", 1700, 425), ("large_subset", 17_500, 4_400)] {
        let dataset = load(name);
        assert_eq!((dataset.train.len(), dataset.test.len(), dataset.classes.len()), (train, test, 5), "{name}");
    }
    let dataset = load("quickdraw");
    assert_eq!(dataset.classes.len(), 10);
    let share = dataset.test.len() as f64 / (dataset.train.len() + dataset.test.len()) as f64;
    assert!((share - 0.2).abs() < 1e-3, "{share}");
}
