//! Good files with bytes changed, taken out and cut off: read, or refused in one line.

use std::fs;
use std::sync::OnceLock;

use proptest::prelude::*;

use super::arrays::{header, npy, zip};
use super::idx::{gzip, idx};
use super::*;

/// Small good files by the names that they have.
fn originals() -> &'static [(&'static str, Vec<u8>)] {
    static ORIGINALS: OnceLock<Vec<(&str, Vec<u8>)>> = OnceLock::new();
    ORIGINALS.get_or_init(|| {
        let array = npy(1, &header("|u1", false, "(1, 28, 28)"), &bytes(1));
        vec![
            ("fortran.npy", npy(2, &header("<f4", true, "(2, 16, 16)"), &[0; 2048])),
            ("planes.npy", npy(3, &header("|b1", false, "(1, 3, 16, 16)"), &[1; 768])),
            ("labels.npy", npy(1, &header(">i8", false, "(9,)"), &[0; 72])),
            ("one.npz", zip(&[("arr_0.npy", array.clone())])),
            ("array.npy", array),
            ("train-images-idx3-ubyte", idx(&[1, 28, 28], &bytes(1))),
            ("train-images-idx3-ubyte.gz", gzip(&idx(&[1, 28, 28], &bytes(1)))),
            ("a.png", picture(1)),
            ("b.png", picture(3)),
            ("c.jpg", include_bytes!("ramp.jpg").to_vec()),
            ("data_batch_1.bin", bytes(8)[..2 * 3073].iter().map(|v| v % 10).collect()),
        ]
    })
}

/// A PNG of 16×16.
fn picture(channels: usize) -> Vec<u8> {
    let (channels, pixels) = match channels {
        1 => (crate::image::Channels::Grey, bytes(1)[..256].to_vec()),
        _ => (crate::image::Channels::Rgb, bytes(1)[..768].to_vec()),
    };
    crate::image::Picture { width: 16, height: 16, channels, pixels }.to_png().unwrap()
}

fn damage(bytes: &mut Vec<u8>, changes: &[(usize, u8)], cut: Option<(usize, usize)>, end: Option<usize>) {
    for &(place, byte) in changes {
        let place = place % bytes.len();
        bytes[place] = byte;
    }
    if let Some((start, length)) = cut {
        let start = start % bytes.len();
        bytes.drain(start..(start + length).min(bytes.len()));
    }
    if let Some(end) = end {
        bytes.truncate(end % (bytes.len() + 1));
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(15),
        ..ProptestConfig::default()
    })]

    #[test]
    #[ignore = "slow"]
    fn a_damaged_file_is_read_or_refused_in_one_line(
        original in 0..originals().len(),
        // Most places near the start, where the headers are.
        changes in prop::collection::vec((prop_oneof![0usize..160, any::<usize>()], any::<u8>()), 0..6),
        cut in prop::option::weighted(0.3, (any::<usize>(), 1usize..40)),
        end in prop::option::weighted(0.2, any::<usize>()),
    ) {
        let (name, mut file) = originals()[original].clone();
        damage(&mut file, &changes, cut, end);
        let folder = Folder::new();
        let results = if name.contains("idx") {
            folder.write("train-labels-idx1-ubyte", idx(&[1], &[0]));
            folder.write("t10k-images-idx3-ubyte", idx(&[1, 28, 28], &bytes(1)));
            folder.write("t10k-labels-idx1-ubyte", idx(&[1], &[0]));
            folder.write(name, file);
            vec![folder.load().map(|data| data.train.images.len())]
        } else if let ".png" | ".jpg" | ".bin" = &name[name.len() - 4..] {
            folder.write("test_batch.bin", vec![1; 3073]);
            fs::create_dir(folder.path("class")).unwrap();
            folder.write(&if name.ends_with(".bin") { name.to_owned() } else { format!("class/{name}") }, file);
            vec![folder.load().map(|data| data.train.images.len())]
        } else {
            let path = folder.write(name, file);
            vec![
                load_images(&path).map(|images| images.values().len()),
                load_labels(&path).map(|labels| labels.len()),
                load_matrix(&path).map(|(rows, ..)| rows),
            ]
        };
        for result in results {
            match result {
                Ok(count) => prop_assert!(count < 1 << 16, "{name}: {count}"),
                Err(error) => prop_assert!(!error.to_string().contains('\n'), "{name}: {error:?}"),
            }
        }
    }
}

/// One bit of pixels, labels or features changed in an archive, stored or deflated.
#[test]
fn an_array_of_an_archive_is_held_against_its_checksum() {
    let folder = Folder::new();
    let array = npy(1, &header("|u1", false, "(40, 28, 28)"), &bytes(40));
    let stored = zip(&[("x_train.npy", array.clone()), ("y_train.npy", array)]);
    let place = stored.len() / 4;
    for (what, mut archive) in
        [("stored", stored), ("deflated", super::arrays::deflated(&header("|u1", false, "(40, 28, 28)"), 4, 7840))]
    {
        let name = if what == "stored" { ":x_train" } else { "" };
        let path = folder.write("d.npz", &archive);
        let named = format!("{}{name}", path.display());
        load_images(&named).unwrap();
        match what {
            "stored" => archive[place] ^= 1,
            // The checksum itself: flipped bits of what is deflated may be no deflate any more.
            _ => {
                let central = archive.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
                archive[central + 16] ^= 1;
            }
        }
        folder.write("d.npz", &archive);
        let member = if what == "stored" { "x_train.npy" } else { "arr_0.npy" };
        let expected = ["d.npz", member, "in the zip file is damaged: its checksum (CRC-32) is ", ", expected "];
        assert_error(load_images(&named), &expected);
        assert_error(load_labels(&named), &["d.npz"]);
    }
    let labels = npy(1, &header("<i8", false, "(9,)"), &[0; 72]);
    let mut archive = zip(&[("y.npy", labels)]);
    let place = archive.windows(72).position(|bytes| bytes == [0; 72]).unwrap();
    archive[place] = 3;
    assert_error(load_labels(folder.write("y.npz", &archive)), &["y.npz", "y.npy in the zip file is damaged"]);
}
