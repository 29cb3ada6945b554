//! Images, labels and matrices in `.npy` files.

use std::fs;

use super::*;

/// A `.npy` file by hand: any version, any header text, any data.
pub(super) fn npy(version: u8, header: &str, data: &[u8]) -> Vec<u8> {
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

pub(super) fn header(descr: &str, fortran: bool, shape: &str) -> String {
    let order = if fortran { "True" } else { "False" };
    format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n")
}

#[test]
fn images_load_in_every_shape_version_order_and_type() {
    let folder = Folder::new();
    let expected = bytes(2);
    for version in 1..=3 {
        for shape in ["(2, 784)", "(2, 1, 784)", "(2, 28, 28)", "(2, 28, 28, 1)", "(2, 1, 28, 28)"] {
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
    save_npy(&path, &[3, 0], &[0f32; 0]).unwrap();
    assert_error(load_matrix(&path), &["shape (3, 0)", "expected (N, d)"]);
    assert_error(save_npy(folder.path("no/such/z.npy"), &[1], &[1f32]), &["no/such/z.npy"]);
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
        (npy(1, &header("<i8", false, "(1, 784)"), &[9; 8 * PIXELS]), &["image 0 holds", "integers of 0 to 255"]),
        (npy(1, &header("<c8", false, "(1, 784)"), &[0; 8 * PIXELS]), &["type \"<c8\""]),
        (npy(1, &header("|u1", false, "(1, 8, 8)"), &[0; 64]), &["shape (1, 8, 8)", "(N, H, W)", "16 to 128"]),
        (npy(1, &header("|u1", false, "(1, 32, 32, 4)"), &[0; 4096]), &["shape (1, 32, 32, 4)", "[..., :3]"]),
        (npy(1, &header("|u1", false, "(1, 1024)"), &[0; 1024]), &["shape (1, 1024)", "reshape"]),
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

/// A zip file of one stored entry a name.
pub(super) fn zip(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    use std::io::Write;
    let mut archive = rawzip::ZipArchiveWriter::new(Vec::new());
    for (name, data) in entries {
        let (mut entry, config) = archive.new_file(name).start().unwrap();
        let mut writer = config.wrap(&mut entry);
        writer.write_all(data).unwrap();
        let (_, descriptor) = writer.finish().unwrap();
        entry.finish(descriptor).unwrap();
    }
    archive.finish().unwrap()
}

#[test]
fn npz_files_do_where_npy_files_do() {
    let folder = Folder::course(4, 2);
    let read = |name: &str| fs::read(folder.path(name)).unwrap();
    let archive = zip(&[
        ("x_train.npy", read("train_images.npy")),
        ("y_train.npy", read("train_labels.npy")),
        ("x_test.npy", read("test_images.npy")),
        ("y_test.npy", read("test_labels.npy")),
    ]);
    let other = Folder::new();
    let path = other.write("mnist.npz", archive);
    let dataset = other.load().unwrap();
    assert_eq!((dataset.train.len(), dataset.test.len()), (4, 2));
    let named = format!("{}:x_test", path.display());
    assert_eq!(load_images(named).unwrap().len(), 2);
    let inner = Folder::new();
    let packed = |name: &str| (format!("drawings/{name}"), read(name));
    let entries = ["train_images.npy", "train_labels.npy", "test_images.npy", "test_labels.npy"].map(packed);
    let mut entries: Vec<(&str, Vec<u8>)> =
        entries.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
    inner.write("all.npz", zip(&entries));
    assert_eq!(inner.load().unwrap().train.len(), 4);
    entries.push(("drawings/train_labels.npy", read("train_labels.npy")));
    let twice = inner.write("twice.npz", zip(&entries));
    assert_error(load_labels(&twice), &["twice.npz", "drawings/train_labels.npy stands in it twice"]);
    assert_error(load_images(&path), &["4 arrays", "x_test, x_train", ":NAME"]);
    assert_error(load_images(format!("{}:z", path.display())), &["no array \"z\"", "x_train"]);
    let one = other.write("one.npz", zip(&[("arr_0.npy", read("train_images.npy"))]));
    assert_eq!(load_images(one).unwrap().len(), 4);
}

#[test]
fn drawings_to_validate_on_are_held_back_and_other_arrays_are_named() {
    let source = Folder::course(4, 2);
    let read = |name: &str| fs::read(source.path(name)).unwrap();
    let entries = |validation: [&'static str; 2]| {
        vec![
            ("x_train.npy", read("train_images.npy")),
            ("y_train.npy", read("train_labels.npy")),
            ("x_test.npy", read("test_images.npy")),
            ("y_test.npy", read("test_labels.npy")),
            (validation[0], read("test_images.npy")),
            (validation[1], read("test_labels.npy")),
        ]
    };
    let folder = Folder::new();
    for names in [["x_val.npy", "y_val.npy"], ["x_valid.npy", "y_valid.npy"]] {
        folder.write("mnist.npz", zip(&entries(names)));
        let dataset = folder.load().unwrap();
        assert_eq!((dataset.train.len(), dataset.validation, dataset.test.len()), (6, 2, 2), "{names:?}");
        assert_eq!((&dataset.train.labels[4..], &dataset.left_out[..]), (&[0, 1][..], &[][..]), "{names:?}");
        assert_eq!(dataset.train.images.image(5), dataset.test.images.image(1));
    }
    let mut more = entries(["x_val.npy", "y_val.npy"]);
    more.extend([("z.npy", read("test_labels.npy")), ("x_extra.npy", read("test_images.npy"))]);
    folder.write("mnist.npz", zip(&more));
    save_npy(folder.path("latents.npy"), &[1], &[1f32]).unwrap();
    let [inside, beside] = &folder.load().unwrap().left_out[..] else { panic!("two lines") };
    assert!(inside.ends_with("mnist.npz: not used: x_extra, z"), "{inside}");
    assert!(beside.ends_with(": not used: latents.npy"), "{beside}");

    // MedMNIST's names, which are the course's.
    let names = ["train_images", "train_labels", "test_images", "test_labels"].map(|name| format!("{name}.npy"));
    let mut own: Vec<(&str, Vec<u8>)> = names.iter().map(|name| (name.as_str(), read(name))).collect();
    own.extend([("val_images.npy", read("test_images.npy")), ("val_labels.npy", read("test_labels.npy"))]);
    folder.write("mnist.npz", zip(&own));
    assert_eq!(folder.load().unwrap().validation, 2);
    own.pop();
    folder.write("mnist.npz", zip(&own));
    assert_error(folder.load(), &["mnist.npz: val_images without val_labels, expected both"]);
}

#[test]
fn an_archive_of_some_arrays_says_which_are_missing() {
    let source = Folder::course(4, 2);
    let read = |name: &str| fs::read(source.path(name)).unwrap();
    let (images, labels) = (read("train_images.npy"), read("train_labels.npy"));
    let folder = Folder::new();
    folder.write("mnist.npz", zip(&[("x_train.npy", images.clone()), ("y_train.npy", labels.clone())]));
    let missing = "mnist.npz: holds x_train, y_train, but no x_test, y_test, expected x_train, y_train, x_test, y_test";
    assert_error(folder.load(), &[missing]);
    folder.write("mnist.npz", zip(&[("images.npy", images), ("labels.npy", labels)]));
    assert_error(folder.load(), &["mnist.npz: holds images, labels, expected train_images, train_labels, test_images"]);
}

#[test]
fn a_course_folder_may_have_drawings_to_validate_on() {
    let folder = Folder::course(4, 2);
    save_npy(folder.path("val_images.npy"), &[2, 28, 28], &bytes(2)).unwrap();
    assert_error(folder.load(), &["val_images.npy without val_labels.npy"]);
    save_npy(folder.path("val_labels.npy"), &[2], &[1i64, 1]).unwrap();
    let dataset = folder.load().unwrap();
    assert_eq!((dataset.train.len(), dataset.validation), (6, 2));
    assert_eq!((dataset.train.labels.as_slice(), dataset.classes.len()), (&[0, 1, 0, 1, 1, 1][..], 2));
    save_npy(folder.path("val_labels.npy"), &[2], &[1i64, 2]).unwrap();
    assert_error(folder.load(), &["val_labels.npy: label 1 is 2"]);
    save_npy(folder.path("val_labels.npy"), &[2], &[1i64, 1]).unwrap();
    save_npy(folder.path("val_images.npy"), &[2, 28, 28], &[0f32; 2 * PIXELS]).unwrap();
    assert_error(folder.load(), &["val_images.npy: float32, expected uint8 as in training"]);
    save_npy(folder.path("val_images.npy"), &[2, 16, 16], &[0u8; 512]).unwrap();
    assert_error(folder.load(), &["val_images.npy: pictures of 16×16, expected 28×28"]);
}

/// A zip of one deflated array: a header, then `blocks` times `len` zeros. After a full flush deflate refers to nothing before it,
/// so that the block is packed once and repeated.
pub(super) fn deflated(header: &str, blocks: usize, len: usize) -> Vec<u8> {
    use flate2::{Compress, Compression, Crc, FlushCompress};
    let (head, zeros) = (npy(1, header, &[]), vec![0; len]);
    let mut deflate = Compress::new(Compression::best(), false);
    let mut pack = |bytes: &[u8], flush| {
        let mut packed = Vec::with_capacity(bytes.len() / 500 + 1000);
        deflate.compress_vec(bytes, &mut packed, flush).unwrap();
        packed
    };
    let first = pack(&head, FlushCompress::Full);
    let block = pack(&zeros, FlushCompress::Full);
    let packed = [first, block.repeat(blocks), pack(&[], FlushCompress::Finish)].concat();
    let mut crc = Crc::new();
    crc.update(&head);
    (0..blocks).for_each(|_| crc.update(&zeros));

    let name = b"arr_0.npy";
    let numbers = [crc.sum(), packed.len() as u32, (head.len() + blocks * len) as u32];
    let numbers = numbers.map(u32::to_le_bytes).concat();
    let common = [&[20, 0, 0, 0, 8, 0, 0, 0, 0, 0], &numbers[..], &[name.len() as u8, 0, 0, 0]].concat();
    let local = [b"PK\x03\x04", &common[..], name, &packed].concat();
    let central = [b"PK\x01\x02\x14\x00", &common[..], &[0; 14], name].concat();
    let place = [central.len() as u32, local.len() as u32].map(u32::to_le_bytes).concat();
    let end = [b"PK\x05\x06\0\0\0\0\x01\0\x01\0", &place[..], b"\0\0"].concat();
    [local, central, end].concat()
}

/// A gigabyte of zeros in a megabyte is refused by its headers alone, whatever it is read as, also where widening makes it large.
#[test]
fn bombs_are_refused_before_they_are_unpacked() {
    let folder = Folder::new();
    let small = folder.write("small.npz", deflated(&header("|u1", false, "(50, 28, 28)"), 5, 10 * 784));
    assert_eq!(load_images(small).unwrap().len(), 50);
    let bytes = deflated(&header("|u1", false, "(1048576, 32, 32)"), 128, 1 << 23);
    assert!(bytes.len() < 1_100_000, "{} bytes", bytes.len());
    let bomb = folder.write("bomb.npz", bytes);
    let expected = ["bomb.npz", "packed bytes become 1024 MiB", "times as many"];
    assert_error(load_images(&bomb), &expected);
    assert_error(load_labels(&bomb), &expected);
    assert_error(load_matrix(&bomb), &expected);
    // Labels of a byte each take eight.
    let labels = folder.write("labels.npz", deflated(&header("|u1", false, "(60000000,)"), 10, 6_000_000));
    assert_error(load_labels(labels), &["labels.npz", "become 458 MiB"]);
}

#[test]
fn pictures_of_other_extents_load_with_the_channels_of_a_pixel_side_by_side() {
    let folder = Folder::new();
    let pixels: Vec<u8> = (0..2 * 16 * 20 * 3).map(|i| (i % 251) as u8).collect();
    save_npy(folder.path("x.npy"), &[2, 16, 20, 3], &pixels).unwrap();
    let colour = Extents { height: 16, width: 20, channels: 3 };
    let images = load_images(folder.path("x.npy")).unwrap();
    assert_eq!((images.extents(), images.pixels()), (colour, &Pixels::U8(pixels.clone())));

    // (N, C, H, W): the value of picture n, channel c, pixel p stands at (3·n + c)·320 + p.
    let planes: Vec<u8> = (0..pixels.len()).map(|at| pixels[(at / 960 * 320 + at % 320) * 3 + at / 320 % 3]).collect();
    save_npy(folder.path("x.npy"), &[2, 3, 16, 20], &planes).unwrap();
    assert_eq!(load_images(folder.path("x.npy")).unwrap(), images);

    save_npy(folder.path("x.npy"), &[6, 16, 20], &pixels).unwrap();
    assert_eq!(load_images(folder.path("x.npy")).unwrap().extents(), Extents { channels: 1, ..colour });
}

#[test]
fn integers_and_truth_values_are_pixels() {
    let folder = Folder::new();
    let expected = bytes(2);
    let path = folder.path("x.npy");
    save_npy(&path, &[2, 784], &expected.iter().map(|&v| i64::from(v)).collect::<Vec<_>>()).unwrap();
    assert_eq!(load_images(&path).unwrap().pixels(), &Pixels::U8(expected.clone()));
    save_npy(&path, &[2, 784], &expected.iter().map(|&v| u16::from(v)).collect::<Vec<_>>()).unwrap();
    assert_eq!(load_images(&path).unwrap().pixels(), &Pixels::U8(expected.clone()));
    save_npy(&path, &[2, 784], &expected.iter().map(|&v| v > 100).collect::<Vec<_>>()).unwrap();
    let ink: Vec<u8> = expected.iter().map(|&v| if v > 100 { 255 } else { 0 }).collect();
    assert_eq!(load_images(&path).unwrap().pixels(), &Pixels::U8(ink));

    save_npy(&path, &[1, 784], &[1i32; PIXELS]).unwrap();
    assert_error(load_images(&path), &["0 and 1 alone", "bool"]);
    save_npy(&path, &[1, 784], &[-1i16; PIXELS]).unwrap();
    assert_error(load_images(&path), &["image 0 holds -1", "0 to 255"]);
    save_npy(&path, &[1, 784], &[4096u16; PIXELS]).unwrap();
    assert_error(load_images(&path), &["image 0 holds 4096", "0 to 255"]);
    save_npy(&path, &[1, 784], &[200f64; PIXELS]).unwrap();
    assert_error(load_images(&path), &["image 0 holds 200", "divide by 255"]);
}
