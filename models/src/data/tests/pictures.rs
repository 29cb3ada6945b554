//! Folders of pictures.

use std::fs;

use super::*;

/// Writes a PNG of pixels (height, width, channels), alpha last where there are 2 or 4.
fn png(folder: &Folder, name: &str, [height, width, channels]: [usize; 3], pixels: &[u8]) {
    let path = folder.path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut encoder = png::Encoder::new(fs::File::create(path).unwrap(), width as u32, height as u32);
    encoder.set_color(match channels {
        1 => png::ColorType::Grayscale,
        2 => png::ColorType::GrayscaleAlpha,
        3 => png::ColorType::Rgb,
        _ => png::ColorType::Rgba,
    });
    encoder.write_header().unwrap().write_image_data(pixels).unwrap();
}

/// A grey picture of 20×24 that shows `shade` alone.
fn grey(folder: &Folder, name: &str, shade: u8) {
    png(folder, name, [20, 24, 1], &[shade; 480]);
}

fn load_with(folder: &Folder, options: &LoadOptions) -> Result<Dataset> {
    load(folder.0.path().to_str().unwrap(), options)
}

/// The shade of each picture's first pixel with its class, in order.
fn shades(examples: &Examples) -> Vec<(u8, usize)> {
    let Pixels::U8(pixels) = examples.images.pixels() else { panic!("not bytes") };
    let first = pixels.chunks(examples.images.extents().len()).map(|picture| picture[0]);
    first.zip(examples.labels.iter().copied()).collect()
}

fn sorted(mut shades: Vec<(u8, usize)>) -> Vec<(u8, usize)> {
    shades.sort_unstable();
    shades
}

#[test]
fn a_folder_a_class_is_split_by_seed() {
    let folder = Folder::new();
    for i in 0..10 {
        grey(&folder, &format!("dog/{i}.png"), 100 + i);
        grey(&folder, &format!("cat/deep.{i}.PNG"), i);
    }
    let dataset = folder.load().unwrap();
    assert_eq!(dataset.classes, ["cat", "dog"]);
    assert_eq!((dataset.train.len(), dataset.test.len(), dataset.validation), (16, 4, 0));
    let extents = Extents { height: 20, width: 24, channels: 1 };
    assert_eq!((dataset.train.images.extents(), dataset.test.images.extents()), (extents, extents));
    let all = [shades(&dataset.train), shades(&dataset.test)].concat();
    let expected: Vec<(u8, usize)> = (0..10).map(|i| (i, 0)).chain((100..110).map(|i| (i, 1))).collect();
    assert_eq!(sorted(all), expected, "every picture once, with its class");
    let of_test = |class| dataset.test.labels.iter().filter(|&&label| label == class).count();
    assert_eq!([of_test(0), of_test(1)], [2, 2]);
    assert!(dataset.left_out.is_empty(), "{:?}", dataset.left_out);
    assert!(dataset.origin.to_string().ends_with("(test fraction 0.2, seed 42)"), "{}", dataset.origin);

    // The same contents are the same data, and no others.
    let fingerprint = dataset.fingerprint();
    assert_eq!(folder.load().unwrap().fingerprint(), fingerprint);
    let other_seed = load_with(&folder, &LoadOptions { seed: 1, ..LoadOptions::default() }).unwrap();
    assert_ne!(other_seed.fingerprint(), fingerprint);
    grey(&folder, "dog/3.png", 99);
    assert_ne!(folder.load().unwrap().fingerprint(), fingerprint);
}

#[test]
fn parts_of_its_own_stay_apart() {
    let folder = Folder::new();
    for (class, base) in [("cat", 0), ("dog", 100)] {
        (0..6).for_each(|i| grey(&folder, &format!("train/{class}/{i}.png"), base + i));
        (0..3).for_each(|i| grey(&folder, &format!("val/{class}/{i}.png"), base + 20 + i));
        (0..2).for_each(|i| grey(&folder, &format!("test/{class}/{i}.png"), base + 40 + i));
    }
    let dataset = folder.load().unwrap();
    assert_eq!(dataset.classes, ["cat", "dog"]);
    assert_eq!((dataset.train.len(), dataset.validation, dataset.trained_on(), dataset.test.len()), (18, 6, 12, 4));
    let train = shades(&dataset.train);
    let expected = |from: u8, n: u8| -> Vec<(u8, usize)> {
        (from..from + n).map(|i| (i, 0)).chain((100 + from..100 + from + n).map(|i| (i, 1))).collect()
    };
    assert_eq!(sorted(train[..12].to_vec()), expected(0, 6));
    assert_eq!(sorted(train[12..].to_vec()), expected(20, 3));
    assert_eq!(sorted(shades(&dataset.test)), expected(40, 2));
    // The classes do not come one after the other.
    assert!(train[..6].iter().any(|&(_, class)| class == 0) && train[..6].iter().any(|&(_, class)| class == 1));
    let summary = describe(&dataset);
    assert_eq!(
        (summary.train.images, summary.validation.map(|part| part.images), summary.test.images),
        (12, Some(6), 4)
    );
    assert_eq!(summary.classes[1].validation, Some(3));

    // Which pictures are held back is part of what the data is.
    let fingerprint = dataset.fingerprint();
    fs::rename(folder.path("val"), folder.path("validation")).unwrap();
    assert_eq!(folder.load().unwrap().fingerprint(), fingerprint);
    assert_ne!(Dataset { validation: 0, ..dataset }.fingerprint(), fingerprint);

    fs::create_dir_all(folder.path("valid/cat")).unwrap();
    assert_error(folder.load(), &["both valid and validation"]);
    fs::remove_dir_all(folder.path("valid")).unwrap();
    grey(&folder, "test/eel/0.png", 1);
    assert_error(folder.load(), &["test/eel", "a class that train has not", "cat, dog"]);
    fs::remove_dir_all(folder.path("test")).unwrap();
    assert!(folder.load().unwrap().test.is_empty());
}

#[test]
fn a_folder_train_with_pictures_in_it_is_a_class() {
    let folder = Folder::new();
    (0..5).for_each(|i| grey(&folder, &format!("train/{i}.png"), i));
    (0..5).for_each(|i| grey(&folder, &format!("bus/{i}.png"), i));
    assert_eq!(folder.load().unwrap().classes, ["bus", "train"]);
}

#[test]
fn pictures_without_classes_are_of_one() {
    let folder = Folder::new();
    fs::create_dir(folder.path("faces")).unwrap();
    (0..5).for_each(|i| grey(&folder, &format!("faces/{i}.png"), i));
    let dataset = load(folder.path("faces").to_str().unwrap(), &LoadOptions::default()).unwrap();
    assert_eq!((dataset.classes, dataset.train.len(), dataset.test.len()), (vec!["faces".to_owned()], 4, 1));
}

#[test]
fn grey_and_coloured_pictures_together_are_coloured_and_opacity_is_left_out() {
    let folder = Folder::new();
    let each = 20 * 24;
    // Equal colours are grey.
    png(&folder, "a/0.png", [20, 24, 3], &[7; 3 * 480]);
    png(&folder, "a/1.png", [20, 24, 2], &[8, 0].repeat(each));
    assert_eq!(folder.load().unwrap().train.images.extents().channels, 1);
    png(&folder, "a/2.png", [20, 24, 4], &[1, 2, 3, 128].repeat(each));
    png(&folder, "a/3.png", [20, 24, 1], &[9; 480]);
    let options = LoadOptions { test_fraction: 0.0, ..LoadOptions::default() };
    let dataset = load_with(&folder, &options).unwrap();
    assert_eq!(dataset.train.images.extents(), Extents { height: 20, width: 24, channels: 3 });
    let Pixels::U8(pixels) = dataset.train.images.pixels() else { panic!("not bytes") };
    let mut found: Vec<&[u8]> = pixels.chunks(3 * each).map(|picture| &picture[..6]).collect();
    found.sort_unstable();
    assert_eq!(found, [&[1, 2, 3, 1, 2, 3][..], &[7; 6], &[8; 6], &[9; 6]]);
}

#[test]
fn what_is_no_picture_is_named_and_what_systems_leave_is_passed_over() {
    let folder = Folder::new();
    (0..5).for_each(|i| grey(&folder, &format!("cat/{i}.png"), i));
    for clutter in ["cat/.DS_Store", "cat/._0.png", ".hidden"] {
        folder.write(clutter, "Bud1");
    }
    fs::create_dir_all(folder.path("__MACOSX/cat")).unwrap();
    folder.write("__MACOSX/cat/0.png", "Mac OS X");
    fs::create_dir(folder.path("@eaDir")).unwrap();
    grey(&folder, "@eaDir/0.png", 0);
    assert!(folder.load().unwrap().left_out.is_empty());

    folder.write("cat/notes.txt", "hello");
    folder.write("README.md", "hello");
    grey(&folder, "preview.png", 0);
    fs::create_dir(folder.path("empty")).unwrap();
    grey(&folder, "cat/within/0.png", 0);
    let dataset = folder.load().unwrap();
    assert_eq!((dataset.classes.as_slice(), dataset.train.len() + dataset.test.len()), (&["cat".to_owned()][..], 5));
    let [above, beside] = &dataset.left_out[..] else { panic!("{:?}", dataset.left_out) };
    assert!(above.ends_with(": not used: README.md, empty, preview.png"), "{above}");
    assert!(beside.ends_with("cat: not used: notes.txt, within"), "{beside}");
    assert_eq!(describe(&dataset).left_out, dataset.left_out);

    // A link that leads back would make all pictures above a class once more.
    #[cfg(unix)]
    for target in [".", ".."] {
        let link = folder.path("loop");
        std::os::unix::fs::symlink(target, &link).unwrap();
        let dataset = folder.load().unwrap();
        assert_eq!(dataset.classes, ["cat"]);
        assert!(dataset.left_out[0].contains("loop"), "{:?}", dataset.left_out);
        fs::remove_file(link).unwrap();
    }
}

#[test]
fn pictures_of_several_sizes_are_refused_or_resized() {
    let folder = Folder::new();
    grey(&folder, "cat/0.png", 10);
    png(&folder, "cat/1.png", [40, 30, 1], &[20; 1200]);
    assert_error(folder.load(), &["cat/0.png", "cat/1.png", "40×30", "20×24", " (or --resize N)"]);
    png(&folder, "cat/2.png", [300, 200, 3], &[1, 2, 3].repeat(60_000));
    let options = LoadOptions { resize: Some(16), test_fraction: 0.0, ..LoadOptions::default() };
    let dataset = load_with(&folder, &options).unwrap();
    assert_eq!(dataset.train.images.extents(), Extents { height: 16, width: 16, channels: 3 });
    assert_eq!(sorted(shades(&dataset.train)), [(1, 0), (10, 0), (20, 0)]);

    fs::remove_file(folder.path("cat/0.png")).unwrap();
    fs::remove_file(folder.path("cat/1.png")).unwrap();
    assert_error(folder.load(), &["cat/2.png: 300×200, expected sides of 16 to 128 (or --resize N)"]);
}

#[test]
fn every_source_is_resized() {
    let options = LoadOptions { resize: Some(16), builtin_drawings: 20, ..LoadOptions::default() };
    let extents = Extents { height: 16, width: 16, channels: 1 };
    let dataset = load("builtin", &options).unwrap();
    assert_eq!((dataset.train.images.extents(), dataset.test.images.extents()), (extents, extents));
    assert_eq!((dataset.train.len(), dataset.test.len()), (16, 4));
    let same = load("builtin", &LoadOptions { resize: Some(28), ..options }).unwrap();
    assert_eq!(same.train.images, builtin(20, 42).unwrap().train.images);
    let folder = Folder::new();
    save_npy(folder.path("cat.npy"), &[5, 28, 28], &[0.5f32; 5 * PIXELS]).unwrap();
    let dataset = load_with(&folder, &options).unwrap();
    let Pixels::F32(values) = dataset.train.images.pixels() else { panic!("not floats") };
    assert!(values.iter().all(|v| (v - 0.5).abs() < 1e-6) && dataset.train.images.extents() == extents);
}

#[test]
fn bad_pictures_end_in_one_line() {
    let folder = Folder::new();
    grey(&folder, "cat/0.png", 10);
    for (bytes, problem) in [
        (&b"GIF89a"[..], "neither PNG nor JPEG by its first bytes"),
        (b"", "empty"),
        (b"\x89PNG\r\n\x1a\n and no more", "cat/1.png: "),
        (b"\xff\xd8\xff\xe0 and no more", "cat/1.png: "),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS pointer"),
    ] {
        folder.write("cat/1.png", bytes);
        assert_error(folder.load(), &["cat/1.png: ", problem]);
    }
    let good = fs::read(folder.path("cat/0.png")).unwrap();
    folder.write("cat/1.png", &good[..good.len() / 2]);
    assert_error(folder.load(), &["cat/1.png: "]);
    let options = LoadOptions { recognized_only: true, ..LoadOptions::default() };
    fs::remove_file(folder.path("cat/1.png")).unwrap();
    assert_error(load_with(&folder, &options), &["--recognized-only", "no folder of .ndjson files"]);
    fs::create_dir(folder.path("do\x1b[2Jg")).unwrap();
    grey(&folder, "do\x1b[2Jg/0.png", 1);
    assert_error(folder.load(), &["without control characters"]);
}

mod resampling {
    use proptest::prelude::*;

    use super::super::super::resize::middle_square;
    use super::*;

    /// The new pixel (i, j) as the sum over all old ones that the formula of the filter gives.
    fn by_definition(extents: Extents, picture: &[f32], side: usize) -> Vec<f64> {
        let length = extents.height.min(extents.width);
        let scale = length as f64 / side as f64;
        let weight =
            |i: usize, x: usize| (1.0 - (x as f64 + 0.5 - (i as f64 + 0.5) * scale).abs() / scale.max(1.0)).max(0.0);
        let (top, left) = ((extents.height - length) / 2, (extents.width - length) / 2);
        let mut out = Vec::new();
        for (i, j, channel) in (0..side)
            .flat_map(|i| (0..side).flat_map(move |j| (0..extents.channels).map(move |channel| (i, j, channel))))
        {
            let (mut sum, mut weights) = (0.0, 0.0);
            for (y, x) in (0..length).flat_map(|y| (0..length).map(move |x| (y, x))) {
                let weight = weight(i, y) * weight(j, x);
                let at = ((top + y) * extents.width + left + x) * extents.channels + channel;
                sum += weight * f64::from(picture[at]);
                weights += weight;
            }
            out.push(sum / weights);
        }
        out
    }

    proptest! {
        #![proptest_config(crate::property::cases(32))]

        #[test]
        fn resampling_is_the_sum_of_its_formula(
            height in 1usize..40, width in 1usize..40, coloured: bool, side in 1usize..24, seed: u64,
        ) {
            let extents = Extents { height, width, channels: if coloured { 3 } else { 1 } };
            let picture: Vec<f32> = (0..extents.len() as u64)
                .map(|i| (seed.wrapping_add(i).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f32 / (1 << 24) as f32)
                .collect();
            let found = middle_square(extents, &picture, side);
            for (found, expected) in found.iter().zip(by_definition(extents, &picture, side)) {
                prop_assert!((f64::from(*found) - expected).abs() < 1e-5, "{found}, expected {expected}");
            }
            if height == width {
                prop_assert_eq!(middle_square(extents, &picture, height), picture);
            }
        }
    }
}
