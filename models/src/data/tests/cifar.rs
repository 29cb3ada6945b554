//! CIFAR's binary batches.

use std::fs;

use super::*;

/// Record `i`: its labels, then three planes of which pixel p has the value (i + p), (2·i + p) and 255 − p, modulo 256.
fn record(labels: &[u8], i: usize) -> Vec<u8> {
    let plane = |value: &dyn Fn(usize) -> usize| (0..1024).map(|p| value(p) as u8).collect::<Vec<u8>>();
    [labels.to_vec(), plane(&|p| i + p), plane(&|p| 2 * i + p), plane(&|p| 255 - p % 256)].concat()
}

fn batch(records: std::ops::Range<usize>) -> Vec<u8> {
    records.flat_map(|i| record(&[(i % 10) as u8], i)).collect()
}

const NAMES: &str = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";

fn cifar_10(within: &str) -> Folder {
    let folder = Folder::new();
    fs::create_dir_all(folder.path(within)).unwrap();
    folder.write(&format!("{within}/data_batch_1.bin"), batch(0..4));
    folder.write(&format!("{within}/data_batch_2.bin"), batch(4..7));
    folder.write(&format!("{within}/test_batch.bin"), batch(7..12));
    folder.write(&format!("{within}/batches.meta.txt"), NAMES);
    folder
}

#[test]
fn batches_load_in_the_order_of_their_numbers() {
    for within in [".", "cifar-10-batches-bin"] {
        let folder = cifar_10(within);
        // A tenth batch comes after a second.
        (3..=10).for_each(|n| drop(folder.write(&format!("{within}/data_batch_{n}.bin"), batch(n + 20..n + 21))));
        let dataset = folder.load().unwrap();
        assert_eq!((dataset.train.len(), dataset.test.len(), dataset.classes.len()), (15, 5, 10));
        assert_eq!((dataset.classes[3].as_str(), dataset.train.labels[3]), ("cat", 3));
        assert_eq!(dataset.train.labels[6..], [6, 3, 4, 5, 6, 7, 8, 9, 0]);
        assert_eq!(dataset.train.images.extents(), Extents { height: 32, width: 32, channels: 3 });
        let Pixels::U8(pixels) = dataset.train.images.pixels() else { panic!("not bytes") };
        assert_eq!(pixels[5 * 3072..][..6], [5, 10, 255, 6, 11, 254], "channels of a pixel side by side");
        let origin = dataset.origin.to_string();
        assert!(origin.starts_with("CIFAR-10 in ") && origin.ends_with("10 files of training pictures"), "{origin}");
        assert!(dataset.left_out.is_empty(), "{:?}", dataset.left_out);
    }
}

#[test]
fn cifar_100_has_two_labels_of_which_the_finer_counts() {
    let folder = Folder::new();
    folder.write("train.bin", [record(&[19, 99], 0), record(&[0, 1], 1)].concat());
    folder.write("test.bin", record(&[3, 7], 2));
    folder.write("fine_label_names.txt", (0..100).map(|i| format!("class {i}\n")).collect::<String>());
    let dataset = folder.load().unwrap();
    assert_eq!((dataset.train.labels, dataset.test.labels), (vec![99, 1], vec![7]));
    assert_eq!(dataset.classes[99], "class 99");
}

#[test]
fn bad_batches_end_in_one_line() {
    let folder = cifar_10(".");
    folder.write("data_batch_2.bin", &batch(4..7)[..9000]);
    assert_error(folder.load(), &["data_batch_2.bin: 9000 bytes, expected whole records of 3073", "truncated"]);
    folder.write("data_batch_2.bin", "");
    assert_error(folder.load(), &["data_batch_2.bin: 0 bytes", "one at least"]);
    folder.write("data_batch_2.bin", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
    assert_error(folder.load(), &["data_batch_2.bin", "Git LFS pointer"]);
    folder.write("data_batch_2.bin", [record(&[3], 0), record(&[10], 1)].concat());
    assert_error(folder.load(), &["data_batch_2.bin: record 1 has label 10, expected 0 to 9"]);
    folder.write("data_batch_2.bin", batch(4..7));
    folder.write("batches.meta.txt", "cat\ndog\n");
    assert_error(folder.load(), &["batches.meta.txt: 2 class names, expected CIFAR-10's 10"]);
    fs::remove_file(folder.path("batches.meta.txt")).unwrap();
    assert_eq!(folder.load().unwrap().classes[9], "9");
    fs::remove_file(folder.path("test_batch.bin")).unwrap();
    assert_error(folder.load(), &["no test_batch.bin", "CIFAR-10's test pictures"]);
    fs::remove_file(folder.path("data_batch_1.bin")).unwrap();
    assert_error(folder.load(), &["no data_batch_1.bin"]);
    fs::remove_file(folder.path("data_batch_2.bin")).unwrap();
    folder.write("data_batch_1", b"\x80\x02}q\x01");
    assert_error(folder.load(), &["Python version (data_batch_1), expected the binary version"]);
}
