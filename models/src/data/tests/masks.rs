//! Bytes of which the largest is 1: read as greys they would be nearly black, without a word.

use super::idx::{gzip, idx};
use super::*;
use crate::data::pictures::Pictures;

const PARTS: &[&str] = &["values of 0 and 1 alone", "expected 0 to 255", "bool"];

fn ones(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i % 5 == 0).into()).collect()
}

fn open_stored(folder: &Folder) -> Result<Dataset<Drawings>> {
    open(folder.0.path().to_str().unwrap(), &LoadOptions { memory: Some(0.0), ..LoadOptions::default() })
}

#[test]
fn arrays_that_are_masks_are_refused_in_memory_and_in_their_files() {
    for name in ["train_images.npy", "test_images.npy"] {
        let folder = Folder::course(4, 4);
        let shape = [4, 28, 28];
        save_npy(folder.path(name), &shape, &ones(4 * PIXELS)).unwrap();
        assert_error(folder.load(), &[&[name], PARTS].concat());
        assert_error(open_stored(&folder), &[&[name], PARTS].concat());
        assert_error(load_images(folder.path(name)), PARTS);
        // One value that is no mask's, at the end; and paper alone.
        for values in [[ones(4 * PIXELS - 1), vec![2]].concat(), vec![0; 4 * PIXELS]] {
            save_npy(folder.path(name), &shape, &values).unwrap();
            folder.load().unwrap();
            open_stored(&folder).unwrap();
        }
        let wide: Vec<i64> = ones(4 * PIXELS).into_iter().map(i64::from).collect();
        save_npy(folder.path(name), &shape, &wide).unwrap();
        assert_error(folder.load(), PARTS);
    }
    let classes = Folder::new();
    save_npy(classes.path("cat.npy"), &[3, 784], &bytes(3)).unwrap();
    save_npy(classes.path("dog.npy"), &[3, 784], &ones(3 * PIXELS)).unwrap();
    assert_error(classes.load(), &[&["dog.npy"], PARTS].concat());
    assert_error(open_stored(&classes), &[&["dog.npy"], PARTS].concat());
}

#[test]
fn idx_files_and_batches_that_are_masks_are_refused() {
    let folder = Folder::new();
    for (part, values) in [("train", bytes(3)), ("t10k", ones(3 * PIXELS))] {
        folder.write(&format!("{part}-images-idx3-ubyte"), idx(&[3, 28, 28], &values));
        // Labels may well be 0 and 1 alone.
        folder.write(&format!("{part}-labels-idx1-ubyte"), idx(&[3], &[0, 1, 1]));
    }
    assert_error(folder.load(), &[&["t10k-images-idx3-ubyte"], PARTS].concat());
    assert_error(open_stored(&folder), &[&["t10k-images-idx3-ubyte"], PARTS].concat());
    folder.write("t10k-images-idx3-ubyte", gzip(&idx(&[3, 28, 28], &ones(3 * PIXELS))));
    assert_error(folder.load(), &[&["t10k-images-idx3-ubyte"], PARTS].concat());

    let folder = Folder::new();
    let batch = |pixels: &[u8]| [&[7], pixels].concat();
    folder.write("data_batch_1.bin", batch(&ones(3072)));
    folder.write("test_batch.bin", batch(&vec![9; 3072]));
    assert_error(folder.load(), &[&["data_batch_1.bin"], PARTS].concat());
}

#[test]
fn pictures_that_are_masks_are_refused_only_where_all_of_them_are() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("cat")).unwrap();
    let write = |name: &str, pixels: &[u8]| {
        let mut encoder = png::Encoder::new(std::fs::File::create(folder.path(name)).unwrap(), 28, 28);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.write_header().unwrap().write_image_data(pixels).unwrap();
    };
    (0..5).for_each(|i| write(&format!("cat/{i}.png"), &ones(PIXELS)));
    let all = [&["0.png", "the first of"], PARTS].concat();
    assert_error(folder.load(), &["of 5 pictures that hold values of 0 and 1 alone"]);
    assert_error(Pictures::find(&folder.path("cat")), &all);
    write("cat/3.png", &bytes(1));
    folder.load().unwrap();
    Pictures::find(&folder.path("cat")).unwrap();
}
