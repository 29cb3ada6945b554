//! IDX files.

use std::fs;
use std::io::Write;

use super::*;

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
