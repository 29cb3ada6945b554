//! IDX files.

use std::fs;
use std::io::Write;

use super::*;

pub(super) fn idx(shape: &[u32], data: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, shape.len() as u8];
    file.extend(shape.iter().flat_map(|n| n.to_be_bytes()));
    file.extend(data);
    file
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    packed(bytes, flate2::Compression::fast())
}

fn packed(bytes: &[u8], level: flate2::Compression) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
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
    assert_eq!(dataset.train.labels, [0, 3, 1]);
    assert_eq!(dataset.test.images.pixels(), &Pixels::U8(bytes(1)));
    assert_eq!(dataset.classes, ["0", "1", "4", "9"], "a class for each label that occurs");
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
        (idx(&[1, 32, 32], &[0; 1024]), &["28×28", "32×32"]),
        (idx(&[1, 8, 32], &[0; 256]), &["pictures of 8×32", "16 to 128"]),
        (idx(&[2, 28, 28], &bytes(1)), &["cannot hold"]),
        (idx(&[u32::MAX, u32::MAX, u32::MAX], b""), &["cannot hold"]),
        (idx(&[1, 28, 28], &bytes(2)), &["more than the 784 values"]),
        (idx(&[784], &bytes(1)), &["starts with [0, 0, 8, 1]", "[0, 0, 8, 3]"]),
        (b"not an IDX file, and long enough".to_vec(), &["starts with"]),
    ] {
        folder.write("train-images-idx3-ubyte", file);
        assert_error(folder.load(), &[&["train-images-idx3-ubyte"], parts].concat());
    }
    folder.write("train-images-idx3-ubyte", idx(&[1, 32, 16], &[7; 512]));
    folder.write("t10k-images-idx3-ubyte", idx(&[1, 32, 16], &[8; 512]));
    let extents = Extents { height: 32, width: 16, channels: 1 };
    assert_eq!(folder.load().unwrap().train.images.extents(), extents);
    folder.write("t10k-images-idx3-ubyte", idx(&[1, 28, 28], &bytes(1)));
    fs::remove_file(folder.path("train-images-idx3-ubyte")).unwrap();
    folder.write("train-labels-idx1-ubyte", idx(&[2], &[0, 0]));
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

/// Four good files whose names `named` makes of a part's name and kind.
fn write_all(folder: &Folder, test: &str, named: impl Fn(&str, &str) -> String) {
    for (split, count) in [("train", 3), (test, 1)] {
        let labels: Vec<u8> = (1..=count as u8).collect();
        folder.write(&named(&format!("{split}-images"), "idx3-ubyte"), idx(&[count, 28, 28], &bytes(count as usize)));
        folder.write(&named(&format!("{split}-labels"), "idx1-ubyte"), idx(&[count], &labels));
    }
}

#[test]
fn idx_files_are_found_under_the_names_that_they_come_with() {
    let emnist = Folder::new();
    write_all(&emnist, "test", |part, kind| format!("emnist-letters-{part}-{kind}"));
    let upper = Folder::new();
    write_all(&upper, "t10k", |part, kind| format!("{part}.{kind}").to_uppercase());
    let torchvision = Folder::new();
    fs::create_dir_all(torchvision.path("MNIST/raw")).unwrap();
    write_all(&torchvision, "t10k", |part, kind| format!("MNIST/raw/{part}-{kind}"));
    let nested = Folder::new();
    for part in ["train-images", "train-labels", "t10k-images", "t10k-labels"] {
        let kind = if part.ends_with("images") { "idx3-ubyte" } else { "idx1-ubyte" };
        fs::create_dir(nested.path(&format!("{part}-{kind}"))).unwrap();
    }
    write_all(&nested, "t10k", |part, kind| format!("{part}-{kind}/{part}-{kind}"));
    for folder in [emnist, upper, torchvision, nested] {
        folder.write("._train-images-idx3-ubyte", b"Mac OS X");
        let dataset = folder.load().unwrap();
        assert_eq!((dataset.train.len(), dataset.test.len()), (3, 1));
        assert_eq!(dataset.train.labels, [0, 1, 2]);
        assert_eq!(dataset.classes, ["1", "2", "3"]);
    }
    let both = Folder::new();
    write_all(&both, "test", |part, kind| format!("emnist-letters-{part}-{kind}"));
    write_all(&both, "test", |part, kind| format!("emnist-digits-{part}-{kind}"));
    assert_error(both.load(), &["\"emnist-digits-\"", "\"emnist-letters-\"", "expected one set"]);
}

#[test]
fn all_members_of_a_gzip_file_are_read() {
    let folder = Folder::new();
    write_all(&folder, "t10k", |part, kind| format!("{part}-{kind}"));
    fs::remove_file(folder.path("train-images-idx3-ubyte")).unwrap();
    let file = idx(&[3, 28, 28], &bytes(3));
    folder.write("train-images-idx3-ubyte.GZ", [gzip(&file[..1000]), gzip(&file[1000..])].concat());
    assert_eq!(folder.load().unwrap().train.images.pixels(), &Pixels::U8(bytes(3)));
}

#[test]
fn zeros_behind_a_gzip_file_are_passed_over_and_nothing_else_is() {
    let folder = Folder::new();
    write_all(&folder, "t10k", |part, kind| format!("{part}-{kind}"));
    let (file, labels) = (idx(&[3, 28, 28], &bytes(3)), idx(&[3], &[1, 2, 3]));
    let parts = [gzip(&file[..1000]), gzip(&file[1000..])].concat();
    folder.write("train-labels-idx1-ubyte", [gzip(&labels), vec![0]].concat());
    // More than is read in one go.
    folder.write("train-images-idx3-ubyte", [parts.clone(), vec![0; 200_000]].concat());
    let train = folder.load().unwrap().train;
    assert_eq!((train.images.pixels(), &train.labels[..]), (&Pixels::U8(bytes(3)), &[0, 1, 2][..]));
    for behind in
        [&b"\0\0\0more"[..], b"more and more and more", &gzip(&file)[..9], &[&[0; 9], &gzip(b"")[..]].concat()]
    {
        folder.write("train-images-idx3-ubyte", [&parts[..], behind].concat());
        assert_error(folder.load(), &["train-images-idx3-ubyte: cannot be unpacked after 2352 bytes"]);
    }
}

#[test]
fn a_file_is_gzipped_if_it_begins_so_whatever_its_name_is() {
    let folder = Folder::new();
    write_all(&folder, "t10k", |part, kind| format!("{part}-{kind}"));
    let expected = folder.load().unwrap().train;
    let images = fs::read(folder.path("train-images-idx3-ubyte")).unwrap();
    let labels = fs::read(folder.path("train-labels-idx1-ubyte")).unwrap();
    folder.write("train-images-idx3-ubyte", gzip(&images));
    fs::remove_file(folder.path("train-labels-idx1-ubyte")).unwrap();
    folder.write("train-labels-idx1-ubyte.gz", &labels);
    let found = folder.load().unwrap().train;
    assert_eq!((found.images.pixels(), found.labels), (expected.images.pixels(), expected.labels));
    folder.write("train-labels-idx1-ubyte.gz", gzip(&gzip(&labels)));
    assert_error(folder.load(), &["train-labels-idx1-ubyte.gz", "gzipped twice"]);
}

#[test]
fn counts_are_compared_before_anything_is_unpacked() {
    let folder = Folder::new();
    write_all(&folder, "t10k", |part, kind| format!("{part}-{kind}"));
    fs::remove_file(folder.path("train-labels-idx1-ubyte")).unwrap();
    // A promise of five million labels, whose packed data would fail if they were looked at.
    let mut bomb = gzip(&idx(&[5_000_000], &vec![0; 5_000_000]));
    bomb.truncate(bomb.len() - 9);
    folder.write("train-labels-idx1-ubyte.gz", bomb);
    assert_error(folder.load(), &["train-labels-idx1-ubyte.gz", "5000000 labels, expected 3"]);
    folder.write("train-labels-idx1-ubyte.gz", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n");
    assert_error(folder.load(), &["train-labels-idx1-ubyte.gz", "Git LFS pointer"]);
    // Pictures and labels of one count that are nothing but zeros.
    let count = 100_000;
    fs::remove_file(folder.path("train-images-idx3-ubyte")).unwrap();
    folder.write("train-labels-idx1-ubyte.gz", gzip(&idx(&[count], &vec![0; count as usize])));
    let images = idx(&[count, 28, 28], &vec![0; count as usize * 784]);
    folder.write("train-images-idx3-ubyte.gz", packed(&images, flate2::Compression::best()));
    assert_error(folder.load(), &["train-images-idx3-ubyte.gz", "packed bytes become 75 MiB", "times as many"]);
}
