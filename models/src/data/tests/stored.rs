//! Pictures that stay in their files.

use std::fs::File;
use std::time::{Duration, SystemTime};

use super::*;

/// Opens a folder whose pictures have no room in memory.
fn open_stored(folder: &Folder, options: &LoadOptions) -> Result<Dataset<Drawings>> {
    open(folder.0.path().to_str().unwrap(), &LoadOptions { memory: Some(0.0), ..options.clone() })
}

/// A `.npy` file of any type.
fn npy(descr: &str, fortran_order: &str, shape: &[usize], values: &[u8]) -> Vec<u8> {
    let shape = shape.iter().map(|n| format!("{n}, ")).collect::<String>();
    let header = format!("{{'descr': '{descr}', 'fortran_order': {fortran_order}, 'shape': ({shape})}}\n");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.bytes());
    file.extend(values);
    file
}

/// A course folder whose three image files are arrays of `shape` behind their counts, with the values that `value` makes of numbers.
fn course_of(descr: &str, shape: &[usize], value: impl Fn(usize) -> Vec<u8>) -> Folder {
    let folder = Folder::new();
    for (part, count) in [("train", 23), ("val", 5), ("test", 9)] {
        let all: Vec<usize> = [count].iter().chain(shape).copied().collect();
        let values: Vec<u8> = (0..all.iter().product()).flat_map(|i| value(i * 7 + count)).collect();
        folder.write(&format!("{part}_images.npy"), npy(descr, "False", &all, &values));
        let labels: Vec<i64> = (0..count as i64).map(|i| i % 3).collect();
        save_npy(folder.path(&format!("{part}_labels.npy")), &[count], &labels).unwrap();
    }
    folder
}

/// An IDX file of bytes.
fn idx(shape: &[u32], values: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, shape.len() as u8];
    shape.iter().for_each(|n| file.extend(n.to_be_bytes()));
    file.extend(values);
    file
}

#[track_caller]
fn assert_same(folder: &Folder, options: &LoadOptions) {
    let expected = load(folder.0.path().to_str().unwrap(), options).unwrap();
    let stored = open_stored(folder, options).unwrap();
    assert!(stored.is_stored() && stored.left_out.is_empty(), "{:?}", stored.left_out);
    let mut seen = Vec::new();
    assert_eq!(stored.fingerprint_watched(|done, of| seen.push((done, of))).unwrap(), expected.fingerprint());
    let all = expected.train.len() + expected.test.len();
    assert_eq!(seen.last(), Some(&(all, all)));
    assert_eq!((&stored.classes, stored.validation), (&expected.classes, expected.validation));
    for (part, expected) in [(&stored.train, &expected.train), (&stored.test, &expected.test)] {
        assert_eq!(part.images.extents(), expected.images.extents());
        let n = expected.len();
        // Neighbours, one twice, the last, and all.
        for indices in [vec![0, 1, 2, 0, 2], vec![n - 1, 1], (0..n).collect(), vec![]] {
            let (found, expected) = (part.take(&indices).unwrap(), expected.take(&indices));
            assert_eq!((found.images, found.labels), (expected.images, expected.labels));
        }
    }
    let memory = stored.into_memory().unwrap();
    assert_eq!((memory.train.images, memory.test.labels), (expected.train.images, expected.test.labels));
}

#[test]
fn pictures_in_files_are_those_in_memory() {
    let defaults = LoadOptions::default();
    let share = |i: usize| (i % 256) as f64 / 255.0;
    let byte = |i: usize| vec![(i % 256) as u8];
    assert_same(&course_of("|u1", &[28, 28], byte), &defaults);
    assert_same(&course_of("|u1", &[784], byte), &defaults);
    assert_same(&course_of("|b1", &[28, 28], |i| vec![(i % 3 == 0).into()]), &defaults);
    assert_same(&course_of("<f4", &[20, 16], |i| (share(i) as f32).to_le_bytes().to_vec()), &defaults);
    assert_same(&course_of(">f4", &[20, 16], |i| (share(i) as f32).to_be_bytes().to_vec()), &defaults);
    assert_same(&course_of("<f8", &[16, 16, 3], |i| share(i).to_le_bytes().to_vec()), &defaults);
    // 2⁻¹⁵ · k in half precision.
    assert_same(&course_of("<f2", &[3, 16, 16], |i| ((i % 1024) as u16).to_le_bytes().to_vec()), &defaults);
    let planes = course_of("|u1", &[3, 24, 16], byte);
    assert_same(&planes, &defaults);
    assert_same(&planes, &LoadOptions { resize: Some(20), ..defaults });
}

#[test]
fn idx_and_files_of_classes_stay_too() {
    let folder = Folder::new();
    for (part, count) in [("train", 30), ("t10k", 7)] {
        let pixels: Vec<u8> = (0..count * 20 * 24).map(|i| (i % 251) as u8).collect();
        folder.write(&format!("{part}-images-idx3-ubyte"), idx(&[count, 20, 24], &pixels));
        let labels: Vec<u8> = (0..count).map(|i| (i % 4) as u8).collect();
        folder.write(&format!("{part}-labels-idx1-ubyte"), idx(&[count], &labels));
    }
    assert_same(&folder, &LoadOptions::default());

    let folder = Folder::new();
    for (class, count) in [("cat", 19), ("dog", 40), ("eel", 3)] {
        save_npy(folder.path(&format!("{class}.npy")), &[count, 784], &bytes(count)).unwrap();
    }
    assert_same(&folder, &LoadOptions { test_fraction: 0.3, seed: 7, ..LoadOptions::default() });
}

#[test]
fn data_stays_in_its_files_only_where_memory_lacks_room() {
    let folder = Folder::course(20, 4);
    let path = folder.0.path().to_str().unwrap().to_owned();
    for (memory, stored) in [(None, false), (Some(0.5), false), (Some(1e-12), true), (Some(0.0), true)] {
        let dataset = open(&path, &LoadOptions { memory, ..LoadOptions::default() }).unwrap();
        assert_eq!(dataset.is_stored(), stored, "{memory:?}");
    }
    assert!(
        !open("builtin", &LoadOptions { memory: Some(0.0), builtin_drawings: 20, ..LoadOptions::default() })
            .unwrap()
            .is_stored()
    );
}

#[test]
fn pictures_that_cannot_stay_are_read_and_a_remark_says_why() {
    let in_memory = |folder: &Folder, remark: &str| {
        let expected = folder.load().unwrap();
        let dataset = open_stored(folder, &LoadOptions::default()).unwrap();
        assert!(!dataset.is_stored());
        assert_eq!(dataset.fingerprint_watched(|_, _| {}).unwrap(), expected.fingerprint());
        let said = dataset.left_out.iter().any(|line| line.contains(remark) && line.contains("--data-memory"));
        assert!(said, "{:?}", dataset.left_out);
    };
    let folder = Folder::course(20, 4);
    folder.write("test_images.npy", npy("|u1", "True", &[4, 28, 28], &bytes(4)));
    in_memory(&folder, "test_images.npy: in Fortran order");
    let folder = course_of("<i2", &[28, 28], |i| ((i % 256) as i16).to_le_bytes().to_vec());
    in_memory(&folder, "train_images.npy: integers of more than a byte");
    let folder = Folder::new();
    folder.write("cat.ndjson", "{\"word\":\"cat\",\"drawing\":[[[0,9],[0,9]]]}\n".repeat(9));
    save_npy(folder.path("dog.npy"), &[9, 784], &bytes(9)).unwrap();
    in_memory(&folder, "cat.ndjson: strokes");
}

#[test]
fn a_file_that_another_program_touches_is_an_error_of_one_line() {
    // Whether the pictures that are asked for are still there or not.
    for length in [1000, 128 + 784 * 1950] {
        let folder = Folder::course(2000, 4);
        let dataset = open_stored(&folder, &LoadOptions::default()).unwrap();
        let file = File::options().write(true).open(folder.path("train_images.npy")).unwrap();
        file.set_len(length).unwrap();
        let problem =
            format!("train_images.npy: another program cut it to {length} bytes while it was in use, expected 1568128");
        assert_error(dataset.train.take(&[5, 1900]), &[&problem]);
        assert_error(dataset.fingerprint_watched(|_, _| {}), &[&problem]);
    }

    let folder = Folder::course(20, 4);
    let dataset = open_stored(&folder, &LoadOptions::default()).unwrap();
    let file = File::options().write(true).open(folder.path("train_images.npy")).unwrap();
    file.set_modified(SystemTime::now() + Duration::from_secs(60)).unwrap();
    assert_error(dataset.train.take(&[5]), &["train_images.npy: another program wrote to it"]);
    // Another file of that name is not the one that is open.
    let folder = Folder::course(20, 4);
    let dataset = open_stored(&folder, &LoadOptions::default()).unwrap();
    fs::remove_file(folder.path("train_images.npy")).unwrap();
    assert_eq!(dataset.train.take(&[5]).unwrap().len(), 1);
}

#[test]
fn values_in_files_are_checked_when_they_are_read() {
    let folder = Folder::course(1500, 4);
    let value = |i: usize| if i == 1200 * 256 + 3 { 1.5f32 } else { 0.5 };
    let values: Vec<u8> = (0..1500 * 256).flat_map(|i| value(i).to_le_bytes()).collect();
    folder.write("train_images.npy", npy("<f4", "False", &[1500, 16, 16], &values));
    folder.write("test_images.npy", npy("<f4", "False", &[4, 16, 16], &[0; 4 * 4 * 256]));
    let dataset = open_stored(&folder, &LoadOptions::default()).unwrap();
    assert_error(
        dataset.fingerprint_watched(|_, _| {}),
        &["train_images.npy: image 1200 holds 1.5, expected values in [0, 1]"],
    );
    assert_error(dataset.train.take(&[7, 1200]), &["train_images.npy: image 1200 holds 1.5"]);
    // IDX files are held against their headers before anything is read.
    let folder = Folder::new();
    for part in ["train", "t10k"] {
        folder.write(&format!("{part}-images-idx3-ubyte"), idx(&[3, 28, 28], &bytes(3)[1..]));
        folder.write(&format!("{part}-labels-idx1-ubyte"), idx(&[3], &[0, 1, 0]));
    }
    assert_error(
        open_stored(&folder, &LoadOptions::default()),
        &["train-images-idx3-ubyte: 2351 values, expected 2352"],
    );
}
