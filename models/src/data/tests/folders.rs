//! The course layout, one file a class, and summaries.

use std::fs;
use std::path::Path;

use super::*;

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
fn a_written_course_folder_is_the_data_set_again() {
    let folder = Folder::new();
    let dataset = builtin(50, 1).unwrap();
    write_course(&dataset, folder.path("new/data")).unwrap();
    let again = load(folder.path("new/data").to_str().unwrap(), &LoadOptions::default()).unwrap();
    assert_eq!(again.train.images, dataset.train.images);
    assert_eq!(again.test.images, dataset.test.images);
    assert_eq!((again.train.labels, again.test.labels), (dataset.train.labels.clone(), dataset.test.labels.clone()));
    assert_eq!((again.classes, again.name.as_str()), (dataset.classes.clone(), "data"));
    assert_eq!(folder.path("new/data").read_dir().unwrap().count(), 5);
    let stored = npyz::NpyFile::new(fs::File::open(folder.path("new/data/train_images.npy")).unwrap()).unwrap();
    assert_eq!((stored.shape(), stored.dtype().descr()), (&[40, 28, 28][..], "'|u1'".to_owned()));

    assert_error(write_course(&dataset, folder.path("new/data")), &["new/data", "not empty"]);
    folder.write("file", "");
    assert_error(write_course(&dataset, folder.path("file")), &["file"]);
    fs::create_dir(folder.path("empty")).unwrap();
    write_course(&dataset, folder.path("empty")).unwrap();
}

#[test]
fn a_summary_counts_and_measures() {
    let split = |rows: &[u8], labels: &[usize]| Examples {
        images: Images::from_u8(rows.iter().flat_map(|&v| [v; PIXELS]).collect()),
        labels: labels.to_vec(),
    };
    let summary = describe(&Dataset {
        name: "two greys".to_owned(),
        classes: vec!["a".to_owned(), "b".to_owned()],
        train: split(&[0, 255, 255, 0], &[0, 0, 0, 1]),
        test: split(&[255, 51], &[0, 1]),
        validation: 0,
        origin: Origin::Course("greys".into()),
        left_out: Vec::new(),
    });
    let counts: Vec<_> = summary.classes.iter().map(|class| (class.name.as_str(), class.train, class.test)).collect();
    assert_eq!(counts, [("a", 3, 1), ("b", 1, 1)]);
    assert_eq!(
        (summary.train.mean, summary.train.standard_deviation, summary.train.ink),
        (Some(0.5), Some(0.5), Some(0.5))
    );
    let [mean, deviation] = [summary.test.mean, summary.test.standard_deviation].map(Option::unwrap);
    assert!((mean - 0.6).abs() < 1e-6 && (deviation - 0.4).abs() < 1e-6);
    assert_eq!(summary.test_also_in_train, 1);
    assert!(!summary.synthetic);
    assert_eq!((summary.test.pixel_type, summary.origin.as_str()), ("uint8", "course layout in greys"));
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
    let count = |split: &Examples, class| split.labels.iter().filter(|&&label| label == class).count();
    assert_eq!([count(&dataset.train, 0), count(&dataset.train, 1)], [8, 16]);
    assert_eq!([count(&dataset.test, 0), count(&dataset.test, 1)], [2, 4]);

    let pairs = |split: &Examples| -> Vec<(usize, usize)> {
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

#[test]
fn what_other_systems_leave_beside_files_is_passed_over() {
    let folder = Folder::new();
    save_npy(folder.path("full_numpy_bitmap_cat.npy"), &[5, 1, 784], &bytes(5)).unwrap();
    save_npy(folder.path("DOG.NPY"), &[5, 28, 28, 1], &bytes(5)).unwrap();
    fs::create_dir(folder.path("owl.npy")).unwrap();
    save_npy(folder.path("owl.npy/owl.npy"), &[5, 784], &bytes(5)).unwrap();
    folder.write("._cat.npy", b"Mac OS X");
    folder.write(".DS_Store", b"Bud1");
    fs::create_dir(folder.path("__MACOSX")).unwrap();
    let dataset = folder.load().unwrap();
    assert_eq!(dataset.classes, ["DOG", "cat", "owl"]);
    assert_eq!(dataset.train.len() + dataset.test.len(), 15);
    folder.write("ant.npy", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 96590448\n");
    assert_error(folder.load(), &["ant.npy", "Git LFS pointer"]);
}

#[test]
fn class_names_may_begin_with_a_mark_and_end_in_carriage_returns_but_not_act_on_a_terminal() {
    let folder = Folder::course(4, 2);
    folder.write("classes.txt", b"\xef\xbb\xbfcat\r\ndog\r\n");
    assert_eq!(folder.load().unwrap().classes, ["cat", "dog"]);
    folder.write("classes.txt", "cat\ndo\x1b[2Jg\n");
    assert_error(folder.load(), &["classes.txt", "without control characters"]);
    folder.write("classes.txt", format!("cat\n{}\n", "x".repeat(300)));
    assert_error(folder.load(), &["expected up to 255 bytes"]);
    folder.write("classes.txt", b"cat\n\xff\n");
    assert_error(folder.load(), &["byte 4 is not UTF-8"]);
}

#[test]
fn labels_that_begin_at_one_make_no_class_without_drawings() {
    let folder = Folder::course(4, 2);
    fs::remove_file(folder.path("classes.txt")).unwrap();
    save_npy(folder.path("train_labels.npy"), &[4], &[1i64, 26, 1, 26]).unwrap();
    save_npy(folder.path("test_labels.npy"), &[2], &[26i64, 26]).unwrap();
    let dataset = folder.load().unwrap();
    assert_eq!(dataset.classes, ["1", "26"]);
    assert_eq!((dataset.train.labels, dataset.test.labels), (vec![0, 1, 0, 1], vec![1, 1]));
}

#[test]
fn pictures_of_other_extents_make_a_data_set_that_is_written_as_it_was_read() {
    let folder = Folder::new();
    for (name, shape) in [("cat.npy", [5, 3, 32, 32]), ("dog.npy", [5, 32, 32, 3])] {
        save_npy(folder.path(name), &shape, &[9u8; 5 * 3072]).unwrap();
    }
    let dataset = folder.load().unwrap();
    let extents = Extents { height: 32, width: 32, channels: 3 };
    assert_eq!((dataset.train.images.extents(), dataset.test.images.extents()), (extents, extents));
    let summary = describe(&dataset);
    assert_eq!(summary.extents, extents);
    assert!((summary.train.mean.unwrap() - 9.0 / 255.0).abs() < 1e-6, "{:?}", summary.train.mean);

    let written = Folder::new();
    write_course(&dataset, written.0.path()).unwrap();
    let again = written.load().unwrap();
    assert_eq!((again.train.images, again.test.images), (dataset.train.images, dataset.test.images));

    save_npy(folder.path("eel.npy"), &[5, 784], &[9u8; 5 * PIXELS]).unwrap();
    assert_error(folder.load(), &["eel.npy", "pictures of 28×28", "expected 32×32×3", "cat.npy"]);
    save_npy(written.path("test_images.npy"), &[2, 28, 28], &[9u8; 2 * PIXELS]).unwrap();
    assert_error(written.load(), &["test_images.npy", "28×28", "expected 32×32×3", "train_images.npy"]);
}

#[test]
fn a_part_without_drawings_has_no_mean() {
    let summary = describe(&Folder::course(4, 0).load().unwrap());
    assert_eq!((summary.test.images, summary.test.mean, summary.test.standard_deviation), (0, None, None));
    assert!(summary.test.ink.is_none() && summary.train.mean.is_some());
}

#[test]
fn files_that_may_hold_drawings_and_are_not_read_are_named() {
    let folder = Folder::new();
    folder.write("dog.ndjson", "{\"drawing\": [[[0, 9], [0, 9]]]}\n".repeat(3));
    for name in ["cat.jsonl", "eel.npy.bz2", "ant.h5", "bee.csv", "notes.txt", "README.md", "LICENSE"] {
        folder.write(name, "something");
    }
    let left_out = folder.load().unwrap().left_out;
    let [line] = &left_out[..] else { panic!("{left_out:?}") };
    assert!(line.ends_with(": not used: ant.h5, bee.csv, cat.jsonl, eel.npy.bz2"), "{line}");
}
